package ai.realm.gguf;

import ai.realm.compute.WeightsFile;
import ai.realm.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;

/// A GGUF file as backends see it.
///
/// @param file the open file
public record GgufWeights(GgufFile file) implements WeightsFile {
  @Override
  public Path path() {
    return file.path();
  }

  @Override
  public String stamp() {
    return file.parts().stream()
        .map(part -> part.stamp().toString())
        .collect(Collectors.joining("; "));
  }

  @Override
  public boolean isUnchanged() throws IOException {
    for (GgufFile.Part part : file.parts()) {
      if (!FileStamp.of(part.path()).equals(part.stamp())) {
        return false;
      }
    }
    return true;
  }

  @Override
  public List<Tensor> tensors() {
    return file.tensors().stream().map(info -> file.tensor(info.name())).toList();
  }
}
