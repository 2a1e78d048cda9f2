package ai.realm.runtime;

import java.io.DataInputStream;
import java.io.RandomAccessFile;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;

/// What a worker becomes when a guest has taken it over: it knows the protocol and breaks it as its
/// argument says. Layout and kinds are written out here on purpose; see [WorkerChannel].
final class HostileWorker {
  private static final int TO_HOST = 64;
  private static final int MESSAGE = 8704;

  private final String way;
  private final RandomAccessFile file;
  private final MappedByteBuffer shared;
  private final SocketChannel bell;
  private final int line;
  private long sent;

  /// The number of a host function without parameters.
  private static volatile int abiVersion;

  /// @param line the number of the instance
  private HostileWorker(String way, int line, RandomAccessFile file, SocketChannel bell)
      throws Exception {
    this.way = way;
    this.line = line;
    this.file = file;
    this.bell = bell;
    this.shared = file.getChannel().map(FileChannel.MapMode.READ_WRITE, 0, file.length());
    shared.order(ByteOrder.LITTLE_ENDIAN);
  }

  public static void main(String[] arguments) throws Exception {
    DataInputStream in = new DataInputStream(System.in);
    int functions = in.readInt();
    for (int i = 0; i < functions; i++) {
      if (in.readUTF().equals("abi_version")) {
        abiVersion = i;
      }
      in.readInt();
    }
    if (arguments[0].equals("deaf")) {
      Thread.sleep(Long.MAX_VALUE);
    }
    while (true) {
      if (in.readInt() != 1) {
        in.readInt();
        continue;
      }
      int line = in.readInt();
      RandomAccessFile file = new RandomAccessFile(in.readUTF(), "rw");
      if (arguments[0].equals("truncate at once")) {
        file.setLength(0);
      }
      SocketChannel bell = SocketChannel.open(UnixDomainSocketAddress.of(in.readUTF()));
      in.readLong();
      HostileWorker worker = new HostileWorker(arguments[0], line, file, bell);
      Thread.ofPlatform().daemon().start(worker::serve);
    }
  }

  /// Whether its line is one on which nothing is ever said.
  private boolean isSilent() {
    return switch (way) {
      case "truncate at once", "silent" -> true;
      // Its guest is loaded on the first and made on the second, where it has to be loaded again.
      case "forgets, then is silent" -> line > 2;
      default -> false;
    };
  }

  private void serve() {
    try {
      if (isSilent()) {
        Thread.sleep(Long.MAX_VALUE);
      }
      send(message(way.equals("not ready") ? 9 : 1));
      for (int received = 0; ; received++) {
        while (shared.getLong(0) == received) {
          Thread.sleep(1);
        }
        int kind = shared.getInt(1024 + 4);
        if (way.equals("truncate at message " + kind)) {
          truncate(0);
        }
        switch (kind) {
          // The module is loaded, the instance is there, the function has no parameters.
          case 16, 18 -> send(message(4).putLong(0));
          case 17 -> send(message(4).putLong(way.startsWith("forgets") ? -1 : 0));
          case 19 -> attack();
          case 23 -> {
            return;
          }
          // Whatever the host answers to a hostile call, this guest is done.
          default -> send(message(4).putLong(1));
        }
      }
    } catch (Exception e) {
      // The host may hang up before the bell is rung; the process is to open more lines.
      if (!way.equals("not ready")) {
        System.exit(9);
      }
    }
  }

  private static ByteBuffer message(int kind) {
    return ByteBuffer.allocate(7168).order(ByteOrder.LITTLE_ENDIAN).putInt(kind);
  }

  private void send(ByteBuffer message) throws Exception {
    message.flip();
    send(message, message.limit(), sent + 1);
  }

  private void send(ByteBuffer message, int length, long count) throws Exception {
    shared.position(MESSAGE + 4);
    shared.put(message);
    shared.putInt(MESSAGE, length);
    sent = count;
    shared.putLong(TO_HOST, count);
    bell.write(ByteBuffer.allocate(1));
  }

  /// Sends, and spins for any answer.
  private void ask(ByteBuffer message) throws Exception {
    long answers = shared.getLong(0);
    send(message);
    while (shared.getLong(0) == answers) {
      Thread.onSpinWait();
    }
  }

  /// Where nothing is left, the next look at the shared memory ends this process.
  private void truncate(long length) throws Exception {
    file.setLength(length);
    bell.write(ByteBuffer.allocate(1));
    if (length == 0) {
      Thread.sleep(Long.MAX_VALUE);
    }
  }

  private static ByteBuffer text(ByteBuffer to, String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    return to.putInt(utf8.length).put(utf8);
  }

  private void attack() throws Exception {
    switch (way) {
      case "length" -> send(message(4).flip(), Integer.MAX_VALUE, sent + 1);
      case "negative length" -> send(message(4).flip(), -1, sent + 1);
      case "short" -> send(message(4));
      case "sequence" -> send(message(4).putLong(0).flip(), 12, sent + 1000);
      case "kind" -> send(message(4711));
      case "function" -> send(message(2).putInt(10_000).putInt(0));
      case "negative function" -> send(message(2).putInt(-1).putInt(0));
      case "arguments" -> send(message(2).putInt(2).putInt(1_000_000));
      case "few arguments" -> send(message(2).putInt(1).putInt(3).putInt(0));
      case "memory" -> send(message(3).putLong(Long.MAX_VALUE));
      case "negative memory" -> send(message(3).putLong(-65_536));
      case "odd memory" -> send(message(3).putLong(1));
      case "text" -> send(message(5).putInt(1 << 30));
      case "code" -> send(text(text(message(5), "ADMIN"), "let me\n\u001b[31min"));
      case "truncate" -> truncate(1);
      case "hang up" -> bell.close();
      case "exit" -> System.exit(7);
      case "host calls for ever" -> {
        while (true) {
          ask(message(2).putInt(abiVersion).putInt(0));
        }
      }
      case "memory for ever" -> {
        while (true) {
          ask(message(3).putLong(0));
        }
      }
      case "bells" -> {
        for (int i = 0; i < 10_000; i++) {
          bell.write(ByteBuffer.allocate(1));
        }
        send(message(4).putLong(3));
      }
      default -> throw new IllegalArgumentException(way);
    }
  }
}
