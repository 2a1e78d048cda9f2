package ai.realm.bench;

import ai.realm.engine.grammar.Grammar;
import ai.realm.engine.grammar.Matcher;
import ai.realm.engine.grammar.TokenTrie;
import ai.realm.gguf.GgufFile;
import ai.realm.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// What constrained output costs over the vocabularies of GGUF files: time to compile, time of a mask
/// where the grammar is new, where its states were seen before, and in a second request, and memory.
public final class GrammarSpeed {
  private static final int WARM_UPS = 6;
  private static final int ROUNDS = 10;
  private static final int RANDOM_OUTPUTS = 4;
  private static final int MAX_TOKENS = 80;
  private static final int MAX_TOKEN_BYTES = 32;
  private static final int KEPT = 8;

  private static final String DATE_TIME =
      "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
          + "(\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
  private static final String ARITHMETIC =
      """
      root ::= (expr "=" ws term "\\n")+
      expr ::= term ([-+*/] term)*
      term ::= ident | num | "(" ws expr ")" ws
      ident ::= [a-z] [a-z0-9_]* ws
      num ::= [0-9]+ ws
      ws ::= [ \\t\\n]*
      """;
  private static final String JSON_TEXT =
      "{\"name\": \"Ada Lovelace\", \"tags\": [\"mathematics\", \"first program\", \"caf\u00e9\"], \"born\": 1815,"
          + " \"works\": [{\"title\": \"Notes on the Analytical Engine\", \"pages\": 66.5, \"known\": true}]}";

  private GrammarSpeed() {}

  /// A grammar and a text in it.
  private record Case(String name, Grammar.Kind kind, String source, String text) {}

  /// Nanoseconds.
  private static final class Times {
    private long[] values = new long[1024];
    private int size;

    void add(long value) {
      if (size == values.length) {
        values = Arrays.copyOf(values, 2 * size);
      }
      values[size++] = value;
    }

    /// Microseconds: median, 99th percentile, worst.
    String summary() {
      long[] sorted = Arrays.copyOf(values, size);
      Arrays.sort(sorted);
      return "%8.1f %8.1f %8.1f"
          .formatted(
              sorted[size / 2] / 1e3,
              sorted[Math.min(size - 1, size * 99 / 100)] / 1e3,
              sorted[size - 1] / 1e3);
    }
  }

  private static List<Case> cases() {
    String fields =
        IntStream.range(0, 20)
            .mapToObj(i -> "\"field_%d\":{\"type\":\"string\"}".formatted(i))
            .collect(Collectors.joining(","));
    String names =
        IntStream.range(0, 20).mapToObj("\"field_%d\""::formatted).collect(Collectors.joining(","));
    String object =
        IntStream.range(0, 20)
            .mapToObj(i -> "\"field_%d\": \"The value of field number %d\"".formatted(i, i))
            .collect(Collectors.joining(", ", "{", "}"));
    SplittableRandom random = new SplittableRandom(1);
    List<String> values = new ArrayList<>();
    for (int i = 0; i < 1000; i++) {
      values.add("\"" + Long.toString(random.nextLong(1L << 40), 36) + "-" + i + "\"");
    }
    return List.of(
        new Case("any JSON", Grammar.Kind.JSON, "", JSON_TEXT),
        new Case(
            "schema, 20 fields",
            Grammar.Kind.JSON_SCHEMA,
            "{\"type\":\"object\",\"properties\":{%s},\"required\":[%s],\"additionalProperties\":false}"
                .formatted(fields, names),
            object),
        new Case(
            "enum, 1000 values",
            Grammar.Kind.JSON_SCHEMA,
            "{\"enum\":[" + String.join(",", values) + "]}",
            values.get(500)),
        new Case(
            "date-time, regex", Grammar.Kind.REGEX, DATE_TIME, "2026-11-23T10:57:15.125+01:00"),
        new Case("arithmetic, GBNF", Grammar.Kind.GBNF, ARITHMETIC, "(a +12) *foo_1 -7 = 42\n"));
  }

  /// Arguments: GGUF files whose vocabularies are used.
  public static void main(String[] args) {
    for (String file : args) {
      try (GgufFile gguf = GgufFile.open(Path.of(file))) {
        Tokenizer tokenizer = Tokenizer.of(gguf.metadata());
        long start = System.nanoTime();
        TokenTrie trie = TokenTrie.of(tokenizer);
        System.out.printf(
            "%n%s: %d tokens, trie made in %.0f ms%n",
            Path.of(file).getFileName(),
            tokenizer.vocabulary().size(),
            (System.nanoTime() - start) / 1e6);
        System.out.printf(
            "%-18s %10s | %-26s | %-26s | %-26s | %s%n",
            "",
            "compile",
            "new grammar: p50 p99 worst",
            "states seen before",
            "next request",
            "KiB: compiled, used");
        for (Case c : cases()) {
          measure(c, tokenizer, trie);
        }
      }
    }
  }

