package ai.realm.runtime;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;

/// The text that one call emits, kept as UTF-8 until the call ends and charged to the realm's host memory
/// as it grows, with what its result takes. A guest that did not stop when its call ended may still emit:
/// then nothing is kept any more.
final class CallText implements AutoCloseable {
  private static final int FIRST_BLOCK = 256;
  private static final int LARGEST_BLOCK = 64 << 10;

  /// Bytes while the result is made for each byte kept: itself, its copy and the string.
  private static final int COPIES = 3;

  private final HostMemory memory;
  private final List<byte[]> full = new ArrayList<>();
  private byte[] block = new byte[FIRST_BLOCK];
  private int used;
  private long length;
  private long charged;
  private final ReentrantLock lock = new ReentrantLock();
  private boolean closed;

  CallText(HostMemory memory) {
    this.memory = memory;
  }

  /// Appends a piece; false where the realm's host memory is used up, or the call has ended.
  boolean append(byte[] utf8) {
    lock.lock();
    try {
      return !closed && keep(utf8);
    } finally {
      lock.unlock();
    }
  }

  private boolean keep(byte[] utf8) {
    int at = 0;
    while (at < utf8.length) {
      if (used == block.length && !grow()) {
        return false;
      }
      int n = Math.min(utf8.length - at, block.length - used);
      System.arraycopy(utf8, at, block, used, n);
      at += n;
      used += n;
      length += n;
    }
    return true;
  }

  private boolean grow() {
    int next = Math.min(LARGEST_BLOCK, 2 * block.length);
    if (!memory.take((long) COPIES * next)) {
      return false;
    }
    charged += (long) COPIES * next;
    full.add(block);
    block = new byte[next];
    used = 0;
    return true;
  }

  /// UTF-8 bytes so far.
  long length() {
    return length;
  }

  @Override
  public String toString() {
    byte[] all = new byte[(int) length];
    int at = 0;
    for (byte[] each : full) {
      System.arraycopy(each, 0, all, at, each.length);
      at += each.length;
    }
    System.arraycopy(block, 0, all, at, used);
    return new String(all, StandardCharsets.UTF_8);
  }

  /// Gives the memory back; the text is gone.
  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      memory.give(charged);
      charged = 0;
      full.clear();
      block = new byte[0];
      used = 0;
    } finally {
      lock.unlock();
    }
  }
}
