package ai.realm.compute.cpu;

import ai.realm.compute.AttentionSpec;
import ai.realm.compute.Batch;
import ai.realm.compute.KvLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Attention and the KV store's writes: describes each sequence of a step to the kernels in the
/// `attention` struct of attention.c, and shares tiles of (rows, query heads) of one key/value head
/// among the threads. Allocates nothing once its scratch memory has grown.
final class NativeAttention implements AutoCloseable {
  /// Positions that a kernel widens at a time: KEYS of attention.c.
  private static final int KEYS = 32;

  /// Queries that share the widened keys of a tile.
  private static final int QUERIES = 64;

  /// Rows below which the caller stores keys and values alone.
  private static final int STORE_ALONE = 16;

  private static final int STORE_ROWS = 8;

  // Offsets in the struct.
  private static final long OUT = 0;
  private static final long Q = 8;
  private static final long KEY_BASE = 16;
  private static final long VALUE_BASE = 24;
  private static final long BLOCKS = 32;
  private static final long SLOPES = 40;
  private static final long SINKS = 48;
  private static final long BLOCK_BYTES = 56;
  private static final long BLOCK_SIZE = 64;
  private static final long KV_TYPE = 72;
  private static final long HEADS = 80;
  private static final long KV_HEADS = 88;
  private static final long KEY_LENGTH = 96;
  private static final long VALUE_LENGTH = 104;
  private static final long FIRST_POSITION = 112;
  private static final long POSITIONS = 120;
  private static final long WINDOW = 128;
  private static final long CAUSAL = 136;
  private static final long SCALE = 144;
  private static final long SOFTCAP = 148;
  private static final long STRUCT_BYTES = 192;

  private final NativeKernels.Attention kernels;
  private final WorkerPool pool;
  private final NativeScratch structs = new NativeScratch();
  private final NativeScratch blockTables = new NativeScratch();
  private final NativeScratch slopes = new NativeScratch();
  private final NativeScratch[] workers;
  private final WorkerPool.Task attentionTask = this::attentionChunk;
  private final WorkerPool.Task storeTask = this::storeChunk;

  // The operation in progress.
  private long structBase;
  private int[] firstChunk = new int[2];
  private int[] rowCount = new int[1];
  private long[] firstRow = new long[1];
  private int sequences;
  private int group;
  private int rowsPerTile;
  private int headsPerTile;
  private int kvHeads;
  private long scratchBytes;
  private long keys;
  private long values;
  private long keyRow;
  private long valueRow;

