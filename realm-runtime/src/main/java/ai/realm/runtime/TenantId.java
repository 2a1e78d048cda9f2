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
          "tenant: expected 1 to 64 letters, digits, '.', '-', '_', found %d characters"
              .formatted(name.length()));
    }
  }

  @Override
  public String toString() {
    return "tenant " + name;
  }
}
