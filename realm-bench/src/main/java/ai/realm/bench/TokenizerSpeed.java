package ai.realm.bench;

import ai.realm.gguf.GgufFile;
import ai.realm.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/// How long a tokenizer takes to build and how many megabytes of text a second one thread encodes and
/// decodes.
///
/// `TokenizerSpeed VOCABULARY.gguf TEXT ROUNDS`
public final class TokenizerSpeed {
  private TokenizerSpeed() {}

  /// Prints one line a round.
  public static void main(String[] args) throws IOException {
    if (args.length != 3) {
      throw new IllegalArgumentException(
          "expected VOCABULARY.gguf TEXT ROUNDS, found %d arguments".formatted(args.length));
    }
    PrintStream out = System.out;
    String text = Files.readString(Path.of(args[1]));
    double megabytes = text.getBytes(StandardCharsets.UTF_8).length / 1e6;
    try (GgufFile file = GgufFile.open(Path.of(args[0]))) {
      for (int round = 0; round < Integer.parseInt(args[2]); round++) {
        long start = System.nanoTime();
        Tokenizer tokenizer = Tokenizer.of(file.metadata());
        long built = System.nanoTime();
        int[] ids = tokenizer.encode(text, false, false);
        long encoded = System.nanoTime();
        String decoded = tokenizer.decode(ids);
        long end = System.nanoTime();
        if (!decoded.equals(text)) {
          throw new IllegalStateException("expected the same text back, found another");
        }
        out.printf(
            Locale.ROOT,
            "built in %.1f ms; %d tokens; encoded at %.1f MB/s, decoded at %.1f MB/s%n",
            (built - start) / 1e6,
            ids.length,
            megabytes * 1e9 / (encoded - built),
            megabytes * 1e9 / (end - encoded));
      }
    }
  }
}
