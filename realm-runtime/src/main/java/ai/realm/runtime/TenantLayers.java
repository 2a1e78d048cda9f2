package ai.realm.runtime;

import ai.realm.runtime.FileSpace.Extent;
import ai.realm.runtime.LayerCache.Layer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// One tenant's layers: a file of its own, a bound of its own, and those used last in memory. Nothing in here
/// depends on what other tenants do, numbers and lock included; the host's bounds say no more than whether
/// there is room. Safe for many threads.
final class TenantLayers implements AutoCloseable {
  /// What a layer costs besides its bytes: bounds their number, and what the last block of each wastes.
  static final long OVERHEAD = FileSpace.BLOCK;

  private record Key(String model, int layer) {}

  /// What all tenants share.
  ///
  /// @param memory bytes of copies in memory
  /// @param bytes of all layers
  record Host(MemoryBudget memory, MemoryBudget bytes, LayerDisk.Opener opener) {}

  private final String owner;
  private volatile long limit;
  private final LayerCache cache;
  private final Host host;
  private final LayerFile file;
  private final ReentrantLock lock = new ReentrantLock();

  /// In the order of their last use.
  private final Map<Key, Layer> layers = new LinkedHashMap<>(16, 0.75f, true);

  private volatile boolean closed;
  private long cost;
  private long hits;
  private long misses;

  /// @param owner for messages
  /// @param limit the most that the layers may cost, [#OVERHEAD] of each included
  TenantLayers(String owner, long limit, Host host) {
    this.owner = owner;
    this.limit = limit;
    this.cache = new LayerCache(Math.min(limit, host.memory().limit()), host.memory());
    this.host = host;
    this.file = new LayerFile(host.opener());
  }

  /// Goes on with another limit. Layers that are there stay, also where they cost more.
  void update(long newLimit) {
    limit = newLimit;
    cache.share(Math.min(newLimit, host.memory().limit()));
  }

  /// Makes a layer of `bytes` bytes, all zero, in place of one of that name.
  ///
  /// @throws LimitException `LAYER_LIMIT` or `LAYERS_FULL`
  /// @throws LayerException `LAYER_IO`: the one before is still there
  void reserve(String model, int layer, long bytes) {
    put(model, layer, bytes, LayerWait.FOR_EVER, (extents, copy) -> file.zero(extents), false);
  }

  /// Keeps `bytes` bytes as a layer, in place of one of that name. `source` is asked for them only once it is
  /// known that they fit.
  ///
  /// @throws LimitException `LAYER_LIMIT` or `LAYERS_FULL`: nothing was copied
  /// @throws LayerException `LAYER_IO` or `LAYER_CANCELLED`: the one before is still there
  void store(String model, int layer, long bytes, LayerFile.Bytes source, LayerWait wait) {
    put(
        model,
        layer,
        bytes,
        wait,
        (extents, copy) ->
            file.write(
                extents,
                0,
                bytes,
                (offset, piece, n) -> {
                  source.move(offset, piece, n);
                  if (copy != null) {
                    MemorySegment.copy(piece, 0, copy, ValueLayout.JAVA_BYTE, offset, n);
                  }
                },
                interruption(wait)),
        true);
  }

  private interface Filling {
    void run(List<Extent> extents, @Nullable MemorySegment copy) throws IOException;
  }

  private void put(
      String model, int layer, long bytes, LayerWait wait, Filling filling, boolean inMemory) {
    if (bytes < 0) {
      throw new IllegalArgumentException("layer: expected at least 0 bytes, found " + bytes);
    }
    lock(wait);
    try {
      Key key = new Key(model, layer);
      Layer before = layers.get(key);
      long more = charge(bytes, before);
      Layer made = new Layer(bytes, file.take(bytes));
      boolean kept = false;
      try {
        if (inMemory) {
          // The one before leaves memory first; should this one fail, it is read from the file.
          if (before != null) {
            cache.drop(before);
          }
          cache.take(made, layers.values());
        }
        filling.run(made.extents, made.copy());
        kept = true;
      } catch (IOException e) {
        throw failed("write", e);
      } finally {
        if (!kept) {
          discard(made);
          host.bytes().give(Math.max(0, more));
        }
      }
      cost += OVERHEAD + bytes;
      layers.put(key, made);
      if (before != null) {
        discard(before);
        cost -= OVERHEAD + before.bytes;
        host.bytes().give(Math.max(0, -more));
      }
    } finally {
      unlock();
    }
  }

