package ai.realm.guest;

import org.jspecify.annotations.Nullable;
import org.teavm.interop.Export;

/// The guest that a realm runs unless it brings its own: tokenize, prefill, then one step per token
/// until the model ends, a stop text appears or the length is reached.
public final class GuestProgram {
  /// Results of `generate`: why it ended. Negative results are the host's errors.
  private static final int STOPPED = 0;

  private static final int LENGTH = 1;

  // Layout of a step request; see docs/guest-abi.md.
  private static final int REQUEST_BYTES = 64;
  private static final int KV = 0;
  private static final int TOKENS = 4;
  private static final int COUNT = 8;
  private static final int OUT = 12;
  private static final int LOGPROB = 16;
  private static final int FLAGS = 20;
  private static final int MATCHER = 28;
  private static final int TEMPERATURE = 32;
  private static final int TOP_K = 36;
  private static final int TOP_P = 40;
  private static final int SEED = 44;
  private static final int MIN_P = 48;
  private static final int REPEAT_PENALTY = 52;
  private static final int STATUS = 56;
  private static final int SAMPLER = 60;

  private static final int TOKEN_TEXT_BYTES = 4096;

  /// The most tokens that a grammar adds to a step without sampling them.
  private static final int FORCED_TOKENS = 1024;

  /// The event that carries a sampled token, i32, and the logarithm of its probability, f32.
  private static final int LOGPROB_EVENT = 1;

  private static final int LOGPROB_EVENT_BYTES = 8;

  /// The event that carries the prompt's embedding, f32 each.
  private static final int EMBEDDING_EVENT = 2;

  private GuestProgram() {}

  /// Nothing to do at start: the host calls the exports.
  public static void main(String[] args) {}

  /// `load_model(id, options) → handle`. The options are the host's to read.
  @Export(name = "load_model")
  public static int loadModel() {
    Arena arena = new Arena();
    int name = arena.top();
    int length = Host.readArgument(0, name, arena.left());
    return arena.take(length) < 0 ? Host.EMSGSIZE : Host.openModel(name, length);
  }

  /// `unload_model(handle)`.
  @Export(name = "unload_model")
  public static int unloadModel(int model) {
    return Host.closeModel(model);
  }

  /// `generate(handle, prompt, config)`: emits the answer; returns 0 when the model or a stop text
  /// ended it, 1 when it became too long, or an error.
  @Export(name = "generate")
  public static int generate(int model) {
    Arena arena = new Arena();
    Config config = readConfig(arena);
    if (config == null) {
      return Host.EMSGSIZE;
    }
    if (config.isWrong()) {
      return refuse(arena, config);
    }
    config.raw |= config.embed;
    int info = arena.take(16);
    int result = Host.modelInfo(model, info, 16);
    if (result < 0) {
      return result;
    }
    int context = Arena.getInt(info + 4);
    int request = arena.take(REQUEST_BYTES);
    int out = arena.take(LOGPROB_EVENT_BYTES);
    int tokenText = arena.take(TOKEN_TEXT_BYTES);
    int count = tokenizePrompt(arena, model, config);
    if (count <= 0) {
      return count == 0 ? Host.EINVAL : count;
    }
    int tokens = arena.take((count + FORCED_TOKENS) * 4);
    if (tokens < 0) {
      return Host.EMSGSIZE;
    }
    if (config.embed) {
      return embed(arena, model, tokens, count);
    }
    int sequence = openSequence(arena, model, config);
    if (sequence < 0) {
      return sequence;
    }
    int opened = config.open == null ? 0 : Host.sequenceLength(sequence);
    int room = context - opened - count;
    if (room <= 0) {
      Host.freeSequence(sequence);
      return Host.EMSGSIZE;
    }
    int most = config.maxTokens > 0 && config.maxTokens < room ? config.maxTokens : room;
    StopTexts stops = new StopTexts(config.stop);
    boolean plain = stops.isEmpty() && config.stopTokens.length == 0;
    putRequest(request, sequence, out, config, plain ? Host.EMIT : 0);
    putPending(request, tokens, count);
    result = putChoice(request, model, config, arena);
    if (result == 0) {
      result = loop(request, most, config, stops, tokenText);
    }
    if (Arena.getInt(request + MATCHER) != 0) {
      Host.freeMatcher(Arena.getInt(request + MATCHER));
    }
    if (Arena.getInt(request + SAMPLER) != 0) {
      Host.freeSampler(Arena.getInt(request + SAMPLER));
    }
    if (result >= 0 && config.save != null) {
      result = save(arena, request, config.save, result);
    }
    Host.freeSequence(sequence);
    return result;
  }

