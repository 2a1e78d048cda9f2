package ai.realm.runtime;

import ai.realm.error.RealmException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/// Records what a guest does with its host, so that [GuestReplay] can run it again without a model.
///
/// ```
/// GuestRecorder recorder = new GuestRecorder(runtime, wasm);   // loads the guest
/// long model = recorder.call("load_model", "sample", "{}").value();
/// recorder.call("generate", model, "Hello", "{}");
/// recorder.write(Path.of("hello.recording"));
/// ```
/// Used by one thread.
public final class GuestRecorder {
  private final RealmRuntime runtime;
  private final String guest;
  private final List<GuestRecording.ExportCall> calls = new ArrayList<>();
  private List<GuestRecording.HostCall> hostCalls = new ArrayList<>();
  private List<GuestRecording.Output> outputs = new ArrayList<>();

  /// Loads the guest into the runtime.
  ///
  /// @throws GuestFormatException when it cannot be a guest
  public GuestRecorder(RealmRuntime runtime, byte[] wasm) {
    this.runtime = runtime;
    this.guest = GuestModules.sha256(wasm);
    runtime.loadWasm(wasm);
    runtime.trace(this::record);
  }

  /// Calls an exported function as [RealmRuntime#callFunction] does.
  public CallResult call(String name, Object... arguments) {
    hostCalls = new ArrayList<>();
    outputs = new ArrayList<>();
    String code = null;
    long value = 0;
    try {
      CallResult result = runtime.callFunction(name, new Outputs(o -> outputs.add(o)), arguments);
      value = result.value();
      return result;
    } catch (RealmException e) {
      code = e.code();
      throw e;
    } finally {
      calls.add(new GuestRecording.ExportCall(name, List.of(arguments), hostCalls, code, value));
    }
  }

  private int record(HostFunction function, GuestMemory memory, int[] arguments) {
    List<GuestRecording.Write> writes = new ArrayList<>();
    outputs = new ArrayList<>();
    memory.observe((segment, pointer, length) -> writes.add(write(segment, pointer, length)));
    int result = 0;
    String code = null;
    try {
      result = function.body().call(memory, arguments);
      return result;
    } catch (RealmException e) {
      code = e.code();
      throw e;
    } finally {
      memory.observe(null);
      hostCalls.add(
          new GuestRecording.HostCall(
              function.name(), arguments.clone(), result, code, writes, outputs));
    }
  }

  private static GuestRecording.Write write(MemorySegment memory, int pointer, int length) {
    return new GuestRecording.Write(
        pointer, memory.asSlice(pointer, length).toArray(ValueLayout.JAVA_BYTE));
  }

  /// Writes the recording; the file appears as a whole or not at all.
  public void write(Path file) {
    Path folder = file.toAbsolutePath().getParent();
    try {
      Path part = Files.createTempFile(folder, ".recording", ".part");
      Files.write(part, new GuestRecording(guest, calls).lines());
      Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Calls of host functions so far, in all calls.
  public int hostCalls() {
    return calls.stream().mapToInt(c -> c.hostCalls().size()).sum();
  }

  /// What goes to a caller, as recordings keep it.
  record Outputs(java.util.function.Consumer<GuestRecording.Output> to) implements GuestOutput {
    @Override
    public void text(String text) {
      to.accept(new GuestRecording.Output("text", 0, text));
    }

    @Override
    public void token(int id) {
      to.accept(new GuestRecording.Output("token", id, ""));
    }

    @Override
    public void event(int kind, byte[] data) {
      to.accept(new GuestRecording.Output("event", kind, Base64.getEncoder().encodeToString(data)));
    }

    @Override
    public void log(int level, String line) {
      to.accept(new GuestRecording.Output("log", level, line));
    }
  }
}
