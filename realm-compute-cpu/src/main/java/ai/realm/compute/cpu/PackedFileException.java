package ai.realm.compute.cpu;

/// A file of packed weights cannot be used; the message says what was expected and found.
final class PackedFileException extends Exception {
  private static final long serialVersionUID = 1;

  PackedFileException(String message) {
    super(message);
  }

  static PackedFileException expected(String what, Object expected, Object found) {
    return new PackedFileException("%s: expected %s, found %s".formatted(what, expected, found));
  }
}
