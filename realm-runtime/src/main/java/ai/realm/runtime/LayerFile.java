package ai.realm.runtime;

import ai.realm.runtime.FileSpace.Extent;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The file of one tenant's layers: opened with the first layer, no larger than what was in it at one time,
/// gone on close. Used by one thread at a time.
final class LayerFile {
  /// What is written or read between two looks at whether the call is over.
  static final int PIECE = 1 << 18;

  /// Where a layer's bytes come from or go to.
  interface Bytes {
    /// Moves `count` bytes between the layer's `offset` and the begin of `piece`.
    void move(long offset, byte[] piece, int count);
  }

  private final LayerDisk.Opener opener;
  private final FileSpace space = new FileSpace();
  private @Nullable LayerDisk disk;

  LayerFile(LayerDisk.Opener opener) {
    this.opener = opener;
  }

  private LayerDisk disk() throws IOException {
    LayerDisk present = disk;
    if (present == null) {
      present = opener.open();
      disk = present;
    }
    return present;
  }

  List<Extent> take(long bytes) {
    return space.take(bytes);
  }

  /// Gives extents back; where they were the last ones, the file gets shorter.
  void give(List<Extent> extents) {
    space.give(extents);
    LayerDisk present = disk;
    try {
      if (present != null && present.length() > space.end()) {
        present.truncate(space.end());
      }
    } catch (IOException e) {
      // The bytes stay on the disk until others take their place; nobody reads them before that.
    }
  }

  /// Writes `count` bytes of a layer, `source` filling each piece.
  void write(List<Extent> extents, long offset, long count, Bytes source, Interruption interruption)
      throws IOException {
    LayerDisk to = disk();
    each(
        extents,
        offset,
        count,
        interruption,
        (at, from, piece, n) -> {
          source.move(from, piece, n);
          to.write(at, piece, n);
        });
  }

  /// Reads `count` bytes of a layer, `target` taking each piece. What was reserved and never written reads as
  /// zeros, also behind the end of the file.
  void read(List<Extent> extents, long offset, long count, Bytes target, Interruption interruption)
      throws IOException {
    LayerDisk from = disk();
    long length = from.length();
    each(
        extents,
        offset,
        count,
        interruption,
        (at, to, piece, n) -> {
          int there = (int) Math.clamp(length - at, 0, n);
          from.read(at, piece, there);
          Arrays.fill(piece, there, n, (byte) 0);
          target.move(to, piece, n);
        });
  }

  /// Makes a layer read as zeros; only what others wrote is touched.
  void zero(List<Extent> extents) throws IOException {
    LayerDisk to = disk();
    byte[] zeros = new byte[PIECE];
    for (Extent extent : extents) {
      long until = Math.min(extent.offset() + extent.bytes(), to.length());
      for (long at = extent.offset(); at < until; at += PIECE) {
        to.write(at, zeros, (int) Math.min(PIECE, until - at));
      }
    }
  }

  private interface Piece {
    /// @param at in the file
    /// @param offset in the layer
    void run(long at, long offset, byte[] piece, int count) throws IOException;
  }

  private static void each(
      List<Extent> extents, long offset, long count, Interruption interruption, Piece action)
      throws IOException {
    byte[] piece = new byte[(int) Math.min(PIECE, count)];
    long end = offset + count;
    long begin = 0;
    for (Extent extent : extents) {
      long from = Math.max(offset, begin);
      long to = Math.min(end, begin + extent.bytes());
      while (from < to) {
        interruption.check();
        int n = (int) Math.min(piece.length, to - from);
        action.run(extent.offset() + from - begin, from, piece, n);
        from += n;
      }
      begin += extent.bytes();
    }
  }

  /// Ends work that nobody waits for any more.
  interface Interruption {
    /// @throws LayerException `LAYER_CANCELLED`
    void check();
  }

  void close() throws IOException {
    LayerDisk present = disk;
    disk = null;
    if (present != null) {
      present.close();
    }
  }
}
