package ai.realm.engine.sampling;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.engine.sampling.SamplingParams.DryParams;
import ai.realm.gguf.GgufFile;
import ai.realm.testing.sample.ReferenceData;
import ai.realm.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// Every stage and chain against llama.cpp's samplers (21 Feb 2025).
@Tag("reference")
final class SamplingReferenceTest {
  /// The reference states this tolerance.
  private static final double TOLERANCE = 1e-5;

  @Test
  void givesTheDistributionsOfTheReference() throws IOException {
    JsonMapper json = JsonMapper.shared();
    Map<String, Integer> checked = new TreeMap<>();
    List<String> wrong = new ArrayList<>();
    try (GgufFile model =
        GgufFile.open(ReferenceData.folder("architectures/llama-tied").resolve("model.gguf"))) {
      Tokenizer tokenizer = Tokenizer.of(model.metadata());
      for (String line :
          Files.readAllLines(ReferenceData.folder("sampling").resolve("cases.jsonl"))) {
        JsonNode c = json.readTree(line);
        String sampler = c.required("sampler").stringValue();
        String problem =
            switch (sampler) {
              case "dry" -> checkDry(c, tokenizer);
              case "mirostat-v2" -> checkMirostat(c);
              default -> checkStages(c, params(sampler, c.required("params")));
            };
        checked.merge(sampler, 1, Integer::sum);
        if (!problem.isEmpty()) {
          wrong.add(sampler + " " + c.required("params") + ": " + problem);
        }
      }
    }
    assertThat(wrong).isEmpty();
    assertThat(checked.keySet())
        .contains(
            "temperature",
            "top-k",
            "top-p",
            "min-p",
            "typical",
            "top-n-sigma",
            "xtc",
            "penalties",
            "dry",
            "mirostat-v2",
            "chain",
            "dynamic-temperature");
    assertThat(checked.values().stream().mapToInt(Integer::intValue).sum())
        .isGreaterThanOrEqualTo(400);
  }

  private static SamplingParams params(String sampler, JsonNode p) {
    SamplingParams.Builder b = SamplingParams.builder();
    b.minKeep(p.path("min_keep").asInt(1));
    switch (sampler) {
      case "temperature" -> b.temperature(Math.max(0, number(p, "temperature", 1)));
      case "dynamic-temperature" ->
          b.temperature(Math.max(0, number(p, "temperature", 1)))
              .dynamicTemperature(number(p, "range", 0), number(p, "exponent", 1));
      case "top-k" -> b.topK(Math.max(0, p.required("k").intValue()));
      case "top-p" -> b.topP(number(p, "p", 1));
      case "min-p" -> b.minP(number(p, "p", 0));
      case "typical" -> b.typicalP(number(p, "p", 1));
      case "top-n-sigma" -> b.topNSigma(number(p, "n", -1));
      case "xtc" -> b.xtc(number(p, "probability", 0), number(p, "threshold", 0));
      case "penalties" ->
          b.penalties(
              p.required("last_n").intValue(),
              number(p, "repeat", 1),
              number(p, "frequency", 0),
              number(p, "presence", 0));
      case "chain" ->
          b.topK(Math.max(0, p.path("top_k").asInt(0)))
              .topP(number(p, "top_p", 1))
              .minP(number(p, "min_p", 0))
              .typicalP(number(p, "typical", 1))
              .temperature(number(p, "temperature", 1))
              .penalties(
                  64, number(p, "repeat", 1), number(p, "frequency", 0), number(p, "presence", 0));
      default -> throw new AssertionError("unknown sampler " + sampler);
    }
    return b.build();
  }

  private static float number(JsonNode p, String name, double absent) {
    return (float) p.path(name).asDouble(absent);
  }

