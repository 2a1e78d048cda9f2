package ai.realm.guest.sdk;

import static ai.realm.guest.sdk.HostException.check;

import ai.realm.guest.Arena;
import ai.realm.guest.Host;

/// A model that the realm may use. Its handle is the caller's: it stays open from call to call until
/// [#close].
public final class Model {
  private final Scratch scratch;
  private final int handle;

  Model(Scratch scratch, int handle) {
    this.scratch = scratch;
    this.handle = handle;
  }

  public int handle() {
    return handle;
  }

  private int info(int index) {
    int mark = scratch.mark();
    int at = scratch.take(16);
    int result = Host.modelInfo(handle, at, 16);
    scratch.release(mark);
    check(result);
    return Arena.getInt(at + 4 * index);
  }

  /// Tokens that the model knows.
  public int vocabulary() {
    return info(0);
  }

  /// The most tokens of a sequence.
  public int context() {
    return info(1);
  }

  /// The token that begins a text, or -1.
  public int beginToken() {
    return info(2);
  }

  /// The token that ends a text, or -1.
  public int endToken() {
    return info(3);
  }

  /// Ids of a text; flags are `ADD_SPECIAL` and `PARSE_SPECIAL` of [Host], 0 for a text within others.
  public int[] tokenize(String text, int flags) {
    byte[] utf8 = Scratch.utf8(text);
    int mark = scratch.mark();
    int at = scratch.put(utf8);
    try {
      return scratch.readInts((to, cap) -> Host.tokenize(handle, at, utf8.length, flags, to, cap));
    } finally {
      scratch.release(mark);
    }
  }

  /// Ids of a text within an answer. Some vocabularies put a space before every text: one that the text begins
  /// with is not doubled.
  public int[] continuation(String text) {
    int[] ids = tokenize(text, 0);
    return text.startsWith(" ") && beginsWithTwoSpaces(ids) ? tokenize(text.substring(1), 0) : ids;
  }

  private boolean beginsWithTwoSpaces(int[] ids) {
    int spaces = 0;
    for (int i = 0; i < ids.length && spaces < 2; i++) {
      for (byte b : tokenBytes(ids[i])) {
        if (b != ' ') {
          return spaces >= 2;
        }
        spaces++;
      }
    }
    return spaces >= 2;
  }

  /// The text of tokens.
  public String detokenize(int[] ids) {
    int mark = scratch.mark();
    int at = scratch.put(ids);
    try {
      return Scratch.text(
          scratch.readBytes((to, cap) -> Host.detokenize(handle, at, ids.length, to, cap)));
    } finally {
      scratch.release(mark);
    }
  }

  /// The bytes of a token's text; none for control tokens.
  public byte[] tokenBytes(int token) {
    return scratch.readBytes((to, cap) -> Host.tokenBytes(handle, token, to, cap));
  }

  public boolean isControl(int token) {
    return (check(Host.tokenFlags(handle, token)) & Host.TOKEN_CONTROL) != 0;
  }

  /// Whether a token ends the answer.
  public boolean ends(int token) {
    return (check(Host.tokenFlags(handle, token)) & Host.TOKEN_ENDS_GENERATION) != 0;
  }

  /// A conversation as the model's template writes it, up to where the answer begins.
  public String render(Message... messages) {
    StringBuilder list = new StringBuilder("[");
    for (int i = 0; i < messages.length; i++) {
      list.append(i == 0 ? "" : ",").append(messages[i].json());
    }
    byte[] json = Scratch.utf8(list.append(']').toString());
    int mark = scratch.mark();
    int at = scratch.put(json);
    try {
      return Scratch.text(
          scratch.readBytes((to, cap) -> Host.chatTemplate(handle, at, json.length, to, cap)));
    } finally {
      scratch.release(mark);
    }
  }

  /// A conversation as token ids, up to where the answer begins.
  public int[] chat(Message... messages) {
    return tokenize(render(messages), Host.ADD_SPECIAL | Host.PARSE_SPECIAL);
  }

  /// An empty sequence.
  public Sequence sequence() {
    return new Sequence(scratch, check(Host.newSequence(handle)));
  }

  /// A sequence that goes on as the one that was saved under a name.
  public Sequence openSaved(String name) {
    byte[] n = Scratch.utf8(name);
    int mark = scratch.mark();
    int sequence = Host.openSequence(handle, scratch.put(n), n.length);
    scratch.release(mark);
    return new Sequence(scratch, check(sequence));
  }

  /// A sampler with all settings, as `docs/guest-abi.md` lists them.
  public Sampler sampler(String json) {
    byte[] utf8 = Scratch.utf8(json);
    int mark = scratch.mark();
    int sampler = Host.newSampler(handle, scratch.put(utf8), utf8.length);
    scratch.release(mark);
    return new Sampler(check(sampler));
  }

  /// A matcher at the begin of an output.
  public Matcher matcher(Grammar grammar) {
    return new Matcher(scratch, check(Host.newMatcher(grammar.handle(), handle)));
  }

  /// The embedding of a text's tokens, of length 1; pooling is one of `EMBED_…` of [Host].
  public float[] embed(int[] tokens, int pooling) {
    return embed(scratch, handle, tokens, pooling);
  }

  static float[] embed(Scratch scratch, int modelOrSequence, int[] tokens, int pooling) {
    int mark = scratch.mark();
    int at = scratch.put(tokens);
    try {
      return scratch.readFloats(
          (to, cap) -> Host.embed(modelOrSequence, at, tokens.length, pooling, to, cap));
    } finally {
      scratch.release(mark);
    }
  }

  public void close() {
    check(Host.closeModel(handle));
  }
}
