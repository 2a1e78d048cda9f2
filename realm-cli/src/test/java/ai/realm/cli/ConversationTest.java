package ai.realm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.engine.AdmissionException;
import ai.realm.template.ChatMessage;
import org.junit.jupiter.api.Test;

final class ConversationTest {
  private final FakeSession session = new FakeSession();

  private Invocation chat(String input, String... options) {
    String[] args = new String[options.length + 1];
    args[0] = "chat";
    System.arraycopy(options, 0, args, 1, options.length);
    return Invocation.with((model, progress) -> session, input, args);
  }

  @Test
  void everyTurnSeesTheTurnsBefore() {
    session.answering("Par", "is.").answering("Berlin.");
    Invocation chat = chat("France?\nGermany?\n/exit\n");
    assertThat(chat.code()).isZero();
    assertThat(chat.out()).isEqualTo("Paris.%nBerlin.%n".formatted());
    assertThat(session.asked.get(1).messages())
        .containsExactly(
            new ChatMessage("user", "France?"),
            new ChatMessage("assistant", "Paris."),
            new ChatMessage("user", "Germany?"));
  }

  @Test
  void resetForgetsTheTurnsButKeepsTheSystemText() {
    session.answering("Paris.").answering("Berlin.");
    chat("France?\n/reset\nGermany?\n", "--system", "Answer briefly.");
    assertThat(session.asked.get(1).messages())
        .containsExactly(
            new ChatMessage("system", "Answer briefly."), new ChatMessage("user", "Germany?"));
  }

  @Test
  void backslashContinuesALineAndQuotesOpenABlock() {
    session.answering("a").answering("b");
    chat("one\\\ntwo\n\"\"\"\nthree\n\n  four\n\"\"\"\n");
    assertThat(session.asked.get(0).messages().getLast().content()).isEqualTo("one\ntwo");
    assertThat(session.asked.get(1).messages().getLast().content()).isEqualTo("three\n\n  four");
  }

  @Test
  void statisticsSumUpTheTurns() {
    session.answering("Par", "is.").answering("Berlin.");
    Invocation chat = chat("France?\nGermany?\n/stats\n");
    assertThat(chat.err())
        .contains("2 turns, 14 prompt tokens, 3 new tokens, 0.0 s, fake (1 thread)");
  }

  @Test
  void emptyLinesAndUnknownCommandsAskNothing() {
    Invocation chat = chat("\n   \n/nonsense\n/help\n");
    assertThat(session.asked).isEmpty();
    assertThat(chat.err()).contains("/nonsense: no such command").contains("/reset");
  }

  @Test
  void textThatOnlyStartsWithASlashIsATurn() {
    session.answering("A path.");
    chat("/usr/bin is what?\n");
    assertThat(session.asked).hasSize(1);
  }

  @Test
  void turnThatDoesNotFitTheContextIsDroppedAndTheConversationGoesOn() {
    session.failures.add(new AdmissionException("CONTEXT_FULL", "context of 512 tokens: full"));
    session.answering("Berlin.");
    Invocation chat = chat("much too long\nGermany?\n");
    assertThat(chat.err()).contains("context of 512 tokens: full").contains("/reset");
    assertThat(session.asked.get(1).messages())
        .containsExactly(new ChatMessage("user", "Germany?"));
  }
}
