package ai.realm.runtime;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;

/// Host memory addressed with 64 bits, for what does not fit a guest's 32: layers of weights and of
/// private data, by model and layer number. The embedding program has its own here; each tenant's lie in a
/// sparse backing file of their own. Those used last are also kept in memory, up to a capacity. Thread-safe.
///
/// ```
/// backing file  | layer a | layer b      | layer c (6 GiB, mostly holes) | …    64-bit offsets
/// memory          layer a                  (too large: read in place)           least recently used out
/// ```
public final class Memory64Manager implements AutoCloseable {
  private final TenantLayers.Host host;
  private final TenantLayers own;

  /// @param folder where the backing files are made; they go with the process, or before
  /// @param capacityBytes the most bytes in memory
  /// @param maxBytes the most bytes of all layers together
  public Memory64Manager(Path folder, long capacityBytes, long maxBytes) {
    this(() -> LayerDisk.inFolder(folder), capacityBytes, maxBytes);
  }

  Memory64Manager(LayerDisk.Opener opener, long capacityBytes, long maxBytes) {
    if (capacityBytes < 0 || maxBytes < 0) {
      throw new IllegalArgumentException(
          "expected bounds of at least 0, found " + capacityBytes + ", " + maxBytes);
    }
    host =
        new TenantLayers.Host(new MemoryBudget(capacityBytes), new MemoryBudget(maxBytes), opener);
    own = new TenantLayers("memory64", Long.MAX_VALUE, host);
  }

  /// A tenant's layers, none at first; whoever asks closes them.
  ///
  /// @param limit what they may cost
  TenantLayers open(TenantId tenant, long limit) {
    return new TenantLayers(tenant.toString(), bounded(limit), host);
  }

  /// Goes on with another limit for a tenant's layers.
  void update(TenantLayers layers, long limit) {
    layers.update(bounded(limit));
  }

  /// Overheads count as well: who is not bounded makes no endless number of layers either.
  private long bounded(long limit) {
    return Math.min(limit, host.bytes().limit());
  }

  /// Makes a layer of `bytes` zero bytes, in place of one of that name.
  ///
  /// @throws IllegalStateException when all layers together would exceed the bound
  /// @throws LayerException `LAYER_IO`: the one before is still there
  public void reserve(String model, int layer, long bytes) {
    try {
      own.reserve(model, layer, bytes);
    } catch (LimitException e) {
      throw new IllegalStateException(e.getMessage(), e);
    }
  }

  /// Keeps a copy of `data` as a layer, in place of one of that name.
  ///
  /// @throws IllegalStateException when all layers together would exceed the bound
  /// @throws LayerException `LAYER_IO`: the one before is still there
  public void store(String model, int layer, MemorySegment data) {
    try {
      own.store(
          model,
          layer,
          data.byteSize(),
          (offset, piece, n) ->
              MemorySegment.copy(data, ValueLayout.JAVA_BYTE, offset, piece, 0, n),
          LayerWait.FOR_EVER);
    } catch (LimitException e) {
      throw new IllegalStateException(e.getMessage(), e);
    }
  }

  /// Writes into a layer from `offset` on.
  ///
  /// @throws IndexOutOfBoundsException when it would reach past the layer's end
  /// @throws LayerException `LAYER_IO`: what lay there may be written in part
  public void write(String model, int layer, long offset, MemorySegment data) {
    own.write(model, layer, offset, data);
  }

  /// Reads from a layer into `to`, from `offset` on.
  ///
  /// @throws IllegalArgumentException when there is no such layer
  /// @throws IndexOutOfBoundsException when it would reach past the layer's end
  /// @throws LayerException `LAYER_IO`
  public void read(String model, int layer, long offset, MemorySegment to) {
    own.read(model, layer, offset, to);
  }

  /// Bytes of a layer, or -1 when there is none.
  public long size(String model, int layer) {
    return own.size(model, layer);
  }

  /// Forgets a layer; without one of that name nothing happens.
  public void remove(String model, int layer) {
    own.remove(model, layer);
  }

  /// What the embedding program's own layers are and have done.
  public Memory64Stats stats() {
    return own.stats(LayerWait.FOR_EVER);
  }

  /// Bytes of all layers, tenants' included.
  long bytes() {
    return host.bytes().used();
  }

  /// Bytes of all copies in memory.
  long memoryBytes() {
    return host.memory().used();
  }

  /// Forgets the embedding program's own layers; each tenant's go with its realm.
  @Override
  public void close() {
    own.close();
  }
}