  /// Emits the embedding of a text's tokens.
  private static int embed(Arena arena, int model, int tokens, int count) {
    int capacity = arena.left() / 4;
    int size = Host.embed(model, tokens, count, 0, arena.top(), capacity);
    if (size < 0 || size > capacity) {
      return size < 0 ? size : Host.EMSGSIZE;
    }
    int error = Host.emitEvent(EMBEDDING_EVENT, arena.top(), 4 * size);
    return error < 0 ? error : STOPPED;
  }

  /// An empty sequence, or the saved one that the prompt goes on.
  private static int openSequence(Arena arena, int model, Config config) {
    byte[] name = config.open;
    if (name == null) {
      return Host.newSequence(model);
    }
    int at = putName(arena, name);
    return at < 0 ? at : Host.openSequence(model, at, name.length);
  }

  /// Saves the sequence with all of the answer: its last tokens may not be fed yet.
  private static int save(Arena arena, int request, byte[] name, int result) {
    if (Arena.getInt(request + COUNT) > 0) {
      Arena.putInt(request + FLAGS, Host.NONE);
      Arena.putInt(request + MATCHER, 0);
      Arena.putInt(request + SAMPLER, 0);
      int error = Host.step(request, 1);
      if (error < 0) {
        return error;
      }
    }
    int at = putName(arena, name);
    int error = at < 0 ? at : Host.saveSequence(Arena.getInt(request + KV), at, name.length);
    return error < 0 ? error : result;
  }

  private static int putName(Arena arena, byte[] name) {
    int at = arena.top();
    if (name.length > arena.left()) {
      return Host.EMSGSIZE;
    }
    for (int i = 0; i < name.length; i++) {
      Arena.putByte(at + i, name[i]);
    }
    return at;
  }

  /// The grammar and the sampler of a request, where the configuration asks for them.
  private static int putChoice(int request, int model, Config config, Arena arena) {
    byte[] source = config.grammar;
    int at = arena.top();
    if (source != null) {
      if (source.length > arena.left()) {
        return Host.EMSGSIZE;
      }
      for (int i = 0; i < source.length; i++) {
        Arena.putByte(at + i, source[i]);
      }
      int grammar = Host.compileGrammar(config.grammarKind, at, source.length);
      if (grammar < 0) {
        return grammar;
      }
      int matcher = Host.newMatcher(grammar, model);
      Host.freeGrammar(grammar);
      if (matcher < 0) {
        return matcher;
      }
      Arena.putInt(request + MATCHER, matcher);
    }
    if (config.more) {
      int length = Host.readArgument(2, at, arena.left());
      int sampler = Host.newSampler(model, at, length);
      if (sampler < 0) {
        return sampler;
      }
      Arena.putInt(request + SAMPLER, sampler);
    }
    return 0;
  }

  /// What the next step feeds.
  private static void putPending(int request, int tokens, int count) {
    Arena.putInt(request + TOKENS, tokens);
    Arena.putInt(request + COUNT, count);
  }

  /// The loop itself: one crossing per token where there are neither stop texts nor a grammar. The request's
  /// tokens are those that are not fed yet; where it ends, those that belong to the answer.
  private static int loop(int request, int most, Config config, StopTexts stops, int tokenText) {
    int sequence = Arena.getInt(request + KV);
    int tokens = Arena.getInt(request + TOKENS);
    int out = Arena.getInt(request + OUT);
    int flags = Arena.getInt(request + FLAGS);
    boolean emitted = (flags & Host.EMIT) != 0;
    boolean constrained = Arena.getInt(request + MATCHER) != 0;
    for (int produced = 0; ; produced++) {
      if (constrained) {
        int pending = Arena.getInt(request + COUNT);
        int result = follow(request, produced, most, config, stops, tokenText);
        if (result != LENGTH) {
          return result;
        }
        produced += Arena.getInt(request + COUNT) - pending;
      }
      if (produced >= most) {
        return flush(stops, tokenText, stops.length(), LENGTH);
      }
      Arena.putInt(request + FLAGS, produced < config.minTokens ? flags | Host.NO_END : flags);
      int error = Host.step(request, 1);
      if (error < 0) {
        return error;
      }
      putPending(request, tokens, 0);
      if ((Arena.getInt(request + STATUS) & Host.ENDS_GENERATION) != 0) {
        return flush(stops, tokenText, stops.length(), STOPPED);
      }
      int token = Arena.getInt(out);
      if (contains(config.stopTokens, token) && produced >= config.minTokens) {
        return flush(stops, tokenText, stops.length(), STOPPED);
      }
      if (config.logprobs) {
        error = Host.emitEvent(LOGPROB_EVENT, out, LOGPROB_EVENT_BYTES);
        if (error < 0) {
          return error;
        }
      }
      if (!emitted) {
        boolean mayStop = produced >= config.minTokens;
        int result = emitUnlessStopped(sequence, token, stops, tokenText, mayStop);
        if (result != LENGTH) {
          return result;
        }
      }
      Arena.putInt(tokens, token);
      putPending(request, tokens, 1);
    }
  }

