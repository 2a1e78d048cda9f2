package ai.realm.cli;

import ai.realm.gguf.GgufFile;
import ai.realm.gguf.GgufMetadata;
import ai.realm.gguf.GgufValue;
import ai.realm.gguf.TensorInfo;
import ai.realm.tensor.GgmlType;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `realm inspect`: what is in a GGUF file, and whether it runs here.
@Command(
    name = "inspect",
    description = "Shows a GGUF file's metadata and tensors, and whether it runs here.")
final class InspectCommand implements Callable<Integer> {
  private static final int VALUE_WIDTH = 80;

  private final Console console;

  @Option(names = "--full", description = "Show long values whole.")
  private boolean full;

  @Option(
      names = "--only",
      paramLabel = "PART",
      description = "Only one part: ${COMPLETION-CANDIDATES}.")
  private Part part = Part.ALL;

  @Parameters(paramLabel = "FILE", description = "A GGUF file.")
  private Path file = Path.of("");

  enum Part {
    ALL,
    SUMMARY,
    METADATA,
    TENSORS
  }

  InspectCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    try (GgufFile gguf = GgufFile.open(file)) {
      switch (part) {
        case ALL -> {
          summary(gguf);
          console.line("");
          metadata(gguf.metadata());
          console.line("");
          tensors(gguf.tensors());
        }
        case SUMMARY -> summary(gguf);
        case METADATA -> metadata(gguf.metadata());
        case TENSORS -> tensors(gguf.tensors());
      }
    }
    return ExitCode.OK;
  }

  private void summary(GgufFile gguf) {
    GgufMetadata metadata = gguf.metadata();
    long weights = gguf.tensors().stream().mapToLong(t -> t.shape().elements()).sum();
    console.line(
        "%s: GGUF v%d, %s, %d tensors, %s weights"
            .formatted(
                Printable.of(file.toString()),
                gguf.version(),
                Sizes.of(gguf.byteSize()),
                gguf.tensors().size(),
                Sizes.count(weights)));
    console.line(
        "architecture %s, name %s"
            .formatted(
                Printable.of(metadata.string("general.architecture", "(none)")),
                Printable.of(metadata.string("general.name", "(none)"), VALUE_WIDTH)));
    console.line("weights as " + types(gguf.tensors()));
    for (String line : Fit.of(gguf).lines()) {
      console.line(line);
    }
  }

  private static String types(List<TensorInfo> tensors) {
    Map<GgmlType, Long> bytes = new TreeMap<>();
    for (TensorInfo tensor : tensors) {
      bytes.merge(tensor.type(), tensor.type().byteSize(tensor.shape().elements()), Long::sum);
    }
    return bytes.entrySet().stream()
        .sorted(Map.Entry.<GgmlType, Long>comparingByValue(Comparator.reverseOrder()))
        .map(entry -> entry.getKey() + " " + Sizes.of(entry.getValue()))
        .collect(Collectors.joining(", "));
  }

  private void metadata(GgufMetadata metadata) {
    console.line("metadata, %d keys".formatted(metadata.keys().size()));
    for (String key : metadata.keys()) {
      GgufValue value = metadata.find(key).orElseThrow();
      console.line(
          "  %-44s %s"
              .formatted(
                  Printable.of(key),
                  GgufValues.show(value, full ? Integer.MAX_VALUE : VALUE_WIDTH)));
    }
  }

  private void tensors(List<TensorInfo> tensors) {
    console.line("tensors, %d".formatted(tensors.size()));
    for (TensorInfo tensor : tensors) {
      console.line(
          "  %-44s %-7s %-22s %s"
              .formatted(
                  Printable.of(tensor.name()),
                  tensor.type(),
                  tensor.shape(),
                  Sizes.of(tensor.type().byteSize(tensor.shape().elements()))));
    }
  }
}
