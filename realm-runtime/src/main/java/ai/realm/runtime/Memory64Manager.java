package ai.realm.runtime;

import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// Host memory addressed with 64 bits, for what does not fit a guest's 32: layers of weights and of
/// private data, by model and layer number. All layers lie in one sparse backing file; those used last
/// are also kept in memory, up to a capacity. Thread-safe.
///
/// ```
/// backing file  | layer a | layer b      | layer c (6 GiB, mostly holes) | …    64-bit offsets
/// memory          layer a                  (too large: read in place)           least recently used out
/// ```
public final class Memory64Manager implements AutoCloseable {
  private static final int COPY_BYTES = 1 << 20;

  private record Key(String model, int layer) {}

  private static final class Layer {
    final long offset;
    final long bytes;
    @Nullable Arena arena;
    @Nullable MemorySegment resident;

    Layer(long offset, long bytes) {
      this.offset = offset;
      this.bytes = bytes;
    }
  }

  private final long capacityBytes;
  private final long maxBytes;
  private final Path file;
  private final FileChannel channel;
  private final ReentrantLock lock = new ReentrantLock();

  /// In the order of their last use.
  private final Map<Key, Layer> layers = new LinkedHashMap<>(16, 0.75f, true);

  private long end;
  private long used;
  private long residentBytes;
  private long hits;
  private long misses;
  private long evictions;

