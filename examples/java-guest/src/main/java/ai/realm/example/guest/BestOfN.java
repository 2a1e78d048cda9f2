package ai.realm.example.guest;

import ai.realm.guest.Host;
import ai.realm.guest.sdk.Batch;
import ai.realm.guest.sdk.Call;
import ai.realm.guest.sdk.Config;
import ai.realm.guest.sdk.Message;
import ai.realm.guest.sdk.Model;
import ai.realm.guest.sdk.Row;
import ai.realm.guest.sdk.Sequence;
import java.util.ArrayList;
import java.util.List;
import org.teavm.interop.Export;

/// Best of n: answers are sampled side by side, one step of n rows for each token, and the one that the
/// model itself finds most probable, token by token, is sent.
///
/// Configuration: n (4), temperature (1), seed (0), max_tokens (64). Event 1: f32 for each answer, the mean
/// log probability of its tokens. Event 2: i32, which answer was sent.
public final class BestOfN {
  private BestOfN() {}

  /// Nothing to do at start: the host calls the exports.
  public static void main(String[] args) {}

  @Export(name = "load_model")
  public static int loadModel() {
    return Call.loadModel();
  }

  @Export(name = "unload_model")
  public static int unloadModel(int model) {
    return Call.unloadModel(model);
  }

  @Export(name = "generate")
  public static int generate(int model) {
    return Call.run(call -> answer(call, call.model(model), call.config(2)));
  }

  /// Calls every function of the library once: its test.
  @Export(name = "conformance")
  public static int conformance(int model) {
    return Call.run(call -> new Conformance(call, call.model(model)).run());
  }

  private static int answer(Call call, Model model, Config config) {
    int[] prompt = model.chat(Message.user(call.argument(1)));
    List<Candidate> candidates = sample(call, model, prompt, config);
    try {
      float[] scores = new float[candidates.size()];
      int best = 0;
      for (int i = 0; i < scores.length; i++) {
        scores[i] = candidates.get(i).score();
        best = scores[i] > scores[best] ? i : best;
      }
      call.emitEvent(1, scores);
      call.emitEvent(2, new int[] {best});
      call.emit(candidates.get(best).text.toString());
      return candidates.get(best).ended ? Call.STOPPED : Call.LENGTH;
    } finally {
      candidates.forEach(candidate -> candidate.sequence.close());
    }
  }

  private static List<Candidate> sample(Call call, Model model, int[] prompt, Config config) {
    int n = config.integer("n", 4);
    float temperature = (float) config.number("temperature", 1);
    Batch batch = call.batch(n);
    List<Candidate> candidates = new ArrayList<>();
    // All but the prompt's last token is computed once and shared.
    Sequence first = model.sequence();
    int last = prompt.length - 1;
    if (last > 0) {
      int[] shared = new int[last];
      System.arraycopy(prompt, 0, shared, 0, last);
      batch.row(0).feed(first, shared).flags(Host.NONE);
      batch.step(1);
    }
    for (int i = 0; i < n; i++) {
      int seed = config.integer("seed", 0) + i;
      candidates.add(new Candidate(i == 0 ? first : first.fork(), seed, prompt[last]));
    }
    for (int most = config.integer("max_tokens", 64); most > 0; most--) {
      List<Candidate> running = candidates.stream().filter(candidate -> !candidate.ended).toList();
      if (running.isEmpty()) {
        break;
      }
      for (int i = 0; i < running.size(); i++) {
        Candidate candidate = running.get(i);
        Row row = batch.row(i).feed(candidate.sequence, candidate.next).flags(0);
        row.temperature(temperature).seed(candidate.seed);
      }
      batch.step(running.size());
      for (int i = 0; i < running.size(); i++) {
        running.get(i).take(batch.row(i));
      }
    }
    return candidates;
  }

  /// One answer on its way.
  private static final class Candidate {
    final Sequence sequence;
    final int seed;
    final StringBuilder text = new StringBuilder();
    int next;
    boolean ended;
    private float logprobs;
    private int tokens;

    Candidate(Sequence sequence, int seed, int next) {
      this.sequence = sequence;
      this.seed = seed;
      this.next = next;
    }

    void take(Row row) {
      next = row.token();
      ended = row.ended();
      logprobs += row.logprob();
      tokens++;
      if (!ended) {
        text.append(sequence.text(next));
      }
    }

    float score() {
      return tokens == 0 ? 0 : logprobs / tokens;
    }
  }
}
