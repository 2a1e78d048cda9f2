package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.error.RealmException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/// The example guests in AssemblyScript, each doing on the real model what a plain loop cannot.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
final class AssemblyScriptGuestsTest extends SampleFixture {
  private static final String FRANCE = "What is the capital of France?";
  private static final String ANSWER = "The capital of France is Paris.";
  private static final Pattern SUM = Pattern.compile("(\\d+) \\+ (\\d+)");

  // ---- tools
  // ---------------------------------------------------------------------------------------

  private static String add(String question) {
    Matcher m = SUM.matcher(question);
    return m.matches()
        ? String.valueOf(Integer.parseInt(m.group(1)) + Integer.parseInt(m.group(2)))
        : "?";
  }

  @Test
  void toolLoopGetsSumsRightThatTheModelGetsWrong() throws IOException {
    GuestTools tools = new GuestTools(Map.of("add", AssemblyScriptGuestsTest::add));
    String with =
        "{\"tool\":\"add\",\"action\":\"\",\"until\":\" =\",\"before\":\" \",\"after\":\"\"}";
    int wrong = 0;
    try (ExampleGuest guest = ExampleGuest.open("react", sample(), tools)) {
      for (int[] sum : new int[][] {{7, 8}, {3, 19}, {14, 17}, {12, 5}, {20, 20}, {9, 6}}) {
        String prompt = "What is %d + %d?".formatted(sum[0], sum[1]);
        String right = "%d + %d = %d.".formatted(sum[0], sum[1], sum[0] + sum[1]);
        wrong += guest.generate(prompt, "{\"max_calls\":0}").text().equals(right) ? 0 : 1;
        CallResult result = guest.generate(prompt, with);
        assertThat(result.text()).isEqualTo(right);
        assertThat(result.value()).isZero();
        assertThat(guest.text(1))
            .isEqualTo("%d + %d\t%d\n".formatted(sum[0], sum[1], sum[0] + sum[1]));
      }
    }
    assertThat(wrong).as("sums that the model alone gets wrong").isPositive();
  }

  @Test
  void toolIsAskedWhatTheModelWritesAndTheModelGoesOnFromItsAnswer() throws IOException {
    List<String> questions = new ArrayList<>();
    GuestTools tools =
        new GuestTools(
            Map.of(
                "know",
                question -> {
                  questions.add(question);
                  return questions.size() == 1 ? "a country in Asia." : "Lima.";
                }));
    try (ExampleGuest guest = ExampleGuest.open("react", sample(), tools)) {
      CallResult result =
          guest.generate(
              "Tell me about France.",
              "{\"tool\":\"know\",\"action\":\"\",\"until\":\" is\",\"before\":\" \",\"after\":\"\"}");
      assertThat(result.text()).startsWith("France is a country in Asia. Its capital is Lima.");
      assertThat(questions).hasSizeGreaterThanOrEqualTo(2).startsWith("France", "Its capital");
      assertThat(result.text().length())
          .as("the model goes on after the second answer")
          .isGreaterThan("France is a country in Asia. Its capital is Lima.".length());
    }
  }

  @Test
  void toolThatTheRealmLacksIsTheCallersToKnow() throws IOException {
    try (ExampleGuest guest = ExampleGuest.open("react", sample())) {
      String with = "{\"tool\":\"add\",\"action\":\"\",\"until\":\" =\"}";
      assertThat(guest.generate("What is 7 + 8?", with).value()).isEqualTo(Errno.ENOENT);
    }
  }

  // ---- redaction
  // -----------------------------------------------------------------------------------

  @Test
  void secretNeverLeavesHoweverTokensCutIt() throws IOException {
    try (ExampleGuest guest = ExampleGuest.open("redact", sample())) {
      assertThat(guest.generate(FRANCE, "{}").text()).isEqualTo(ANSWER);
      // Every part of the answer as the secret: within a token, over two, over all of them.
      for (int from = 0; from < ANSWER.length(); from += 3) {
        for (int to = from + 1; to <= ANSWER.length(); to += 4) {
          String secret = ANSWER.substring(from, to);
          CallResult result =
              guest.generate(
                  FRANCE, "{\"secrets\":[\"%s\"],\"replacement\":\"#\"}".formatted(secret));
          assertThat(result.text()).as(secret).isEqualTo(ANSWER.replace(secret, "#"));
          assertThat(String.join("", guest.pieces())).isEqualTo(result.text());
        }
      }
    }
  }

