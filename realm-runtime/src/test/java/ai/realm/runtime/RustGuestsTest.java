package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/// The example guests in Rust, each doing on the real model what a plain loop cannot.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
final class RustGuestsTest extends SampleFixture {
  private static final String STORY = "Tell me a story.";
  private static final int KEY = 20_261_123;
  private static final double GAMMA = 0.25;

  // ---- tree of thought
  // -----------------------------------------------------------------------------

  /// The best score of the deepest level.
  private static float bestScore(String tree) {
    List<String[]> nodes = tree.lines().map(line -> line.split("\t", -1)).toList();
    String deepest = nodes.getLast()[0];
    return nodes.stream()
        .filter(node -> node[0].equals(deepest))
        .map(node -> Float.parseFloat(node[1]))
        .max(Float::compare)
        .orElseThrow();
  }

  @Test
  void treeOfThoughtLeadsToAGoalThatASingleLineOfThoughtMisses() throws IOException {
    String goal = "And Mia never forgot the bear.";
    String config =
        "{\"goal\":\" %s\",\"depth\":3,\"branch\":%d,\"keep\":%d,\"temperature\":1.1,\"seed\":%d}";
    int rounds = 6;
    int better = 0;
    int aboutBears = 0;
    int linesAboutBears = 0;
    try (ExampleGuest guest = ExampleGuest.open("tree_of_thought", sample())) {
      for (int seed = 100; seed <= 100 * rounds; seed += 100) {
        String alone = guest.generate(STORY, config.formatted(goal, 1, 1, seed)).text();
        float line = bestScore(guest.text(1));
        String text = guest.generate(STORY, config.formatted(goal, 10, 3, seed)).text();
        assertThat(text).endsWith(goal);
        better += bestScore(guest.text(1)) > line + 0.4f ? 1 : 0;
        aboutBears += mentions(text, goal) ? 1 : 0;
        linesAboutBears += mentions(alone, goal) ? 1 : 0;
      }
    }
    assertThat(better).as("trees that the model finds more fitting").isGreaterThan(rounds / 2);
    assertThat(aboutBears).as("stories with a bear").isGreaterThan(linesAboutBears + 1);
  }

  private static boolean mentions(String text, String goal) {
    return text.substring(0, text.length() - goal.length()).contains("bear");
  }

  @Test
  void thoughtsOfALevelDifferAndBeginWithThoseOfTheLevelBefore() throws IOException {
    try (ExampleGuest guest = ExampleGuest.open("tree_of_thought", sample())) {
      guest.generate(STORY, "{\"depth\":2,\"branch\":5,\"keep\":3,\"temperature\":1.2}");
      List<String[]> nodes = guest.text(1).lines().map(line -> line.split("\t", -1)).toList();
      assertThat(nodes).hasSize(6);
      assertThat(nodes.stream().map(n -> n[2])).doesNotHaveDuplicates();
      for (String[] node : nodes.subList(3, 6)) {
        assertThat(nodes.subList(0, 3)).anyMatch(parent -> node[2].startsWith(parent[2]));
      }
      // Nothing is left open: the realm's memory holds as many trees as one likes.
      for (int i = 0; i < 5; i++) {
        assertThat(guest.generate(STORY, "{\"depth\":2,\"branch\":8,\"keep\":2}").value()).isZero();
      }
    }
  }

  // ---- watermarking
  // --------------------------------------------------------------------------------

  /// What the owner of the key computes: how many standard deviations more green tokens there are than
  /// text without the mark has. Pairs that come again say nothing new.
  private static double detect(List<Integer> tokens, int key) {
    Set<Long> seen = new HashSet<>();
    int green = 0;
    for (int i = 1; i < tokens.size(); i++) {
      int before = tokens.get(i - 1);
      int token = tokens.get(i);
      if (seen.add((long) before << 32 | token) && isGreen(key, before, token)) {
        green++;
      }
    }
    int n = seen.size();
    return (green - GAMMA * n) / Math.sqrt(n * GAMMA * (1 - GAMMA));
  }

  private static boolean isGreen(int key, int before, int token) {
    int h = key ^ before * 0x9e3779b1;
    h = Integer.rotateLeft(h, 13) ^ token * 0x85ebca6b;
    h = (h ^ h >>> 16) * 0x85ebca6b;
    h = (h ^ h >>> 13) * 0xc2b2ae35;
    h ^= h >>> 16;
    return Integer.toUnsignedLong(h) < GAMMA * 0x1p32;
  }

  @Test
  void watermarkIsFoundByWhoHasTheKeyAndByNobodyElse() throws IOException {
    String config =
        "{\"key\":%d,\"delta\":%d,\"temperature\":1.2,\"max_tokens\":300,\"ignore_end\":1,\"seed\":%d}";
    double without = 0;
    double otherKey = 0;
    int rounds = 4;
    try (ExampleGuest guest = ExampleGuest.open("watermark", sample())) {
      for (int seed = 1; seed <= rounds; seed++) {
        CallResult marked = guest.generate(STORY, config.formatted(KEY, 6, seed));
        assertThat(guest.tokens()).hasSize(300);
        double with = detect(guest.tokens(), KEY);
        otherKey += detect(guest.tokens(), KEY + 1) / rounds;
        guest.generate(STORY, config.formatted(KEY, 0, seed));
        without += detect(guest.tokens(), KEY) / rounds;
        assertThat(with).as("z with the mark, seed %d", seed).isGreaterThan(4);
        assertThat(marked.text().split("\\s+", -1).length).as("words").isGreaterThan(60);
      }
    }
    assertThat(without).as("mean z without the mark").isBetween(-1.5, 1.5);
    assertThat(otherKey).as("mean z with another key").isBetween(-1.5, 1.5);
  }

  @Test
  void answersEndWhereTheModelEndsThem() throws IOException {
    try (ExampleGuest guest = ExampleGuest.open("watermark", sample())) {
      CallResult result =
          guest.generate("What is the capital of France?", "{\"delta\":0,\"temperature\":0.2}");
      assertThat(result.text()).isEqualTo("The capital of France is Paris.");
      assertThat(result.value()).isZero();
    }
  }
}
