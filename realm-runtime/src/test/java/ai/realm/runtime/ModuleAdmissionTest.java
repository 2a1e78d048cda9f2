package ai.realm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Group (b) of the attack corpus as far as it is refused before the engine reads a module: W01, W04 to
/// W08.
@Timeout(60)
final class ModuleAdmissionTest {
  private static final int[] NO_PARAMETERS = {1, 0x60, 0, 0};

  /// Bytes of a module, section by section.
  private static final class Module {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    Module() {
      out.writeBytes(new byte[] {0, 'a', 's', 'm', 1, 0, 0, 0});
    }

    Module section(int id, int... content) {
      byte[] bytes = new byte[content.length];
      for (int i = 0; i < content.length; i++) {
        bytes[i] = (byte) content[i];
      }
      return section(id, bytes);
    }

    Module section(int id, byte[] content) {
      out.write(id);
      out.writeBytes(leb(content.length));
      out.writeBytes(content);
      return this;
    }

    byte[] bytes() {
      return out.toByteArray();
    }
  }

  private static byte[] leb(long value) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    long rest = value;
    do {
      int b = (int) (rest & 0x7f);
      rest >>>= 7;
      out.write(rest == 0 ? b : b | 0x80);
    } while (rest != 0);
    return out.toByteArray();
  }

  private static byte[] join(byte[]... parts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      out.writeBytes(part);
    }
    return out.toByteArray();
  }

  private static byte[] bytes(int... values) {
    byte[] b = new byte[values.length];
    for (int i = 0; i < values.length; i++) {
      b[i] = (byte) values[i];
    }
    return b;
  }

  /// A module with one function of this body (no locals), a table and a memory.
  private static byte[] withBody(byte[] code) {
    byte[] body = join(bytes(0), code, bytes(0x0b));
    return new Module()
        .section(1, NO_PARAMETERS)
        .section(3, 1, 0)
        .section(4, 1, 0x70, 0, 1)
        .section(5, 1, 0, 1)
        .section(10, join(bytes(1), leb(body.length), body))
        .bytes();
  }

  private static byte[] withLocals(int functions, long localsEach) {
    byte[] types = new byte[functions];
    byte[] body = join(bytes(1), leb(localsEach), bytes(0x7f, 0x0b));
    byte[] one = join(leb(body.length), body);
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (int i = 0; i < functions; i++) {
      all.writeBytes(one);
    }
    return new Module()
        .section(1, NO_PARAMETERS)
        .section(3, join(leb(functions), types))
        .section(10, join(leb(functions), all.toByteArray()))
        .bytes();
  }

  static Stream<Arguments> hostile() {
    List<Arguments> cases = new ArrayList<>();
    cases.add(Arguments.of("W01 return_call loop", withBody(bytes(0x12, 0)), "tail call"));
    cases.add(Arguments.of("W01 return_call_indirect", withBody(bytes(0x13, 0, 0)), "tail call"));
    cases.add(Arguments.of("W01 atomic.wait", withBody(bytes(0xfe, 1, 2, 0)), "threads"));
    cases.add(Arguments.of("W02 try/catch_all", withBody(bytes(0x06, 0x40)), "exception"));
    cases.add(Arguments.of("W02 try_table", withBody(bytes(0x1f, 0x40)), "exception"));
    cases.add(Arguments.of("W04 65,536 pages", memory(0, 0x80, 0x80, 4), "memory minimum"));
    cases.add(Arguments.of("W04 shared memory", memory(3, 1, 2), "memory limits"));
    cases.add(Arguments.of("W04 64-bit memory", memory(4, 1), "memory limits"));
    cases.add(
        Arguments.of(
            "W04 four memories",
            new Module().section(5, 4, 0, 1, 0, 1, 0, 1, 0, 1).bytes(),
            "at most 1"));
    cases.add(
        Arguments.of(
            "W04 imported memory",
            new Module().section(2, 1, 1, 'm', 1, 'x', 2, 0, 1).bytes(),
            "a function"));
    cases.add(
        Arguments.of(
            "W05 table of 2^32 - 1",
            new Module().section(4, 1, 0x70, 0, 0xff, 0xff, 0xff, 0xff, 0x0f).bytes(),
            "table minimum"));
    cases.add(Arguments.of("W05 table.grow", withBody(bytes(0xfc, 15, 0)), "table.grow"));
    cases.add(
        Arguments.of(
            "W05 a million globals",
            new Module().section(6, join(leb(1_000_000), new byte[2_000_000])).bytes(),
            "globals"));
    cases.add(
        Arguments.of(
            "W05 element bomb",
            new Module()
                .section(1, NO_PARAMETERS)
                .section(3, 1, 0)
                .section(9, join(bytes(1, 1, 0), leb(1 << 20), new byte[1 << 20]))
                .bytes(),
            "elements"));
    cases.add(
        Arguments.of(
            "W06 struct type", new Module().section(1, 1, 0x5f, 0).bytes(), "function type"));
    cases.add(Arguments.of("W06 array.new", withBody(bytes(0xfb, 6, 0)), "garbage"));
    cases.add(Arguments.of("W06 exnref local", withBodyRaw(bytes(1, 1, 0x69, 0x0b)), "local type"));
    cases.add(
        Arguments.of(
            "W07 type count 0xfffffff0",
            new Module().section(1, 0xf0, 0xff, 0xff, 0xff, 0x0f).bytes(),
            "types"));
    cases.add(
        Arguments.of(
            "W07 LEB of six bytes",
            new Module().section(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0).bytes(),
            "5 bytes"));
    cases.add(
        Arguments.of(
            "W07 section beyond the end",
            join(bytes(0, 'a', 's', 'm', 1, 0, 0, 0, 1), leb(1 << 30)),
            "section 1 size"));
    cases.add(
        Arguments.of(
            "W07 duplicate section",
            new Module().section(1, NO_PARAMETERS).section(1, NO_PARAMETERS).bytes(),
            "once and in order"));
    cases.add(
        Arguments.of(
            "W07 sections out of order",
            new Module().section(3, 0).section(1, NO_PARAMETERS).bytes(),
            "once and in order"));
    cases.add(
        Arguments.of(
            "W07 section with more than it counts",
            new Module().section(1, 1, 0x60, 0, 0, 0).bytes(),
            "more bytes"));
    cases.add(Arguments.of("W07 200k nested blocks", withBody(nested(200_000)), "nested"));
    cases.add(
        Arguments.of(
            "W07 200k functions",
            new Module()
                .section(1, NO_PARAMETERS)
                .section(3, join(leb(200_000), new byte[200_000]))
                .bytes(),
            "functions"));
    cases.add(Arguments.of("W07 50k locals", withLocals(1, 50_000), "locals"));
    cases.add(Arguments.of("W07 1,000 x 4,000 locals", withLocals(1000, 4000), "in all"));
    cases.add(
        Arguments.of(
            "W07 60k branches",
            withBody(join(bytes(0x0e), leb(60_000), new byte[60_001])),
            "branch table"));
    cases.add(
        Arguments.of(
            "W08 export twice",
            new Module().section(5, 1, 0, 1).section(7, 2, 1, 'm', 2, 0, 1, 'm', 2, 0).bytes(),
            "twice"));
    cases.add(
        Arguments.of(
            "W08 export of what is not there",
            new Module().section(7, 1, 1, 'f', 0, 0).bytes(),
            "exported function"));
    cases.add(Arguments.of("SIMD", withBody(bytes(0xfd, 12)), "SIMD"));
    cases.add(Arguments.of("an empty file", new byte[0], "magic"));
    cases.add(Arguments.of("a text", "hello, world".getBytes(StandardCharsets.US_ASCII), "magic"));
    cases.add(Arguments.of("version 2", bytes(0, 'a', 's', 'm', 2, 0, 0, 0), "version"));
    return cases.stream();
  }

  private static byte[] memory(int... limits) {
    return new Module().section(5, join(bytes(1), bytes(limits))).bytes();
  }

  private static byte[] withBodyRaw(byte[] body) {
    return new Module()
        .section(1, NO_PARAMETERS)
        .section(3, 1, 0)
        .section(10, join(bytes(1), leb(body.length), body))
        .bytes();
  }

  private static byte[] nested(int depth) {
    byte[] code = new byte[3 * depth];
    for (int i = 0; i < depth; i++) {
      code[2 * i] = 0x02;
      code[2 * i + 1] = 0x40;
      code[2 * depth + i] = 0x0b;
    }
    return code;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("hostile")
  void refusesWithinAQuarterOfASecond(String name, byte[] wasm, String reason) {
    long started = System.nanoTime();
    assertThatThrownBy(() -> ModuleAdmission.check(wasm, GuestLimits.DEFAULT))
        .isInstanceOf(GuestFormatException.class)
        .hasMessageContaining(reason);
    // A bound on work, far above what the loaded machines of CI take.
    assertThat(System.nanoTime() - started).isLessThan(5_000_000_000L);
  }

  @Test
  void admitsWhatGuestsMayUse() {
    byte[] code =
        bytes(
            0x41, 1, 0x04, 0x40, 0x05, 0x0b, // if else
            0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0, // memory.fill
            0x43, 0, 0, 0, 0, 0xfc, 0, 0x1a, // trunc_sat
            0x41, 5, 0xc0, 0x1a, // extend8_s
            0xd0, 0x70, 0xd1, 0x1a, // ref.null, ref.is_null
            0x41, 0, 0x28, 2, 8, 0x1a, // load
            0x02, 0x40, 0x41, 0, 0x0e, 1, 0, 0, 0x0b); // br_table
    assertThatCode(() -> ModuleAdmission.check(withBody(code), GuestLimits.DEFAULT))
        .doesNotThrowAnyException();
  }

  @Test
  void refusesAWholeModuleCutAnywhere() {
    byte[] whole = withBody(bytes(0x41, 1, 0x1a, 0x10, 0));
    ModuleAdmission.check(whole, GuestLimits.DEFAULT);
    int sections = 0;
    for (int n = 0; n < whole.length; n++) {
      byte[] cut = java.util.Arrays.copyOf(whole, n);
      try {
        ModuleAdmission.check(cut, GuestLimits.DEFAULT);
        sections++; // cut between sections
      } catch (GuestFormatException e) {
        assertThat(e.getMessage()).contains("expected");
      }
    }
    assertThat(sections).isLessThanOrEqualTo(5);
  }

  @Test
  void flippedBitsEndInAnAnswer() {
    byte[] whole = withBody(nested(20));
    SplittableRandom random = new SplittableRandom(1);
    int refused = 0;
    for (int i = 0; i < 20_000; i++) {
      byte[] flipped = whole.clone();
      int bit = random.nextInt(8 * flipped.length);
      flipped[bit >> 3] ^= (byte) (1 << (bit & 7));
      try {
        ModuleAdmission.check(flipped, GuestLimits.DEFAULT);
      } catch (GuestFormatException e) {
        refused++;
      }
    }
    assertThat(refused).isGreaterThan(1000);
  }
}
