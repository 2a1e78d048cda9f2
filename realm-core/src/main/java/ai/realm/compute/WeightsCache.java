package ai.realm.compute;

import java.nio.file.Path;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The user's leave to keep repacked weights in a file, which the next load maps instead of packing
/// again. A backend that does not repack has no use for it.
///
/// @param folder where the files go; null for the folder of each model
/// @param notices is told, one sentence at a time, what was written, and why a file was not used or
///     could not be written; called on the thread that loads
public record WeightsCache(@Nullable Path folder, Consumer<String> notices) {
  /// Beside each model.
  public static WeightsCache besideModels(Consumer<String> notices) {
    return new WeightsCache(null, notices);
  }
}
