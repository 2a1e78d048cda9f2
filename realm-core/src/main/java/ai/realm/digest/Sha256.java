package ai.realm.digest;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/// SHA-256 (FIPS 180-4), which every Java platform has.
public final class Sha256 {
  private Sha256() {}

  /// A digest to be fed in parts.
  public static MessageDigest begin() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JVM has SHA-256", e);
    }
  }

  /// The 32 bytes of a digest.
  public static byte[] of(byte[] bytes) {
    return begin().digest(bytes);
  }

  /// The digest of the first `count` bytes.
  public static byte[] of(byte[] bytes, int count) {
    MessageDigest digest = begin();
    digest.update(bytes, 0, count);
    return digest.digest();
  }

  /// A digest as 64 hexadecimal digits, in lower case.
  public static String hex(byte[] bytes) {
    return HexFormat.of().formatHex(of(bytes));
  }
}
