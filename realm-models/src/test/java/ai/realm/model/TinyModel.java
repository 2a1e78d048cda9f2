package ai.realm.model;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.zip.GZIPInputStream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// A tiny random model of the test resources with what llama.cpp computes for it; `src/test/tiny` says
/// how both were made.
///
/// @param ids the prompt
/// @param expected logits of the prompt's last positions, or one pooled embedding
/// @param greedy the most probable continuation
/// @param margins difference of the two best logits at each step of it
/// @param tolerance relative error allowed: wider where the reference rounds keys and values to F16
@SuppressWarnings("ArrayRecordComponent") // read-only test data
record TinyModel(
    String name,
    int contextLength,
    int[] ids,
    float[][] expected,
    int[] greedy,
    float[] margins,
    double tolerance) {
  /// Names of all tiny models.
  static List<String> names() {
    try (InputStream in = resource("index.txt")) {
      return new String(in.readAllBytes(), StandardCharsets.US_ASCII).lines().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static TinyModel read(String name) {
    try (InputStream in = resource(name + ".json")) {
      JsonNode root = JsonMapper.shared().readTree(in);
      JsonNode rows = root.has("embedding") ? root.required("embedding") : root.required("logits");
      float[][] expected = new float[rows.size()][];
      for (int i = 0; i < expected.length; i++) {
        expected[i] = floats(rows.get(i));
      }
      JsonNode ids = root.required("ids");
      JsonNode greedy = root.required("greedy");
      return new TinyModel(
          name,
          root.required("n_ctx").intValue(),
          ints(ids),
          expected,
          ints(greedy),
          floats(root.required("greedy_margin")),
          root.path("tolerance").doubleValue(1e-4));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Unpacks the model into a folder.
  Path unpack(Path folder) {
    Path file = folder.resolve(name + ".gguf");
    try (InputStream in = new GZIPInputStream(resource(name + ".gguf.gz"))) {
      Files.copy(in, file, StandardCopyOption.REPLACE_EXISTING);
      return file;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static InputStream resource(String name) {
    InputStream in = TinyModel.class.getResourceAsStream("tiny/" + name);
    if (in == null) {
      throw new IllegalStateException("test resource tiny/" + name + ": expected, found none");
    }
    return in;
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
