package ai.realm.example.guest;

import ai.realm.guest.Host;
import ai.realm.guest.sdk.Batch;
import ai.realm.guest.sdk.Call;
import ai.realm.guest.sdk.Config;
import ai.realm.guest.sdk.Grammar;
import ai.realm.guest.sdk.HostException;
import ai.realm.guest.sdk.Matcher;
import ai.realm.guest.sdk.Message;
import ai.realm.guest.sdk.Model;
import ai.realm.guest.sdk.Row;
import ai.realm.guest.sdk.Sampler;
import ai.realm.guest.sdk.Sequence;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// Calls every function of the library and checks what it gives, as `guests/c/conformance.c` does. The
/// result is the number of checks that failed; event 2 names them. Event 1 is four bytes, event 3 the
/// model's numbers, event 4 two embeddings' lengths.
final class Conformance {
  private final Call call;
  private final Model model;
  private final StringBuilder failed = new StringBuilder();
  private int failures;

  Conformance(Call call, Model model) {
    this.call = call;
    this.model = model;
  }

  int run() {
    output();
    realm();
    model();
    int[] prompt = model.chat(Message.user("What is the capital of France?"));
    try (Sequence sequence = model.sequence()) {
      steps(sequence, prompt);
      saved(sequence);
    }
    embeddings(prompt);
    constraints(prompt);
    layers();
    call.emitEvent(2, failed.toString().getBytes(StandardCharsets.UTF_8));
    return failures;
  }

  private void check(String what, boolean holds) {
    if (!holds) {
      failures++;
      failed.append(what).append('\n');
    }
  }

  /// The error number of what must fail, or 0.
  private static int error(Runnable refused) {
    try {
      refused.run();
      return 0;
    } catch (HostException e) {
      return e.number();
    }
  }

  private void output() {
    check("abi_version", call.abiVersion() == Host.ABI_VERSION);
    check("argument", call.argument(1).equals("gr\u00fc\u00df dich \ud83e\udd8a"));
    Config config = call.config(2);
    check("config number", config.number("number", 0) == -1.5 && config.integer("none", 7) == 7);
    check("config text", config.text("text", "").equals("a\"\ud83d\ude00"));
    check("config list", Arrays.equals(config.texts("list"), new String[] {"x", "y"}));
    check("config flag", config.flag("flag", false) && config.text("none") == null);
    call.emit("gr\u00fc\u00df dich \ud83e\udd8a");
    call.emitToken(7);
    call.emitEvent(1, new byte[] {0, 1, (byte) 200, (byte) 255});
    call.log(2, "conformance");
  }

  private void realm() {
    int now = call.nowMillis();
    check("now_ms", now >= 0 && call.nowMillis() >= now);
    check("random", !Arrays.equals(call.random(16), call.random(16)));
    int millis = call.budgetLeft(Host.BUDGET_MILLIS);
    check("budget_left", millis > 0 && millis <= 60_000);
    int tokens = call.budgetLeft(Host.BUDGET_NEW_TOKENS);
    check("budget_left tokens", tokens > 0 && tokens <= 10_000);
    check("budget_left memory", call.budgetLeft(Host.BUDGET_MEMORY) > 0);
    check("budget_left of what", error(() -> call.budgetLeft(9)) == Host.EINVAL);

    byte[] value = {0, 1, (byte) 255};
    check("load nothing", call.load("key") == null);
    call.store("key", value);
    check("load", Arrays.equals(call.load("key"), value));
    call.store("key", new byte[0]);
    check("store nothing", call.load("key") == null);
    check("tool_call", call.callTool("quote", "\u00e9").equals("<\u00e9>"));
    check("no tool", error(() -> call.callTool("none", "")) == Host.ENOENT);
  }

  private void model() {
    Model again = call.openModel("sample");
    check("model_open", again.vocabulary() == model.vocabulary());
    again.close();
    check("model_close", error(again::vocabulary) == Host.EBADF);
    int eos = model.endToken();
    call.emitEvent(3, new int[] {model.vocabulary(), model.context(), model.beginToken(), eos});
    int[] ids = model.tokenize("Hello Paris", 0);
    check("tokenize", ids.length > 0);
    StringBuilder continued = new StringBuilder();
    for (int id : model.continuation(" Paris")) {
      continued.append(new String(model.tokenBytes(id), StandardCharsets.UTF_8));
    }
    check("continuation", continued.toString().equals(" Paris"));
    check("detokenize", model.detokenize(ids).endsWith("Hello Paris"));
    check("token_bytes", model.tokenBytes(ids[ids.length - 1]).length > 0);
    check("token_flags", model.ends(eos) && !model.ends(ids[0]));
    check("token_flags control", model.isControl(eos) && !model.isControl(ids[0]));
    check("chat_template", model.render(Message.user("a\"b\n")).contains("a\"b\n"));
  }

