package ai.realm.engine.grammar;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Sources of strangers, broken at random: each compiles or is refused with a [GrammarException]. Anything else
/// would count as a failure of whoever asked.
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class GrammarFuzzTest {
  private static final int ROUNDS = 2000;

  /// About what a guest that calls the host must have left, with what the JVM keeps at a stack's end.
  private static final int STACK_BYTES = 256 << 10;

  /// Small, so that what grows without end ends soon.
  private static final GrammarLimits LIMITS =
      new GrammarLimits(256 << 10, 64, 2000, 6000, 1 << 20, 100);

  private static final List<String> GBNF =
      List.of(
          "root ::= \"a\"+ [b-z]* ( x | y )? \"\\x41\" {2,3}\nx ::= \"x\" y\ny ::= [^\\n] . # end\n",
          "root ::= \"{\" ws (pair (\",\" pair)*)? \"}\"\npair ::= \"\\\"\" [a-z]{1,20} \"\\\":\" root\nws ::= [ \\t]*",
          "root ::= item{0,5} | \"\\u00e9\" | \"\\U0001F999\"\nitem ::= \"- \" [^\\r\\n]+ \"\\n\"",
          "root ::= ((\"a\" | \"b\"){3} c)+\nc ::= root | \"\"");

  private static final List<String> REGEX =
      List.of(
          "^(foo|ba[rz])+$|x{2,5}?",
          "[^\\w\\s-]+\\d{3,}\\u{1F999}(?:a|(?<n>b))*",
          "\\uD83D\\uDE00|[\\uD800-\\uDFFF\\xFF]|\\0\\t[a-f0-9]{8}(-[a-f0-9]{4}){3}",
          "(a?){30}a{30}(.*)b$");

  private static final List<String> SCHEMAS =
      List.of(
          "{\"$defs\":{\"t\":{\"type\":\"object\",\"properties\":{\"n\":{\"$ref\":\"#/$defs/t\"}}}},\"$ref\":\"#/$defs/t\"}",
          "{\"type\":\"number\",\"minimum\":-1.25e3,\"exclusiveMaximum\":1e-7,\"multipleOf\":0.05}",
          "{\"type\":\"integer\",\"minimum\":-70,\"maximum\":12345678901234567890,\"multipleOf\":7}",
          "{\"oneOf\":[{\"const\":1},{\"enum\":[\"a\",null,[true]]},{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"null\"}]}]}",
          "{\"type\":\"array\",\"prefixItems\":[{\"type\":\"string\",\"pattern\":\"^a+$\",\"minLength\":2}],\"items\":{\"enum\":[1,2]},\"uniqueItems\":true,\"minItems\":1,\"maxItems\":4}",
          "{\"allOf\":[{\"properties\":{\"a\":{\"minLength\":3}},\"required\":[\"a\",\"b\"]},{\"additionalProperties\":{\"type\":[\"string\",\"null\"],\"format\":\"date\"},\"minProperties\":2,\"maxProperties\":5}]}",
          "{\"type\":\"string\",\"pattern\":\"x[yz]{2,}\",\"allOf\":[{\"pattern\":\"^[^\\\"]*$\"}],\"maxLength\":30}",
          "{\"enum\":[1,2.50,\"\\uD83D\\uDE00\",{\"a\":[{}]}],\"anyOf\":[{\"type\":\"number\",\"multipleOf\":0.5},{\"minLength\":1}]}");

  /// What is put in: signs of all languages, and what numbers, references and escapes go wrong with.
  private static final String[] PIECES = {
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "|",
    "*",
    "+",
    "?",
    "^",
    "$",
    ".",
    "\\",
    "\"",
    "-",
    ",",
    ":",
    "::=",
    "#",
    "/",
    "~",
    "%",
    "%zz",
    "%E9",
    "\n",
    "\r",
    "\0",
    "0",
    "9",
    "-1",
    "1e400",
    "-1e-400",
    "1e99999999999",
    "2147483647",
    "2147483648",
    "999999999",
    "9".repeat(99),
    "{0}",
    "{0,0}",
    "{1,0}",
    "{999999}",
    "{3,}",
    "\\uDBFF\\uFFFF",
    "\\uD800",
    "\\u{110000}",
    "\\u{}",
    "\\x",
    "\\U7FFFFFFF",
    "\uD800",
    "\uDFFF",
    "\u0663",
    "\uD83D\uDE00",
    "null",
    "true",
    "{}",
    "[]",
    "\"$ref\":\"#/%zz\",",
    "\"$ref\":\"#\",",
    "\"$ref\":1,",
    "\"type\":[],",
    "\"enum\":[],",
    "\"const\":null,",
    "\"minItems\":2147483647,",
    "\"maxItems\":1e300,",
    "\"minimum\":1e-400,",
    "\"maximum\":1e400,",
    "\"multipleOf\":1e-8,",
    "\"multipleOf\":1e400,",
    "\"minLength\":400,",
    "\"pattern\":\"(\",",
    "\"items\":false,",
    "\"prefixItems\":[{}],",
    "\"uniqueItems\":true,",
    "\"required\":[\"\"],",
    "\"additionalProperties\":{},",
    "\"$id\":\"x\",",
    "root",
    "a ::= a"
  };

  private static List<String> sources(Grammar.Kind kind) {
    return switch (kind) {
      case GBNF -> GBNF;
      case REGEX -> REGEX;
      case JSON_SCHEMA -> SCHEMAS;
      case JSON -> List.of("");
    };
  }

  @ParameterizedTest
  @EnumSource(names = {"GBNF", "REGEX", "JSON_SCHEMA"})
  void whatIsBrokenAtRandomCompilesOrIsRefused(Grammar.Kind kind) throws InterruptedException {
    SplittableRandom random = new SplittableRandom(11 + kind.ordinal());
    List<String> sources = new ArrayList<>();
    RandomSchema schemas = new RandomSchema(random.split());
    for (int i = 0; i < ROUNDS; i++) {
      String whole =
          kind == Grammar.Kind.JSON_SCHEMA && i % 3 == 0
              ? schemas.next()
              : sources(kind).get(i % sources(kind).size());
      sources.add(broken(whole, sources(kind), random));
    }
    assertThat(failures(kind, sources)).isEmpty();
  }

  private static String broken(String source, List<String> others, SplittableRandom random) {
    StringBuilder out = new StringBuilder(source);
    for (int i = 1 + random.nextInt(4); i > 0; i--) {
      int from = random.nextInt(out.length() + 1);
      int to = Math.min(out.length(), from + 1 + random.nextInt(random.nextInt(4) == 0 ? 40 : 4));
      String other = others.get(random.nextInt(others.size()));
      int begin = random.nextInt(other.length());
      switch (random.nextInt(7)) {
        case 0 -> out.delete(from, to);
        case 1, 2, 3 -> out.insert(from, PIECES[random.nextInt(PIECES.length)]);
        case 4 -> out.replace(from, to, PIECES[random.nextInt(PIECES.length)]);
        case 5 -> out.insert(from, out.substring(from, to).repeat(1 << random.nextInt(10)));
        default ->
            out.insert(
                from, other, begin, Math.min(other.length(), begin + 1 + random.nextInt(30)));
      }
    }
    return out.toString();
  }

  @Test
  void whatIsBuiltToBreakCompilesOrIsRefused() throws InterruptedException {
    List<String> failures = new ArrayList<>();
    for (Grammar.Kind kind : Grammar.Kind.values()) {
      failures.addAll(failures(kind, hostile(kind)));
    }
    assertThat(failures).isEmpty();
  }

  private static List<String> hostile(Grammar.Kind kind) {
    return switch (kind) {
      case GBNF ->
          List.of(
              "root ::= \"a\"" + "?".repeat(200_000),
              "root ::= \"a\"" + "{1}".repeat(60_000),
              "root ::= " + "(".repeat(60) + "\"a\"" + ("?".repeat(3000) + ")").repeat(60),
              "root ::= \"\\",
              "root ::= [",
              "root ::= \"a\"{999999999}{999999999}");
      case REGEX ->
          List.of("a" + "?".repeat(200_000), "a" + "{1}".repeat(60_000), "[\\uDBFF\\uFFFF]", "\\");
      case JSON_SCHEMA ->
          List.of(
              "{\"$ref\":\"#/%zz\"}",
              "{\"$ref\":\"#/%\"}",
              "{\"$defs\":{\"a\":{\"anyOf\":[{\"$ref\":\"#/$defs/a\"},{}]}},\"enum\":[1],\"$ref\":\"#/$defs/a\"}",
              "{\"allOf\":["
                  + IntStream.range(0, 4000)
                      .mapToObj(i -> "{\"items\":{\"minimum\":%d}}".formatted(i))
                      .collect(Collectors.joining(","))
                  + "]}",
              "{\"type\":\"number\",\"minimum\":-1e400,\"maximum\":1e-400}",
              "{\"type\":\"integer\",\"minimum\":-1e400,\"maximum\":1e400,\"multipleOf\":7}",
              "{\"additionalProperties\":{},\"properties\":{\"%s\":{}}}"
                  .formatted("n".repeat(200)));
      case JSON -> List.of("", "{");
    };
  }

  /// What ended otherwise, on a thread with a small stack: each with the begin of its source.
  private static List<String> failures(Grammar.Kind kind, List<String> sources)
      throws InterruptedException {
    List<String> failures = new ArrayList<>();
    Thread thread =
        new Thread(
            null,
            () ->
                sources.forEach(source -> {
                  try {
                    Grammar.compile(kind, source, LIMITS);
                  } catch (GrammarException expected) {
                    assertThat(expected.getMessage()).isNotBlank();
                  } catch (Throwable t) {
                    StackTraceElement[] trace = t.getStackTrace();
                    failures.add(
                        "%s at %s: %s"
                            .formatted(
                                t,
                                Arrays.asList(trace).subList(0, Math.min(4, trace.length)),
                                source.substring(0, Math.min(300, source.length()))));
                  }
                }),
            "fuzz",
            STACK_BYTES);
    thread.start();
    thread.join();
    return failures;
  }
}