  /// Appends the tokens that a grammar leaves no choice about to those of the next step. Returns `STOPPED`
  /// where nothing but the end can follow, or a token ends the answer; `LENGTH` to go on.
  private static int follow(
      int request, int produced, int longest, Config config, StopTexts stops, int tokenText) {
    int matcher = Arena.getInt(request + MATCHER);
    // What is not sampled has no probability to tell.
    int most = config.logprobs ? 0 : Math.min(longest - produced, FORCED_TOKENS);
    int sequence = Arena.getInt(request + KV);
    int pending = Arena.getInt(request + COUNT);
    int from = Arena.getInt(request + TOKENS) + 4 * pending;
    int forced = most <= 0 ? 0 : Host.forcedTokens(matcher, from, most);
    if (forced < 0) {
      return forced;
    }
    boolean emit = (Arena.getInt(request + FLAGS) & Host.EMIT) != 0;
    for (int i = 0; i < Math.min(forced, most); i++) {
      int token = Arena.getInt(from + 4 * i);
      boolean mayStop = produced + i >= config.minTokens;
      if (mayStop && contains(config.stopTokens, token)) {
        return flush(stops, tokenText, stops.length(), STOPPED);
      }
      int error = Host.acceptToken(matcher, token);
      if (error < 0) {
        return error;
      }
      int result =
          emit
              ? emitForced(sequence, token, tokenText)
              : emitUnlessStopped(sequence, token, stops, tokenText, mayStop);
      if (result != LENGTH) {
        return result;
      }
      Arena.putInt(request + COUNT, pending + i + 1);
    }
    int status = Host.matcherStatus(matcher);
    boolean finished = status >= 0 && (status & Host.MATCHER_FINISHED) != 0;
    return finished
        ? flush(stops, tokenText, stops.length(), STOPPED)
        : status < 0 ? status : LENGTH;
  }

  /// Emits a token that no step sampled.
  private static int emitForced(int sequence, int token, int tokenText) {
    int error = Host.emitToken(token);
    int bytes = error < 0 ? error : Host.sequenceText(sequence, token, tokenText, TOKEN_TEXT_BYTES);
    error = bytes <= 0 ? bytes : Host.emitText(tokenText, Math.min(bytes, TOKEN_TEXT_BYTES));
    return error < 0 ? error : LENGTH;
  }

  private static boolean contains(int[] tokens, int token) {
    for (int t : tokens) {
      if (t == token) {
        return true;
      }
    }
    return false;
  }

  /// Emits what is surely not part of a stop text. Returns `LENGTH` to go on, `STOPPED` at a stop text; before
  /// `min_tokens` nothing is one.
  private static int emitUnlessStopped(
      int sequence, int token, StopTexts stops, int tokenText, boolean mayStop) {
    int bytes = Host.sequenceText(sequence, token, tokenText, TOKEN_TEXT_BYTES);
    if (bytes < 0) {
      return bytes;
    }
    for (int i = 0; i < Math.min(bytes, TOKEN_TEXT_BYTES); i++) {
      stops.append(Arena.getByte(tokenText + i));
    }
    int stop = stops.find();
    if (!mayStop && stop >= 0) {
      return flush(stops, tokenText, stops.length(), LENGTH);
    }
    // Before `min_tokens` too: a stop text may begin there and end behind.
    return stop >= 0
        ? flush(stops, tokenText, stop, STOPPED)
        : flush(stops, tokenText, stops.ready(), LENGTH);
  }

  private static int flush(StopTexts stops, int tokenText, int count, int result) {
    for (int left = count; left > 0; ) {
      int piece = Math.min(left, TOKEN_TEXT_BYTES);
      stops.moveTo(tokenText, piece);
      int error = Host.emitText(tokenText, piece);
      if (error < 0) {
        return error;
      }
      left -= piece;
    }
    return result;
  }

