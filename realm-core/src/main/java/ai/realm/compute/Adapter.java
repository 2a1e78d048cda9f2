package ai.realm.compute;

/// Additions to a model's weights that count for some sequences only, such as LoRA. Loaded by the
/// model that it adapts, immutable, shared by the sequences that use it. Keys and values computed with
/// an adapter differ from those without: prefixes must not be shared across adapters.
public interface Adapter extends AutoCloseable {
  /// Where it came from, for messages.
  String name();

  /// Frees it; no sequence may use it afterwards.
  @Override
  void close();
}
