package ai.realm.testing.guest;

import static org.assertj.core.api.Assertions.assertThat;

import ai.realm.testing.sample.SampleModel;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// What the conformance guests of all languages are given and must send: `conformance(model, SAID, CONFIG)`, over the
/// sample model with a tool `quote`, calls every function of a library, checks what it gives and names what is wrong.
public final class GuestConformance {
  /// The text that the guest repeats.
  public static final String SAID = "gr\u00fc\u00df dich \ud83e\udd8a";

  /// The configuration that it reads.
  public static final String CONFIG =
      "{\"number\":-1.5, \"inner\":{\"text\":\"no\"}, \"text\":\"a\\\"\\ud83d\\ude00\", "
          + "\"list\":[ \"x\" , \"y\"], \"flag\":true}";

  private GuestConformance() {}

  /// Fails unless the guest found everything right.
  ///
  /// @param value what it returned
  public static void assertConforms(SentByGuest sent, long value) {
    assertThat(sent.has(2) ? sent.string(2) : "").as("what failed").isEmpty();
    assertThat(value).isZero();
    // The first token of the answer was emitted by a step.
    assertThat(sent.text()).startsWith(SAID).endsWith("The");
    assertThat(sent.tokens()).hasSize(2).startsWith(7);
    assertThat(sent.event(1).array()).containsExactly(0, 1, 200, 255);
    assertThat(sent.log()).containsExactly("2 conformance");
    assertThat(sent.ints(3)).hasSize(4);
    assertThat(sent.ints(3)[1]).as("context").isGreaterThanOrEqualTo(512);
    assertThat(sent.ints(3)[3]).as("token that ends a text").isPositive();
    assertThat(sent.ints(4)).hasSize(2).containsOnly(sent.ints(4)[0]);
  }

  /// The host functions that `guests/c/realm_host.h` declares: those that the host has, says `GuestAbiTest`.
  public static Set<String> hostFunctions() throws IOException {
    return Pattern.compile("REALM_IMPORT\\((\\w+)\\)\\(")
        .matcher(Files.readString(SampleModel.repositoryRoot().resolve("guests/c/realm_host.h")))
        .results()
        .map(found -> found.group(1))
        .collect(Collectors.toCollection(TreeSet::new));
  }
}
