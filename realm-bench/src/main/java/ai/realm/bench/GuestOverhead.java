package ai.realm.bench;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.engine.Engine;
import ai.realm.engine.EngineConfig;
import ai.realm.engine.EngineTenant;
import ai.realm.engine.LoadedModel;
import ai.realm.engine.Sequence;
import ai.realm.engine.StepRequest;
import ai.realm.engine.TenantShare;
import ai.realm.engine.sampling.Sampler;
import ai.realm.engine.sampling.SamplingParams;
import ai.realm.runtime.CallResult;
import ai.realm.runtime.RealmRuntime;
import ai.realm.runtime.RuntimeConfig;
import ai.realm.tokenizer.StreamingDecoder;
import ai.realm.wasm.DefaultGuest;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/// Time per token of the default guest's loop beside the same loop in Java, on the same model, backend
/// and engine settings, in turns: of the whole, and of what passes outside the engine, whose steps of a large
/// model differ by more from round to round than a guest takes.
///
/// The JVM compiles what it has run some thousand times. With a large model that takes minutes: where a small one
/// is named, it answers first, so that the JVM is that of a server which has run for a while.
///
/// usage: `GuestOverhead MODEL [TOKENS [ROUNDS [BACKEND [THREADS [WARM-UP ROUNDS [SMALL MODEL]]]]]]`
public final class GuestOverhead {
  private static final String PROMPT = "Once upon a time, Mia lived near a forest.";
  private static final int WARMING_TOKENS = 64;
  private static final int WARMING_ROUNDS = 400;
  private static final long STEP_NANOS = 60_000_000_000L;

  private GuestOverhead() {}

  /// Prints medians and their ratio.
  public static void main(String[] args) throws InterruptedException {
    Path file = Path.of(args[0]);
    int tokens = args.length > 1 ? Integer.parseInt(args[1]) : 300;
    int rounds = args.length > 2 ? Integer.parseInt(args[2]) : 60;
    String backendName = args.length > 3 ? args[3] : "auto";
    int threads = args.length > 4 ? Integer.parseInt(args[4]) : 0;
    int warmUp = args.length > 5 ? Integer.parseInt(args[5]) : 20;
    Path small = args.length > 6 ? Path.of(args[6]) : null;
    try (Backend backend =
        Backends.open(backendName, new BackendOptions(threads, true)).backend()) {
      if (small != null) {
        measure(small, backend, WARMING_TOKENS, WARMING_ROUNDS, 0);
      }
      measure(file, backend, tokens, rounds, warmUp).print(backend, tokens);
    }
  }

  /// Both ways in turns.
  private static Times measure(Path file, Backend backend, int tokens, int rounds, int warmUp)
      throws InterruptedException {
    try (RealmRuntime runtime = new RealmRuntime(RuntimeConfig.of("model", file, backend));
        LoadedModel model = LoadedModel.open(file, backend);
        Engine engine = Engine.start(model.model(), backend, EngineConfig.of(2048))) {
      runtime.loadWasm(DefaultGuest.bytes());
      long handle = runtime.callFunction("load_model", "model", "{}").value();
      EngineTenant tenant = engine.tenant("direct", TenantShare.UNBOUNDED);
      String config = "{\"raw\": true, \"max_tokens\": " + tokens + "}";
      Times times = new Times(rounds);
      for (int i = -warmUp; i < rounds; i++) {
        long start = System.nanoTime();
        CallResult answer = runtime.callFunction("generate", handle, PROMPT, config);
        int made = answer.newTokens();
        long middle = System.nanoTime();
        Loop loop = directLoop(model, engine, tenant, tokens);
        long end = System.nanoTime();
        if (made != loop.made()) {
          throw new IllegalStateException(
              "guest made " + made + " tokens, the loop " + loop.made());
        }
        if (i >= 0) {
          times.guest[i] = (middle - start) / 1e3 / made;
          times.direct[i] = (end - middle) / 1e3 / made;
          times.guestOutside[i] = (answer.totalNanos() - answer.waitNanos()) / 1e3 / made;
          times.directOutside[i] = (end - middle - loop.waitNanos()) / 1e3 / made;
        }
      }
      times.sort();
      return times;
    }
  }

  /// Microseconds a token of each round, sorted when all are there.
  private static final class Times {
    private final double[] guest;
    private final double[] direct;
    private final double[] guestOutside;
    private final double[] directOutside;

    Times(int rounds) {
      guest = new double[rounds];
      direct = new double[rounds];
      guestOutside = new double[rounds];
      directOutside = new double[rounds];
    }

    void sort() {
      for (double[] times : List.of(guest, direct, guestOutside, directOutside)) {
        Arrays.sort(times);
      }
    }

    void print(Backend backend, int tokens) {
      int rounds = guest.length;
      double difference = guest[rounds / 2] - direct[rounds / 2];
      double outside = guestOutside[rounds / 2] - directOutside[rounds / 2];
      System.out.printf(
          Locale.ROOT,
          "backend %s, %d tokens, %d rounds: guest %.2f us/token, direct %.2f us/token (medians);"
              + " difference %.2f us/token, %.2f %%; lower quartiles %.2f and %.2f, lowest %.2f and %.2f;"
              + " outside the engine %.2f and %.2f us/token (lowest %.2f and %.2f), difference %.2f, which is"
              + " %.2f %% of a token%n",
          backend.name(),
          tokens,
          rounds,
          guest[rounds / 2],
          direct[rounds / 2],
          difference,
          100 * difference / direct[rounds / 2],
          guest[rounds / 4],
          direct[rounds / 4],
          guest[0],
          direct[0],
          guestOutside[rounds / 2],
          directOutside[rounds / 2],
          guestOutside[0],
          directOutside[0],
          outside,
          100 * outside / direct[rounds / 2]);
    }
  }

  /// What the loop did.
  ///
  /// @param waitNanos how long it waited for steps
  private record Loop(int made, long waitNanos) {}

  /// What the default guest does, without a guest.
  private static Loop directLoop(LoadedModel model, Engine engine, EngineTenant tenant, int tokens)
      throws InterruptedException {
    int[] ids = model.tokenizer().encode(PROMPT, true, false);
    StreamingDecoder decoder = model.tokenizer().decoder();
    StringBuilder text = new StringBuilder();
    StepRequest request = new StepRequest();
    Sampler sampler = Sampler.of(SamplingParams.GREEDY);
    int made = 0;
    long waitNanos = 0;
    try (Sequence sequence = engine.newSequence(tenant)) {
      for (int count = ids.length; made < tokens; count = 1) {
        request.set(sequence, ids, count, 1, sampler);
        engine.submit(request);
        long submitted = System.nanoTime();
        request.await(submitted + STEP_NANOS);
        waitNanos += System.nanoTime() - submitted;
        int token = request.token(0);
        if (model.tokenizer().vocabulary().isEndOfGeneration(token)) {
          break;
        }
        text.append(decoder.accept(token));
        made++;
        ids[0] = token;
      }
    }
    return new Loop(made, waitNanos);
  }
}
