package ai.realm.cli;

import ai.realm.engine.grammar.Grammar;
import ai.realm.engine.grammar.GrammarException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/// How tokens are chosen and when to stop. Without options the most probable token is taken each time.
final class SamplingOptions {
  /// What the default guest takes and has no option of its own.
  private static final List<String> SETTINGS =
      List.of(
          "dynatemp_range",
          "dynatemp_exponent",
          "typical_p",
          "top_n_sigma",
          "xtc_probability",
          "xtc_threshold",
          "repeat_last_n",
          "dry_multiplier",
          "dry_base",
          "dry_allowed_length",
          "dry_penalty_last_n",
          "dry_sequence_breakers",
          "mirostat_tau",
          "mirostat_eta",
          "samplers",
          "min_keep",
          "open",
          "save");

  private static final String BIAS = "-inf|false|-?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?";

  @Option(
      names = "--temperature",
      paramLabel = "T",
      description = "0 takes the most probable token each time (default: ${DEFAULT-VALUE}).")
  private float temperature;

  @Option(
      names = "--top-k",
      paramLabel = "K",
      description = "Choose among the K most probable tokens; 0: among all (default: 40).")
  private int topK = 40;

  @Option(
      names = "--top-p",
      paramLabel = "P",
      description = "Choose among the most probable tokens that sum to P (default: 0.95).")
  private float topP = 0.95f;

  @Option(
      names = "--min-p",
      paramLabel = "P",
      description = "Drop tokens less probable than P times the best one (default: 0.05).")
  private float minP = 0.05f;

  @Option(
      names = "--repeat-penalty",
      paramLabel = "R",
      description = "Divide the scores of recent tokens by R; 1: off (default: ${DEFAULT-VALUE}).")
  private float repeatPenalty = 1;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Same seed, same text (default: a random one).")
  private @Nullable Long seed;

  @Option(
      names = {"-n", "--max-tokens"},
      paramLabel = "N",
      description =
          "Generate at most N tokens (default: until the model ends or the context is full).")
  private @Nullable Integer maxTokens;

  @Option(
      names = "--stop",
      paramLabel = "TEXT",
      description = "End where TEXT would appear; may be given several times.")
  private List<String> stop = new ArrayList<>();

  @Option(
      names = "--min-tokens",
      paramLabel = "N",
      description = "Do not let the model end before N tokens.")
  private @Nullable Integer minTokens;

  @Option(
      names = "--frequency-penalty",
      paramLabel = "F",
      description = "Subtract F from a token's score for each time it came lately.")
  private @Nullable Float frequencyPenalty;

  @Option(
      names = "--presence-penalty",
      paramLabel = "F",
      description = "Subtract F from the scores of tokens that came lately.")
  private @Nullable Float presencePenalty;

  @Option(
      names = "--logit-bias",
      paramLabel = "TOKEN=BIAS",
      description = "Add BIAS to a token's score; -inf excludes it; may be given several times.")
  private Map<Integer, String> logitBias = new LinkedHashMap<>();

  @Option(
      names = "--logprobs",
      description = "Write each token's id and log probability to standard error.")
  private boolean logprobs;

  @Option(
      names = "--stop-token",
      paramLabel = "TOKEN",
      description = "End before this token id; may be given several times.")
  private List<Integer> stopTokens = new ArrayList<>();

  @Option(
      names = "--sampling",
      paramLabel = "KEY=VALUE",
      description =
          "Any other setting of docs/guest-abi.md, such as typical_p=0.9, mirostat_tau=5,"
              + " dry_multiplier=0.8; may be given several times.")
  private Map<String, String> settings = new LinkedHashMap<>();

  @ArgGroup(exclusive = true)
  private @Nullable Constraint constraint;

  /// What the answer must be; at most one of these.
  static final class Constraint {
    @Option(names = "--json", description = "The answer is JSON.")
    private boolean json;

    @Option(
        names = "--json-schema",
        paramLabel = "FILE",
        description = "The answer is JSON that a JSON Schema allows.")
    private @Nullable Path schema;

    @Option(
        names = "--grammar",
        paramLabel = "FILE",
        description = "The answer is a text of a GBNF grammar.")
    private @Nullable Path grammar;

    @Option(
        names = "--regex",
        paramLabel = "REGEX",
        description = "The answer matches a regular expression.")
    private @Nullable String regex;

    private String member() throws IOException {
      if (schema != null) {
        return "\"json_schema\":" + GuestSession.quote(new UserFile(schema).text());
      }
      if (grammar != null) {
        return "\"grammar\":" + GuestSession.quote(new UserFile(grammar).text());
      }
      return regex == null ? "\"json\":true" : "\"regex\":" + GuestSession.quote(regex);
    }

