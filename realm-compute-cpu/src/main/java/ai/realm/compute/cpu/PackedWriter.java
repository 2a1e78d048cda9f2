package ai.realm.compute.cpu;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;

/// Writes a file of packed weights from memory.
final class PackedWriter {
  private static final int PIECE_BYTES = 16 << 20;

  private final PackedStorage storage;
  private final WorkerPool pool;

  PackedWriter(PackedStorage storage, WorkerPool pool) {
    this.storage = storage;
    this.pool = pool;
  }

  /// A matrix to write.
  ///
  /// @param entry without its place and checksums
  record Matrix(PackedHeader.Entry entry, MemorySegment panels) {}

  /// Asked before the file gets its name.
  interface Check {
    /// Whether what was written may be used.
    boolean holds() throws IOException;
  }

  /// Writes the file and returns how many bytes it has; 0 where it did not, because another process
  /// writes it or the check does not hold.
  long write(Path target, String layout, ModelIdentity model, List<Matrix> matrices, Check check)
      throws IOException {
    PackedStorage.Part part = storage.create(target);
    if (part == null) {
      return 0;
    }
    try (var channel = part.channel()) {
      PackedHeader header = new PackedHeader(layout, model, entries(matrices)).placed();
      long at = writeAll(part, MemorySegment.ofArray(header.encode()));
      for (int i = 0; i < matrices.size(); i++) {
        at += writeAll(part, MemorySegment.ofArray(new byte[gap(header, i, at)]));
        at += writeAll(part, matrices.get(i).panels());
      }
      writeAll(part, MemorySegment.ofArray(new byte[(int) (header.fileBytes() - at)]));
      storage.force(part);
      if (!check.holds()) {
        return 0;
      }
      storage.rename(part, target);
      storage.forceFolder(target);
      return header.fileBytes();
    } finally {
      storage.delete(part.path());
    }
  }

  private static int gap(PackedHeader header, int entry, long at) {
    return (int) (header.entries().get(entry).offset() - at);
  }

  private long writeAll(PackedStorage.Part part, MemorySegment bytes) throws IOException {
    for (long from = 0; from < bytes.byteSize(); from += PIECE_BYTES) {
      ByteBuffer piece =
          bytes.asSlice(from, Math.min(PIECE_BYTES, bytes.byteSize() - from)).asByteBuffer();
      while (piece.hasRemaining()) {
        storage.write(part, piece);
      }
    }
    return bytes.byteSize();
  }

  private List<PackedHeader.Entry> entries(List<Matrix> matrices) {
    List<MemorySegment> blocks = new ArrayList<>();
    matrices.forEach(matrix -> blocks.addAll(blocks(matrix.panels())));
    int[] sums = new int[blocks.size()];
    pool.run((chunk, worker) -> sums[chunk] = checksum(blocks.get(chunk)), sums.length);
    List<PackedHeader.Entry> entries = new ArrayList<>();
    int next = 0;
    for (Matrix matrix : matrices) {
      PackedHeader.Entry e = matrix.entry();
      List<Integer> own = new ArrayList<>();
      for (int i = PackedHeader.Entry.blocks(e.bytes()); i > 0; i--) {
        own.add(sums[next++]);
      }
      entries.add(
          new PackedHeader.Entry(
              e.name(),
              e.type(),
              e.packedType(),
              e.cols(),
              e.rows(),
              e.source(),
              e.offset(),
              e.bytes(),
              own));
    }
    return entries;
  }

  /// The parts of some panels that have a checksum each.
  static List<MemorySegment> blocks(MemorySegment panels) {
    List<MemorySegment> blocks = new ArrayList<>();
    for (long from = 0; from < panels.byteSize(); from += PackedHeader.BLOCK_BYTES) {
      blocks.add(
          panels.asSlice(from, Math.min(PackedHeader.BLOCK_BYTES, panels.byteSize() - from)));
    }
    return blocks;
  }

  /// CRC-32C, which CPUs compute.
  static int checksum(MemorySegment block) {
    CRC32C crc = new CRC32C();
    crc.update(block.asByteBuffer());
    return (int) crc.getValue();
  }
}
