package ai.realm.runtime;

/// Which argument a host function refused, what it expected and what it found. Put into words only for a caller
/// who is told of it: a guest may fail millions of times a second.
final class WrongArgument {
  private final String format;
  private final Object[] values;

  /// @param values numbers and short texts, as they are kept until the next failure; nothing that changes
  WrongArgument(String format, Object... values) {
    this.format = format;
    this.values = values;
  }

  String describe() {
    return format.formatted(values);
  }
}
