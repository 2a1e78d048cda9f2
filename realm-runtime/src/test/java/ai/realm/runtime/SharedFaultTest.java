package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.FileChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import run.endive.wasm.types.MemoryLimits;

/// Memory that a worker takes away while the host uses it. Code that the JVM has compiled to machine code
/// goes on after the access that failed, so each access is made often before.
@Timeout(120)
final class SharedFaultTest {
  private static final int OFTEN = 200_000;

  private static final MemoryCharge FREE =
      new MemoryCharge() {
        @Override
        public boolean take(long bytes) {
          return true;
        }

        @Override
        public void give(long bytes) {}

        @Override
        public GuestTrapException refusal(long bytes) {
          throw new IllegalStateException("nothing is refused");
        }
      };

  @TempDir private Path folder;

  private final Arena arena = Arena.ofShared();
  private FileChannel file;
  private MemorySegment shared;

  @BeforeEach
  void map() throws Exception {
    file =
        FileChannel.open(
            folder.resolve("memory"),
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE);
    shared = file.map(FileChannel.MapMode.READ_WRITE, 0, 2 << 16, arena);
  }

  @AfterEach
  void unmap() throws Exception {
    arena.close();
    file.close();
  }

  @Test
  void cpuTimeIsWhatItWasWhereItCannotBeRead() throws Exception {
    Path socket = folder.resolve("bell");
    try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      server.bind(UnixDomainSocketAddress.of(socket), 1);
      try (SocketChannel worker = SocketChannel.open(UnixDomainSocketAddress.of(socket));
          WorkerChannel channel = WorkerChannel.open(shared, server.accept(), true)) {
        channel.publishCpu(4711);
        for (int i = 0; i < OFTEN; i++) {
          assertThat(cpuNanos(channel)).isEqualTo(4711);
        }
        file.truncate(0);
        for (int i = 0; i < 3; i++) {
          assertThat(cpuNanos(channel)).isEqualTo(4711);
        }
        assertThat(worker.isOpen()).isTrue();
      }
    }
  }

  private static long cpuNanos(WorkerChannel channel) {
    return channel.cpuNanos();
  }

  /// Nothing that the host does after a read, with locks of its own for one, meets the error.
  @Test
  void hostFunctionsMeetTheErrorWhereTheyReachForTheMemory() throws Exception {
    GuestMemory memory = new GuestMemory(new SharedMemory(new MemoryLimits(2, 2), shared, FREE));
    int[] values = new int[4];
    for (int i = 0; i < OFTEN; i++) {
      memory.putInt(64, i);
      assertThat(useInt(memory)).isEqualTo(i);
      memory.ints(64, 4, values);
    }
    file.truncate(0);
    assertThatThrownBy(() -> useInt(memory)).hasMessage("at the read");
    assertThatThrownBy(() -> memory.putInt(64, 1)).isInstanceOf(InternalError.class);
    assertThatThrownBy(() -> memory.ints(64, 4, values)).isInstanceOf(InternalError.class);
  }

  /// Fails in another way than the memory where the error comes after the read.
  private static int useInt(GuestMemory memory) {
    int value;
    try {
      value = memory.getInt(64);
    } catch (InternalError e) {
      throw new InternalError("at the read", e);
    }
    return value;
  }
}
