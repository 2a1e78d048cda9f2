package ai.realm.engine;

import ai.realm.compute.Adapter;
import ai.realm.compute.KvStore;
import java.util.Arrays;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// What the owners of sequences and of published prompts ask of an engine beside its steps. Each call works on the
/// [EngineState] under the engine's lock; blocks are copied without it, held so that nobody else takes or writes them.
final class SequenceCalls {
  private final Engine engine;
  private final ReentrantLock lock;
  private final Condition work;
  private final EngineState state;
  private final KvStore kv;

  /// @param lock the engine's
  /// @param work of the lock: signalled where blocks became free
  SequenceCalls(Engine engine, ReentrantLock lock, Condition work, EngineState state, KvStore kv) {
    this.engine = engine;
    this.lock = lock;
    this.work = work;
    this.state = state;
    this.kv = kv;
  }

  Sequence open(EngineTenant tenant, @Nullable Adapter adapter) {
    lock.lock();
    try {
      engine.checkOpen();
      return state.newSequence(this, tenant, adapter);
    } finally {
      lock.unlock();
    }
  }

  Sequence open(EngineTenant tenant, @Nullable Adapter adapter, SavedSequence saved) {
    Sequence s;
    int[] blocks;
    lock.lock();
    try {
      engine.checkOpen();
      s = state.beginOpen(this, tenant, adapter, saved);
      blocks = Arrays.copyOf(s.blocks, s.blockCount);
    } finally {
      lock.unlock();
    }
    boolean written = false;
    try {
      // Nobody else has these blocks, and nobody takes them before the end.
      for (int i = 0; i < blocks.length; i++) {
        kv.writeBlock(blocks[i], saved.blocks()[i]);
      }
      written = true;
      return s;
    } finally {
      lock.lock();
      try {
        state.endOpen(s, saved);
        if (!written) {
          state.close(s);
          work.signal();
        }
      } finally {
        lock.unlock();
      }
    }
  }

  int length(Sequence s) {
    lock.lock();
    try {
      return s.length;
    } finally {
      lock.unlock();
    }
  }

  int[] tokens(Sequence s) {
    lock.lock();
    try {
      return Arrays.copyOf(s.tokens, s.length);
    } finally {
      lock.unlock();
    }
  }

  long savedBytes(Sequence s) {
    lock.lock();
    try {
      return SavedSequence.bytes(kv.layout(), s.length, s.cached);
    } finally {
      lock.unlock();
    }
  }

  /// A block that several hold is never written: held once more, it can be copied without the lock.
  SavedSequence save(Sequence s) {
    int[] tokens;
    int cached;
    int[] blocks;
    lock.lock();
    try {
      engine.checkOpen();
      blocks = state.holdBlocks(s);
      tokens = Arrays.copyOf(s.tokens, s.length);
      cached = s.cached;
    } finally {
      lock.unlock();
    }
    try {
      byte[][] copies = new byte[blocks.length][Math.toIntExact(kv.layout().blockBytes())];
      for (int i = 0; i < blocks.length; i++) {
        kv.readBlock(blocks[i], copies[i]);
      }
      return new SavedSequence(kv.layout(), tokens, cached, copies);
    } finally {
      lock.lock();
      try {
        state.letGo(blocks);
        work.signal();
      } finally {
        lock.unlock();
      }
    }
  }

  Sequence fork(Sequence s) {
    lock.lock();
    try {
      engine.checkOpen();
      return state.fork(this, s);
    } finally {
      lock.unlock();
    }
  }

  void truncate(Sequence s, int newLength) {
    lock.lock();
    try {
      state.truncate(s, newLength);
      work.signal();
    } finally {
      lock.unlock();
    }
  }

  void close(Sequence s) {
    lock.lock();
    try {
      state.close(s);
      work.signal();
    } finally {
      lock.unlock();
    }
  }

  /// Who computes a prompt that is to be published.
  ///
  /// @throws AdmissionException `PUBLISHED_LIMIT`
  EngineTenant publisher(int tokens) {
    lock.lock();
    try {
      engine.checkOpen();
      state.admitPublished(tokens);
      return state.publisher();
    } finally {
      lock.unlock();
    }
  }

  PublishedPrefix publish(Sequence s, int tokens) {
    lock.lock();
    try {
      return state.publish(this, s, tokens);
    } finally {
      lock.unlock();
    }
  }

  void withdraw(PublishedPrefix prefix) {
    lock.lock();
    try {
      state.withdraw(prefix);
      work.signal();
    } finally {
      lock.unlock();
    }
  }
}
