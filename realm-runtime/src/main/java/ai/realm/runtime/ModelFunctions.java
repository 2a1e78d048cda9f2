package ai.realm.runtime;

import ai.realm.template.ChatMessage;
import ai.realm.template.TemplateException;
import ai.realm.tokenizer.Tokenizer;
import ai.realm.tokenizer.Vocabulary;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.OptionalInt;

/// Host functions on models: opening them, and their text side.
final class ModelFunctions {
  private static final int ADD_SPECIAL = 1;
  private static final int PARSE_SPECIAL = 2;
  private static final int CONTROL = 1;
  private static final int ENDS_GENERATION = 2;

  /// Bytes of a text, tokens of a list: more than any context, and done well before a deadline's grace.
  private static final int MAX_TEXT = 2 << 20;

  private final GuestState state;

  ModelFunctions(GuestState state) {
    this.state = state;
  }

  int openModel(GuestMemory memory, int[] a) {
    if (a[1] > HostFunctions.MAX_NAME_BYTES) {
      return Errno.ENOENT;
    }
    String name = new String(memory.bytes(a[0], a[1]), StandardCharsets.UTF_8);
    GuestState.OpenModel model = state.openModel(name);
    return model == null ? Errno.ENOENT : state.handle(model);
  }

  int closeModel(GuestMemory memory, int[] a) {
    if (state.model(a[0]) == null) {
      return state.unknown("model", "model", a[0]);
    }
    state.handles().remove(a[0]);
    return 0;
  }

  int modelInfo(GuestMemory memory, int[] a) {
    GuestState.OpenModel model = state.model(a[0]);
    if (model == null) {
      return state.unknown("model", "model", a[0]);
    }
    Vocabulary vocabulary = model.host().tokenizer().vocabulary();
    int[] info = {
      vocabulary.size(),
      model.host().context(),
      orMinusOne(vocabulary.bos()),
      orMinusOne(vocabulary.eos())
    };
    memory.check(a[1], a[2]);
    return 4 * memory.put(info, a[1], a[2] / 4);
  }

  private static int orMinusOne(OptionalInt token) {
    return token.orElse(-1);
  }

  int tokenize(GuestMemory memory, int[] a) {
    GuestState.OpenModel model = state.model(a[0]);
    memory.check(a[1], a[2]);
    memory.check(a[4], 4L * Math.max(0, a[5]));
    if (model == null) {
      return state.unknown("model", "model", a[0]);
    }
    if (a[2] > MAX_TEXT) {
      return tooLong("text_len", a[2]);
    }
    ByteBuffer utf8 = ByteBuffer.wrap(memory.bytes(a[1], a[2]));
    if (a[5] < 0) {
      return state.wrong(Errno.EINVAL, "cap: expected at least 0, found %d", a[5]);
    }
    if ((a[3] & ~(ADD_SPECIAL | PARSE_SPECIAL)) != 0) {
      return state.wrong(
          Errno.EINVAL, "flags: expected 0 to %d, found %d", ADD_SPECIAL | PARSE_SPECIAL, a[3]);
    }
    String text;
    try {
      text = StandardCharsets.UTF_8.newDecoder().decode(utf8).toString();
    } catch (CharacterCodingException e) {
      return state.wrong(
          Errno.EINVAL,
          "text_ptr: expected UTF-8, found byte 0x%02x at %d",
          utf8.get(utf8.position()),
          utf8.position());
    }
    int[] ids =
        model
            .host()
            .tokenizer()
            .encode(text, (a[3] & ADD_SPECIAL) != 0, (a[3] & PARSE_SPECIAL) != 0);
    return memory.put(ids, a[4], a[5]);
  }

  private int tooLong(String argument, int found) {
    return state.wrong(
        Errno.EMSGSIZE, "%s: expected at most %d, found %d", argument, MAX_TEXT, found);
  }

  private int unknownToken(Vocabulary vocabulary, int found) {
    return state.wrong(
        Errno.EINVAL, "token: expected 0 to %d, found %d", vocabulary.size() - 1, found);
  }

  int tokenBytes(GuestMemory memory, int[] a) {
    GuestState.OpenModel model = state.model(a[0]);
    memory.check(a[2], a[3]);
    if (model == null) {
      return state.unknown("model", "model", a[0]);
    }
    Tokenizer tokenizer = model.host().tokenizer();
    if (a[1] < 0 || a[1] >= tokenizer.vocabulary().size()) {
      return unknownToken(tokenizer.vocabulary(), a[1]);
    }
    return memory.put(tokenizer.tokenBytes(a[1]), a[2], a[3]);
  }

  int tokenFlags(GuestMemory memory, int[] a) {
    GuestState.OpenModel model = state.model(a[0]);
    if (model == null) {
      return state.unknown("model", "model", a[0]);
    }
    Vocabulary vocabulary = model.host().tokenizer().vocabulary();
    if (a[1] < 0 || a[1] >= vocabulary.size()) {
      return unknownToken(vocabulary, a[1]);
    }
    return (vocabulary.isControl(a[1]) ? CONTROL : 0)
        | (vocabulary.isEndOfGeneration(a[1]) ? ENDS_GENERATION : 0);
  }

  int chatTemplate(GuestMemory memory, int[] a) {
    GuestState.OpenModel model = state.model(a[0]);
    memory.check(a[1], a[2]);
    memory.check(a[3], a[4]);
    if (model == null) {
      return state.unknown("model", "model", a[0]);
    }
    if (a[2] > MAX_TEXT) {
      return tooLong("json_len", a[2]);
    }
    byte[] json = memory.bytes(a[1], a[2]);
    List<ChatMessage> messages;
    try {
      messages = ChatMessages.parse(json);
    } catch (IllegalArgumentException e) {
      return state.wrong(Errno.EINVAL, "%s", String.valueOf(e.getMessage()));
    }
    try {
      String text = model.host().render(messages);
      return memory.put(text.getBytes(StandardCharsets.UTF_8), a[3], a[4]);
    } catch (TemplateException e) {
      state.call().refuse(Errno.EINVAL, e);
      return Errno.EINVAL;
    }
  }

  /// `(model, ids_ptr, n, out_ptr, cap)`: bytes of the text of several tokens.
  int detokenize(GuestMemory memory, int[] a) {
    GuestState.OpenModel model = state.model(a[0]);
    memory.check(a[1], 4L * a[2]);
    memory.check(a[3], a[4]);
    if (model == null) {
      return state.unknown("model", "model", a[0]);
    }
    if (a[2] > MAX_TEXT) {
      return tooLong("n", a[2]);
    }
    int[] ids = memory.ints(a[1], a[2]);
    Tokenizer tokenizer = model.host().tokenizer();
    int vocabulary = tokenizer.vocabulary().size();
    long bytes = 0;
    for (int i = 0; i < ids.length; i++) {
      if (ids[i] < 0 || ids[i] >= vocabulary) {
        return state.wrong(
            Errno.EINVAL, "ids_ptr[%d]: expected 0 to %d, found %d", i, vocabulary - 1, ids[i]);
      }
      // A token may stand for a hundred bytes and more.
      bytes += tokenizer.tokenBytes(ids[i]).length;
      if (bytes > MAX_TEXT) {
        return state.wrong(
            Errno.EMSGSIZE,
            "ids_ptr: expected a text of at most %d bytes, found %d or more",
            MAX_TEXT,
            bytes);
      }
    }
    return memory.put(tokenizer.decode(ids).getBytes(StandardCharsets.UTF_8), a[3], a[4]);
  }
}