    private void check() throws IOException {
      if (schema != null) {
        compile("--json-schema " + schema, Grammar.Kind.JSON_SCHEMA, new UserFile(schema).text());
      } else if (grammar != null) {
        compile("--grammar " + grammar, Grammar.Kind.GBNF, new UserFile(grammar).text());
      } else if (regex != null) {
        compile("--regex", Grammar.Kind.REGEX, regex);
      }
    }

    private static void compile(String option, Grammar.Kind kind, String source) {
      try {
        Grammar.compile(kind, source);
      } catch (GrammarException e) {
        throw new UsageException(option + ": " + e.getMessage());
      }
    }
  }

  /// Members of the guest's configuration for what only some requests set: empty, or `,"key":value…`.
  String more() {
    StringBuilder more = new StringBuilder();
    member(more, "min_tokens", minTokens);
    member(more, "logprobs", logprobs ? true : null);
    member(more, "stop_tokens", stopTokens.isEmpty() ? null : stopTokens);
    member(more, "frequency_penalty", frequencyPenalty);
    member(more, "presence_penalty", presencePenalty);
    if (!logitBias.isEmpty()) {
      more.append(",\"logit_bias\":{");
      logitBias.forEach((token, bias) -> {
        more.append(more.charAt(more.length() - 1) == '{' ? "" : ",");
        more.append('"').append(token).append("\":");
        more.append(setting(bias));
      });
      more.append('}');
    }
    settings.forEach((key, value) -> member(more, key, setting(value)));
    if (constraint != null) {
      try {
        more.append(',').append(constraint.member());
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return more.toString();
  }

  private static void member(StringBuilder to, String key, @Nullable Object value) {
    if (value != null) {
      to.append(',').append(GuestSession.quote(key)).append(':').append(value);
    }
  }

  /// A number, array or object as it is, anything else as a text.
  private static String setting(String value) {
    return value.matches("[\\[{].*|-?[0-9.]+([eE][-+]?[0-9]+)?|true|false")
        ? value
        : GuestSession.quote(value);
  }

  float temperature() {
    return temperature;
  }

  int topK() {
    return topK;
  }

  float topP() {
    return topP;
  }

  float minP() {
    return minP;
  }

  float repeatPenalty() {
    return repeatPenalty;
  }

  /// The seed, or one drawn from the clock.
  long seed() {
    return seed == null ? System.nanoTime() : seed;
  }

  /// The most tokens, or 0 for no bound but the context.
  int maxTokens() {
    return maxTokens == null ? 0 : maxTokens;
  }

  List<String> stop() {
    return List.copyOf(stop);
  }

  /// What can be said before the model is there: a constraint is compiled to see that it can be.
  ///
  /// @throws UsageException naming the option that is out of its range
  void check() throws IOException {
    require(temperature >= 0 && temperature <= 100, "--temperature", "0 to 100", temperature);
    require(topK >= 0, "--top-k", "0 or more", topK);
    require(topP > 0 && topP <= 1, "--top-p", "above 0, at most 1", topP);
    require(minP >= 0 && minP <= 1, "--min-p", "0 to 1", minP);
    require(
        repeatPenalty > 0 && repeatPenalty <= 10,
        "--repeat-penalty",
        "above 0, at most 10",
        repeatPenalty);
    require(maxTokens == null || maxTokens > 0, "--max-tokens", "1 or more", maxTokens);
    require(minTokens == null || minTokens > 0, "--min-tokens", "1 or more", minTokens);
    settings
        .keySet()
        .forEach(key ->
            require(
                SETTINGS.contains(key),
                "--sampling",
                "one of %s, or the option of its own".formatted(String.join(", ", SETTINGS)),
                key));
    require(stop.stream().noneMatch(String::isEmpty), "--stop", "a text", "an empty one");
    if (frequencyPenalty != null) {
      require(
          Float.isFinite(frequencyPenalty), "--frequency-penalty", "a number", frequencyPenalty);
    }
    if (presencePenalty != null) {
      require(Float.isFinite(presencePenalty), "--presence-penalty", "a number", presencePenalty);
    }
    logitBias.forEach((token, bias) ->
        require(bias.matches(BIAS), "--logit-bias " + token, "a number, -inf or false", bias));
    if (constraint != null) {
      constraint.check();
    }
  }

  /// @param vocabularySize of the model
  /// @throws UsageException naming the option whose token is none of the model's
  void checkTokens(int vocabularySize) {
    stopTokens.forEach(token -> requireToken("--stop-token", token, vocabularySize));
    logitBias.keySet().forEach(token -> requireToken("--logit-bias", token, vocabularySize));
  }

  private static void requireToken(String option, int token, int vocabularySize) {
    require(
        token >= 0 && token < vocabularySize,
        option,
        "a token id of 0 to %d".formatted(vocabularySize - 1),
        token);
  }

  private static void require(
      boolean holds, String option, String expected, @Nullable Object found) {
    if (!holds) {
      throw new UsageException("%s: expected %s, found %s".formatted(option, expected, found));
    }
  }
}
