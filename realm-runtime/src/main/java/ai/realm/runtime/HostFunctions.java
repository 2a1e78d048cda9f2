package ai.realm.runtime;

import ai.realm.engine.AdmissionException;
import ai.realm.engine.EngineException;
import ai.realm.template.ChatMessage;
import ai.realm.tokenizer.Tokenizer;
import ai.realm.tokenizer.Vocabulary;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/// The `realm_host` module of one realm: the functions of `docs/guest-abi.md`. They check what the guest
/// gives, hand work to the engine's threads and wait for it; none of them computes for long.
final class HostFunctions {
  private static final int ABI_VERSION = 1;
  private static final int ADD_SPECIAL = 1;
  private static final int PARSE_SPECIAL = 2;
  private static final int CONTROL = 1;
  private static final int ENDS_GENERATION = 2;
  private static final int MAX_NAME_BYTES = 1024;

  /// Elements of the largest matrix that a guest may multiply on the host.
  private static final long MAX_MATRIX = 1L << 26;

  private final Realm realm;
  private final Memory64Manager memory64;
  private final Steps steps;
  private final List<HostFunction> functions;

  HostFunctions(Realm realm, Memory64Manager memory64) {
    this.realm = realm;
    this.memory64 = memory64;
    this.steps = new Steps(realm);
    functions =
        List.of(
            new HostFunction("abi_version", 0, (memory, a) -> ABI_VERSION),
            new HostFunction("arg_read", 3, this::readArgument),
            new HostFunction("emit_token", 1, this::emitToken),
            new HostFunction("emit_text", 2, this::emitText),
            new HostFunction("model_open", 2, this::openModel),
            new HostFunction("model_close", 1, this::closeModel),
            new HostFunction("model_info", 3, this::modelInfo),
            new HostFunction("tokenize", 6, this::tokenize),
            new HostFunction("token_bytes", 4, this::tokenBytes),
            new HostFunction("token_flags", 2, this::tokenFlags),
            new HostFunction("chat_template", 5, this::chatTemplate),
            new HostFunction("kv_new", 1, this::newSequence),
            new HostFunction("kv_fork", 1, this::forkSequence),
            new HostFunction("kv_len", 1, this::sequenceLength),
            new HostFunction("kv_truncate", 2, this::truncateSequence),
            new HostFunction("kv_text", 4, this::sequenceText),
            new HostFunction("kv_free", 1, this::freeSequence),
            new HostFunction("step", 2, steps::step),
            new HostFunction("candle_matmul", 8, (memory, a) -> matmul(memory, a, false)),
            new HostFunction("candle_matmul_transposed", 8, (memory, a) -> matmul(memory, a, true)),
            new HostFunction("memory64_store_layer", 5, this::storeLayer),
            new HostFunction("memory64_load_layer", 5, this::loadLayer),
            new HostFunction("memory64_get_cache_stats", 2, this::cacheStats));
  }

  List<HostFunction> functions() {
    return functions;
  }

  // ---- input and output
  // ---------------------------------------------------------------------------

  private int readArgument(GuestMemory memory, int[] a) {
    return memory.put(realm.call().argument(a[0]), a[1], a[2]);
  }

  private int emitToken(GuestMemory memory, int[] a) {
    if (realm.call().isCancelled()) {
      return Errno.ECANCELED;
    }
    realm.call().emitToken(a[0]);
    return 0;
  }

  private int emitText(GuestMemory memory, int[] a) {
    String text = new String(memory.bytes(a[0], a[1]), StandardCharsets.UTF_8);
    if (realm.call().isCancelled()) {
      return Errno.ECANCELED;
    }
    realm.call().emit(text);
    return 0;
  }

  // ---- model
  // --------------------------------------------------------------------------------------

  private int openModel(GuestMemory memory, int[] a) {
    if (a[1] > MAX_NAME_BYTES) {
      return Errno.ENOENT;
    }
    String name = new String(memory.bytes(a[0], a[1]), StandardCharsets.UTF_8);
    Realm.OpenModel model = realm.openModel(name);
    return model == null ? Errno.ENOENT : handle(model);
  }

  private int handle(AutoCloseable object) {
    int handle = realm.handles().add(object);
    return handle == 0 ? Errno.EDQUOT : handle;
  }

  private int closeModel(GuestMemory memory, int[] a) {
    if (model(a[0]) == null) {
      return Errno.EBADF;
    }
    realm.handles().remove(a[0]);
    return 0;
  }

  private Realm.@Nullable OpenModel model(int handle) {
    return realm.handles().find(handle, Realm.OpenModel.class);
  }

  private Realm.@Nullable OpenSequence sequence(int handle) {
    return realm.handles().find(handle, Realm.OpenSequence.class);
  }