  private void steps(Sequence sequence, int[] prompt) {
    Batch batch = call.batch(2);
    batch.row(0).feed(sequence, prompt).flags(Host.LOGITS | Host.EMIT);
    batch.step(1);
    int first = batch.row(0).token();
    check("kv_len", sequence.length() == prompt.length);
    float[] logits = sequence.logits(0);
    check("logits_read", logits.length == model.vocabulary() && argmax(logits) == first);
    check("logprob", batch.row(0).logprob() <= 0 && batch.row(0).logprob() > -1);
    check("kv_text", sequence.text(first).length() > 0);

    // All positions of the prompt again, beside a row that samples with a sampler of its own.
    try (Sequence other = model.sequence();
        Sequence fork = sequence.fork();
        Sampler sampler = model.sampler("{\"temperature\":0}")) {
      check("kv_fork", fork.length() == prompt.length);
      fork.truncate(prompt.length - 1);
      check("kv_truncate", fork.length() == prompt.length - 1);
      batch.row(0).feed(other, prompt).flags(Host.ALL);
      batch.row(1).feed(fork, prompt[prompt.length - 1]).sampler(sampler);
      batch.step(2);
      check("ALL", batch.row(0).outputs() == prompt.length);
      check("ALL's last", batch.row(0).token(prompt.length - 1) == first);
      check("sampler", batch.row(1).token() == first && !batch.row(1).ended());
      other.truncate(prompt.length - 1);
      batch.row(0).feed(other, prompt[prompt.length - 1]).flags(Host.NONE);
      batch.step(1);
      check("NONE", batch.row(0).outputs() == 0 && other.length() == prompt.length);
      submitted(other, prompt, first);
    }
    check("sampler_new", error(() -> model.sampler("{\"temperature\":\"x\"}")) == Host.EINVAL);
  }

  private void submitted(Sequence sequence, int[] prompt, int first) {
    Batch batch = call.batch(1);
    sequence.truncate(prompt.length - 1);
    batch.row(0).feed(sequence, prompt[prompt.length - 1]).flags(Host.NO_END);
    Batch.Ticket ticket = batch.submit(1);
    boolean done = false;
    for (int i = 0; i < 100 && !done; i++) {
      done = ticket.await(100);
    }
    check("step_wait", done && batch.row(0).token() == first);
  }

  private static int argmax(float[] values) {
    int best = 0;
    for (int i = 1; i < values.length; i++) {
      best = values[i] > values[best] ? i : best;
    }
    return best;
  }

  private void saved(Sequence sequence) {
    sequence.save("conformance");
    try (Sequence opened = model.openSaved("conformance")) {
      check("kv_open", opened.length() == sequence.length());
    }
    call.forget("conformance");
    check("kv_save of nothing", error(() -> model.openSaved("conformance")) == Host.ENOENT);
    Sequence closed = model.sequence();
    closed.close();
    check("save what is closed", error(() -> closed.save("conformance")) == Host.EBADF);
  }

  private void embeddings(int[] prompt) {
    float[] alone = model.embed(prompt, Host.EMBED_MEAN);
    try (Sequence sequence = model.sequence()) {
      float[] appended = sequence.embed(prompt, Host.EMBED_MEAN);
      check("embed", isUnit(alone) && isUnit(appended));
      check("embed of a sequence", sequence.length() == prompt.length);
      call.emitEvent(4, new int[] {alone.length, appended.length});
    }
  }

  private static boolean isUnit(float[] values) {
    double sum = 0;
    for (float value : values) {
      sum += value * value;
    }
    return Math.abs(sum - 1) < 1e-3;
  }

  private void constraints(int[] prompt) {
    check("grammar_compile", error(() -> call.grammar(Host.REGEX, "(")) == Host.EINVAL);
    Batch batch = call.batch(1);
    try (Grammar grammar = call.grammar(Host.REGEX, "^Rome$");
        Matcher matcher = model.matcher(grammar);
        Matcher fork = matcher.fork();
        Sequence sequence = model.sequence()) {
      check("matcher_forced", matcher.forced().equals("Rome"));
      check("matcher_forced_tokens", matcher.forcedTokens().length > 0);
      int[] mask = matcher.mask();
      check("matcher_mask", mask.length == (model.vocabulary() + 31) / 32);
      Row row = batch.row(0).feed(sequence, prompt).mask(mask);
      batch.step(1);
      int token = row.token();
      check("mask", (mask[token / 32] >>> token % 32 & 1) == 1);
      matcher.accept(token);
      sequence.truncate(prompt.length - 1);
      row.feed(sequence, prompt[prompt.length - 1]).matcher(fork);
      batch.step(1);
      check("matcher", row.token() == token && fork.forced().equals(matcher.forced()));
      check("matcher_status", matcher.isComplete() == matcher.forced().isEmpty());
      for (int i = 0; i < 8 && !fork.isComplete(); i++) {
        row.feed(sequence, row.token());
        batch.step(1);
      }
      check("matcher finished", fork.isComplete() && fork.isFinished());
      closed(row, matcher);
      row.feed(sequence, prompt[prompt.length - 1]).unconstrained().withoutSampler();
      batch.step(1);
    }
  }

  /// What is closed constrains nothing, so it must not go through as none.
  private void closed(Row row, Matcher matcher) {
    Sampler sampler = model.sampler("{}");
    row.sampler(sampler);
    sampler.close();
    matcher.close();
    check("closed matcher", error(() -> row.matcher(matcher)) == Host.EBADF);
    check("closed sampler", error(() -> row.sampler(sampler)) == Host.EBADF);
    check("empty mask", error(() -> row.mask(new int[0])) == Host.EINVAL);
  }

  private void layers() {
    float[] a = {1, 2, 3, 4};
    float[] b = {5, 6, 7, 8};
    var host = call.lowLevel();
    check("matmul", Arrays.equals(host.multiply(a, b, 2, 2, 2), new float[] {19, 22, 43, 50}));
    check(
        "matmul transposed",
        Arrays.equals(host.multiplyTransposed(a, b, 2, 2, 2), new float[] {17, 23, 39, 53}));
    byte[] layer = {4, 5, 6};
    host.storeLayer("mine", 3, layer);
    check("layer", Arrays.equals(host.loadLayer("mine", 3), layer));
    check("no layer", error(() -> host.loadLayer("mine", 4)) == Host.ENOENT);
    check("layer stats", host.layerStats()[1] >= 1);
  }
}
