package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class PrintableTest {
  @Test
  void escapesWhatMovesTheCursorOrReordersText() {
    assertThat(Printable.of("a\u001b[31mb\nc\u202ed")).isEqualTo("a\\u{1b}[31mb\\nc\\u{202e}d");
  }

  @Test
  void keepsLettersOfAllLanguagesAndEmoji() {
    assertThat(Printable.of("é你好 😀")).isEqualTo("é你好 😀");
  }

  @Test
  void cutsLongTextWithAnEllipsis() {
    assertThat(Printable.of("abcdefgh", 5)).isEqualTo("abcd…");
    assertThat(Printable.of("abcde", 5)).isEqualTo("abcde");
    assertThat(Printable.of("\n".repeat(9), 5)).hasSize(5).endsWith("…");
  }
}
