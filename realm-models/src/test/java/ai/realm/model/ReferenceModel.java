package ai.realm.model;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// A tiny random model of the reference set with what llama.cpp computes for it.
///
/// @param folder holds `model.gguf`
/// @param contextLength context size of the reference run
/// @param prompts what was computed
record ReferenceModel(Path folder, int contextLength, List<Prompt> prompts) {
  /// Floats of a pooled embedding in the set.
  private static final int EMBEDDING_LENGTH = 256;

  /// @param ids the prompt
  /// @param logits of the last positions, or one pooled embedding
  /// @param greedy the most probable continuation
  /// @param margins difference of the two best logits at each step of it
  @SuppressWarnings("ArrayRecordComponent") // read-only test data
  record Prompt(String name, int[] ids, float[][] logits, int[] greedy, float[] margins) {}

  static ReferenceModel read(Path folder) throws IOException {
    return read(folder, "reference.json", "logits.bin");
  }

  static ReferenceModel read(Path folder, String json, String logits) throws IOException {
    JsonNode root = JsonMapper.shared().readTree(Files.readAllBytes(folder.resolve(json)));
    ByteBuffer floats =
        ByteBuffer.wrap(Files.readAllBytes(folder.resolve(logits))).order(ByteOrder.LITTLE_ENDIAN);
    List<Prompt> prompts = new ArrayList<>();
    for (JsonNode node : root.required("prompts")) {
      prompts.add(prompt(node, floats, root, prompts.size()));
    }
    return new ReferenceModel(folder, root.required("n_ctx").intValue(), prompts);
  }

  private static Prompt prompt(JsonNode node, ByteBuffer floats, JsonNode root, int index) {
    boolean embedding = node.has("embedding");
    int width = embedding ? EMBEDDING_LENGTH : root.required("n_vocab").intValue();
    int rows = embedding ? 1 : node.required("positions").size();
    int offset = embedding ? index * EMBEDDING_LENGTH : node.required("offset_floats").intValue();
    float[][] logits = new float[rows][width];
    floats.position(offset * Float.BYTES);
    for (float[] row : logits) {
      for (int i = 0; i < width; i++) {
        row[i] = floats.getFloat();
      }
    }
    return new Prompt(
        node.required("name").stringValue(),
        ints(node.required("ids")),
        logits,
        ints(node.path("greedy")),
        floats(node.path("greedy_margin")));
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