  private static void putRequest(int request, int sequence, int out, Config config, int flags) {
    for (int i = 0; i < REQUEST_BYTES; i += 4) {
      Arena.putInt(request + i, 0);
    }
    Arena.putInt(request + KV, sequence);
    Arena.putInt(request + OUT, out);
    Arena.putInt(request + LOGPROB, config.logprobs ? out + 4 : 0);
    Arena.putInt(request + FLAGS, flags);
    Arena.putFloat(request + TEMPERATURE, config.temperature);
    Arena.putInt(request + TOP_K, config.topK);
    Arena.putFloat(request + TOP_P, config.topP);
    Arena.putInt(request + SEED, config.seed);
    Arena.putFloat(request + MIN_P, config.minP);
    Arena.putFloat(request + REPEAT_PENALTY, config.repeatPenalty);
  }

  /// Says on the log which key is wrong, and how.
  private static int refuse(Arena arena, Config config) {
    int line = arena.top();
    int end = putAscii(line, "configuration: ");
    byte[] key = config.wrongKey();
    if (key.length > 0) {
      end = putBytes(end, key, Math.min(key.length, 64));
      end = putAscii(end, ": ");
    }
    end = putAscii(end, "expected ");
    end = putAscii(end, config.expected());
    byte[] found = config.found();
    end = putAscii(end, found.length == 0 ? ", found the end" : ", found ");
    end = putBytes(end, found, found.length);
    Host.log(0, line, end - line);
    return Host.EINVAL;
  }

  private static int putBytes(int at, byte[] bytes, int count) {
    for (int i = 0; i < count; i++) {
      Arena.putByte(at + i, bytes[i]);
    }
    return at + count;
  }

  /// The configuration, or null where it is too long.
  private static @Nullable Config readConfig(Arena arena) {
    int at = arena.top();
    int length = Host.readArgument(2, at, arena.left());
    if (length < 0 || length > arena.left()) {
      return null;
    }
    byte[] json = new byte[length];
    for (int i = 0; i < length; i++) {
      json[i] = Arena.getByte(at + i);
    }
    return Config.parse(json);
  }

  /// Writes the prompt's ids to the top of the arena, without taking them, and returns their number.
  private static int tokenizePrompt(Arena arena, int model, Config config) {
    int text = arena.top();
    int length = config.raw || config.messages ? readPrompt(arena) : readAsMessage(arena);
    if (length < 0) {
      return length;
    }
    int flags = config.open == null ? Host.ADD_SPECIAL : 0;
    if (!config.raw) {
      int rendered = arena.top();
      int size = Host.chatTemplate(model, text, length, rendered, arena.left());
      if (size < 0) {
        return size;
      }
      if (arena.take(size) < 0) {
        return Host.EMSGSIZE;
      }
      text = rendered;
      length = size;
      flags |= Host.PARSE_SPECIAL;
    }
    int capacity = arena.left() / 4;
    int count = Host.tokenize(model, text, length, flags, arena.top(), capacity);
    return count > capacity ? Host.EMSGSIZE : count;
  }

  private static int readPrompt(Arena arena) {
    int length = Host.readArgument(1, arena.top(), arena.left());
    return arena.take(length) < 0 ? Host.EMSGSIZE : length;
  }

  /// The prompt as the one message of a conversation.
  private static int readAsMessage(Arena arena) {
    int start = arena.top();
    int end = putAscii(start, "[{\"role\":\"user\",\"content\":\"");
    int left = arena.left() - (end - start);
    // The text goes behind its own place first: escaped, it is at most six times as long.
    int length = Host.readArgument(1, start, 0);
    if (length < 0 || length > left / 8) {
      return Host.EMSGSIZE;
    }
    int from = end + 6 * length + 64;
    int read = Host.readArgument(1, from, length);
    if (read != length) {
      return Host.EINVAL;
    }
    for (int i = 0; i < length; i++) {
      end = putEscaped(end, Arena.getByte(from + i));
    }
    end = putAscii(end, "\"}]");
    return arena.take(end - start) < 0 ? Host.EMSGSIZE : end - start;
  }

  private static int putEscaped(int at, byte b) {
    if (b == '"' || b == '\\') {
      Arena.putByte(at, '\\');
      Arena.putByte(at + 1, b);
      return at + 2;
    }
    if (b >= 0 && b < 0x20) {
      int end = putAscii(at, "\\u00");
      Arena.putByte(end, "0123456789abcdef".charAt(b >> 4));
      Arena.putByte(end + 1, "0123456789abcdef".charAt(b & 15));
      return end + 2;
    }
    Arena.putByte(at, b);
    return at + 1;
  }

  private static int putAscii(int at, String text) {
    for (int i = 0; i < text.length(); i++) {
      Arena.putByte(at + i, text.charAt(i));
    }
    return at + text.length();
  }
}
