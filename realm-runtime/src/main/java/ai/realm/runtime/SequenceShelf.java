package ai.realm.runtime;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.ObjLongConsumer;
import org.jspecify.annotations.Nullable;

/// A place for saved sequences; [SavedSequences] bounds what is in it. Safe for many threads.
interface SequenceShelf extends AutoCloseable {
  /// What is ready to be put in its place.
  interface Prepared extends AutoCloseable {
    /// Puts it there, in place of what has the same key.
    void commit();

    /// Makes what was committed outlive a power cut, where there is a disk; whoever waits for it need hold no
    /// lock.
    default void force() {}

    /// Forgets it unless it was committed.
    @Override
    void close();
  }

  Prepared prepare(SavedKv.Key key, SavedKv saved);

  /// Whether what is prepared is kept elsewhere than on the heap.
  boolean copies();

  /// @param room takes what is put on the heap for it, before that is done
  /// @throws SavedSequenceException when it is damaged or of another model
  /// @throws LimitException `HOST_MEMORY_LIMIT`
  @Nullable SavedKv read(SavedKv.Key key, SavedKv.Expected expected, HostMemory.Loan room);

  void delete(SavedKv.Key key);

  /// Tells what was there at the begin, with its bytes.
  void each(ObjLongConsumer<SavedKv.Key> to);

  @Override
  void close();

  /// On the heap.
  static SequenceShelf inMemory() {
    return new SequenceShelf() {
      private final Map<SavedKv.Key, SavedKv> all = new ConcurrentHashMap<>();

      @Override
      public boolean copies() {
        return false;
      }

      @Override
      public Prepared prepare(SavedKv.Key key, SavedKv saved) {
        return new Prepared() {
          @Override
          public void commit() {
            all.put(key, saved);
          }

          @Override
          public void close() {}
        };
      }

      @Override
      public @Nullable SavedKv read(
          SavedKv.Key key, SavedKv.Expected expected, HostMemory.Loan room) {
        // It is there already, and its tenant was charged when it was saved.
        SavedKv saved = all.get(key);
        if (saved != null) {
          expected.check(saved.model(), saved.sequence().layout());
        }
        return saved;
      }

      @Override
      public void delete(SavedKv.Key key) {
        all.remove(key);
      }

      @Override
      public void each(ObjLongConsumer<SavedKv.Key> to) {}

      @Override
      public void close() {
        all.clear();
      }
    };
  }
}
