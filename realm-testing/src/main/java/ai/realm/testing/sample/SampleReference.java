package ai.realm.testing.sample;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// What llama.cpp (February 2025, CPU, one thread, f32 KV cache, no flash attention) computes with one
/// file of the sample model.
///
/// @param vocabularySize logits per position
/// @param cases prompts with ids, logits and greedy continuation
/// @param capitals the question `What is the capital of COUNTRY?`, greedy, for 173 countries
/// @param capitalsRight how many of those answers name the capital
public record SampleReference(
    int vocabularySize, List<Case> cases, List<Capital> capitals, int capitalsRight) {
  public SampleReference {
    cases = List.copyOf(cases);
    capitals = List.copyOf(capitals);
  }

  /// One prompt.
  ///
  /// @param chat whether `text` is a rendered chat (control tokens are parsed in it) or raw text
  /// @param messages the conversation that the template renders to `text`; empty for raw text
  /// @param text what was tokenized; the beginning-of-text token is added by the tokenizer
  /// @param ids its token ids
  /// @param logitsPositions the positions whose logits are known
  /// @param logits their logits, `(logitsPositions, vocabularySize)`
  /// @param greedyIds ids of the greedy continuation
  /// @param greedyMargin difference of the two best logits at each greedy step
  /// @param greedyText text of the continuation
  @SuppressWarnings("ArrayRecordComponent") // read-only test data, never compared as a whole
  public record Case(
      boolean chat,
      List<Message> messages,
      String text,
      int[] ids,
      int[] logitsPositions,
      float[][] logits,
      int[] greedyIds,
      float[] greedyMargin,
      String greedyText) {
    public Case {
      messages = List.copyOf(messages);
    }

    @Override
    public String toString() {
      return text;
    }
  }

  /// A turn of a conversation.
  public record Message(String role, String content) {}

  /// A country, its capital, and the reference engine's whole answer.
  public record Capital(String country, String capital, String answer) {
    /// What the model was asked.
    public String question() {
      return "What is the capital of " + country + "?";
    }
  }

  /// Reads `NAME.json` and `NAME.logits.f32` from a folder.
  public static SampleReference read(Path folder, String name) {
    try {
      return parse(
          Files.readAllBytes(folder.resolve(name + ".json")),
          Files.readAllBytes(folder.resolve(name + ".logits.f32")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static SampleReference ofResource(String name) {
    return parse(resource(name + ".json"), resource(name + ".logits.f32"));
  }

  private static byte[] resource(String name) {
    try (InputStream in = SampleReference.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new IllegalStateException("resource " + name + ": expected beside this class");
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static SampleReference parse(byte[] json, byte[] logits) {
    JsonNode root = JsonMapper.shared().readTree(json);
    int vocabularySize = root.required("n_vocab").intValue();
    List<Case> cases = new ArrayList<>();
    for (JsonNode node : root.required("cases")) {
      cases.add(parseCase(node, logits, vocabularySize));
    }
    List<Capital> capitals = new ArrayList<>();
    for (JsonNode node : root.required("capitals")) {
      capitals.add(
          new Capital(
              node.get(0).stringValue(), node.get(1).stringValue(), node.get(2).stringValue()));
    }
    return new SampleReference(
        vocabularySize, cases, capitals, root.required("capitals_right").intValue());
  }

  private static Case parseCase(JsonNode node, byte[] logits, int vocabularySize) {
    List<Message> messages = new ArrayList<>();
    for (JsonNode message : node.path("messages")) {
      messages.add(
          new Message(
              message.required("role").stringValue(), message.required("content").stringValue()));
    }
    int[] positions = ints(node.required("logits_positions"));
    ByteBuffer rows = ByteBuffer.wrap(logits).order(ByteOrder.LITTLE_ENDIAN);
    rows.position(node.required("logits_offset").intValue() * Float.BYTES);
    float[][] expected = new float[positions.length][vocabularySize];
    for (float[] row : expected) {
      for (int i = 0; i < row.length; i++) {
        row[i] = rows.getFloat();
      }
    }
    return new Case(
        node.required("kind").stringValue().equals("chat"),
        messages,
        node.required("text").stringValue(),
        ints(node.required("ids")),
        positions,
        expected,
        ints(node.required("greedy_ids")),
        floats(node.required("greedy_margin")),
        node.required("greedy_text").stringValue());
  }

  private static int[] ints(JsonNode array) {
    int[] values = new int[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = array.get(i).intValue();
    }
    return values;
  }

  private static float[] floats(JsonNode array) {
    float[] values = new float[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = array.get(i).floatValue();
    }
    return values;
  }
}
