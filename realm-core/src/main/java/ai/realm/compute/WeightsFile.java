package ai.realm.compute;

import ai.realm.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// The open file of a model, as a backend sees it that keeps repacked weights on disk.
public interface WeightsFile {
  /// Where it lies; of a model in several files the first.
  Path path();

  /// What the file system said of its content, as text, when it was opened: another for every file that
  /// differs.
  String stamp();

  /// Whether the file system still says so.
  boolean isUnchanged() throws IOException;

  /// All tensors of the file, in its order, over its memory.
  List<Tensor> tensors();
}
