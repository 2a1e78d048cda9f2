package ai.realm.compute.cpu;

import java.lang.invoke.MethodHandle;
import java.util.function.ToLongFunction;

/// Brings the first panels of the product that comes next into each thread's cache while the thread
/// waits: the five products of a layer each begin and end together, and memory would rest meanwhile.
///
/// Which product follows which is learned from the steps before: each first matrix of a product has a
/// [Plan] of the one after it. What is fetched needs not to be right, only the speed depends on it; a
/// fetch of memory that is gone does nothing.
final class ReadAhead implements WorkerPool.Idle {
  /// Most bytes that a thread fetches: what its second-level cache keeps beside its work.
  static final long MOST_BYTES = 192 * 1024;

  /// Bytes between two looks at whether there is work: some 100 ns.
  private static final long SLICE_BYTES = 4096;

  /// Longs from one thread's place to the next: two cache lines.
  private static final int STRIDE = 16;

  private final MethodHandle fetch;
  private final int threads;
  private final ToLongFunction<PackedWeights> panelBytes;
  private final long[] places;
  private final Plan none;
  private Plan previous;

  /// Where each thread's first panels of the following product lie.
  static final class Plan {
    private long address;
    private final long[] from;
    private final long[] to;

    Plan(int threads) {
      from = new long[threads];
      to = new long[threads];
    }
  }

  /// @param fetch the function (address, bytes)
  /// @param panelBytes of one panel of a matrix
  ReadAhead(MethodHandle fetch, int threads, ToLongFunction<PackedWeights> panelBytes) {
    this.fetch = fetch;
    this.threads = threads;
    this.panelBytes = panelBytes;
    places = new long[threads * STRIDE];
    none = new Plan(threads);
    previous = none;
  }

  /// A product begins, whose chunks of the first round end at `chunkEnd`: what waits from now on
  /// fetches for the product after it.
  void begin(PackedWeights[] matrices, int count, int[] chunkEnd, int chunks) {
    PackedWeights first = matrices[0];
    if (first.address() == 0) {
      end();
      return;
    }
    if (previous != none && previous.address != first.address()) {
      learn(previous, matrices, count, chunkEnd, chunks);
    }
    Plan plan = first.ahead(threads);
    for (int w = 0; w < threads; w++) {
      places[w * STRIDE] = plan.from[w];
      places[w * STRIDE + 1] = plan.to[w];
    }
    previous = plan;
  }

  /// Something else begins: nothing is fetched until the next product.
  void end() {
    for (int w = 0; w < threads; w++) {
      places[w * STRIDE + 1] = 0;
    }
    previous = none;
  }

  private void learn(Plan plan, PackedWeights[] matrices, int count, int[] chunkEnd, int chunks) {
    plan.address = matrices[0].address();
    for (int w = 0; w < threads; w++) {
      plan.from[w] = 0;
      plan.to[w] = 0;
      int from = w == 0 ? 0 : chunkEnd[w - 1];
      int begin = 0;
      for (int m = 0; m < count && w < chunks; m++) {
        PackedWeights weights = matrices[m];
        int end = begin + weights.panels();
        if (from < end) {
          long bytes = panelBytes.applyAsLong(weights);
          long last = Math.min(end, chunkEnd[w]) - begin;
          plan.from[w] = weights.address() + (from - begin) * bytes;
          plan.to[w] = Math.min(weights.address() + last * bytes, plan.from[w] + MOST_BYTES);
          break;
        }
        begin = end;
      }
    }
  }

  @Override
  public boolean idle(int worker) {
    int place = worker * STRIDE;
    long at = places[place];
    long left = places[place + 1] - at;
    if (left <= 0) {
      return false;
    }
    try {
      fetch.invokeExact(at, Math.min(left, SLICE_BYTES));
    } catch (Throwable t) {
      throw NativeKernels.failed(t);
    }
    places[place] = at + SLICE_BYTES;
    return left > SLICE_BYTES;
  }
}