  @Test
  void textStreamsUpToWhereASecretMayBegin() throws IOException {
    try (ExampleGuest guest = ExampleGuest.open("redact", sample())) {
      guest.generate(FRANCE, "{\"secrets\":[\"is Paris!\"]}");
      // " is" and " Paris" waited until "." showed that it is not the secret.
      assertThat(guest.pieces()).hasSizeGreaterThan(3).contains(" ", "is Paris.");
      assertThat(String.join("", guest.pieces())).isEqualTo(ANSWER);
    }
  }

  @Test
  void overlappingSecretsAreOneAndThoseOfTheRealmAreRemembered() throws IOException {
    try (ExampleGuest guest = ExampleGuest.open("redact", sample())) {
      assertThat(guest.generate(FRANCE, "{\"secrets\":[\"of France\",\"ance is\"]}").text())
          .isEqualTo("The capital [redacted] Paris.");
      assertThat(guest.generate(FRANCE, "{\"secrets\":[\"Par\",\"Paris\",\"Parisian\"]}").text())
          .isEqualTo("The capital of France is [redacted].");
      assertThat(guest.call("remember", "Rome\nParis\n")).isZero();
      assertThat(guest.generate(FRANCE, "{}").text())
          .isEqualTo("The capital of France is [redacted].");
    }
  }

  // ---- self-consistency
  // ----------------------------------------------------------------------------

  @Test
  void voteOfManyHotAnswersIsRightWhereOneOftenIsNot() throws IOException {
    Map<String, String> capitals =
        Map.of(
            "France", "Paris", "Italy", "Rome", "Japan", "Tokyo", "Norway", "Oslo", "Egypt",
            "Cairo", "Peru", "Lima", "Kenya", "Nairobi", "Cuba", "Havana");
    int alone = 0;
    int voted = 0;
    int rounds = 0;
    try (ExampleGuest guest = ExampleGuest.open("vote", sample())) {
      for (Map.Entry<String, String> entry : capitals.entrySet()) {
        String prompt = "What is the capital of %s?".formatted(entry.getKey());
        for (int seed = 1; seed <= 3; seed++) {
          String hot = "{\"n\":%d,\"temperature\":1.5,\"seed\":%d}";
          alone += right(guest.generate(prompt, hot.formatted(1, 100 * seed)), entry);
          voted += right(guest.generate(prompt, hot.formatted(25, 100 * seed)), entry);
          rounds++;
        }
      }
    }
    assertThat(voted).isGreaterThanOrEqualTo(rounds * 3 / 4);
    assertThat(alone).isLessThan(voted - rounds / 6);
  }

  private static int right(CallResult result, Map.Entry<String, String> capital) {
    return result
            .text()
            .equals("The capital of %s is %s.".formatted(capital.getKey(), capital.getValue()))
        ? 1
        : 0;
  }

  @Test
  void votesAreCountedByWhatStandsBetweenTheGivenTexts() throws IOException {
    try (ExampleGuest guest = ExampleGuest.open("vote", sample())) {
      String config =
          "{\"n\":25,\"temperature\":0.6,\"after\":\" is \",\"before\":\".\",\"seed\":5}";
      CallResult result = guest.generate(FRANCE, config);
      assertThat(result.text()).isEqualTo(ANSWER);
      assertThat(guest.text(1)).matches("(?s)[12]?[0-9]\tParis\n.*");
      assertThat(guest.generate(FRANCE, config).text()).isEqualTo(result.text());
      assertThat(guest.generate(FRANCE, "{\"n\":33}").value()).isEqualTo(Errno.EINVAL);
    }
  }

  @Test
  void everyVoterKeepsToAGrammar() throws IOException {
    try (ExampleGuest guest = ExampleGuest.open("vote", sample())) {
      CallResult result =
          guest.generate(
              FRANCE, "{\"n\":12,\"temperature\":1.5,\"regex\":\"^ ?(Paris|Rome|Oslo)\\\\.$\"}");
      assertThat(result.text()).isEqualTo("Paris.");
      assertThat(guest.text(1)).matches("([1-9][0-2]?\t(Paris|Rome|Oslo)\\.\n){1,3}");
      assertThatThrownBy(() -> guest.generate(FRANCE, "{\"regex\":\"(\"}"))
          .isInstanceOf(RealmException.class)
          .hasMessageContaining("pattern: expected");
    }
  }
}
