package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Modules that must not reach the WebAssembly engine: cases W01 and W04 to W08 of the attack corpus.
final class GuestAdmissionTest {
  /// What a refusal may take, on a machine that does other things as well.
  private static final Duration REFUSAL = Duration.ofMillis(250);

  /// What compiling an admitted module may take, likewise.
  private static final Duration COMPILATION = Duration.ofSeconds(10);

  private static byte[] body(Code code) {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("f", 0, 0, code);
    return module.build();
  }

  private static byte[] section(int id, int... content) {
    Code code = new Code().raw(0, 'a', 's', 'm', 1, 0, 0, 0).raw(id).unsigned(content.length);
    return bytes(code.raw(content));
  }

  private static byte[] bytes(Code code) {
    return code.toBytes();
  }

  private static byte[] sections(Code... parts) {
    Code module = new Code().raw(0, 'a', 's', 'm', 1, 0, 0, 0);
    for (Code part : parts) {
      module.append(part);
    }
    return bytes(module);
  }

  private static Code part(int id, Code content) {
    return new Code().raw(id).unsigned(bytes(content).length).append(content);
  }

  /// One function of type () → (), whose body is that, locals and all.
  private static byte[] function(Code body) {
    return functions(1, body);
  }

  private static byte[] functions(int count, Code body) {
    Code types = new Code().unsigned(1).raw(0x60, 0, 0);
    Code indexes = new Code().unsigned(count);
    Code bodies = new Code().unsigned(count);
    for (int i = 0; i < count; i++) {
      indexes.unsigned(0);
      bodies.unsigned(bytes(body).length).append(body);
    }
    return sections(part(1, types), part(3, indexes), part(10, bodies));
  }

  private static Code repeat(int times, int... bytes) {
    Code code = new Code();
    for (int i = 0; i < times; i++) {
      code.raw(bytes);
    }
    return code;
  }