  private int modelInfo(GuestMemory memory, int[] a) {
    Realm.OpenModel model = model(a[0]);
    if (model == null) {
      return Errno.EBADF;
    }
    Vocabulary vocabulary = model.host().tokenizer().vocabulary();
    int[] info = {
      vocabulary.size(),
      model.host().context(),
      orMinusOne(vocabulary.bos()),
      orMinusOne(vocabulary.eos())
    };
    memory.check(a[1], a[2]);
    return 4 * memory.put(info, a[1], a[2] / 4);
  }

  private static int orMinusOne(OptionalInt token) {
    return token.orElse(-1);
  }

  private int tokenize(GuestMemory memory, int[] a) {
    Realm.OpenModel model = model(a[0]);
    byte[] bytes = memory.bytes(a[1], a[2]);
    memory.check(a[4], 4L * Math.max(0, a[5]));
    if (model == null) {
      return Errno.EBADF;
    }
    if (a[5] < 0 || (a[3] & ~(ADD_SPECIAL | PARSE_SPECIAL)) != 0) {
      return Errno.EINVAL;
    }
    String text = utf8(bytes);
    if (text == null) {
      return Errno.EINVAL;
    }
    int[] ids =
        model
            .host()
            .tokenizer()
            .encode(text, (a[3] & ADD_SPECIAL) != 0, (a[3] & PARSE_SPECIAL) != 0);
    return memory.put(ids, a[4], a[5]);
  }