  /// Takes what a layer needs more than the one before it. Returns how much of the host's bytes that is.
  private long charge(long bytes, @Nullable Layer before) {
    long others = cost - (before == null ? 0 : OVERHEAD + before.bytes);
    if (bytes > limit - OVERHEAD - others) {
      throw new LimitException(
          "LAYER_LIMIT",
          "%s: layers of at most %d bytes, %d more for each, found %d besides %d"
              .formatted(owner, limit, OVERHEAD, bytes, others),
          0);
    }
    long more = bytes - (before == null ? 0 : before.bytes);
    if (more > 0 && !host.bytes().take(more)) {
      throw new LimitException(
          "LAYERS_FULL",
          "%s: the host keeps layers of at most %d bytes in all, found no room for %d"
              .formatted(owner, host.bytes().limit(), bytes),
          0);
    }
    return more;
  }

  /// Writes into a layer from `offset` on.
  ///
  /// @throws IllegalArgumentException when there is no such layer
  /// @throws IndexOutOfBoundsException when it would reach past the layer's end
  void write(String model, int layer, long offset, MemorySegment data) {
    lock(LayerWait.FOR_EVER);
    try {
      Layer target = find(model, layer);
      check(target, offset, data.byteSize());
      MemorySegment copy = target.copy();
      file.write(
          target.extents,
          offset,
          data.byteSize(),
          (at, piece, n) -> {
            MemorySegment.copy(data, ValueLayout.JAVA_BYTE, at - offset, piece, 0, n);
            if (copy != null) {
              MemorySegment.copy(piece, 0, copy, ValueLayout.JAVA_BYTE, at, n);
            }
          },
          interruption(LayerWait.FOR_EVER));
    } catch (IOException e) {
      throw failed("write", e);
    } finally {
      unlock();
    }
  }

  /// Reads from a layer into `to`, from `offset` on.
  ///
  /// @throws IllegalArgumentException when there is no such layer
  /// @throws IndexOutOfBoundsException when it would reach past the layer's end
  /// @throws LayerException `LAYER_IO`
  void read(String model, int layer, long offset, MemorySegment to) {
    lock(LayerWait.FOR_EVER);
    try {
      Layer source = find(model, layer);
      check(source, offset, to.byteSize());
      read(
          source,
          offset,
          to.byteSize(),
          (at, piece, n) -> MemorySegment.copy(piece, 0, to, ValueLayout.JAVA_BYTE, at - offset, n),
          LayerWait.FOR_EVER);
    } finally {
      unlock();
    }
  }

  /// Gives the first `count` bytes of a layer to `target`, fewer where it has fewer. Returns the layer's bytes,
  /// or -1 when there is none.
  ///
  /// @throws LayerException `LAYER_IO` or `LAYER_CANCELLED`
  long load(String model, int layer, long count, LayerFile.Bytes target, LayerWait wait) {
    lock(wait);
    try {
      Layer source = layers.get(new Key(model, layer));
      if (source == null) {
        return -1;
      }
      read(source, 0, Math.min(count, source.bytes), target, wait);
      return source.bytes;
    } finally {
      unlock();
    }
  }

  private void read(Layer source, long offset, long count, LayerFile.Bytes target, LayerWait wait) {
    LayerFile.Interruption interruption = interruption(wait);
    try {
      if (source.isCached()) {
        hits++;
      } else {
        misses++;
        bring(source, interruption);
      }
      MemorySegment copy = source.copy();
      if (copy == null) {
        file.read(source.extents, offset, count, target, interruption);
        return;
      }
      byte[] piece = new byte[(int) Math.min(LayerFile.PIECE, count)];
      for (long at = offset; at < offset + count; at += piece.length) {
        interruption.check();
        int n = (int) Math.min(piece.length, offset + count - at);
        MemorySegment.copy(copy, ValueLayout.JAVA_BYTE, at, piece, 0, n);
        target.move(at, piece, n);
      }
    } catch (IOException e) {
      throw failed("read", e);
    }
  }

