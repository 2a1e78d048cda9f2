package ai.realm.cli;

import ai.realm.compute.Backend;
import ai.realm.compute.Backends;
import ai.realm.engine.AdmissionException;
import ai.realm.gguf.GgufFile;
import ai.realm.gguf.TensorInfo;
import ai.realm.runtime.CallResult;
import ai.realm.runtime.GuestLimits;
import ai.realm.runtime.GuestOutput;
import ai.realm.runtime.RealmRuntime;
import ai.realm.template.ChatMessage;
import ai.realm.wasm.DefaultGuest;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/// A model with the default guest, in this process.
final class GuestSession implements Session {
  private static final Duration LONGEST_CALL = Duration.ofHours(24);

  private static final String TOKENS = "tokenizer.ggml.tokens";

  // Results of the default guest's `generate`, and the host's errors that have a meaning here.
  private static final int STOPPED = 0;
  private static final int LOGPROB_EVENT = 1;
  private static final int LOG_ERROR = 0;
  private static final int LENGTH = 1;
  private static final int TOO_LONG = -90;
  private static final int CANCELLED = -125;

  private final Backend backend;
  private final RealmRuntime runtime;
  private final List<String> notices;
  private final long model;
  private final int vocabularySize;

  private GuestSession(
      Backend backend, RealmRuntime runtime, List<String> notices, long model, int vocabularySize) {
    this.backend = backend;
    this.runtime = runtime;
    this.notices = List.copyOf(notices);
    this.model = model;
    this.vocabularySize = vocabularySize;
  }

  /// Loads the model and the default guest.
  static Session open(RuntimeOptions options, ProgressLine progress) {
    ModelOptions chosen = options.model();
    options.check();
    Path file = chosen.file();
    if (!chosen.hasPackedWeights()) {
      ModelPages.read(file, progress);
    }
    List<String> notices = new ArrayList<>();
    Backends.Selection selection = chosen.openBackend(notices::add);
    Backend backend = selection.backend();
    // One conversation at a time, as long as it takes.
    RealmRuntime runtime =
        options.open(backend, 1, GuestLimits.DEFAULT.withDeadline(LONGEST_CALL), notices::add);
    try {
      runtime.loadWasm(DefaultGuest.bytes());
      long model = runtime.callFunction("load_model", options.modelName(), "{}").value();
      if (model < 0) {
        throw new IllegalStateException(file + ": " + RealmRuntime.describe(model));
      }
      notices.addAll(selection.passedOver());
      notices.addAll(remarks(file, backend));
      return new GuestSession(backend, runtime, notices, model, vocabularySize(file));
    } catch (RuntimeException e) {
      runtime.close();
      backend.close();
      throw e;
    }
  }

  /// What the backend says of the types of the file's matrices.
  static List<String> remarks(Path file, Backend backend) {
    try (GgufFile gguf = GgufFile.open(file)) {
      return gguf.tensors().stream()
          .filter(tensor -> tensor.shape().dimensions() > 1)
          .map(TensorInfo::type)
          .distinct()
          .flatMap(type -> backend.remark(type).stream())
          .toList();
    }
  }

  private static int vocabularySize(Path file) {
    try (GgufFile gguf = GgufFile.open(file)) {
      return gguf.metadata().array(TOKENS).size();
    }
  }

  @Override
  public int vocabularySize() {
    return vocabularySize;
  }

  @Override
  public String backend() {
    return backend.name();
  }

  @Override
  public List<String> notices() {
    return notices;
  }

  @Override
  public Generation generate(GenerationRequest request, AnswerOutput answer) {
    List<String> reasons = new ArrayList<>();
    GuestOutput output =
        new GuestOutput() {
          @Override
          public void text(String text) {
            answer.text(text);
          }

          @Override
          public void event(int kind, byte[] data) {
            if (kind == LOGPROB_EVENT && data.length == 8) {
              ByteBuffer fields = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
              answer.logprob(fields.getInt(0), fields.getFloat(4));
            }
          }

          @Override
          public void log(int level, String line) {
            if (level == LOG_ERROR) {
              reasons.add(line);
            }
          }
        };
    String prompt = request.raw() ? request.messages().getFirst().content() : messages(request);
    CallResult result = runtime.callFunction("generate", output, model, prompt, config(request));
    return new Generation(
        result.promptTokens(),
        result.newTokens(),
        result.firstTokenNanos(),
        result.totalNanos(),
        finish(result, reasons));
  }

  /// @param reasons what the guest logged as errors
  private static Generation.Finish finish(CallResult result, List<String> reasons) {
    return switch ((int) result.value()) {
      case STOPPED -> Generation.Finish.STOP;
      case LENGTH -> Generation.Finish.LENGTH;
      case CANCELLED -> Generation.Finish.CANCELLED;
      case TOO_LONG -> throw new AdmissionException("CONTEXT_FULL", result.error());
      default ->
          throw new IllegalStateException(
              "guest: " + (reasons.isEmpty() ? result.error() : String.join("; ", reasons)));
    };
  }

  private static String messages(GenerationRequest request) {
    return request.messages().stream()
        .map(GuestSession::message)
        .collect(Collectors.joining(",", "[", "]"));
  }

  private static String message(ChatMessage message) {
    return "{\"role\":%s,\"content\":%s}"
        .formatted(quote(message.role()), quote(message.content()));
  }

  private static String config(GenerationRequest request) {
    SamplingOptions sampling = request.sampling();
    return String.format(
        Locale.ROOT,
        "{\"raw\":%b,\"messages\":%b,\"max_tokens\":%d,\"temperature\":%s,\"top_k\":%d,"
            + "\"top_p\":%s,\"min_p\":%s,\"repeat_penalty\":%s,\"seed\":%d,\"stop\":[%s]%s}",
        request.raw(),
        !request.raw(),
        sampling.maxTokens(),
        sampling.temperature(),
        sampling.topK(),
        sampling.topP(),
        sampling.minP(),
        sampling.repeatPenalty(),
        (int) sampling.seed(),
        sampling.stop().stream().map(GuestSession::quote).collect(Collectors.joining(",")),
        sampling.more());
  }

  /// A JSON string.
  static String quote(String text) {
    StringBuilder quoted = new StringBuilder(text.length() + 2).append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '"' || c == '\\') {
        quoted.append('\\').append(c);
      } else if (c < 0x20) {
        quoted.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
      } else {
        quoted.append(c);
      }
    }
    return quoted.append('"').toString();
  }

  @Override
  public void cancel() {
    runtime.cancel();
  }

  @Override
  public void close() {
    runtime.close();
    backend.close();
  }
}
