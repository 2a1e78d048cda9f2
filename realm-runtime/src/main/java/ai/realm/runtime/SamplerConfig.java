package ai.realm.runtime;

import ai.realm.engine.sampling.SamplingParams;
import ai.realm.engine.sampling.SamplingParams.DryParams;
import ai.realm.engine.sampling.SamplingParams.StageKind;
import ai.realm.error.RealmException;
import ai.realm.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Reads how tokens are chosen from a guest's JSON object; `docs/guest-abi.md` lists the keys, which are
/// those that other servers use. Unknown keys are ignored, so that a guest may hand over its whole
/// configuration.
final class SamplerConfig {
  private static final int MAX_BREAKERS = 64;

  private final Map<?, ?> json;
  private final GuestState.OpenModel model;

  private SamplerConfig(Map<?, ?> json, GuestState.OpenModel model) {
    this.json = json;
    this.model = model;
  }

  /// `SAMPLER_INVALID`: a setting that is out of its range.
  static final class InvalidException extends RealmException {
    private static final long serialVersionUID = 1L;

    InvalidException(String message, IllegalArgumentException cause) {
      super("SAMPLER_INVALID", message, cause);
    }
  }

  /// @throws InvalidException naming the key, what was expected and what was found
  static SamplingParams read(byte[] utf8, GuestState.OpenModel model) {
    try {
      if (!(JsonText.parse(utf8) instanceof Map<?, ?> json)) {
        throw new IllegalArgumentException("sampler: expected a JSON object");
      }
      return new SamplerConfig(json, model).params();
    } catch (IllegalArgumentException e) {
      throw new InvalidException(String.valueOf(e.getMessage()), e);
    }
  }

  private SamplingParams params() {
    Tokenizer tokenizer = model.host().tokenizer();
    SamplingParams.Builder builder =
        SamplingParams.builder()
            .temperature(number("temperature", 0))
            .dynamicTemperature(number("dynatemp_range", 0), number("dynatemp_exponent", 1))
            .topK((int) integer("top_k", 0))
            .topP(number("top_p", 1))
            .minP(number("min_p", 0))
            .typicalP(number("typical_p", 1))
            .topNSigma(number("top_n_sigma", -1))
            .xtc(number("xtc_probability", 0), number("xtc_threshold", 0.1f))
            .penalties(
                (int) integer("repeat_last_n", 64),
                number("repeat_penalty", 1),
                number("frequency_penalty", 0),
                number("presence_penalty", 0))
            .dry(dry())
            .logitBias(logitBias(tokenizer.vocabulary().size()))
            .minKeep((int) integer("min_keep", 1))
            .order(order())
            .seed(integer("seed", 0));
    float tau = number("mirostat_tau", 0);
    return (tau > 0 ? builder.mirostat(tau, number("mirostat_eta", 0.1f)) : builder).build();
  }

  private DryParams dry() {
    float multiplier = number("dry_multiplier", 0);
    if (multiplier == 0) {
      return DryParams.OFF;
    }
    return new DryParams(
        multiplier,
        number("dry_base", 1.75f),
        (int) integer("dry_allowed_length", 2),
        (int) integer("dry_penalty_last_n", -1),
        model.host().breakers().get(model.tenant(), breakers()));
  }

  private List<String> breakers() {
    Object value = json.get("dry_sequence_breakers");
    if (value == null) {
      return BreakerCache.USUAL;
    }
    return strings("dry_sequence_breakers", value, MAX_BREAKERS);
  }

  /// `{"id": bias}`; a bias of false or "-inf" excludes the token.
  private Map<Integer, Float> logitBias(int vocabulary) {
    Object value = json.get("logit_bias");
    if (value == null) {
      return Map.of();
    }
    if (!(value instanceof Map<?, ?> biases)) {
      throw wrong("logit_bias", "an object of token ids and numbers", value);
    }
    Map<Integer, Float> read = new HashMap<>();
    biases.forEach((id, bias) -> read.put(token(String.valueOf(id), vocabulary), bias(bias)));
    return read;
  }

  private static int token(String id, int vocabulary) {
    try {
      int token = Integer.parseInt(id);
      if (token >= 0 && token < vocabulary) {
        return token;
      }
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "sampler: logit_bias: expected a token id, found " + id, e);
    }
    throw new IllegalArgumentException(
        "sampler: logit_bias: expected a token id below %d, found %s".formatted(vocabulary, id));
  }

  private static float bias(@Nullable Object value) {
    return switch (value) {
      case Double d when d > -1e30 && d < 1e30 -> d.floatValue();
      case Boolean b when !b -> Float.NEGATIVE_INFINITY;
      case String s when s.equals("-inf") -> Float.NEGATIVE_INFINITY;
      case null, default -> throw wrong("logit_bias", "numbers, false or \"-inf\"", value);
    };
  }

  /// `samplers`: the stages that apply, in their order.
  private List<StageKind> order() {
    Object value = json.get("samplers");
    if (value == null) {
      return SamplingParams.DEFAULT_ORDER;
    }
    List<StageKind> order = new ArrayList<>();
    for (String name : strings("samplers", value, StageKind.values().length)) {
      try {
        order.add(StageKind.valueOf(name.toUpperCase(Locale.ROOT)));
      } catch (IllegalArgumentException e) {
        throw wrong("samplers", "some of " + names(), name);
      }
    }
    return order;
  }

  private static String names() {
    return SamplingParams.DEFAULT_ORDER.toString().toLowerCase(Locale.ROOT);
  }

  private static List<String> strings(String key, Object value, int most) {
    if (!(value instanceof List<?> items) || items.size() > most) {
      throw wrong(key, "an array of at most %d texts".formatted(most), value);
    }
    List<String> texts = new ArrayList<>();
    for (Object item : items) {
      if (!(item instanceof String text)) {
        throw wrong(key, "texts", item);
      }
      texts.add(text);
    }
    return texts;
  }

  private float number(String key, float absent) {
    Object value = json.get(key);
    return switch (value) {
      case null -> absent;
      case Double d -> d.floatValue();
      default -> throw wrong(key, "a number", value);
    };
  }

  private long integer(String key, long absent) {
    Object value = json.get(key);
    return switch (value) {
      case null -> absent;
      case Double d when d == Math.rint(d) && Math.abs(d) < 1L << 53 -> (long) (double) d;
      default -> throw wrong(key, "a whole number", value);
    };
  }

  private static IllegalArgumentException wrong(
      String key, String expected, @Nullable Object found) {
    return new IllegalArgumentException(
        "sampler: %s: expected %s, found %s".formatted(key, expected, found));
  }
}
