package ai.realm.runtime;

import java.util.regex.Pattern;

/// A tenant's name: 1 to 64 letters, digits, `.`, `-`, `_`, the first a letter or digit. So it can stand
/// in logs, paths and metrics as it is.
///
/// @param name as said
public record TenantId(String name) {
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}");

  public TenantId {
    if (!NAME.matcher(name).matches()) {
      throw new IllegalArgumentException(
          "tenant: expected 1 to 64 letters, digits, '.', '-', '_', the first a letter or digit, found "
              + found(name));
    }
  }

  private static String found(String name) {
    if (name.isEmpty() || name.length() > 64) {
      return name.length() + " characters";
    }
    int wrong = 0;
    while (NAME.matcher(name.substring(0, wrong + 1)).matches()) {
      wrong++;
    }
    return "U+%04X at %d".formatted(name.codePointAt(wrong), wrong);
  }

  @Override
  public String toString() {
    return "tenant " + name;
  }
}
