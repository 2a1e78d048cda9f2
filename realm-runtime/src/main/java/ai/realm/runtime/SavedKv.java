package ai.realm.runtime;

import ai.realm.compute.KvLayout;
import ai.realm.digest.Sha256;
import ai.realm.engine.SavedSequence;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;

/// A saved sequence with what it was computed by.
///
/// @param model [ai.realm.engine.LoadedModel#fingerprint] of model and adapter
/// @param sequence its tokens, keys and values
record SavedKv(byte[] model, SavedSequence sequence) {
  /// Bytes of a fingerprint: model, adapter, strength.
  static final int MODEL_BYTES = 68;

  /// Whose it is, and under which name: digests, so that nothing a guest says becomes part of a path.
  record Key(String tenant, String name) {
    static Key of(TenantId tenant, byte[] name) {
      return new Key(Sha256.hex(tenant.name().getBytes(StandardCharsets.UTF_8)), Sha256.hex(name));
    }

    /// Both as one digest.
    byte[] digest() {
      HexFormat hex = HexFormat.of();
      MessageDigest digest = Sha256.begin();
      digest.update(hex.parseHex(tenant));
      return digest.digest(hex.parseHex(name));
    }
  }

  /// What a sequence must have been computed by to go on here.
  ///
  /// @param context the most tokens
  record Expected(byte[] model, KvLayout layout, int context) {
    /// @throws SavedSequenceException `SAVED_KV_MISMATCH`
    void check(byte[] foundModel, KvLayout foundLayout) {
      if (!Arrays.equals(model, foundModel)) {
        throw mismatch("this model and adapter", "another");
      }
      if (!layout.equals(foundLayout)) {
        throw mismatch(layout.toString(), foundLayout.toString());
      }
    }

    private static SavedSequenceException mismatch(String expected, String found) {
      return new SavedSequenceException(
          "SAVED_KV_MISMATCH",
          "saved sequence: expected one of %s, found %s".formatted(expected, found));
    }
  }
}
