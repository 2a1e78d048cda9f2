package ai.realm.digest;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

final class Sha256Test {
  /// FIPS 180-4's example of one block.
  @Test
  void digestsAbc() {
    byte[] abc = "abc".getBytes(StandardCharsets.US_ASCII);
    assertThat(Sha256.hex(abc))
        .isEqualTo("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assertThat(Sha256.of(abc)).isEqualTo(Sha256.begin().digest(abc));
    byte[] longer = "abcd".getBytes(StandardCharsets.US_ASCII);
    assertThat(Sha256.of(longer, 3)).isEqualTo(Sha256.of(abc));
  }
}
