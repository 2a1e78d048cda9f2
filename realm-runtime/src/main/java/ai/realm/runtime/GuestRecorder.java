package ai.realm.runtime;

import ai.realm.digest.Sha256;
import ai.realm.error.RealmException;
import ai.realm.runtime.GuestPointers.Place;
import ai.realm.runtime.GuestRecording.Data;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// Records what a guest does with its host, so that [GuestReplay] can run it again without a model.
///
/// ```
/// GuestRecorder recorder = new GuestRecorder(runtime, wasm);   // loads the guest
/// long model = recorder.call("load_model", "sample", "{}").value();
/// recorder.call("generate", model, "Hello", "{}");
/// recorder.write(Path.of("hello.recording"));
/// ```
/// Calls that fail or are cancelled are recorded like others: `write` in a `finally`. Used by one thread.
public final class GuestRecorder {
  private final RealmRuntime runtime;
  private final GuestRecordingWriter writer;
  private final GuestPointers pointers = new GuestPointers();
  // A guest that does not stop outlives its call: what it does then is not recorded.
  private final ReentrantLock lock = new ReentrantLock();
  private boolean calling;
  private int hostCalls;
  private final List<GuestRecording.Output> outputs = new ArrayList<>();

  /// Loads the guest into the runtime.
  ///
  /// @throws GuestFormatException when it cannot be a guest
  public GuestRecorder(RealmRuntime runtime, byte[] wasm) {
    this(runtime, wasm, GuestRecording.MOST_BYTES);
  }

  GuestRecorder(RealmRuntime runtime, byte[] wasm, long mostBytes) {
    this.runtime = runtime;
    ResourceLimits limits = runtime.limits();
    long memory =
        Math.min(limits.guest().maxMemoryBytes(), Math.max(1 << 16, limits.memoryBytes()));
    this.writer =
        new GuestRecordingWriter(
            Sha256.hex(wasm), limits.guest().withMaxMemoryBytes(memory), mostBytes);
    runtime.loadWasm(wasm);
    runtime.trace(this::record);
  }

  /// Calls an exported function as [RealmRuntime#callFunction] does.
  public CallResult call(String name, Object... arguments) {
    return call(name, GuestOutput.discard(), arguments);
  }

  /// The same, with what the guest emits handed over as it comes.
  public CallResult call(String name, GuestOutput output, Object... arguments) {
    begin(name, List.of(arguments));
    try {
      CallResult result = runtime.callFunction(name, new Outputs(outputs::add, output), arguments);
      end(result.value(), null);
      return result;
    } catch (RuntimeException | Error e) {
      end(0, code(e));
      throw e;
    }
  }

  private void begin(String name, List<Object> arguments) {
    lock.lock();
    try {
      calling = true;
      writer.call(name, arguments);
    } finally {
      lock.unlock();
    }
  }

  private void end(long result, @Nullable String code) {
    lock.lock();
    try {
      calling = false;
      if (code == null) {
        writer.end(result);
      } else {
        pointers.forget();
        writer.failed(code);
      }
    } finally {
      lock.unlock();
    }
  }

  /// What a failure is called in a recording.
  static String code(Throwable failure) {
    return switch (failure) {
      case RealmException e -> e.code();
      case UncheckedIOException e -> "OUTPUT_CLOSED";
      default -> "HOST_FAILED";
    };
  }

  private int record(HostFunction function, GuestMemory memory, int[] arguments, Call call) {
    GuestPointers.OfCall places = pointers.of(function, memory, arguments);
    Watch watch = new Watch(places);
    outputs.clear();
    int result;
    memory.observe(watch);
    try {
      result = function.body().call(memory, arguments);
    } catch (RuntimeException e) {
      add(function, arguments, watch, GuestRecording.Answer.failed(code(e)));
      throw e;
    } finally {
      memory.observe(null);
    }
    pointers.answered(function, arguments, places, result);
    RealmException refusal = result < 0 ? call.refusal(result) : null;
    add(
        function,
        arguments,
        watch,
        new GuestRecording.Answer(result, null, refusal == null ? null : refusal.code()));
    return result;
  }

  private void add(
      HostFunction function, int[] arguments, Watch watch, GuestRecording.Answer answer) {
    lock.lock();
    try {
      if (calling) {
        hostCalls++;
        writer.hostCall(
            new GuestRecording.HostCall(
                function.name(),
                arguments.clone(),
                watch.requests(),
                watch.reads,
                watch.writes,
                List.copyOf(outputs),
                answer));
      }
    } finally {
      lock.unlock();
    }
  }

  /// Checks that a recording can be written to a file, for use before the run: the file is new or a plain one,
  /// and its folder is there.
  ///
  /// @throws UncheckedIOException naming the file, what was expected and what was found
  public static void checkFile(Path file) {
    GuestRecordingWriter.checkFile(file);
  }

  /// Writes the recording; the file appears as a whole or not at all.
  ///
  /// @throws UncheckedIOException naming the file when it cannot be written
  /// @throws RealmException `RECORDING_LARGE` when the run was too long to record
  public void write(Path file) {
    lock.lock();
    try {
      writer.write(file);
    } finally {
      lock.unlock();
    }
  }

  /// Calls of host functions so far, in all calls.
  public int hostCalls() {
    return hostCalls;
  }

  /// Keeps what the host reads and writes during one host call.
  private static final class Watch implements GuestMemory.Observer {
    private final GuestPointers.OfCall places;
    final List<Data> reads = new ArrayList<>();
    final List<Data> writes = new ArrayList<>();
    private int requestsRead;

    Watch(GuestPointers.OfCall places) {
      this.places = places;
    }

    @Override
    public void read(MemorySegment memory, int pointer, int length) {
      int request = places.request(pointer);
      Place place = places.readFrom(pointer);
      if (request >= 0 && place == null) {
        requestsRead = Math.max(requestsRead, request + 1);
        return;
      }
      reads.add(
          place == null
              ? Data.of("", pointer, bytes(memory, pointer, length))
              : Data.of(place.name(), 0, bytes(memory, pointer, length)));
    }

    @Override
    public void wrote(MemorySegment memory, int pointer, int length) {
      Place place = places.writtenAt(pointer);
      writes.add(
          place == null
              ? Data.whole("", pointer, bytes(memory, pointer, length))
              : Data.whole(
                  place.name(), pointer - place.pointer(), bytes(memory, pointer, length)));
    }

    private static byte[] bytes(MemorySegment memory, int pointer, int length) {
      return memory.asSlice(pointer, length).toArray(ValueLayout.JAVA_BYTE);
    }

    /// What counts of the requests that were read.
    List<int[]> requests() {
      return places.requests().stream().limit(requestsRead).map(StepFields::counting).toList();
    }
  }

  /// Passes on what goes to the caller and keeps it as recordings do.
  private record Outputs(java.util.function.Consumer<GuestRecording.Output> to, GuestOutput next)
      implements GuestOutput {
    @Override
    public void text(String text) {
      to.accept(new GuestRecording.Output("text", 0, text));
      next.text(text);
    }

    @Override
    public void token(int id) {
      to.accept(new GuestRecording.Output("token", id, ""));
      next.token(id);
    }

    @Override
    public void event(int kind, byte[] data) {
      to.accept(new GuestRecording.Output("event", kind, Base64.getEncoder().encodeToString(data)));
      next.event(kind, data);
    }

    @Override
    public void log(int level, String line) {
      to.accept(new GuestRecording.Output("log", level, line));
      next.log(level, line);
    }
  }
}
