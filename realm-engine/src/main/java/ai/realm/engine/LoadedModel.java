package ai.realm.engine;

import ai.realm.compute.Adapter;
import ai.realm.compute.Backend;
import ai.realm.error.RealmException;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufFingerprint;
import ai.realm.gguf.GgufFormatException;
import ai.realm.gguf.GgufMetadata;
import ai.realm.model.Architectures;
import ai.realm.model.CausalLm;
import ai.realm.template.ChatTemplate;
import ai.realm.tokenizer.Tokenizer;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// A model file ready to run: its tokenizer, its weights on a backend and its chat template. One copy
/// serves all tenants. Who uses it holds a [ModelLease]; the memory goes when it was closed and the
/// last lease has ended.
public final class LoadedModel implements AutoCloseable {
  private final GgufFile file;
  private final Tokenizer tokenizer;
  private final Backend backend;
  private final CausalLm model;
  private final ReentrantLock lock = new ReentrantLock();
  private final List<AdapterFile> adapters = new ArrayList<>();
  private @Nullable ChatTemplate chatTemplate;
  private byte @Nullable [] fingerprint;
  private int leases;
  private boolean closed;

  private LoadedModel(GgufFile file, Tokenizer tokenizer, Backend backend, CausalLm model) {
    this.file = file;
    this.tokenizer = tokenizer;
    this.backend = backend;
    this.model = model;
  }

  /// Maps a GGUF file and prepares its weights on a backend, which must outlive the model.
  ///
  /// @throws RealmException when the file is malformed or the model is not supported
  public static LoadedModel open(Path path, Backend backend) {
    return open(GgufFile.open(path), backend);
  }

  /// Prepares the weights of an open file, which the model closes; `GgufFile.openCopied` is for files
  /// that somebody may change while they are used.
  ///
  /// @throws RealmException when the model is not supported; then the file is closed
  public static LoadedModel open(GgufFile file, Backend backend) {
    try {
      Tokenizer tokenizer = Tokenizer.of(file.metadata());
      return new LoadedModel(file, tokenizer, backend, Architectures.load(file, backend));
    } catch (InternalError e) {
      file.close();
      throw cut(file, e);
    } catch (RuntimeException | Error e) {
      file.close();
      throw e;
    }
  }

  /// A page of a mapped file is not there any more: the JVM says so by an `InternalError`, which nobody above
  /// must take for a failure of its own.
  private static GgufFormatException cut(GgufFile file, InternalError e) {
    return new GgufFormatException(
        "model file %s: expected a file that stays as it is while it is mapped, found it shortened"
            .formatted(file.path()),
        e);
  }

  /// The file's metadata.
  public GgufMetadata metadata() {
    return file.metadata();
  }

  /// The mapped file.
  public GgufFile file() {
    return file;
  }

  /// Text to token ids and back.
  public Tokenizer tokenizer() {
    return tokenizer;
  }

  /// Where the weights are.
  public Backend backend() {
    return backend;
  }

  /// The architecture with its weights.
  public CausalLm model() {
    return model;
  }

  /// @param fingerprint of the file: guests ask again and again, under a lock that all share
  private record AdapterFile(GgufFile file, Adapter adapter, float strength, byte[] fingerprint) {
    void close() {
      adapter.close();
      file.close();
    }
  }

  /// Loads a LoRA adapter for sequences of this model; it goes with the model.
  ///
  /// @param strength factor on what the adapter adds, 1 for what it was trained for
  /// @throws RealmException when the file is malformed or does not fit this model
  public Adapter loadAdapter(Path path, float strength) {
    return loadAdapter(GgufFile.open(path), strength);
  }

  /// The same from an open file, which goes with the model; where it does not fit it is closed.
  public Adapter loadAdapter(GgufFile adapterFile, float strength) {
    lock.lock();
    try {
      if (closed) {
        throw new IllegalStateException("model " + file.path().getFileName() + " was unloaded");
      }
      Adapter adapter = model.loadAdapter(adapterFile, strength);
      adapters.add(
          new AdapterFile(adapterFile, adapter, strength, GgufFingerprint.of(adapterFile)));
      return adapter;
    } catch (InternalError e) {
      adapterFile.close();
      throw cut(adapterFile, e);
    } catch (RuntimeException | Error e) {
      adapterFile.close();
      throw e;
    } finally {
      lock.unlock();
    }
  }

  /// What tells keys and values of this model with this adapter from others': [GgufFingerprint]s of both
  /// files and the adapter's strength.
  ///
  /// @param adapter one of [#loadAdapter]; null for none
  /// @throws GgufFormatException when a mapped file was shortened
  public byte[] fingerprint(@Nullable Adapter adapter) {
    lock.lock();
    try {
      byte[] own = fingerprint;
      if (own == null) {
        own = GgufFingerprint.of(file);
        fingerprint = own;
      }
      ByteBuffer both = ByteBuffer.allocate(2 * GgufFingerprint.BYTES + 4).put(own);
      for (AdapterFile known : adapters) {
        if (known.adapter == adapter) {
          both.put(known.fingerprint).putFloat(known.strength);
        }
      }
      return both.array();
    } catch (InternalError e) {
      throw cut(file, e);
    } finally {
      lock.unlock();
    }
  }

  /// The model's own chat template, compiled on first use, or null when the file has none.
  public @Nullable ChatTemplate chatTemplate() {
    lock.lock();
    try {
      if (chatTemplate == null && metadata().contains("tokenizer.chat_template")) {
        chatTemplate = ChatTemplate.compile(metadata().string("tokenizer.chat_template"));
      }
      return chatTemplate;
    } finally {
      lock.unlock();
    }
  }

  /// Keeps the model in memory until the lease ends.
  ///
  /// @throws IllegalStateException when the model was closed
  public ModelLease lease() {
    lock.lock();
    try {
      if (closed) {
        throw new IllegalStateException("model " + file.path().getFileName() + " was unloaded");
      }
      leases++;
      return new ModelLease(this);
    } finally {
      lock.unlock();
    }
  }

  void endLease() {
    lock.lock();
    try {
      leases--;
      freeIfUnused();
    } finally {
      lock.unlock();
    }
  }

  /// Lets no new lease begin; the memory goes with the last one.
  @Override
  public void close() {
    lock.lock();
    try {
      if (!closed) {
        closed = true;
        freeIfUnused();
      }
    } finally {
      lock.unlock();
    }
  }

  private void freeIfUnused() {
    if (closed && leases == 0) {
      adapters.forEach(AdapterFile::close);
      model.close();
      file.close();
    }
  }
}
