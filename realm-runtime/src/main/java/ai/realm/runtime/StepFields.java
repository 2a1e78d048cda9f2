package ai.realm.runtime;

import java.util.List;

/// The 16 fields of a step's request ([StepRow]) as recordings keep them: what the host computes with.
/// Pointers count as given (1) or not (0) where they may be left out, the fields of a sampler where no other
/// is named, and `status` never: the host writes it.
final class StepFields {
  static final int COUNT = StepRow.BYTES / Integer.BYTES;
  static final int TOKENS = 1;
  static final int N = 2;
  static final int OUT = 3;
  static final int LOGPROB = 4;
  static final int MASK = 6;
  static final int STATUS = 14;
  private static final int FIRST_SAMPLING = 8;
  private static final int SAMPLER = 15;

  private static final List<String> NAMES =
      List.of(
          "kv",
          "tokens_ptr",
          "n",
          "out_ptr",
          "logprob_ptr",
          "flags",
          "mask_ptr",
          "matcher",
          "temperature",
          "top_k",
          "top_p",
          "seed",
          "min_p",
          "repeat_penalty",
          "status",
          "sampler");

  private StepFields() {}

  static String name(int field) {
    return NAMES.get(field);
  }

  /// What counts of the words of a request; 0 for what does not.
  static int[] counting(int[] words) {
    int[] counting = words.clone();
    counting[TOKENS] = 0;
    counting[OUT] = 0;
    counting[LOGPROB] = words[LOGPROB] == 0 ? 0 : 1;
    counting[MASK] = words[MASK] == 0 ? 0 : 1;
    counting[STATUS] = 0;
    for (int i = 0; i < StepRow.SAMPLING_FIELDS && words[SAMPLER] != 0; i++) {
      counting[FIRST_SAMPLING + i] = 0;
    }
    return counting;
  }

  /// A field's value for people.
  static String show(int field, int value) {
    return switch (name(field)) {
      case "temperature", "top_p", "min_p", "repeat_penalty" ->
          Float.toString(Float.intBitsToFloat(value));
      case "logprob_ptr", "mask_ptr" -> value == 0 ? "none" : "one";
      default -> Integer.toString(value);
    };
  }
}
