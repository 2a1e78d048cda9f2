package ai.realm.cli;

import ai.realm.compute.Backend;
import ai.realm.compute.BackendOptions;
import ai.realm.compute.Backends;
import ai.realm.runtime.CallResult;
import ai.realm.runtime.GuestLimits;
import ai.realm.runtime.GuestRecorder;
import ai.realm.runtime.GuestReplay;
import ai.realm.runtime.RealmRuntime;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.nio.file.Files;
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

  /// Sequences of the greatest length that a guest has room for: forks and beams.
  private static final int SEQUENCES = 4;

  private final Console console;

  GuestCommand(Console console) {
    this.console = console;
  }

  private static byte[] read(String guest) throws IOException {
    return guest.equals(DEFAULT) ? DefaultGuest.bytes() : Files.readAllBytes(Path.of(guest));
  }

  /// `realm guest run`, and `record` with a file.
  @Command(
      name = "run",
      description =
          "Calls a guest's load_model and generate; what it emits goes to standard output.")
  int run(
      @Mixin RuntimeOptions options,
      @Option(
              names = {"-o", "--record"},
              paramLabel = "FILE",
              description = "Record the run for realm guest test.")
          @Nullable Path record,
      @Option(
              names = "--config",
              paramLabel = "JSON",
              defaultValue = "{}",
              description = "The guest's configuration (default: ${DEFAULT-VALUE}).")
          String configuration,
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
    byte[] wasm = read(guest);
    ModelOptions chosen = options.model();
    BackendOptions opened = chosen.backendOptions(console::note);
    try (Backend backend = Backends.open(chosen.backend(), opened).backend();
        RealmRuntime runtime =
            options.open(backend, SEQUENCES, GuestLimits.DEFAULT, console::note)) {
      GuestRecorder recorder = new GuestRecorder(runtime, wasm);
      long model =
          succeed("load_model", recorder.call("load_model", options.modelName(), "{}")).value();
      CallResult answer =
          succeed(
              "generate",
              recorder.call("generate", model, String.join(" ", prompt), configuration));
      recorder.call("unload_model", model);
      console.line(answer.text());
      if (record != null) {
        recorder.write(record);
      }
      console.note(
          "[%d prompt tokens, %d new tokens, %d host calls%s]"
              .formatted(
                  answer.promptTokens(),
                  answer.newTokens(),
                  recorder.hostCalls(),
                  record == null ? "" : ", recorded in " + record));
    }
    return ExitCode.OK;
  }

  private static CallResult succeed(String function, CallResult result) {
    if (result.value() < 0) {
      throw new IllegalStateException(
          "guest: %s: %s".formatted(function, RealmRuntime.describe(result.value())));
    }
    return result;
  }

  /// `realm guest test`.
  @Command(
      name = "test",
      description = {
        "Runs a guest against recordings, without a model: every host call must be the recorded one.",
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
                : "%s: different: %s".formatted(recording, report.difference()));
        if (!report.same()) {
          different.add(recording);
        }
      }
    }
    return different.isEmpty() ? ExitCode.OK : ExitCode.FAILURE;
  }
}
