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
import org.jspecify.annotations.Nullable;

/// Host functions on models: opening them, and their text side.
final class ModelFunctions {
  private static final int ADD_SPECIAL = 1;
  private static final int PARSE_SPECIAL = 2;
  private static final int CONTROL = 1;
  private static final int ENDS_GENERATION = 2;
  private static final int MAX_NAME_BYTES = 1024;

  /// Bytes of a text, tokens of a list: more than any context, and done well before a deadline's grace.
  private static final int MAX_TEXT = 2 << 20;

  private final GuestState state;

  ModelFunctions(GuestState state) {
    this.state = state;
  }

  int openModel(GuestMemory memory, int[] a) {
    if (a[1] > MAX_NAME_BYTES) {
      return Errno.ENOENT;
    }
    String name = new String(memory.bytes(a[0], a[1]), StandardCharsets.UTF_8);
    GuestState.OpenModel model = state.openModel(name);
    return model == null ? Errno.ENOENT : state.handle(model);
  }

  int closeModel(GuestMemory memory, int[] a) {
    if (state.model(a[0]) == null) {
      return Errno.EBADF;
    }
    state.handles().remove(a[0]);
    return 0;
  }

  int modelInfo(GuestMemory memory, int[] a) {
    GuestState.OpenModel model = state.model(a[0]);
    if (model == null) {
      return Errno.EBADF;
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
      return Errno.EBADF;
    }
    if (a[2] > MAX_TEXT) {
      return Errno.EMSGSIZE;
    }
    byte[] bytes = memory.bytes(a[1], a[2]);
    if (a[5] < 0 || (a[3] & ~(ADD_SPECIAL | PARSE_SPECIAL)) != 0) {
      return Errno.EINVAL;
    }
    String text = utf8(bytes);
    if (text == null) {
      return Errno.EINVAL;
    }
    int[] ids =
        model
            .host()
            .tokenizer()
            .encode(text, (a[3] & ADD_SPECIAL) != 0, (a[3] & PARSE_SPECIAL) != 0);
    return memory.put(ids, a[4], a[5]);
  }

  private static @Nullable String utf8(byte[] bytes) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      return null;
    }
  }

  int tokenBytes(GuestMemory memory, int[] a) {
    GuestState.OpenModel model = state.model(a[0]);
    memory.check(a[2], a[3]);
    if (model == null) {
      return Errno.EBADF;
    }
    Tokenizer tokenizer = model.host().tokenizer();
    if (a[1] < 0 || a[1] >= tokenizer.vocabulary().size()) {
      return Errno.EINVAL;
    }
    return memory.put(tokenizer.tokenBytes(a[1]), a[2], a[3]);
  }

  int tokenFlags(GuestMemory memory, int[] a) {
    GuestState.OpenModel model = state.model(a[0]);
    if (model == null) {
      return Errno.EBADF;
    }
    Vocabulary vocabulary = model.host().tokenizer().vocabulary();
    if (a[1] < 0 || a[1] >= vocabulary.size()) {
      return Errno.EINVAL;
    }
    return (vocabulary.isControl(a[1]) ? CONTROL : 0)
        | (vocabulary.isEndOfGeneration(a[1]) ? ENDS_GENERATION : 0);
  }

  int chatTemplate(GuestMemory memory, int[] a) {
    GuestState.OpenModel model = state.model(a[0]);
    memory.check(a[1], a[2]);
    memory.check(a[3], a[4]);
    if (model == null) {
      return Errno.EBADF;
    }
    if (a[2] > MAX_TEXT) {
      return Errno.EMSGSIZE;
    }
    byte[] json = memory.bytes(a[1], a[2]);
    List<ChatMessage> messages = ChatMessages.parse(json);
    if (messages == null) {
      return Errno.EINVAL;
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
      return Errno.EBADF;
    }
    if (a[2] > MAX_TEXT) {
      return Errno.EMSGSIZE;
    }
    int[] ids = memory.ints(a[1], a[2]);
    Tokenizer tokenizer = model.host().tokenizer();
    long bytes = 0;
    for (int id : ids) {
      if (id < 0 || id >= tokenizer.vocabulary().size()) {
        return Errno.EINVAL;
      }
      // A token may stand for a hundred bytes and more.
      bytes += tokenizer.tokenBytes(id).length;
      if (bytes > MAX_TEXT) {
        return Errno.EMSGSIZE;
      }
    }
    return memory.put(tokenizer.decode(ids).getBytes(StandardCharsets.UTF_8), a[3], a[4]);
  }
}
