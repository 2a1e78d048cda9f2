package ai.realm.compute.cpu;

import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// A file of packed weights, mapped and checked. It is unmapped when the last matrix that lies in it is
/// closed.
///
/// A mapped file that shrinks takes the process down where native code reads it. So only files that
/// Realm wrote are mapped, which nobody shortens or rewrites: they belong to this user, nobody else may
/// write to them, and they are replaced by renaming only.
final class PackedFile {
  private final Arena arena;
  private final MemorySegment memory;
  private final Map<String, PackedHeader.Entry> entries = new HashMap<>();
  private final AtomicInteger users = new AtomicInteger(1);

  private PackedFile(Arena arena, MemorySegment memory, PackedHeader header) {
    this.arena = arena;
    this.memory = memory;
    header.entries().forEach(entry -> entries.put(entry.name(), entry));
  }

  /// Maps a file and checks all of it, on all threads.
  ///
  /// @param user the number of the user that the file must belong to
  /// @return null where there is none
  /// @throws PackedFileException for one that must not be used, with the reason
  static @Nullable PackedFile open(
      Path path,
      Object user,
      PackedLayout layout,
      ModelIdentity model,
      NativePacking packing,
      WorkerPool pool)
      throws IOException, PackedFileException {
    try {
      Object key = checkRights(path, user);
      try (FileChannel channel =
          FileChannel.open(path, Set.of(StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS))) {
        if (!checkRights(path, user).equals(key)) {
          throw PackedFileException.expected("file", "one that stays", "another one");
        }
        return open(channel, layout, model, packing, pool);
      }
    } catch (NoSuchFileException e) {
      return null;
    }
  }

  private static PackedFile open(
      FileChannel channel,
      PackedLayout layout,
      ModelIdentity model,
      NativePacking packing,
      WorkerPool pool)
      throws IOException, PackedFileException {
    long size = channel.size();
    if (size < PackedHeader.ALIGNMENT) {
      throw PackedFileException.expected("size", "at least 4096 bytes", size);
    }
    int length = PackedHeader.length(read(channel, PackedHeader.PREFIX_BYTES), size);
    PackedHeader header = PackedHeader.decode(read(channel, length), size);
    if (!header.layout().equals(layout.toString())) {
      throw PackedFileException.expected("layout", layout, header.layout());
    }
    if (!header.model().stamps().equals(model.stamps())) {
      throw PackedFileException.expected("model", model.stamps(), header.model().stamps());
    }
    if (!header.model().equals(model)) {
      throw PackedFileException.expected(
          "model's tensors",
          "digest " + model.digest().substring(0, 16),
          header.model().digest().substring(0, 16));
    }
    Arena arena = Arena.ofShared();
    try {
      MemorySegment memory = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
      packing.useHugePages(memory);
      check(header, memory, pool);
      return new PackedFile(arena, memory, header);
    } catch (IOException | PackedFileException | RuntimeException | Error e) {
      arena.close();
      throw e;
    }
  }

  private static byte[] read(FileChannel channel, int count) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(count);
    while (bytes.hasRemaining()) {
      if (channel.read(bytes, bytes.position()) < 0) {
        throw new EOFException("expected %d bytes, found %d".formatted(count, bytes.position()));
      }
    }
    return bytes.array();
  }

  /// Compares every checksum, which brings every page in.
  private static void check(PackedHeader header, MemorySegment memory, WorkerPool pool)
      throws PackedFileException {
    List<MemorySegment> blocks = new ArrayList<>();
    List<PackedHeader.Entry> owners = new ArrayList<>();
    List<Integer> expected = new ArrayList<>();
    for (PackedHeader.Entry entry : header.entries()) {
      for (MemorySegment block :
          PackedWriter.blocks(memory.asSlice(entry.offset(), entry.bytes()))) {
        blocks.add(block);
        owners.add(entry);
      }
      expected.addAll(entry.checksums());
    }
    int[] found = new int[blocks.size()];
    pool.run(
        (chunk, worker) -> found[chunk] = PackedWriter.checksum(blocks.get(chunk)), found.length);
    for (int i = 0; i < found.length; i++) {
      if (found[i] != expected.get(i)) {
        throw PackedFileException.expected(
            "checksum of " + owners.get(i).name(),
            Integer.toHexString(expected.get(i)),
            Integer.toHexString(found[i]));
      }
    }
  }

  /// Whose the file is and who may write to it; what identifies it.
  private static Object checkRights(Path path, Object self)
      throws IOException, PackedFileException {
    Map<String, Object> file =
        Files.readAttributes(
            path, "unix:uid,isRegularFile,permissions,fileKey", LinkOption.NOFOLLOW_LINKS);
    if (!Boolean.TRUE.equals(file.get("isRegularFile"))) {
      throw PackedFileException.expected("file", "a regular one", "another kind");
    }
    Object owner = Objects.requireNonNullElse(file.get("uid"), "nobody");
    if (!owner.equals(self)) {
      throw PackedFileException.expected("owner", "this user, " + self, owner);
    }
    if (file.get("permissions") instanceof Set<?> rights
        && (rights.contains(PosixFilePermission.GROUP_WRITE)
            || rights.contains(PosixFilePermission.OTHERS_WRITE))) {
      throw PackedFileException.expected(
          "rights",
          "nobody else to write",
          PosixFilePermissions.toString(
              Files.getPosixFilePermissions(path, LinkOption.NOFOLLOW_LINKS)));
    }
    return Objects.requireNonNullElse(file.get("fileKey"), "");
  }

  /// The entry of this name.
  PackedHeader.@Nullable Entry find(String name) {
    return entries.get(name);
  }

  /// The panels of an entry, which keep the file mapped until they are released.
  PackedWeights.Panels panels(PackedHeader.Entry entry) {
    users.incrementAndGet();
    return new PackedWeights.Panels(memory.asSlice(entry.offset(), entry.bytes()), this::release);
  }

  /// Ends one use.
  void release() {
    if (users.decrementAndGet() == 0) {
      arena.close();
    }
  }
}
