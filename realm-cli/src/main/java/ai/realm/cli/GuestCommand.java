package ai.realm.cli;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.runtime.CallResult;
import ai.realm.runtime.GuestExports;
import ai.realm.runtime.GuestLimits;
import ai.realm.runtime.GuestOutput;
import ai.realm.runtime.GuestRecorder;
import ai.realm.runtime.GuestReplay;
import ai.realm.runtime.GuestTools;
import ai.realm.runtime.RealmRuntime;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `realm guest`: runs guests of one's own, records them and tests them without a model.
@Command(
    name = "guest",
    description = "Runs a guest program, records what it does, and tests it without a model.",
    synopsisSubcommandLabel = "COMMAND")
final class GuestCommand {
  private static final String DEFAULT = "default";

  /// What a guest's functions return when they were cancelled.
  private static final int CANCELLED = -125;

  /// Sequences of the greatest length that a guest has room for: forks and beams.
  private static final int SEQUENCES = 4;

  private final Console console;

  GuestCommand(Console console) {
    this.console = console;
  }

  private static byte[] read(String guest) throws IOException {
    return guest.equals(DEFAULT) ? DefaultGuest.bytes() : new UserFile(Path.of(guest)).bytes();
  }

  /// `realm guest run`, and `record` with a file.
  @Command(
      name = "run",
      description =
          "Calls a guest's load_model and generate; its text goes to standard output as it comes, its log to"
              + " standard error.")
  int run(
      @Mixin RuntimeOptions options,
      @Option(
              names = {"-o", "--record"},
              paramLabel = "FILE",
              description = "Record the run for realm guest test, also when it fails.")
          @Nullable Path record,
      @Option(
              names = "--config",
              paramLabel = "JSON",
              defaultValue = "{}",
              description = "The guest's configuration (default: ${DEFAULT-VALUE}).")
          String configuration,
      @Option(
              names = "--tool",
              paramLabel = "NAME=COMMAND",
              description = {
                "A tool that the guest may call, as often as given: a command for the shell, with your rights.",
                "It gets the guest's question on its standard input and answers on its standard output."
              })
          @Nullable List<String> tools,
      @Option(names = "--events", description = "Show the guest's events on standard error.")
          boolean events,
      @Parameters(
              index = "0",
              paramLabel = "GUEST",
              description = "A WebAssembly module, or default for Realm's own guest.")
          String guest,
      @Parameters(
              index = "1..*",
              arity = "1..*",
              paramLabel = "PROMPT",
              description = "The prompt.")
          List<String> prompt)
      throws IOException {
    options.check();
    try {
      RealmRuntime.checkConfiguration(configuration);
    } catch (IllegalArgumentException e) {
      throw new UsageException("--config: " + e.getMessage());
    }
    GuestTools commands = ToolCommand.parse(tools == null ? List.of() : tools);
    byte[] wasm = read(guest);
    if (record != null) {
      GuestRecorder.checkFile(record);
    }
    ModelOptions chosen = options.model();
    try (Backend backend = chosen.openBackend(console::note).backend();
        RealmRuntime runtime =
            options.open(backend, SEQUENCES, GuestLimits.DEFAULT, commands, console::note);
        Interruption _ = Interruption.ofGuest(runtime::cancel)) {
      GuestExports exported = GuestExports.check(runtime, wasm);
      GuestRecorder recorder = record == null ? null : new GuestRecorder(runtime, wasm);
      if (recorder == null) {
        runtime.loadWasm(wasm);
      }
      Exports exports = recorder == null ? runtime::callFunction : recorder::call;
      Guest running = new Guest(exported, exports, new ShownOutput(console, events));
      CallResult answer;
      try {
        answer = running.generate(options.modelName(), String.join(" ", prompt), configuration);
      } catch (RuntimeException e) {
        // A run that fails is the one that a recording is wanted of, and one that was interrupted
        // too:
        // files are not written by a thread that still is.
        boolean ignored = Thread.interrupted();
        writeAfter(e, recorder, record);
        throw e;
      }
      write(recorder, record);
      console.note(
          "[%d prompt tokens, %d new tokens, %d host calls]"
              .formatted(answer.promptTokens(), answer.newTokens(), runtime.usage().hostCalls()));
      return answer.value() == CANCELLED ? ExitCode.INTERRUPTED : ExitCode.OK;
    }
  }

  /// Calls of what a guest exports, recorded or not.
  private interface Exports {
    CallResult call(String name, GuestOutput output, Object... arguments);
  }

  /// A guest that was loaded.
  private record Guest(GuestExports exported, Exports exports, ShownOutput output) {
    CallResult generate(String modelName, String prompt, String config) {
      long model =
          succeed("load_model", exports.call("load_model", output, modelName, "{}")).value();
      CallResult answer;
      try {
        answer = exports.call("generate", output, model, prompt, config);
      } finally {
        output.end();
      }
      if (answer.value() != CANCELLED) {
        succeed("generate", answer);
      }
      if (exported.has("unload_model", 1)) {
        exports.call("unload_model", output, model);
      }
      return answer;
    }
  }

  private static CallResult succeed(String function, CallResult result) {
    if (result.value() < 0) {
      throw new IllegalStateException("guest: %s: %s".formatted(function, result.error()));
    }
    return result;
  }

  private void write(@Nullable GuestRecorder recorder, @Nullable Path file) {
    if (recorder != null && file != null) {
      recorder.write(file);
      console.note("[recorded in " + file + "]");
    }
  }

  private void writeAfter(
      RuntimeException failure, @Nullable GuestRecorder recorder, @Nullable Path file) {
    try {
      write(recorder, file);
    } catch (RuntimeException e) {
      failure.addSuppressed(e);
      console.note("realm: " + ErrorReporter.sentence(e));
    }
  }

  /// `realm guest test`.
  @Command(
      name = "test",
      description = {
        "Runs a guest against recordings, without a model: what it says to the host must be what was recorded.",
        "Exit code 1 where it differs."
      })
  int test(
      @Parameters(
              index = "0",
              paramLabel = "GUEST",
              description = "A WebAssembly module, or default for Realm's own guest.")
          String guest,
      @Parameters(
              index = "1..*",
              arity = "1..*",
              paramLabel = "RECORDING",
              description = "Files that realm guest run --record wrote.")
          List<Path> recordings)
      throws IOException {
    byte[] wasm = read(guest);
    List<Path> different = new ArrayList<>();
    try (Backend backend = Backends.open("naive", BackendOptions.DEFAULT).backend()) {
      for (Path recording : recordings) {
        GuestReplay.Report report = GuestReplay.run(wasm, recording, backend);
        console.line(
            report.same()
                ? "%s: same, %d host calls".formatted(recording, report.hostCalls())
                : "%s: different: %s".formatted(recording, Printable.of(report.difference())));
        if (!report.same()) {
          different.add(recording);
        }
      }
    }
    return different.isEmpty() ? ExitCode.OK : ExitCode.FAILURE;
  }
}
