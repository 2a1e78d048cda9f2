package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.runtime.HostParameters.Kind;
import ai.realm.runtime.HostParameters.Parameter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;

/// One open thing of each kind that guests have handles of, made by the host functions that guests call. The
/// realm needs [#TOOLS].
final class OneOfEach {
  /// What calls host functions in a guest's place.
  interface Guest {
    int call(String function, int... arguments);

    /// Puts a text at [HostCaller#TEXT] and returns its length.
    int text(String text);

    void poke(int address, int... values);
  }

  /// What makes a blob.
  static final GuestTools TOOLS = new GuestTools(Map.of("echo", text -> text));

  /// What it calls.
  static final List<String> FUNCTIONS =
      List.of(
          "model_open",
          "kv_new",
          "kv_truncate",
          "grammar_compile",
          "matcher_new",
          "sampler_new",
          "tool_call",
          "step",
          "step_submit");

  // The request of the ticket's step: whoever waits for it has the token here, and the status
  // behind.
  static final int REQUEST = 512;
  static final int TOKENS = 600;
  static final int OUT = 700;

  /// The kinds as parameters are named, each behind what it is made of; `stepped` is the sequence of the
  /// ticket, which is busy, so that `kv` is not.
  private static final List<String> KINDS =
      List.of("model", "kv", "stepped", "grammar", "matcher", "sampler", "blob", "ticket");

  /// A sequence or its model.
  private static final String EITHER = "model_or_kv";

  private final Map<String, Integer> handles = new LinkedHashMap<>();
  private final Guest guest;

  OneOfEach(Guest guest) {
    this.guest = guest;
    refresh(handle -> false);
  }

  static boolean isHandle(Parameter parameter) {
    return parameter.kind() == Kind.VALUE
        && (KINDS.contains(parameter.name()) || parameter.name().equals(EITHER));
  }

  /// Makes anew what is no longer open.
  void refresh(IntPredicate isOpen) {
    for (String kind : KINDS) {
      Integer present = handles.get(kind);
      if (present == null || !isOpen.test(present)) {
        int handle = make(kind);
        assertThat(handle).as(kind).isPositive();
        handles.put(kind, handle);
      }
    }
  }

  List<Integer> all() {
    return List.copyOf(handles.values());
  }

  /// The handle that a parameter asks for.
  int of(Parameter parameter) {
    return of(parameter.name().equals(EITHER) ? "kv" : parameter.name());
  }

  private int of(String kind) {
    return handles.get(kind);
  }

  /// All that a parameter takes.
  List<Integer> taken(Parameter parameter) {
    return switch (parameter.name()) {
      case EITHER -> List.of(of("model"), of("kv"), of("stepped"));
      case "kv" -> List.of(of("kv"), of("stepped"));
      default -> List.of(of(parameter));
    };
  }

  private int make(String kind) {
    return switch (kind) {
      case "model" -> guest.call("model_open", HostCaller.TEXT, guest.text("sample"));
      case "kv" -> {
        int kv = guest.call("kv_new", of("model"));
        // Its logits are kept for logits_read.
        request(kv, HostCaller.LOGITS);
        assertThat(guest.call("step", REQUEST, 1)).isZero();
        yield kv;
      }
      case "stepped" -> guest.call("kv_new", of("model"));
      case "grammar" -> guest.call("grammar_compile", 2, HostCaller.TEXT, guest.text("[^\"]+"));
      case "matcher" -> guest.call("matcher_new", of("grammar"), of("model"));
      case "sampler" -> guest.call("sampler_new", of("model"), HostCaller.TEXT, guest.text("{}"));
      case "blob" -> {
        int length = guest.text("echo");
        yield guest.call("tool_call", HostCaller.TEXT, length, HostCaller.TEXT, length);
      }
      case "ticket" -> {
        guest.call("kv_truncate", of("stepped"), 0);
        request(of("stepped"), 0);
        yield guest.call("step_submit", REQUEST, 1);
      }
      default -> throw new AssertionError(kind);
    };
  }

  private void request(int kv, int flags) {
    int[] fields = new int[StepRow.BYTES / Integer.BYTES];
    fields[0] = kv;
    fields[1] = TOKENS;
    fields[2] = 1;
    fields[3] = OUT;
    fields[5] = flags;
    guest.poke(TOKENS, 1);
    guest.poke(REQUEST, fields);
  }
}
