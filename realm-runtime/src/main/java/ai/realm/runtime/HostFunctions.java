package ai.realm.runtime;

import ai.realm.engine.AdmissionException;
import ai.realm.engine.EngineException;
import ai.realm.error.RealmException;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The `realm_host` module as one guest sees it: the functions of `docs/guest-abi.md`, one row each. They
/// check what the guest gives, hand work to the engine's threads and wait for it.
final class HostFunctions {
  static final int ABI_VERSION = 1;

  /// The longest name or key that a guest hands over.
  static final int MAX_NAME_BYTES = 1024;

  private final GuestState state;
  private final Map<String, HostFunction> functions = new LinkedHashMap<>();
  private @Nullable HostTrace trace;

  HostFunctions(GuestState state) {
    this.state = state;
    CallFunctions call = new CallFunctions(state);
    ModelFunctions model = new ModelFunctions(state);
    SequenceFunctions sequence = new SequenceFunctions(state);
    SavedSequenceFunctions saved = new SavedSequenceFunctions(state);
    GrammarFunctions grammar = new GrammarFunctions(state);
    MatcherFunctions matcher = new MatcherFunctions(state);
    LayerFunctions layer = new LayerFunctions(state);
    EmbeddingFunctions embedding = new EmbeddingFunctions(state);
    Steps steps = new Steps(state);
    add("abi_version", 0, (memory, a) -> ABI_VERSION);
    add("arg_read", 3, call::readArgument);
    add("emit_token", 1, call::emitToken);
    add("emit_text", 2, call::emitText);
    add("emit_event", 3, call::emitEvent);
    add("log", 3, call::log);
    add("now_ms", 0, call::now);
    add("random", 2, call::random);
    add("budget_left", 1, call::budgetLeft);
    add("kvs_get", 4, call::getValue);
    add("kvs_put", 4, call::putValue);
    addDeep("tool_call", 4, call::callTool);
    add("blob_read", 4, call::readBlob);
    add("blob_free", 1, call::freeBlob);
    addDeep("model_open", 2, model::openModel);
    add("model_close", 1, model::closeModel);
    add("model_info", 3, model::modelInfo);
    add("tokenize", 6, model::tokenize);
    add("detokenize", 5, model::detokenize);
    add("token_bytes", 4, model::tokenBytes);
    add("token_flags", 2, model::tokenFlags);
    addDeep("chat_template", 5, model::chatTemplate);
    add("kv_new", 1, sequence::newSequence);
    add("kv_fork", 1, sequence::forkSequence);
    add("kv_len", 1, sequence::sequenceLength);
    add("kv_truncate", 2, sequence::truncateSequence);
    add("kv_text", 4, sequence::sequenceText);
    add("kv_free", 1, sequence::freeSequence);
    add("kv_save", 3, saved::save);
    add("kv_open", 3, saved::open);
    addDeep("grammar_compile", 3, grammar::compile);
    add("grammar_free", 1, grammar::freeGrammar);
    add("matcher_new", 2, matcher::newMatcher);
    add("matcher_fork", 1, matcher::fork);
    add("matcher_accept", 2, matcher::accept);
    add("matcher_status", 1, matcher::status);
    add("matcher_forced", 3, matcher::forced);
    add("matcher_forced_tokens", 3, matcher::forcedTokens);
    add("matcher_mask", 3, matcher::mask);
    add("matcher_free", 1, matcher::free);
    addDeep("sampler_new", 3, grammar::newSampler);
    add("sampler_free", 1, grammar::freeSampler);
    add("logits_read", 4, sequence::readLogits);
    add("step", 2, steps::step);
    add("step_submit", 2, steps::submit);
    add("step_wait", 2, steps::await);
    add("embed", 6, embedding::embed);
    add("candle_matmul", 8, (memory, a) -> layer.matmul(memory, a, false));
    add("candle_matmul_transposed", 8, (memory, a) -> layer.matmul(memory, a, true));
    add("memory64_store_layer", 5, layer::storeLayer);
    add("memory64_load_layer", 5, layer::loadLayer);
    add("memory64_get_cache_stats", 2, layer::cacheStats);
  }

  private void add(String name, int parameters, HostFunction.Body body) {
    functions.put(name, new HostFunction(name, parameters, HostStack.CALL_BYTES, body));
  }

  /// What reads nested texts, or runs code that is not Realm's.
  private void addDeep(String name, int parameters, HostFunction.Body body) {
    functions.put(name, new HostFunction(name, parameters, HostStack.DEEP_BYTES, body));
  }

  /// The function of a name, or null.
  @Nullable HostFunction find(String name) {
    return functions.get(name);
  }

  /// All of them, in the order of the page.
  List<HostFunction> all() {
    return List.copyOf(functions.values());
  }

  /// Hands every call to a trace, which may answer in its place.
  void trace(@Nullable HostTrace next) {
    trace = next;
  }

  /// The call in progress.
  Call call() {
    return state.call();
  }

  /// Runs a function for the guest.
  ///
  /// @throws RealmException what ends the call
  /// @throws UncheckedIOException what the receiver of the guest's text threw
  /// @throws IllegalStateException when the host itself failed
  int call(HostFunction function, GuestMemory memory, int[] arguments) {
    state.call().countHostCall();
    HostTrace present = trace;
    try {
      int value =
          present == null
              ? function.body().call(memory, arguments)
              : present.call(function, memory, arguments, state.call());
      if (value < 0) {
        state.call().failed(function.name(), value);
      }
      return value;
    } catch (RealmException | UncheckedIOException e) {
      throw e; // The second: whoever takes the output cannot any more, which is the caller's to
      // know.
    } catch (RuntimeException e) {
      if (state.isAbandoned()) {
        throw new GuestTrapException(
            "GUEST_CANCELLED", "guest: it was ended during " + function.name(), e);
      }
      throw new IllegalStateException("host function " + function.name() + " failed", e);
    }
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
