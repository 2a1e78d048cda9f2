package ai.realm.runtime;

import ai.realm.compute.Backend;
import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// A built guest of `guests/built` with models, and what its last call sent as events.
final class ExampleGuest implements AutoCloseable {
  private final RealmRuntime runtime;
  private final long model;
  private Sent sent = new Sent();

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
    sent = new Sent();
    return runtime.callFunction("generate", sent, model, prompt, config);
  }

  /// Calls another of its exports.
  long call(String name, Object... arguments) {
    return runtime.callFunction(name, arguments).value();
  }

  /// The text of the last generation as it came.
  List<String> pieces() {
    return sent.pieces();
  }

  /// Tokens that the guest emitted as such.
  List<Integer> tokens() {
    return sent.tokens();
  }

  String text(int kind) {
    return sent.string(kind);
  }

  int[] ints(int kind) {
    return sent.ints(kind);
  }

  float[] floats(int kind) {
    return sent.floats(kind);
  }

  @Override
  public void close() {
    runtime.close();
  }
}