  /// Brings a layer into memory where it fits.
  private void bring(Layer layer, LayerFile.Interruption interruption) throws IOException {
    cache.take(layer, layers.values());
    MemorySegment copy = layer.copy();
    if (copy == null) {
      return;
    }
    boolean done = false;
    try {
      file.read(
          layer.extents,
          0,
          layer.bytes,
          (at, piece, n) -> MemorySegment.copy(piece, 0, copy, ValueLayout.JAVA_BYTE, at, n),
          interruption);
      done = true;
    } finally {
      if (!done) {
        cache.drop(layer);
      }
    }
  }

  /// Bytes of a layer, or -1 when there is none.
  long size(String model, int layer) {
    lock(LayerWait.FOR_EVER);
    try {
      Layer found = layers.get(new Key(model, layer));
      return found == null ? -1 : found.bytes;
    } finally {
      unlock();
    }
  }

  /// Forgets a layer; without one of that name nothing happens.
  void remove(String model, int layer) {
    lock(LayerWait.FOR_EVER);
    try {
      Layer before = layers.remove(new Key(model, layer));
      if (before != null) {
        forget(before);
      }
    } finally {
      unlock();
    }
  }

  /// Forgets all layers.
  void clear() {
    lock.lock();
    try {
      forgetAll();
    } finally {
      unlock();
    }
  }

  private void forgetAll() {
    layers.values().forEach(this::forget);
    layers.clear();
  }

  private void forget(Layer layer) {
    discard(layer);
    cost -= OVERHEAD + layer.bytes;
    host.bytes().give(layer.bytes);
  }

  /// What the tenant holds and has done; the capacity is its own share.
  ///
  /// @throws LayerException `LAYER_CANCELLED`
  Memory64Stats stats(LayerWait wait) {
    lock(wait);
    try {
      return new Memory64Stats(
          cache.bytes(), layers.size(), hits, misses, cache.evictions(), cache.share());
    } finally {
      unlock();
    }
  }

  /// Takes no more layers and forgets those that are there: at once, or where somebody works with one, as soon as
  /// that has ended, within a piece.
  @Override
  public void close() {
    closed = true;
    releaseUnlessLocked();
  }

  /// Whoever gives the lock back cleans up after a [#close] that came meanwhile.
  private void unlock() {
    lock.unlock();
    if (closed && !lock.isHeldByCurrentThread()) {
      releaseUnlessLocked();
    }
  }

  private void releaseUnlessLocked() {
    if (lock.tryLock()) {
      try {
        forgetAll();
        file.close();
      } catch (IOException e) {
        // Nobody reads it any more, and it goes with the process.
      } finally {
        lock.unlock();
      }
    }
  }

  private LayerFile.Interruption interruption(LayerWait wait) {
    return () -> {
      if (closed || wait.over().getAsBoolean()) {
        throw cancelled();
      }
    };
  }

  private LayerException cancelled() {
    return new LayerException("LAYER_CANCELLED", owner + ": the call was over before its layer");
  }

  private void lock(LayerWait wait) {
    if (!wait.lock(lock)) {
      throw cancelled();
    }
    if (closed) {
      unlock();
      throw cancelled();
    }
  }

  // ---- under the lock
  // -----------------------------------------------------------------------------

  private Layer find(String model, int layer) {
    Layer found = layers.get(new Key(model, layer));
    if (found == null) {
      throw new IllegalArgumentException(
          "memory64: model %s has no layer %d".formatted(model, layer));
    }
    return found;
  }

  private static void check(Layer layer, long offset, long bytes) {
    if (offset < 0 || bytes > layer.bytes - offset) {
      throw new IndexOutOfBoundsException(
          "memory64: expected %d bytes at %d to lie within a layer of %d bytes"
              .formatted(bytes, offset, layer.bytes));
    }
  }

  private LayerException failed(String what, IOException e) {
    return new LayerException(
        "LAYER_IO",
        "%s: expected to %s a layer, found: %s".formatted(owner, what, e.getMessage()),
        e);
  }

  private void discard(Layer layer) {
    cache.drop(layer);
    file.give(layer.extents);
  }
}
