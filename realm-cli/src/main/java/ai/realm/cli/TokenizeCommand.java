package ai.realm.cli;

import ai.realm.gguf.GgufFile;
import ai.realm.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `realm tokenize`: the ids and pieces of a text.
@Command(
    name = "tokenize",
    description = "Shows how a model's tokenizer cuts a text: one token a line, id and piece.")
final class TokenizeCommand implements Callable<Integer> {
  private final Console console;

  @Option(names = "--ids", description = "Only the ids, on one line.")
  private boolean idsOnly;

  @Option(
      names = "--no-special",
      description = "Leave out the tokens that the model wants before and after a text.")
  private boolean noSpecial;

  @Option(
      names = "--parse-special",
      description = "Read control tokens, such as </s>, in the text as such.")
  private boolean parseSpecial;

  @Parameters(index = "0", paramLabel = "FILE", description = "A GGUF file.")
  private Path file = Path.of("");

  @Parameters(
      index = "1..*",
      arity = "1..*",
      paramLabel = "TEXT",
      description = "The text; - reads it from standard input as it stands.")
  private List<String> text = new ArrayList<>();

  TokenizeCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws IOException {
    try (GgufFile gguf = GgufFile.open(file)) {
      Tokenizer tokenizer = Tokenizer.of(gguf.metadata());
      int[] ids = tokenizer.encode(text(), !noSpecial, parseSpecial);
      if (idsOnly) {
        console.line(
            Arrays.stream(ids).mapToObj(Integer::toString).collect(Collectors.joining(" ")));
      } else {
        for (int id : ids) {
          console.line("%8d  %s".formatted(id, piece(tokenizer, id)));
        }
        console.note("[%d tokens]".formatted(ids.length));
      }
    }
    return ExitCode.OK;
  }

  private String text() throws IOException {
    String joined = String.join(" ", text);
    return joined.equals("-")
        ? new String(console.in().readAllBytes(), StandardCharsets.UTF_8)
        : joined;
  }

  /// Control tokens by name, text in quotes, bytes that are not whole characters in hexadecimal.
  private static String piece(Tokenizer tokenizer, int id) {
    if (tokenizer.vocabulary().isControl(id)) {
      return Printable.of(tokenizer.vocabulary().text(id)) + "  (control)";
    }
    byte[] bytes = tokenizer.tokenBytes(id);
    try {
      CharSequence text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes));
      return '"' + Printable.of(text.toString()) + '"';
    } catch (CharacterCodingException e) {
      return "0x" + HexFormat.of().formatHex(bytes) + "  (part of a character)";
    }
  }
}