  private static @Nullable String utf8(byte[] bytes) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      return null;
    }
  }

  private int tokenBytes(GuestMemory memory, int[] a) {
    Realm.OpenModel model = model(a[0]);
    memory.check(a[2], a[3]);
    if (model == null) {
      return Errno.EBADF;
    }
    Tokenizer tokenizer = model.host().tokenizer();
    if (a[1] < 0 || a[1] >= tokenizer.vocabulary().size()) {
      return Errno.EINVAL;
    }
    return memory.put(tokenizer.tokenBytes(a[1]), a[2], a[3]);
  }

  private int tokenFlags(GuestMemory memory, int[] a) {
    Realm.OpenModel model = model(a[0]);
    if (model == null) {
      return Errno.EBADF;
    }
    Vocabulary vocabulary = model.host().tokenizer().vocabulary();
    if (a[1] < 0 || a[1] >= vocabulary.size()) {
      return Errno.EINVAL;
    }
    return (vocabulary.isControl(a[1]) ? CONTROL : 0)
        | (vocabulary.isEndOfGeneration(a[1]) ? ENDS_GENERATION : 0);
  }

  private int chatTemplate(GuestMemory memory, int[] a) {
    Realm.OpenModel model = model(a[0]);
    byte[] json = memory.bytes(a[1], a[2]);
    memory.check(a[3], a[4]);
    if (model == null) {
      return Errno.EBADF;
    }
    List<ChatMessage> messages = ChatMessages.parse(json);
    if (messages == null) {
      return Errno.EINVAL;
    }
    String text = model.host().render(messages);
    return memory.put(text.getBytes(StandardCharsets.UTF_8), a[3], a[4]);
  }

  // ---- KV
  // -----------------------------------------------------------------------------------------

  private int newSequence(GuestMemory memory, int[] a) {
    Realm.OpenModel model = model(a[0]);
    if (model == null) {
      return Errno.EBADF;
    }
    try {
      return handleOrClose(realm.openSequence(model));
    } catch (AdmissionException e) {
      return Errno.EDQUOT;
    }
  }

  private int handleOrClose(Realm.OpenSequence sequence) {
    int handle = handle(sequence);
    if (handle < 0) {
      sequence.close();
    }
    return handle;
  }

  private int forkSequence(GuestMemory memory, int[] a) {
    Realm.OpenSequence from = sequence(a[0]);
    if (from == null) {
      return Errno.EBADF;
    }
    try {
      return handleOrClose(new Realm.OpenSequence(from.model, from.sequence.fork()));
    } catch (AdmissionException e) {
      return Errno.EDQUOT;
    }
  }

  private int sequenceLength(GuestMemory memory, int[] a) {
    Realm.OpenSequence sequence = sequence(a[0]);
    return sequence == null ? Errno.EBADF : sequence.sequence.length();
  }

  private int truncateSequence(GuestMemory memory, int[] a) {
    Realm.OpenSequence sequence = sequence(a[0]);
    if (sequence == null) {
      return Errno.EBADF;
    }
    if (a[1] < 0 || a[1] > sequence.sequence.length()) {
      return Errno.EINVAL;
    }
    sequence.sequence.truncate(a[1]);
    return 0;
  }

  private int sequenceText(GuestMemory memory, int[] a) {
    Realm.OpenSequence sequence = sequence(a[0]);
    memory.check(a[2], a[3]);
    if (sequence == null) {
      return Errno.EBADF;
    }
    if (a[1] < 0 || a[1] >= sequence.model.host().tokenizer().vocabulary().size()) {
      return Errno.EINVAL;
    }
    String text = sequence.decoder.accept(a[1]);
    return memory.put(text.getBytes(StandardCharsets.UTF_8), a[2], a[3]);
  }

  private int freeSequence(GuestMemory memory, int[] a) {
    Realm.OpenSequence sequence = sequence(a[0]);
    if (sequence == null) {
      return Errno.EBADF;
    }
    // Bytes of a character that the guest never completed.
    realm.call().emit(sequence.decoder.finish());
    realm.handles().remove(a[0]);
    sequence.close();
    return 0;
  }

  // ---- low level
  // ----------------------------------------------------------------------------------

  /// `result (m, n) = a (m, k) · b`, where b is (k, n), or (n, k) when transposed.
  private int matmul(GuestMemory memory, int[] x, boolean transposed) {
    int m = x[4];
    int k = x[5];
    int n = x[6];
    if (m < 1
        || k < 1
        || n < 1
        || (long) m * k > MAX_MATRIX
        || (long) k * n > MAX_MATRIX
        || (long) m * n > MAX_MATRIX
        || x[1] != m * k
        || x[3] != k * n) {
      return Errno.EINVAL;
    }
    memory.check(x[7], 4L * m * n);
    float[] a = memory.floats(x[0], x[1]);
    float[] b = memory.floats(x[2], x[3]);
    float[] result = new float[m * n];
    for (int i = 0; i < m; i++) {
      // A row at a time, so that a guest cannot hide from its deadline in here.
      if (realm.call().isCancelled()) {
        return Errno.ECANCELED;
      }
      if (realm.call().isPastDeadline()) {
        throw new GuestTrapException("GUEST_DEADLINE", "guest: its time for the call is over");
      }
      for (int j = 0; j < n; j++) {
        float sum = 0;
        for (int l = 0; l < k; l++) {
          sum += a[i * k + l] * (transposed ? b[j * k + l] : b[l * n + j]);
        }
        result[i * n + j] = sum;
      }
    }
    memory.put(result, x[7]);
    return 0;
  }

  /// `(model_ptr, model_len, layer, ptr, len)`.
  private int storeLayer(GuestMemory memory, int[] a) {
    String model = layerName(memory, a);
    if (model == null) {
      return Errno.EINVAL;
    }
    byte[] data = memory.bytes(a[3], a[4]);
    try {
      memory64.store(model, a[2], MemorySegment.ofArray(data));
      return 0;
    } catch (IllegalStateException e) {
      return Errno.EDQUOT;
    }
  }

  /// `(model_ptr, model_len, layer, ptr, cap)`; returns the layer's bytes.
  private int loadLayer(GuestMemory memory, int[] a) {
    String model = layerName(memory, a);
    memory.check(a[3], a[4]);
    if (model == null) {
      return Errno.EINVAL;
    }
    long size = memory64.size(model, a[2]);
    if (size < 0 || size > Integer.MAX_VALUE) {
      return size < 0 ? Errno.ENOENT : Errno.EMSGSIZE;
    }
    byte[] data = new byte[(int) Math.min(size, a[4])];
    memory64.read(model, a[2], 0, MemorySegment.ofArray(data));
    memory.put(data, a[3], a[4]);
    return (int) size;
  }

  /// Layers are a realm's own: the name of another realm cannot be said.
  private @Nullable String layerName(GuestMemory memory, int[] a) {
    byte[] name = memory.bytes(a[0], Math.min(a[1], MAX_NAME_BYTES + 1));
    return name.length > MAX_NAME_BYTES
        ? null
        : realm.name() + '\0' + new String(name, StandardCharsets.UTF_8);
  }

  private int cacheStats(GuestMemory memory, int[] a) {
    memory.check(a[0], a[1]);
    Memory64Stats stats = memory64.stats();
    long[] values = {
      stats.residentBytes(),
      stats.layers(),
      stats.hits(),
      stats.misses(),
      stats.evictions(),
      stats.capacityBytes()
    };
    for (int i = 0; i < values.length && 8 * (i + 1) <= a[1]; i++) {
      memory.putLong(a[0] + 8 * i, values[i]);
    }
    return 8 * values.length;
  }

  /// What an engine's refusal means to a guest.
  static int errno(AdmissionException refused) {
    return switch (refused.code()) {
      case "QUEUE_FULL" -> Errno.EAGAIN;
      case "CONTEXT_FULL" -> Errno.EMSGSIZE;
      default -> Errno.EDQUOT;
    };
  }

  /// What a failed step means to a guest; a failure of the engine itself ends the call.
  static int errno(EngineException failed) {
    return switch (failed.code()) {
      case "CANCELLED" -> Errno.ECANCELED;
      default -> throw failed;
    };
  }
}