  NativeAttention(NativeKernels.Attention kernels, WorkerPool pool) {
    this.kernels = kernels;
    this.pool = pool;
    workers = new NativeScratch[pool.threads()];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = new NativeScratch();
    }
  }

  /// See [ai.realm.compute.Backend#attention]; `sinks` is 0 for none.
  void attention(
      long out, long q, CpuKvStore store, int layer, Batch batch, AttentionSpec spec, long sinks) {
    describe(store, layer, batch);
    group = spec.heads() / spec.kvHeads();
    kvHeads = spec.kvHeads();
    long slopeAddress = spec.maxAlibiBias() > 0 ? slopes(spec) : 0;
    MemorySegment memory = structs.atLeast(0);
    for (int s = 0; s < sequences; s++) {
      long at = s * STRUCT_BYTES;
      long row = batch.firstRow(s);
      put(memory, at + OUT, out + row * spec.heads() * spec.valueLength() * Float.BYTES);
      put(memory, at + Q, q + row * spec.heads() * spec.keyLength() * Float.BYTES);
      put(memory, at + SLOPES, slopeAddress);
      put(memory, at + SINKS, sinks);
      put(memory, at + HEADS, spec.heads());
      put(memory, at + WINDOW, spec.window());
      put(memory, at + CAUSAL, spec.causal() ? 1 : 0);
      memory.set(ValueLayout.JAVA_FLOAT, at + SCALE, spec.scale());
      memory.set(ValueLayout.JAVA_FLOAT, at + SOFTCAP, spec.softcap());
    }
    split(batch);
    long queries = (long) rowsPerTile * headsPerTile;
    long keyStride = spec.keyLength() + 15 & -16;
    long valueStride = spec.valueLength() + 15 & -16;
    scratchBytes = Float.BYTES * ((KEYS + queries) * (keyStride + valueStride) + 2 * queries + 32);
    pool.run(attentionTask, firstChunk[sequences]);
  }

  /// Tiles of up to QUERIES queries; the heads of a group apart where there would be too few tiles.
  private void split(Batch batch) {
    rowsPerTile = Math.max(1, QUERIES / group);
    headsPerTile = group;
    int tiles = tiles(batch);
    if (tiles < pool.threads()) {
      headsPerTile = Math.max(1, Math.ceilDiv(group, Math.ceilDiv(pool.threads(), tiles)));
      tiles(batch);
    }
  }

  private int tiles(Batch batch) {
    int chunks = 0;
    int headTiles = Math.ceilDiv(group, headsPerTile);
    for (int s = 0; s < sequences; s++) {
      firstChunk[s] = chunks;
      rowCount[s] = batch.rows(s);
      chunks += Math.ceilDiv(rowCount[s], rowsPerTile) * kvHeads * headTiles;
    }
    firstChunk[sequences] = chunks;
    return chunks;
  }

  private void attentionChunk(int chunk, int worker) {
    int s = sequenceOf(chunk);
    int headTiles = Math.ceilDiv(group, headsPerTile);
    int tile = chunk - firstChunk[s];
    int kvHead = tile % kvHeads;
    int headTile = tile / kvHeads % headTiles;
    // Last rows first: they see the most keys, and the short tiles then fill the gaps.
    int rowTiles = Math.ceilDiv(rowCount[s], rowsPerTile);
    int rowTile = rowTiles - 1 - tile / kvHeads / headTiles;
    long row0 = (long) rowTile * rowsPerTile;
    long row1 = Math.min(rowCount[s], row0 + rowsPerTile);
    long head0 = (long) headTile * headsPerTile;
    long head1 = Math.min(group, head0 + headsPerTile);
    long scratch = workers[worker].atLeast(scratchBytes).address();
    try {
      kernels
          .attention()
          .invokeExact(
              structBase + s * STRUCT_BYTES, (long) kvHead, row0, row1, head0, head1, scratch);
    } catch (Throwable t) {
      throw NativeKernels.failed(t);
    }
  }

  /// See [ai.realm.compute.Backend#storeKv].
  void storeKv(CpuKvStore store, int layer, Batch batch, long k, long v) {
    describe(store, layer, batch);
    KvLayout layout = store.layout();
    keys = k;
    values = v;
    keyRow = (long) layout.kvHeads() * layout.keyLength() * Float.BYTES;
    valueRow = (long) layout.kvHeads() * layout.valueLength() * Float.BYTES;
    if (batch.rows() < STORE_ALONE) {
      for (int s = 0; s < sequences; s++) {
        store(s, 0, batch.rows(s));
      }
      return;
    }
    int chunks = 0;
    for (int s = 0; s < sequences; s++) {
      firstChunk[s] = chunks;
      rowCount[s] = batch.rows(s);
      chunks += Math.ceilDiv(rowCount[s], STORE_ROWS);
    }
    firstChunk[sequences] = chunks;
    pool.run(storeTask, chunks);
  }

  private void storeChunk(int chunk, int worker) {
    int s = sequenceOf(chunk);
    int row0 = (chunk - firstChunk[s]) * STORE_ROWS;
    store(s, row0, Math.min(rowCount[s], row0 + STORE_ROWS));
  }

  private void store(int s, long row0, long row1) {
    try {
      kernels
          .storeKv()
          .invokeExact(
              structBase + s * STRUCT_BYTES,
              keys + firstRow[s] * keyRow,
              values + firstRow[s] * valueRow,
              row0,
              row1);
    } catch (Throwable t) {
      throw NativeKernels.failed(t);
    }
  }

  private int sequenceOf(int chunk) {
    int s = 0;
    while (chunk >= firstChunk[s + 1]) {
      s++;
    }
    return s;
  }

  /// Writes what attention and the store share into the structs of all sequences.
  private void describe(CpuKvStore store, int layer, Batch batch) {
    sequences = batch.sequences();
    if (rowCount.length < sequences) {
      rowCount = new int[sequences];
      firstRow = new long[sequences];
      firstChunk = new int[sequences + 1];
    }
    KvLayout layout = store.layout();
    MemorySegment memory = structs.atLeast(sequences * STRUCT_BYTES);
    structBase = memory.address();
    long needed = 0;
    for (int s = 0; s < sequences; s++) {
      needed += blocksOf(batch, s, layout);
    }
    MemorySegment tables = blockTables.atLeast(needed * Integer.BYTES);
    long keyBase = store.address() + store.keyOffset(0, layer, 0, 0);
    long valueBase = store.address() + store.valueOffset(0, layer, 0, 0);
    long table = 0;
    for (int s = 0; s < sequences; s++) {
      int blocks = blocksOf(batch, s, layout);
      MemorySegment.copy(batch.blockTable(s), 0, tables, ValueLayout.JAVA_INT, table, blocks);
      long at = s * STRUCT_BYTES;
      put(memory, at + KEY_BASE, keyBase);
      put(memory, at + VALUE_BASE, valueBase);
      put(memory, at + BLOCKS, tables.address() + table);
      put(memory, at + BLOCK_BYTES, layout.blockBytes());
      put(memory, at + BLOCK_SIZE, layout.blockSize());
      put(
          memory,
          at + KV_TYPE,
          switch (layout.type()) {
            case F32 -> 0;
            case F16 -> 1;
            case Q8_0 -> 2;
          });
      put(memory, at + KV_HEADS, layout.kvHeads());
      put(memory, at + KEY_LENGTH, layout.keyLength());
      put(memory, at + VALUE_LENGTH, layout.valueLength());
      put(memory, at + FIRST_POSITION, batch.firstPosition(s));
      put(memory, at + POSITIONS, batch.firstPosition(s) + batch.rows(s));
      firstRow[s] = batch.firstRow(s);
      table += (long) blocks * Integer.BYTES;
    }
  }

  private static int blocksOf(Batch batch, int s, KvLayout layout) {
    return Math.ceilDiv(batch.firstPosition(s) + batch.rows(s), layout.blockSize());
  }

  private long slopes(AttentionSpec spec) {
    MemorySegment memory = slopes.atLeast((long) spec.heads() * Float.BYTES);
    for (int h = 0; h < spec.heads(); h++) {
      memory.setAtIndex(ValueLayout.JAVA_FLOAT, h, spec.alibiSlope(h));
    }
    return memory.address();
  }

  private static void put(MemorySegment memory, long offset, long value) {
    memory.set(ValueLayout.JAVA_LONG, offset, value);
  }

  @Override
  public void close() {
    structs.close();
    blockTables.close();
    slopes.close();
    for (NativeScratch scratch : workers) {
      scratch.close();
    }
  }
}
