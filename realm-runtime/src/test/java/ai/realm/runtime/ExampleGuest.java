package ai.realm.runtime;

import ai.realm.compute.Backend;
import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A built guest of `guests/built` with models, and what its last call sent as events.
final class ExampleGuest implements AutoCloseable {
  private final RealmRuntime runtime;
  private final long model;
  private final Map<Integer, byte[]> events = new HashMap<>();
  private final List<String> pieces = new ArrayList<>();
  private final List<Integer> tokens = new ArrayList<>();

  private ExampleGuest(RealmRuntime runtime) {
    this.runtime = runtime;
    this.model = runtime.callFunction("load_model", "sample", "{}").value();
  }

  static Path folder() {
    return SampleModel.repositoryRoot().resolve("guests/built");
  }

  static byte[] bytes(String name) throws IOException {
    return Files.readAllBytes(folder().resolve(name + ".wasm"));
  }

  /// The guest over the sample model.
  static ExampleGuest open(String name, Backend backend) throws IOException {
    return open(name, RuntimeConfig.of("sample", SampleModel.path(), backend));
  }

  static ExampleGuest open(String name, RuntimeConfig config) throws IOException {
    return open(name, config, GuestTools.NONE);
  }

  static ExampleGuest open(String name, RuntimeConfig config, GuestTools tools) throws IOException {
    return open(name, config, tools, Isolation.inProcess());
  }

  static ExampleGuest open(String name, RuntimeConfig config, GuestTools tools, Isolation isolation)
      throws IOException {
    RealmRuntime runtime =
        new RealmRuntime(config, ResourceLimits.unbounded(config.limits()), tools, isolation);
    runtime.loadWasm(bytes(name));
    return new ExampleGuest(runtime);
  }

  CallResult generate(String prompt, String config) {
    return generate(model, prompt, config);
  }

  /// The same with another model than the first.
  CallResult generate(long model, String prompt, String config) {
    events.clear();
    pieces.clear();
    tokens.clear();
    GuestOutput output =
        new GuestOutput() {
          @Override
          public void text(String text) {
            pieces.add(text);
          }

          @Override
          public void token(int id) {
            tokens.add(id);
          }

          @Override
          public void event(int kind, byte[] data) {
            events.put(kind, data);
          }
        };
    return runtime.callFunction("generate", output, model, prompt, config);
  }

  /// Calls another of its exports.
  long call(String name, Object... arguments) {
    return runtime.callFunction(name, arguments).value();
  }

  /// The text of the last generation as it came.
  List<String> pieces() {
    return List.copyOf(pieces);
  }

  /// Tokens that the guest emitted as such.
  List<Integer> tokens() {
    return List.copyOf(tokens);
  }

  String text(int kind) {
    return StandardCharsets.UTF_8.decode(event(kind)).toString();
  }

  private ByteBuffer event(int kind) {
    byte @Nullable [] data = events.get(kind);
    if (data == null) {
      throw new AssertionError("expected an event " + kind + ", found " + events.keySet());
    }
    return ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
  }

  int[] ints(int kind) {
    ByteBuffer data = event(kind);
    int[] values = new int[data.remaining() / 4];
    data.asIntBuffer().get(values);
    return values;
  }

  float[] floats(int kind) {
    ByteBuffer data = event(kind);
    float[] values = new float[data.remaining() / 4];
    data.asFloatBuffer().get(values);
    return values;
  }

  @Override
  public void close() {
    runtime.close();
  }
}