  private static float[] logits(JsonNode c) {
    float[] logits = new float[c.required("logits").size()];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = (float) c.required("logits").get(i).doubleValue();
    }
    return logits;
  }

  private static History history(JsonNode tokens) {
    int[] ids = new int[tokens.size()];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = tokens.get(i).intValue();
    }
    return new History().show(ids, ids.length);
  }

  private static String checkStages(JsonNode c, SamplingParams params) {
    Sampler sampler = Sampler.of(params);
    JsonNode history = c.has("history") ? c.path("history") : c.path("params").path("history");
    float[] logits = logits(c);
    Candidates candidates = new Candidates();
    candidates.load(logits, logits.length);
    sampler.narrow(candidates, history(history));
    double[] found = probabilities(candidates, logits.length);
    double[] expected = new double[logits.length];
    for (int i = 0; i < c.required("kept_ids").size(); i++) {
      expected[c.required("kept_ids").get(i).intValue()] =
          c.required("probabilities").get(i).doubleValue();
    }
    return difference(expected, found, atBorder(c, logits, expected));
  }

  private static double[] probabilities(Candidates c, int n) {
    double[] p = new double[n];
    double sum = c.expSum(c.max());
    for (int i = 0; i < c.size; i++) {
      p[c.ids[i]] = Math.exp(c.logits[i] - c.max()) / sum;
    }
    return p;
  }

  /// Top-k may keep any of the candidates that are equal at its border: those whose logit is the lowest that
  /// the reference kept. Other samplers have none.
  private static boolean[] atBorder(JsonNode c, float[] logits, double[] expected) {
    boolean[] tied = new boolean[logits.length];
    JsonNode params = c.required("params");
    if (!params.has("k") && !params.has("top_k")) {
      return tied;
    }
    float lowest = Float.POSITIVE_INFINITY;
    for (int i = 0; i < logits.length; i++) {
      lowest = expected[i] > 0 ? Math.min(lowest, logits[i]) : lowest;
    }
    for (int i = 0; i < logits.length; i++) {
      tied[i] = logits[i] == lowest;
    }
    return tied;
  }

  /// Each token has its own probability; the tied ones may have each other's.
  private static String difference(double[] expected, double[] found, boolean[] tied) {
    for (int i = 0; i < expected.length; i++) {
      if (!tied[i] && Math.abs(expected[i] - found[i]) > TOLERANCE) {
        return "token %d: expected %s, found %s".formatted(i, expected[i], found[i]);
      }
    }
    double[] a = sortedWhere(tied, expected);
    double[] b = sortedWhere(tied, found);
    for (int i = 0; i < a.length; i++) {
      if (Math.abs(a[i] - b[i]) > TOLERANCE) {
        return "tied tokens: expected %s, found %s"
            .formatted(Arrays.toString(a), Arrays.toString(b));
      }
    }
    return "";
  }

  private static double[] sortedWhere(boolean[] chosen, double[] values) {
    return IntStream.range(0, values.length)
        .filter(i -> chosen[i])
        .mapToDouble(i -> values[i])
        .sorted()
        .toArray();
  }

  private static String checkDry(JsonNode c, Tokenizer tokenizer) {
    JsonNode p = c.required("params");
    List<String> breakers = new ArrayList<>();
    p.required("sequence_breakers").forEach(b -> breakers.add(b.stringValue()));
    DryParams dry =
        new DryParams(
            number(p, "multiplier", 0),
            number(p, "base", 1.75),
            p.required("allowed_length").intValue(),
            p.required("penalty_last_n").intValue(),
            DryBreakers.of(tokenizer, breakers));
    Sampler sampler = Sampler.of(SamplingParams.builder().dry(dry).build());
    int n = tokenizer.vocabulary().size();
    Candidates candidates = new Candidates();
    candidates.load(new float[n], n);
    sampler.narrow(candidates, history(c.required("history")));
    for (int i = 0; i < n; i++) {
      double expected =
          c.required("changed_logits").path(Integer.toString(candidates.ids[i])).asDouble(0);
      if (Math.abs(candidates.logits[i] - expected) > TOLERANCE * Math.max(1, Math.abs(expected))) {
        return "token %d: expected %s, found %s"
            .formatted(candidates.ids[i], expected, candidates.logits[i]);
      }
    }
    return "";
  }

  private static String checkMirostat(JsonNode c) {
    JsonNode p = c.required("params");
    Mirostat mirostat = new Mirostat(number(p, "tau", 5), number(p, "eta", 0.1));
    float mu = mirostat.bound(new History());
    for (JsonNode step : c.required("steps")) {
      float[] logits = logits(c);
      Candidates candidates = new Candidates();
      candidates.load(logits, logits.length);
      mirostat.apply(candidates, mu);
      int selected = step.required("selected").intValue();
      int chosen = -1;
      List<Integer> kept = new ArrayList<>();
      for (int i = 0; i < candidates.size; i++) {
        kept.add(candidates.ids[i]);
        chosen = candidates.ids[i] == selected ? i : chosen;
      }
      List<Integer> expected = new ArrayList<>();
      step.required("kept_ids_by_probability").forEach(id -> expected.add(id.intValue()));
      if (!java.util.Set.copyOf(kept).equals(java.util.Set.copyOf(expected))) {
        return "expected " + expected + ", found " + kept;
      }
      mu = mirostat.next(candidates, chosen, mu);
    }
    return "";
  }
}
