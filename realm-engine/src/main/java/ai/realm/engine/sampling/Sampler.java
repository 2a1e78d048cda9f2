package ai.realm.engine.sampling;

import java.util.SplittableRandom;

/// Chooses tokens by [SamplingParams]: temperature, then top-k, top-p, min-p, then a draw. One sampler
/// belongs to one sequence; it is used by one thread at a time and allocates nothing after its first
/// token.
public final class Sampler {
  private final SamplingParams params;
  private final SplittableRandom random;
  private int[] order = new int[0];
  private float[] probability = new float[0];
  private float lastLogprob;

  private Sampler(SamplingParams params) {
    this.params = params;
    this.random = new SplittableRandom(params.seed());
  }

  /// A sampler at the start of its random sequence.
  public static Sampler of(SamplingParams params) {
    return new Sampler(params);
  }

  /// The parameters it was made from.
  public SamplingParams params() {
    return params;
  }

  /// Takes note of a token of the sequence, prompt or new, for the samplers that look back.
  public void accept(int token) {}

  /// Natural logarithm of the probability that the model itself gave the last sampled token, before
  /// temperature and filters.
  public float lastLogprob() {
    return lastLogprob;
  }

  /// Chooses a token.
  ///
  /// @param logits one per token; an excluded token has negative infinity; may be changed
  /// @param vocabulary how many of `logits` count
  /// @throws IllegalArgumentException when no logit is finite
  public int sample(float[] logits, int vocabulary) {
    int best = -1;
    for (int i = 0; i < vocabulary; i++) {
      if (logits[i] > Float.NEGATIVE_INFINITY && (best < 0 || logits[i] > logits[best])) {
        best = i;
      }
    }
    if (best < 0 || logits[best] == Float.POSITIVE_INFINITY) {
      throw new IllegalArgumentException(
          "logits: expected a finite value for at least one token, found none");
    }
    int token = params.temperature() == 0 ? best : draw(logits, vocabulary, logits[best]);
    double sum = 0;
    for (int i = 0; i < vocabulary; i++) {
      sum += Math.exp(logits[i] - logits[best]);
    }
    lastLogprob = (float) (logits[token] - logits[best] - Math.log(sum));
    return token;
  }

  private int draw(float[] logits, int vocabulary, float max) {
    if (order.length < vocabulary) {
      order = new int[vocabulary];
      probability = new float[vocabulary];
    }
    int n = 0;
    for (int i = 0; i < vocabulary; i++) {
      if (logits[i] > Float.NEGATIVE_INFINITY) {
        order[n] = i;
        probability[n] = (float) Math.exp((logits[i] - max) / params.temperature());
        n++;
      }
    }
    sortDescending(n);
    if (params.topK() > 0) {
      n = Math.min(n, params.topK());
    }
    n = keepTopP(n);
    while (n > 1 && probability[n - 1] < params.minP() * probability[0]) {
      n--;
    }
    double sum = 0;
    for (int i = 0; i < n; i++) {
      sum += probability[i];
    }
    double target = random.nextDouble() * sum;
    for (int i = 0; i < n - 1; i++) {
      target -= probability[i];
      if (target < 0) {
        return order[i];
      }
    }
    return order[n - 1];
  }

  private int keepTopP(int n) {
    if (params.topP() >= 1) {
      return n;
    }
    double sum = 0;
    for (int i = 0; i < n; i++) {
      sum += probability[i];
    }
    double kept = 0;
    for (int i = 0; i < n; i++) {
      kept += probability[i];
      if (kept >= params.topP() * sum) {
        return i + 1;
      }
    }
    return n;
  }

  /// Heap sort of the first n candidates, most probable first; equal ones by token id.
  private void sortDescending(int n) {
    for (int i = n / 2 - 1; i >= 0; i--) {
      siftDown(i, n);
    }
    for (int end = n - 1; end > 0; end--) {
      swap(0, end);
      siftDown(0, end);
    }
  }

  private void siftDown(int root, int n) {
    while (2 * root + 1 < n) {
      int child = 2 * root + 1;
      if (child + 1 < n && after(child + 1, child)) {
        child++;
      }
      if (!after(child, root)) {
        return;
      }
      swap(root, child);
      root = child;
    }
  }

  private boolean after(int a, int b) {
    return probability[a] < probability[b]
        || (probability[a] == probability[b] && order[a] > order[b]);
  }

  private void swap(int a, int b) {
    int token = order[a];
    order[a] = order[b];
    order[b] = token;
    float p = probability[a];
    probability[a] = probability[b];
    probability[b] = p;
  }
}