  private static void measure(Case c, Tokenizer tokenizer, TokenTrie trie) {
    Times compile = new Times();
    Times first = new Times();
    Times again = new Times();
    Times next = new Times();
    for (int round = 0; round < WARM_UPS + ROUNDS; round++) {
      boolean counts = round >= WARM_UPS;
      long start = System.nanoTime();
      Grammar grammar = Grammar.compile(c.kind, c.source);
      long compiled = System.nanoTime() - start;
      Matcher begin = Matcher.of(grammar, trie, tokenizer);
      Times ignored = new Times();
      List<int[]> outputs = new ArrayList<>();
      outputs.add(
          follow(begin.fork(), tokens(c.text, tokenizer), tokenizer, counts ? first : ignored));
      for (int i = 0; i < RANDOM_OUTPUTS; i++) {
        outputs.add(
            wander(begin.fork(), new SplittableRandom(i), tokenizer, counts ? first : ignored));
      }
      for (int[] output : outputs) {
        follow(begin.fork(), output, tokenizer, counts ? again : ignored);
      }
      for (int[] output : outputs) {
        follow(Matcher.of(grammar, trie, tokenizer), output, tokenizer, counts ? next : ignored);
      }
      if (counts) {
        compile.add(compiled);
      }
    }
    System.out.printf(
        "%-18s %8.2f ms | %s | %s | %s | %s%n",
        c.name,
        Double.parseDouble(compile.summary().strip().split(" ")[0]) / 1e3,
        first.summary(),
        again.summary(),
        next.summary(),
        memory(c, tokenizer, trie));
  }

  /// The longest token that fits, again and again: the text itself, whatever a tokenizer puts before it.
  private static int[] tokens(String text, Tokenizer tokenizer) {
    Map<String, Integer> ids = new HashMap<>();
    for (int id = 0; id < tokenizer.vocabulary().size(); id++) {
      if (!tokenizer.vocabulary().isControl(id)) {
        ids.putIfAbsent(new String(tokenizer.tokenBytes(id), StandardCharsets.ISO_8859_1), id);
      }
    }
    String bytes = new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
    int[] tokens = new int[bytes.length()];
    int n = 0;
    for (int at = 0; at < bytes.length(); ) {
      int end = Math.min(bytes.length(), at + MAX_TOKEN_BYTES);
      while (!ids.containsKey(bytes.substring(at, end))) {
        end--;
      }
      tokens[n++] = ids.getOrDefault(bytes.substring(at, end), -1);
      at = end;
    }
    return Arrays.copyOf(tokens, n);
  }

  private static int[] follow(Matcher matcher, int[] tokens, Tokenizer tokenizer, Times times) {
    long[] allowed = new long[tokenizer.vocabulary().size() + 63 >> 6];
    for (int token : tokens) {
      Arrays.fill(allowed, 0);
      long start = System.nanoTime();
      matcher.mask(allowed);
      times.add(System.nanoTime() - start);
      if ((allowed[token >> 6] >>> token & 1) == 0) {
        throw new IllegalStateException("token " + token + " of the text is masked");
      }
      matcher.accept(token);
    }
    return tokens;
  }

  private static int[] wander(
      Matcher matcher, SplittableRandom random, Tokenizer tokenizer, Times times) {
    long[] allowed = new long[tokenizer.vocabulary().size() + 63 >> 6];
    int[] tokens = new int[MAX_TOKENS];
    int n = 0;
    while (n < MAX_TOKENS && !matcher.isFinished()) {
      Arrays.fill(allowed, 0);
      long start = System.nanoTime();
      matcher.mask(allowed);
      times.add(System.nanoTime() - start);
      int token = pick(allowed, random);
      if (tokenizer.vocabulary().isEndOfGeneration(token)) {
        break;
      }
      matcher.accept(token);
      tokens[n++] = token;
    }
    return Arrays.copyOf(tokens, n);
  }

  private static int pick(long[] mask, SplittableRandom random) {
    int nth = random.nextInt(Arrays.stream(mask).mapToInt(Long::bitCount).sum());
    for (int w = 0; ; w++) {
      int here = Long.bitCount(mask[w]);
      if (nth < here) {
        long word = mask[w];
        for (; nth > 0; nth--) {
          word &= word - 1;
        }
        return 64 * w + Long.numberOfTrailingZeros(word);
      }
      nth -= here;
    }
  }

  private static String memory(Case c, Tokenizer tokenizer, TokenTrie trie) {
    List<Object> kept = new ArrayList<>();
    int[] output = tokens(c.text, tokenizer);
    long before = usedKib();
    for (int i = 0; i < KEPT; i++) {
      kept.add(Grammar.compile(c.kind, c.source));
    }
    long compiled = usedKib();
    for (int i = 0; i < KEPT; i++) {
      Matcher matcher = Matcher.of((Grammar) kept.get(i), trie, tokenizer);
      follow(matcher, output, tokenizer, new Times());
      kept.add(matcher);
    }
    long used = usedKib();
    if (kept.size() != 2 * KEPT) {
      throw new IllegalStateException("expected " + 2 * KEPT + " kept, found " + kept.size());
    }
    return "%d, %d".formatted((compiled - before) / KEPT, (used - before) / KEPT);
  }

  private static long usedKib() {
    for (int i = 0; i < 3; i++) {
      System.gc();
    }
    return (Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory()) >> 10;
  }
}
