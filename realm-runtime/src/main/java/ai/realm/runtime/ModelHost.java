package ai.realm.runtime;

import ai.realm.compute.Adapter;
import ai.realm.engine.Engine;
import ai.realm.engine.EngineConfig;
import ai.realm.engine.LoadedModel;
import ai.realm.engine.TokenConstraint;
import ai.realm.engine.grammar.TokenTrie;
import ai.realm.gguf.GgufFile;
import ai.realm.model.Pooling;
import ai.realm.template.ChatMessage;
import ai.realm.template.ChatTemplate;
import ai.realm.tokenizer.Tokenizer;
import ai.realm.tokenizer.Vocabulary;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// A model with the engine that runs it, loaded once however many guests open it.
final class ModelHost implements AutoCloseable {
  private static final char ZERO_WIDTH_SPACE = '\u200b';

  private final LoadedModel model;
  private final Engine engine;
  private final int context;
  private final List<String> controlTexts;
  private final WithoutEnd withoutEnd;
  private final BreakerCache breakers;
  private final ReentrantLock lock = new ReentrantLock();
  private @Nullable TokenTrie tokenTrie;

  private ModelHost(LoadedModel model, Engine engine, int context) {
    this.model = model;
    this.engine = engine;
    this.context = context;
    this.controlTexts = controlTexts(model.tokenizer().vocabulary());
    this.withoutEnd = WithoutEnd.of(model.tokenizer().vocabulary());
    this.breakers = new BreakerCache(model.tokenizer());
  }

  static ModelHost start(LoadedModel model, RuntimeConfig config) {
    try {
      int context = Math.min(config.maxContext(), model.model().config().contextLength());
      EngineConfig sizes =
          EngineConfig.builder()
              .kvPositions((context + 32L) * config.sequences())
              .kvType(config.kvType())
              .maxSequences(config.maxBatch())
              .maxContext(context)
              .build();
      Engine engine = Engine.start(model.model(), model.backend(), sizes);
      return new ModelHost(model, engine, context);
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  private static List<String> controlTexts(Vocabulary vocabulary) {
    List<String> texts = new ArrayList<>();
    for (int id = 0; id < vocabulary.size(); id++) {
      if (vocabulary.isControl(id) && !vocabulary.text(id).isEmpty()) {
        texts.add(vocabulary.text(id));
      }
    }
    return List.copyOf(texts);
  }

  /// Every token but those that end generation.
  private record WithoutEnd(long[] words) implements TokenConstraint {
    static WithoutEnd of(Vocabulary vocabulary) {
      long[] words = new long[(vocabulary.size() + 63) / 64];
      for (int id = 0; id < vocabulary.size(); id++) {
        if (!vocabulary.isEndOfGeneration(id)) {
          words[id / 64] |= 1L << id;
        }
      }
      return new WithoutEnd(words);
    }

    @Override
    public void mask(long[] allowed) {
      System.arraycopy(words, 0, allowed, 0, Math.min(words.length, allowed.length));
    }

    @Override
    public void accept(int token) {}
  }

  /// Every token but those that end generation.
  TokenConstraint withoutEnd() {
    return withoutEnd;
  }

  /// What another constraint allows without the tokens that end generation, where anything is left.
  TokenConstraint withoutEnd(TokenConstraint other) {
    return new Both(other, withoutEnd.words());
  }

  /// A constraint, less what is not in `words` where it allows anything else.
  private record Both(TokenConstraint constraint, long[] words) implements TokenConstraint {
    @Override
    public void mask(long[] allowed) {
      constraint.mask(allowed);
      long rest = 0;
      for (int i = 0; i < allowed.length; i++) {
        rest |= allowed[i] & words[i];
      }
      for (int i = 0; rest != 0 && i < allowed.length; i++) {
        allowed[i] &= words[i];
      }
    }

    @Override
    public void accept(int token) {
      constraint.accept(token);
    }
  }

  /// Sequence breakers in this model's vocabulary.
  BreakerCache breakers() {
    return breakers;
  }

  /// The vocabulary as grammars need it, made on first use.
  TokenTrie tokenTrie() {
    lock.lock();
    try {
      TokenTrie present = tokenTrie;
      if (present == null) {
        present = TokenTrie.of(tokenizer());
        tokenTrie = present;
      }
      return present;
    } finally {
      lock.unlock();
    }
  }

  Tokenizer tokenizer() {
    return model.tokenizer();
  }

  Engine engine() {
    return engine;
  }

  /// An adapter of this model; it and its file go with the model.
  Adapter loadAdapter(GgufFile file, float strength) {
    return model.loadAdapter(file, strength);
  }

  /// What tells keys and values of this model with this adapter from others'.
  byte[] fingerprint(@Nullable Adapter adapter) {
    return model.fingerprint(adapter);
  }

  /// How the model's own embeddings are pooled.
  Pooling pooling() {
    return model.model().config().pooling();
  }

  /// Floats of an embedding.
  int embeddingLength() {
    return model.model().config().embeddingLength();
  }

  /// The most tokens of a sequence.
  int context() {
    return context;
  }

  /// A conversation as the model's template writes it, with the prompt for an answer. The result is
  /// tokenized with control tokens parsed, so what only looks like one in a message is broken up first:
  /// nobody can end a turn from inside it.
  String render(List<ChatMessage> messages) {
    List<ChatMessage> harmless =
        messages.stream()
            .map(message -> new ChatMessage(message.role(), harmless(message.content())))
            .toList();
    ChatTemplate template = model.chatTemplate();
    if (template == null) {
      return plain(harmless);
    }
    Vocabulary vocabulary = tokenizer().vocabulary();
    return template.render(harmless, true, text(vocabulary.bos()), text(vocabulary.eos()));
  }

  /// Ids that begin every conversation with a system prompt, whatever the user says: where those of two
  /// users part.
  int[] systemTokens(String system) {
    int[] one = conversation(system, "a");
    int[] other = conversation(system, "0");
    int common = Arrays.mismatch(one, other);
    return Arrays.copyOf(one, common < 0 ? one.length : common);
  }

  private int[] conversation(String system, String user) {
    String text = render(List.of(new ChatMessage("system", system), new ChatMessage("user", user)));
    return tokenizer().encode(text, true, true);
  }

  private String text(OptionalInt token) {
    return token.isPresent() ? tokenizer().vocabulary().text(token.getAsInt()) : "";
  }

  private String harmless(String content) {
    String text = content;
    for (String control : controlTexts) {
      if (text.contains(control)) {
        text =
            text.replace(
                control, control.substring(0, 1) + ZERO_WIDTH_SPACE + control.substring(1));
      }
    }
    return text;
  }

  /// For a model without a template: a transcript that it may continue.
  private static String plain(List<ChatMessage> messages) {
    StringBuilder text = new StringBuilder();
    for (ChatMessage message : messages) {
      text.append(message.role()).append(": ").append(message.content()).append('\n');
    }
    return text.append("assistant:").toString();
  }

  @Override
  public void close() {
    engine.close();
    model.close();
  }
}
