package ai.realm.runtime;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The parameters of a host function, as `docs/guest-abi.md` names them: which are values, and which are
/// pointers to what the host reads or writes. A pointer's value is the guest's own affair; recordings keep
/// what lies behind it.
///
/// @param list in their order
record HostParameters(List<Parameter> list) {
  /// What a parameter is.
  enum Kind {
    /// A number, handle, length or set of flags: the value counts.
    VALUE,
    /// Room behind the pointer before it, in elements: what counts is whether the result fits.
    CAPACITY,
    /// A pointer to what the host reads.
    READ,
    /// A pointer to where the host writes.
    WRITTEN,
    /// A pointer to the requests of a step, as many as the next parameter says ([StepRow]).
    REQUESTS
  }

  /// What lies behind a pointer.
  enum Content {
    TEXT(1),
    INTS(Integer.BYTES),
    FLOATS(Float.BYTES);

    private final int elementBytes;

    Content(int elementBytes) {
      this.elementBytes = elementBytes;
    }

    int elementBytes() {
      return elementBytes;
    }
  }

  record Parameter(String name, Kind kind, Content content) {
    boolean isPointer() {
      return switch (kind) {
        case READ, WRITTEN, REQUESTS -> true;
        case VALUE, CAPACITY -> false;
      };
    }
  }

  /// A row for each function: `<` is read, `>` is written, `*` requests of a step; text unless it says what.
  private static final Map<String, HostParameters> TABLE =
      Stream.of(
              "abi_version",
              "arg_read index >ptr cap",
              "emit_token token",
              "emit_text <ptr len",
              "emit_event kind <ptr len",
              "log level <ptr len",
              "now_ms",
              "random >ptr len",
              "budget_left what",
              "kvs_get <key_ptr key_len >out_ptr cap",
              "kvs_put <key_ptr key_len <ptr len",
              "tool_call <name_ptr name_len <text_ptr text_len",
              "blob_read blob offset >ptr cap",
              "blob_free blob",
              "model_open <name_ptr name_len",
              "model_close model",
              "model_info model >out_ptr cap",
              "tokenize model <text_ptr text_len flags >out_ptr:ints cap",
              "detokenize model <ids_ptr:ints n >out_ptr cap",
              "token_bytes model token >out_ptr cap",
              "token_flags model token",
              "chat_template model <json_ptr json_len >out_ptr cap",
              "kv_new model",
              "kv_fork kv",
              "kv_len kv",
              "kv_truncate kv len",
              "kv_text kv token >out_ptr cap",
              "kv_free kv",
              "kv_save kv <name_ptr name_len",
              "kv_open model <name_ptr name_len",
              "grammar_compile kind <ptr len",
              "grammar_free grammar",
              "matcher_new grammar model",
              "matcher_fork matcher",
              "matcher_accept matcher token",
              "matcher_status matcher",
              "matcher_forced matcher >ptr cap",
              "matcher_forced_tokens matcher >ptr:ints cap",
              "matcher_mask matcher >ptr:ints cap",
              "matcher_free matcher",
              "sampler_new model <json_ptr json_len",
              "sampler_free sampler",
              "logits_read kv output >ptr:floats cap",
              "step *requests_ptr n",
              "step_submit *requests_ptr n",
              "step_wait ticket timeout_ms",
              "embed model_or_kv <tokens_ptr:ints n flags >out_ptr:floats cap",
              "candle_matmul <a_ptr:floats a_len <b_ptr:floats b_len m k n >result_ptr:floats",
              "candle_matmul_transposed <a_ptr:floats a_len <b_ptr:floats b_len m k n >result_ptr:floats",
              "memory64_store_layer <model_ptr model_len layer <ptr len",
              "memory64_load_layer <model_ptr model_len layer >ptr cap",
              "memory64_get_cache_stats >out_ptr out_len")
          .map(row -> row.split(" "))
          .collect(Collectors.toUnmodifiableMap(words -> words[0], HostParameters::read));

  HostParameters {
    list = List.copyOf(list);
  }

  private static HostParameters read(String[] words) {
    return new HostParameters(Arrays.stream(words).skip(1).map(HostParameters::parameter).toList());
  }

  private static Parameter parameter(String word) {
    Kind kind =
        switch (word.charAt(0)) {
          case '<' -> Kind.READ;
          case '>' -> Kind.WRITTEN;
          case '*' -> Kind.REQUESTS;
          default -> word.equals("cap") ? Kind.CAPACITY : Kind.VALUE;
        };
    String[] parts = word.replaceFirst("^[<>*]", "").split(":");
    Content content =
        parts.length == 1 ? Content.TEXT : parts[1].equals("ints") ? Content.INTS : Content.FLOATS;
    return new Parameter(parts[0], kind, content);
  }

  /// @throws IllegalArgumentException when there is no such function
  static HostParameters of(String function) {
    HostParameters known = TABLE.get(function);
    if (known == null) {
      throw new IllegalArgumentException(
          "host function " + function + ": has no row of parameters");
    }
    return known;
  }

  /// Whether every pointer lies in the memory with all that its length says; false where the arguments do not
  /// tell.
  boolean isInside(GuestMemory memory, int[] arguments) {
    for (int i = 0; i < list.size(); i++) {
      Parameter parameter = list.get(i);
      if (parameter.isPointer()
          && (parameter.kind() == Kind.REQUESTS
              || i + 1 == list.size()
              || !memory.holds(
                  arguments[i], (long) parameter.content().elementBytes() * arguments[i + 1]))) {
        return false;
      }
    }
    return true;
  }

  /// The arguments that count, and `*` for pointers.
  String describe(int[] arguments) {
    StringBuilder described = new StringBuilder("(");
    for (int i = 0; i < arguments.length; i++) {
      described.append(i == 0 ? "" : ", ");
      boolean pointer = i < list.size() && list.get(i).isPointer();
      described.append(pointer ? "*" : String.valueOf(arguments[i]));
    }
    return described.append(')').toString();
  }
}