  static Stream<Arguments> refused() {
    return Stream.of(
        Arguments.of("W01 a tail call", body(new Code().raw(0x12, 0)), "tail calls"),
        Arguments.of("W01 an indirect tail call", body(new Code().raw(0x13, 0, 0)), "tail calls"),
        Arguments.of("W01 atomic.wait", body(new Code().raw(0xfe, 1, 2, 0)), "threads"),
        Arguments.of("W04 memory above 4 GiB", section(5, 1, 1, 1, 0x81, 0x80, 0x04), "memory"),
        Arguments.of("W04 four memories", section(5, 4, 0, 1, 0, 1, 0, 1, 0, 1), "memories"),
        Arguments.of("W04 a 64-bit memory", section(5, 1, 4, 1), "0x4"),
        Arguments.of("W04 a shared memory", section(5, 1, 3, 1, 1), "0x3"),
        Arguments.of("W04 an imported memory", section(2, 1, 1, 'a', 1, 'b', 2, 0, 1), "kind 2"),
        Arguments.of(
            "W05 a table of 2^32 - 1",
            section(4, 1, 0x70, 0, 0xff, 0xff, 0xff, 0xff, 0x0f),
            "table"),
        Arguments.of(
            "W05 tables of 80 million entries",
            sections(
                part(4, new Code().unsigned(8).append(repeat(8, 0x70, 0, 0x80, 0xad, 0xe2, 0x04)))),
            "tables"),
        Arguments.of(
            "W05 table.grow",
            body(new Code().raw(0xd0, 0x70).constant(1).raw(0xfc, 15, 0)),
            "table.grow"),
        Arguments.of("W05 a million globals", section(6, 0xc0, 0x84, 0x3d), "globals"),
        Arguments.of("W05 an element bomb", section(9, 0x80, 0x80, 0x40), "element segments"),
        Arguments.of("W06 a struct type", section(1, 1, 0x5f, 0), "0x5f"),
        Arguments.of("W06 an array type", section(1, 1, 0x5e, 0x7f, 1), "0x5e"),
        Arguments.of("W06 a recursive group", section(1, 1, 0x4e, 0), "0x4e"),
        Arguments.of("W06 struct.new", body(new Code().raw(0xfb, 0, 0)), "garbage collection"),
        Arguments.of("W06 a tag section", section(13, 1, 0, 0), "section 13"),
        Arguments.of("W06 try_table", body(new Code().raw(0x1f, 0x40, 0)), "exceptions"),
        Arguments.of("W06 throw", body(new Code().raw(0x08, 0)), "exceptions"),
        Arguments.of("W06 a parameter of type exnref", section(1, 1, 0x60, 1, 0x69, 0), "0x69"),
        Arguments.of("SIMD", body(new Code().raw(0xfd, 0x0c)), "SIMD"),
        Arguments.of(
            "W07 a type count of 0xfffffff0", section(1, 0xf0, 0xff, 0xff, 0xff, 0x0f), "2^31"),
        Arguments.of(
            "W07 a LEB128 number without end",
            section(1, 0x80, 0x80, 0x80, 0x80, 0x80, 1),
            "larger"),
        Arguments.of(
            "W07 a section longer than the file",
            bytes(new Code().raw(0, 'a', 's', 'm', 1, 0, 0, 0, 1, 100)),
            "size of 100"),
        Arguments.of("W07 a section shorter than its content", section(1, 0, 0, 0), "left over"),
        Arguments.of(
            "W07 the same section twice",
            sections(part(1, new Code().raw(0)), part(1, new Code().raw(0))),
            "once and in order"),
        Arguments.of(
            "W07 sections out of order",
            sections(part(3, new Code().raw(0)), part(1, new Code().raw(0))),
            "once and in order"),
        Arguments.of(
            "W07 a custom section of 1 GB",
            bytes(new Code().raw(0, 'a', 's', 'm', 1, 0, 0, 0, 0, 0x80, 0x94, 0xeb, 0xdc, 0x03)),
            "size of"),
        Arguments.of(
            "W07 nesting of 40,000",
            function(
                new Code().raw(0).append(repeat(40_000, 2, 0x40)).append(repeat(40_001, 0x0b))),
            "nested"),
        Arguments.of(
            "W07 200,000 functions", functions(200_000, new Code().raw(0, 0x0b)), "functions"),
        Arguments.of(
            "W07 49,999 locals",
            function(new Code().raw(1, 0xcf, 0x86, 3, 0x7f, 0x10, 0, 0x0b)),
            "locals"),
        Arguments.of(
            "W07 locals in many groups",
            function(new Code().unsigned(1500).append(repeat(1500, 2, 0x7f)).raw(0x0b)),
            "locals"),
        Arguments.of(
            "W07 locals that overflow an int",
            function(new Code().raw(2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 2, 0x7f, 0x0b)),
            "locals"),
        Arguments.of(
            "W07 1,000 functions of 2,000 locals and 20 blocks",
            functions(
                1_000,
                new Code().raw(1, 0xd0, 0x0f, 0x7f).append(repeat(20, 2, 0x40, 0x0b)).raw(0x0b)),
            "too many to compile"),
        Arguments.of(
            "W07 a br_table of 60,000",
            function(
                new Code()
                    .raw(0)
                    .constant(0)
                    .raw(0x0e)
                    .unsigned(60_000)
                    .append(repeat(60_001, 0))
                    .raw(0x0b)),
            "br_table"),
        Arguments.of("W07 a body without an end", function(new Code().raw(0, 1, 1)), "the end"),
        Arguments.of(
            "W07 bytes behind a body's end", function(new Code().raw(0, 0x0b, 1)), "left over"),
        Arguments.of(
            "W08 an imported table", section(2, 1, 1, 'a', 1, 'b', 1, 0x70, 0, 1), "kind 1"),
        Arguments.of("W08 an export of nothing", section(7, 1, 1, 'f', 0, 0), "export f"),
        Arguments.of(
            "W08 an export twice",
            sections(
                part(5, new Code().raw(1, 0, 1)),
                part(7, new Code().raw(2, 1, 'm', 2, 0, 1, 'm', 2, 0))),
            "found it again"),
        Arguments.of("W08 an export of a wrong kind", section(7, 1, 1, 'f', 4, 0), "kind 4"),
        Arguments.of("a name that is not UTF-8", section(7, 1, 1, 0xff, 0, 0), "UTF-8"),
        Arguments.of(
            "a call of a function that is not there", body(new Code().raw(0x10, 9)), "function"),
        Arguments.of("a branch out of all blocks", body(new Code().raw(0x0c, 1)), "label"),
        Arguments.of("a local that is not there", body(new Code().raw(0x20, 0)), "local"),
        Arguments.of(
            "a load without a memory",
            function(new Code().raw(0, 0x41, 0, 0x28, 2, 0, 0x1a, 0x0b)),
            "memory"),
        Arguments.of(
            "a load from memory 1", body(new Code().constant(0).raw(0x28, 0x42, 1, 0)), "memory 0"),
        Arguments.of(
            "functions without bodies",
            sections(part(1, new Code().raw(1, 0x60, 0, 0)), part(3, new Code().raw(1, 0))),
            "code section"),
        Arguments.of("an empty file", new byte[0], "header"),
        Arguments.of("version 2", new byte[] {0, 'a', 's', 'm', 2, 0, 0, 0}, "header"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("refused")
  void refusesWithinTime(String name, byte[] module, String reason) {
    long started = System.nanoTime();
    assertThatThrownBy(() -> GuestAdmission.check(module, GuestLimits.DEFAULT))
        .isInstanceOf(GuestFormatException.class)
        .hasMessageContaining(reason);
    assertThat(Duration.ofNanos(System.nanoTime() - started)).isLessThan(REFUSAL);
  }

  @Test
  void refusesWhatIsLargerThanTheLimitUnread() {
    byte[] module = new byte[1001];
    assertThatThrownBy(
            () -> GuestAdmission.check(module, GuestLimits.DEFAULT.withMaxModuleBytes(1000)))
        .hasMessageContaining("at most 1000 bytes");
  }

  @Test
  void customSectionsAreLeftOut() {
    byte[] plain = body(new Code().constant(7));
    byte[] named = sections(part(0, new Code().raw(4, 'n', 'a', 'm', 'e', 1, 2, 3)));
    ByteArrayOutputStream both = new ByteArrayOutputStream();
    both.writeBytes(named);
    both.write(plain, 8, plain.length - 8);
    assertThat(GuestAdmission.check(both.toByteArray(), GuestLimits.DEFAULT)).isEqualTo(plain);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4})
  void everyMutationIsAdmittedOrRefusedAndNothingElse(long seed) {
    byte[] module =
        new WasmModuleBuilder().memory(1, 2).start(new Code().storeConstant(0, 1)).build();
    Random random = new Random(seed);
    for (int i = 0; i < 20_000; i++) {
      byte[] mutated = module.clone();
      for (int j = 0; j <= random.nextInt(3); j++) {
        mutated[random.nextInt(mutated.length)] = (byte) random.nextInt();
      }
      assertThatCode(
              () -> {
                try {
                  GuestAdmission.check(mutated, GuestLimits.DEFAULT);
                } catch (GuestFormatException e) {
                  assertThat(e).hasMessageStartingWith("guest");
                }
              })
          .doesNotThrowAnyException();
    }
  }

  @Test
  void everyTruncationIsRefusedOrWithoutTheMissingSections() {
    byte[] module = body(new Code().constant(7));
    for (int length = 0; length < module.length; length++) {
      byte[] cut = Arrays.copyOf(module, length);
      try {
        GuestAdmission.check(cut, GuestLimits.DEFAULT);
        assertThat(cut.length).isLessThan(module.length - 4);
      } catch (GuestFormatException e) {
        assertThat(e.code()).isEqualTo("GUEST_INVALID");
      }
    }
  }

  /// Modules at the bounds of what is admitted, each the worst of its kind.
  static Stream<Arguments> atTheBounds() {
    return Stream.of(
        Arguments.of("10,000 functions", functions(10_000, new Code().raw(0, 0x0b))),
        Arguments.of(
            "2,000 locals over 2,000 blocks",
            function(
                new Code()
                    .raw(1, 0xd0, 0x0f, 0x7f)
                    .append(repeat(1_990, 2, 0x40, 0x0b))
                    .raw(0x0b))),
        Arguments.of(
            "nesting of 490",
            function(new Code().raw(0).append(repeat(490, 2, 0x40)).append(repeat(491, 0x0b)))),
        Arguments.of(
            "a body of 128 KiB",
            function(new Code().raw(0).append(repeat(43_000, 0x41, 0, 0x1a)).raw(0x0b))),
        Arguments.of(
            "four bodies of 2,000 locals over 2,000 blocks",
            functions(
                4,
                new Code()
                    .raw(1, 0xd0, 0x0f, 0x7f)
                    .append(repeat(1_990, 2, 0x40, 0x0b))
                    .raw(0x0b))));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("atTheBounds")
  void whatIsAdmittedCompilesInSeconds(String name, byte[] module) {
    long started = System.nanoTime();
    assertThat(new EndiveGuestEngine().load(module, GuestLimits.DEFAULT)).isNotNull();
    assertThat(Duration.ofNanos(System.nanoTime() - started)).isLessThan(COMPILATION);
  }
}
