package ai.realm.model;

import ai.realm.compute.Backend;
import ai.realm.compute.Batch;
import ai.realm.compute.Buffer;
import ai.realm.compute.KvStore;
import ai.realm.compute.KvType;
import java.util.Arrays;
import java.util.function.IntPredicate;

/// How well a model predicts a text: e to the mean surprise, −ln p(next token). As llama-perplexity
/// does, the text is cut into windows without overlap, and of each only the second half counts, so that
/// every counted token has at least half a window before it. A text that is shorter than two windows is
/// one window and counts from its second token on.
///
/// @param tokens how many tokens were predicted
/// @param meanSurprise mean of −ln p
/// @param deviation standard deviation of −ln p
public record Perplexity(int tokens, double meanSurprise, double deviation) {
  private static final int BLOCK_SIZE = 32;
  private static final int MAX_ROWS = 64;

  /// The perplexity.
  public double value() {
    return Math.exp(meanSurprise);
  }

  /// Standard error of [#value].
  public double error() {
    return value() * deviation / Math.sqrt(Math.max(1, tokens - 1));
  }

  /// Measures.
  ///
  /// @param ids the text, at least two tokens
  /// @param window tokens of a window
  /// @param bos what every window begins with instead of its first token, or −1
  /// @param goesOn asked after each step with the tokens done so far; false stops
  public static Perplexity of(
      CausalLm model, Backend backend, int[] ids, int window, int bos, IntPredicate goesOn) {
    if (ids.length < 2 || window < 4) {
      throw new IllegalArgumentException(
          "perplexity: expected at least 2 tokens and a window of 4, found %d and %d"
              .formatted(ids.length, window));
    }
    boolean single = ids.length < 2 * window;
    int length = single ? Math.min(ids.length, window) : window;
    Sums sums = new Sums();
    try (Window w = new Window(model, backend, length)) {
      for (int from = 0; from + length <= ids.length; from += length) {
        int[] tokens = Arrays.copyOfRange(ids, from, from + length);
        if (bos >= 0 && !single) {
          tokens[0] = bos;
        }
        if (!w.score(tokens, single ? 0 : length / 2, sums, from, goesOn) || single) {
          break;
        }
      }
    }
    return sums.perplexity();
  }

  /// Running sums of the surprises.
  private static final class Sums {
    private int n;
    private double sum;
    private double squares;

    void add(double surprise) {
      n++;
      sum += surprise;
      squares += surprise * surprise;
    }

    Perplexity perplexity() {
      double mean = sum / Math.max(1, n);
      return new Perplexity(
          n, mean, Math.sqrt(Math.max(0, squares / Math.max(1, n) - mean * mean)));
    }
  }

  /// One sequence of a fixed length, used again for every window.
  private static final class Window implements AutoCloseable {
    private final Backend backend;
    private final ForwardPass pass;
    private final KvStore kv;
    private final int[] blocks;
    private final Batch batch;
    private final float[] logits;

    Window(CausalLm model, Backend backend, int length) {
      this.backend = backend;
      int rows = Math.min(length, MAX_ROWS);
      blocks = new int[Math.ceilDiv(length, BLOCK_SIZE)];
      for (int i = 0; i < blocks.length; i++) {
        blocks[i] = i;
      }
      batch = new Batch(rows, 1);
      logits = new float[model.config().vocabularySize()];
      pass = model.newForwardPass(rows, 1);
      kv = backend.kvStore(model.kvLayout(BLOCK_SIZE, KvType.F32), blocks.length);
    }

    /// Scores the tokens after position `first`.
    boolean score(int[] tokens, int first, Sums sums, int done, IntPredicate goesOn) {
      for (int from = 0; from < tokens.length; from += batch.maxRows()) {
        int rows = Math.min(batch.maxRows(), tokens.length - from);
        int wanted = Math.clamp((long) from + rows - first, 0, rows);
        batch.clear();
        batch.add(tokens, from, rows, from, blocks, wanted);
        Buffer out = pass.forward(batch, kv);
        for (int i = 0; i < wanted; i++) {
          int next = from + rows - wanted + i + 1;
          if (next < tokens.length) {
            backend.read(out, (long) i * logits.length, logits, 0, logits.length);
            sums.add(surprise(logits, tokens[next]));
          }
        }
        if (!goesOn.test(done + from + rows)) {
          return false;
        }
      }
      return true;
    }

    @Override
    public void close() {
      pass.close();
      kv.close();
    }
  }

  /// −ln of the probability that logits give to a token.
  static double surprise(float[] logits, int token) {
    float max = Float.NEGATIVE_INFINITY;
    for (float l : logits) {
      max = Math.max(max, l);
    }
    double sum = 0;
    for (float l : logits) {
      sum += Math.exp(l - max);
    }
    return Math.log(sum) + max - logits[token];
  }
}
