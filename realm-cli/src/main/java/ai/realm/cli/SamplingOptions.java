package ai.realm.cli;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// How tokens are chosen and when to stop. Without options the most probable token is taken each time.
final class SamplingOptions {
  @Spec(Spec.Target.MIXEE)
  private @Nullable CommandSpec spec;

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

  /// @throws ParameterException naming the option that is out of its range
  void check() {
    require(temperature >= 0 && temperature <= 100, "--temperature", "0 to 100", temperature);
    require(topK >= 0, "--top-k", "0 or more", topK);
    require(topP > 0 && topP <= 1, "--top-p", "above 0, at most 1", topP);
    require(minP >= 0 && minP <= 1, "--min-p", "0 to 1", minP);
    require(repeatPenalty > 0 && repeatPenalty <= 10, "--repeat-penalty", "0 to 10", repeatPenalty);
    require(maxTokens == null || maxTokens > 0, "--max-tokens", "1 or more", maxTokens);
    require(stop.stream().noneMatch(String::isEmpty), "--stop", "a text", "an empty one");
  }

  private void require(boolean holds, String option, String expected, @Nullable Object found) {
    if (!holds) {
      String message = "%s: expected %s, found %s".formatted(option, expected, found);
      if (spec == null) {
        throw new IllegalArgumentException(message);
      }
      throw new ParameterException(spec.commandLine(), message);
    }
  }
}
