package ai.realm.runtime;

import java.nio.file.Path;

/// A name under which guests open a model with an adapter: sequences of it are computed with the adapter,
/// in the same steps and over the same weights as the model's own.
///
/// @param base name of the model that it adapts
/// @param adapter a LoRA adapter in GGUF
/// @param strength factor on what it adds, 1 for what it was trained for
public record AdaptedModel(String base, Path adapter, float strength) {
  public AdaptedModel {
    if (!Float.isFinite(strength)) {
      throw new IllegalArgumentException(
          "adapter %s: expected a finite strength, found %s".formatted(adapter, strength));
    }
  }
}