  /// @param folder where the backing file is made; it is deleted on close
  /// @param capacityBytes the most bytes in memory
  /// @param maxBytes the most bytes of all layers together
  public Memory64Manager(Path folder, long capacityBytes, long maxBytes) {
    if (capacityBytes < 0 || maxBytes < 0) {
      throw new IllegalArgumentException(
          "expected bounds of at least 0, found " + capacityBytes + ", " + maxBytes);
    }
    this.capacityBytes = capacityBytes;
    this.maxBytes = maxBytes;
    try {
      file = Files.createTempFile(folder, "realm-memory64-", ".layers");
      Files.delete(file);
      channel =
          FileChannel.open(
              file,
              StandardOpenOption.CREATE_NEW,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE,
              StandardOpenOption.SPARSE,
              StandardOpenOption.DELETE_ON_CLOSE);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Makes a layer of `bytes` zero bytes, in place of one of that name.
  ///
  /// @throws IllegalStateException when all layers together would exceed the bound
  public void reserve(String model, int layer, long bytes) {
    lock.lock();
    try {
      place(new Key(model, layer), bytes);
    } finally {
      lock.unlock();
    }
  }

  /// Keeps a copy of `data` as a layer, in place of one of that name.
  ///
  /// @throws IllegalStateException when all layers together would exceed the bound
  public void store(String model, int layer, MemorySegment data) {
    lock.lock();
    try {
      Layer placed = place(new Key(model, layer), data.byteSize());
      writeFile(placed.offset, data);
      makeResident(placed);
    } finally {
      lock.unlock();
    }
  }

  /// Writes into a layer from `offset` on.
  ///
  /// @throws IndexOutOfBoundsException when it would reach past the layer's end
  public void write(String model, int layer, long offset, MemorySegment data) {
    lock.lock();
    try {
      Layer target = find(model, layer);
      check(target, offset, data.byteSize());
      writeFile(target.offset + offset, data);
      MemorySegment copy = target.resident;
      if (copy != null) {
        MemorySegment.copy(data, 0, copy, offset, data.byteSize());
      }
    } finally {
      lock.unlock();
    }
  }

  /// Reads from a layer into `to`, from `offset` on.
  ///
  /// @throws IllegalArgumentException when there is no such layer
  /// @throws IndexOutOfBoundsException when it would reach past the layer's end
  public void read(String model, int layer, long offset, MemorySegment to) {
    lock.lock();
    try {
      Layer source = find(model, layer);
      check(source, offset, to.byteSize());
      if (source.resident == null) {
        misses++;
        makeResident(source);
      } else {
        hits++;
      }
      MemorySegment copy = source.resident;
      if (copy == null) {
        readFile(source.offset + offset, to);
      } else {
        MemorySegment.copy(copy, offset, to, 0, to.byteSize());
      }
    } finally {
      lock.unlock();
    }
  }

  /// Bytes of a layer, or -1 when there is none.
  public long size(String model, int layer) {
    lock.lock();
    try {
      Layer found = layers.get(new Key(model, layer));
      return found == null ? -1 : found.bytes;
    } finally {
      lock.unlock();
    }
  }

  /// Forgets a layer; without one of that name nothing happens.
  public void remove(String model, int layer) {
    lock.lock();
    try {
      drop(new Key(model, layer));
    } finally {
      lock.unlock();
    }
  }

  /// What it holds and has done.
  public Memory64Stats stats() {
    lock.lock();
    try {
      return new Memory64Stats(
          residentBytes, layers.size(), hits, misses, evictions, capacityBytes);
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    lock.lock();
    try {
      layers.values().forEach(this::evict);
      layers.clear();
      channel.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } finally {
      lock.unlock();
    }
  }

  // ---- under the lock
  // -----------------------------------------------------------------------------

  private Layer place(Key key, long bytes) {
    if (bytes < 0) {
      throw new IllegalArgumentException("layer: expected at least 0 bytes, found " + bytes);
    }
    Layer before = layers.get(key);
    long others = used - (before == null ? 0 : before.bytes);
    if (bytes > maxBytes - others) {
      throw new IllegalStateException(
          "memory64: expected at most %d bytes in all, found %d and %d more"
              .formatted(maxBytes, others, bytes));
    }
    drop(key);
    Layer placed = new Layer(end, bytes);
    end += bytes;
    used += bytes;
    layers.put(key, placed);
    return placed;
  }

  private void drop(Key key) {
    Layer before = layers.remove(key);
    if (before != null) {
      evict(before);
      used -= before.bytes;
      if (before.offset + before.bytes == end) {
        end = before.offset;
        truncateFile();
      }
    }
  }

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

  /// Brings a layer into memory where it fits, at the cost of those used longest ago.
  private void makeResident(Layer layer) {
    if (layer.bytes > capacityBytes || layer.bytes == 0) {
      return;
    }
    Iterator<Layer> oldestFirst = layers.values().iterator();
    while (residentBytes + layer.bytes > capacityBytes && oldestFirst.hasNext()) {
      Layer oldest = oldestFirst.next();
      if (oldest.resident != null && oldest != layer) {
        evict(oldest);
        evictions++;
      }
    }
    Arena arena = Arena.ofShared();
    MemorySegment copy = arena.allocate(layer.bytes, 64);
    readFile(layer.offset, copy);
    layer.arena = arena;
    layer.resident = copy;
    residentBytes += layer.bytes;
  }

  private void evict(Layer layer) {
    Arena arena = layer.arena;
    if (arena != null) {
      arena.close();
      layer.arena = null;
      layer.resident = null;
      residentBytes -= layer.bytes;
    }
  }

  private void writeFile(long offset, MemorySegment data) {
    try {
      for (long done = 0; done < data.byteSize(); ) {
        long piece = Math.min(COPY_BYTES, data.byteSize() - done);
        done += channel.write(data.asSlice(done, piece).asByteBuffer(), offset + done);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// What was reserved and never written reads as zeros, also behind the end of the file.
  private void readFile(long offset, MemorySegment to) {
    try {
      long size = channel.size();
      for (long done = 0; done < to.byteSize(); ) {
        long piece = Math.min(COPY_BYTES, to.byteSize() - done);
        MemorySegment part = to.asSlice(done, piece);
        if (offset + done >= size) {
          part.fill((byte) 0);
          done += piece;
        } else {
          int read = channel.read(part.asByteBuffer(), offset + done);
          if (read < 0) {
            throw new EOFException("memory64: the backing file ended at " + (offset + done));
          }
          done += read;
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Freed bytes must not show up in the next layer.
  private void truncateFile() {
    try {
      if (channel.size() > end) {
        channel.truncate(end);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
