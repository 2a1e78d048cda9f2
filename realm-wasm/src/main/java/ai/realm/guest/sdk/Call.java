package ai.realm.guest.sdk;

import static ai.realm.guest.sdk.HostException.check;

import ai.realm.guest.Host;
import org.jspecify.annotations.Nullable;

/// One call of the guest: its arguments, its output, and what of the realm it may use. What is opened in it
/// should be closed before it returns; only models and what is kept under a key outlive it.
///
/// ```java
/// @Export(name = "generate")
/// public static int generate(int model) {
///   return Call.run(call -> answer(call, call.model(model)));
/// }
/// ```
public final class Call {
  /// Results of `generate`, as the default guest says them: the model ended it, or its length.
  public static final int STOPPED = 0;

  public static final int LENGTH = 1;

  /// What an export does.
  @FunctionalInterface
  public interface Body {
    /// The export's result.
    int run(Call call);
  }

  final Scratch scratch = new Scratch();

  private Call() {}

  /// Runs an export's body; where the host refuses something, its error number is the result.
  public static int run(Body body) {
    try {
      return body.run(new Call());
    } catch (HostException e) {
      return e.number();
    }
  }

  /// What the export `load_model` does: opens the model that argument 0 names, and returns its handle. A host
  /// of another version of the ABI is refused.
  public static int loadModel() {
    return run(call -> {
      int version = Host.abiVersion();
      if (version != Host.ABI_VERSION) {
        call.log(0, "guest: expected version 1 of realm_host, found " + version);
        return Host.EINVAL;
      }
      return call.openModel(call.argument(0)).handle();
    });
  }

  /// What the export `unload_model` does.
  public static int unloadModel(int model) {
    return Host.closeModel(model);
  }

  /// The version of the ABI that the host has.
  public int abiVersion() {
    return Host.abiVersion();
  }

  /// A text argument, by its index among all arguments of the call.
  public String argument(int index) {
    return Scratch.text(scratch.readBytes((to, cap) -> Host.readArgument(index, to, cap)));
  }

  /// An argument that is a JSON object.
  public Config config(int index) {
    return new Config(argument(index));
  }

  /// Sends text to the caller.
  public void emit(String text) {
    byte[] utf8 = Scratch.utf8(text);
    int mark = scratch.mark();
    int result = Host.emitText(scratch.put(utf8), utf8.length);
    scratch.release(mark);
    check(result);
  }

  /// Tells the caller the id of a token; its text is emitted apart.
  public void emitToken(int token) {
    check(Host.emitToken(token));
  }

  /// Sends bytes that guest and caller agreed on.
  public void emitEvent(int kind, byte[] data) {
    int mark = scratch.mark();
    int result = Host.emitEvent(kind, scratch.put(data), data.length);
    scratch.release(mark);
    check(result);
  }

  /// The same with 32-bit numbers, little-endian.
  public void emitEvent(int kind, int[] data) {
    int mark = scratch.mark();
    int result = Host.emitEvent(kind, scratch.put(data), 4 * data.length);
    scratch.release(mark);
    check(result);
  }

  public void emitEvent(int kind, float[] data) {
    int mark = scratch.mark();
    int result = Host.emitEvent(kind, scratch.put(data), 4 * data.length);
    scratch.release(mark);
    check(result);
  }

  /// A line for the operator: level 0 error, 1 warning, 2 information. What is too much is dropped.
  public void log(int level, String line) {
    byte[] utf8 = Scratch.utf8(line);
    int mark = scratch.mark();
    Host.log(level, scratch.put(utf8), utf8.length);
    scratch.release(mark);
  }

  /// Milliseconds since the call began.
  public int nowMillis() {
    return Host.nowMillis();
  }

  /// Random bytes, at most 64 KiB.
  public byte[] random(int count) {
    int mark = scratch.mark();
    int at = scratch.take(count);
    int result = Host.random(at, count);
    scratch.release(mark);
    check(result);
    return Scratch.bytes(at, count);
  }

  /// What is left, of one of the kinds `BUDGET_…` of [Host].
  public int budgetLeft(int what) {
    return check(Host.budgetLeft(what));
  }

  /// Asks a function that the embedding program gave this realm.
  public String callTool(String name, String text) {
    byte[] n = Scratch.utf8(name);
    byte[] t = Scratch.utf8(text);
    int mark = scratch.mark();
    int blob = Host.callTool(scratch.put(n), n.length, scratch.put(t), t.length);
    scratch.release(mark);
    check(blob);
    try {
      return Scratch.text(scratch.readBytes((to, cap) -> Host.readBlob(blob, 0, to, cap)));
    } finally {
      Host.freeBlob(blob);
    }
  }

  /// What the realm keeps under a key between calls, or null.
  public byte @Nullable [] load(String key) {
    byte[] k = Scratch.utf8(key);
    int mark = scratch.mark();
    int at = scratch.put(k);
    try {
      return scratch.readBytes((to, cap) -> Host.getValue(at, k.length, to, cap));
    } catch (HostException e) {
      if (e.number() == Host.ENOENT) {
        return null;
      }
      throw e;
    } finally {
      scratch.release(mark);
    }
  }

  /// Keeps a value under a key; an empty one removes the key.
  public void store(String key, byte[] value) {
    byte[] k = Scratch.utf8(key);
    int mark = scratch.mark();
    int result = Host.putValue(scratch.put(k), k.length, scratch.put(value), value.length);
    scratch.release(mark);
    check(result);
  }

  /// A model by the handle that the caller gave.
  public Model model(int handle) {
    return new Model(scratch, handle);
  }

  /// A model by its name; it stays open until it is closed.
  public Model openModel(String name) {
    byte[] n = Scratch.utf8(name);
    int mark = scratch.mark();
    int handle = Host.openModel(scratch.put(n), n.length);
    scratch.release(mark);
    return new Model(scratch, check(handle));
  }

  /// Forgets the sequence that [Sequence#save] kept under a name.
  public void forget(String name) {
    byte[] n = Scratch.utf8(name);
    int mark = scratch.mark();
    int result = Host.saveSequence(0, scratch.put(n), n.length);
    scratch.release(mark);
    check(result);
  }

  /// A compiled grammar of one of the kinds `GBNF`, `JSON_SCHEMA`, `REGEX`, `JSON` of [Host].
  public Grammar grammar(int kind, String source) {
    byte[] utf8 = Scratch.utf8(source);
    int mark = scratch.mark();
    int handle = Host.compileGrammar(kind, scratch.put(utf8), utf8.length);
    scratch.release(mark);
    return new Grammar(check(handle));
  }

  /// Requests that a step computes together, 1 to 64.
  public Batch batch(int rows) {
    return new Batch(scratch, rows);
  }

  /// Matrices and private layers.
  public LowLevel lowLevel() {
    return new LowLevel(scratch);
  }
}
