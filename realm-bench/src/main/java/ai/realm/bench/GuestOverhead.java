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
import java.util.Locale;

/// Time per token of the default guest's loop beside the same loop in Java, on the same model, backend
/// and engine settings, in turns.
///
/// usage: `GuestOverhead MODEL [TOKENS [ROUNDS [BACKEND [THREADS]]]]`
public final class GuestOverhead {
  private static final String PROMPT = "Once upon a time, Mia lived near a forest.";
  private static final int WARM_UP = 20;
  private static final long STEP_NANOS = 60_000_000_000L;

  private GuestOverhead() {}

  /// Prints medians and their ratio.
  public static void main(String[] args) throws InterruptedException {
    Path file = Path.of(args[0]);
    int tokens = args.length > 1 ? Integer.parseInt(args[1]) : 300;
    int rounds = args.length > 2 ? Integer.parseInt(args[2]) : 60;
    String backendName = args.length > 3 ? args[3] : "auto";
    int threads = args.length > 4 ? Integer.parseInt(args[4]) : 0;
    try (Backend backend = Backends.open(backendName, new BackendOptions(threads, true)).backend();
        RealmRuntime runtime = new RealmRuntime(RuntimeConfig.of("model", file, backend));
        LoadedModel model = LoadedModel.open(file, backend);
        Engine engine = Engine.start(model.model(), backend, EngineConfig.of(2048))) {
      runtime.loadWasm(DefaultGuest.bytes());
      long handle = runtime.callFunction("load_model", "model", "{}").value();
      EngineTenant tenant = engine.tenant("direct", TenantShare.UNBOUNDED);
      String config = "{\"raw\": true, \"max_tokens\": " + tokens + "}";
      double[] own = new double[rounds];
      double[] guest = new double[rounds];
      double[] direct = new double[rounds];
      for (int i = -WARM_UP; i < rounds; i++) {
        long start = System.nanoTime();
        CallResult answer = runtime.callFunction("generate", handle, PROMPT, config);
        int made = answer.newTokens();
        long middle = System.nanoTime();
        int same = directLoop(model, engine, tenant, tokens);
        long end = System.nanoTime();
        if (made != same) {
          throw new IllegalStateException("guest made " + made + " tokens, the loop " + same);
        }
        if (i >= 0) {
          own[i] = (answer.totalNanos() - answer.waitNanos()) / 1e3 / made;
          guest[i] = (middle - start) / 1e3 / made;
          direct[i] = (end - middle) / 1e3 / same;
        }
      }
      Arrays.sort(own);
      Arrays.sort(guest);
      Arrays.sort(direct);
      double difference = guest[rounds / 2] - direct[rounds / 2];
      System.out.printf(
          Locale.ROOT,
          "backend %s, %d tokens, %d rounds: guest %.2f us/token, direct %.2f us/token (medians);"
              + " difference %.2f us/token, %.2f %%; lower quartiles %.2f and %.2f, lowest %.2f and %.2f;"
              + " outside the engine, guest and host functions take %.2f us/token (lowest %.2f)%n",
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
          own[rounds / 2],
          own[0]);
    }
  }

  /// What the default guest does, without a guest.
  private static int directLoop(LoadedModel model, Engine engine, EngineTenant tenant, int tokens)
      throws InterruptedException {
    int[] ids = model.tokenizer().encode(PROMPT, true, false);
    StreamingDecoder decoder = model.tokenizer().decoder();
    StringBuilder text = new StringBuilder();
    StepRequest request = new StepRequest();
    Sampler sampler = Sampler.of(SamplingParams.GREEDY);
    int made = 0;
    try (Sequence sequence = engine.newSequence(tenant)) {
      for (int count = ids.length; made < tokens; count = 1) {
        request.set(sequence, ids, count, 1, sampler);
        engine.submit(request);
        request.await(System.nanoTime() + STEP_NANOS);
        int token = request.token(0);
        if (model.tokenizer().vocabulary().isEndOfGeneration(token)) {
          break;
        }
        text.append(decoder.accept(token));
        made++;
        ids[0] = token;
      }
    }
    return made;
  }
}
