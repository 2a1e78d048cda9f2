package ai.realm.runtime;

import static ai.realm.runtime.RawModule.body;
import static ai.realm.runtime.RawModule.function;
import static ai.realm.runtime.RawModule.functions;
import static ai.realm.runtime.RawModule.operandsThatBranchesDrop;
import static ai.realm.runtime.RawModule.operandsUnderBranches;
import static ai.realm.runtime.RawModule.part;
import static ai.realm.runtime.RawModule.repeat;
import static ai.realm.runtime.RawModule.section;
import static ai.realm.runtime.RawModule.sections;
import static ai.realm.runtime.RawModule.types;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import com.sun.management.ThreadMXBean;
import java.io.ByteArrayOutputStream;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Modules that must not reach the WebAssembly engine: cases W01 and W04 to W08 of the attack corpus.
final class GuestAdmissionTest {
  /// What a refusal may allocate besides twice the module: time is a machine's, this is not.
  private static final long REFUSAL_BYTES = 4 << 20;

  static Stream<Arguments> refused() {
    return Stream.of(
        Arguments.of("W01 a tail call", body(new Code().raw(0x12, 0)), "tail calls"),
        Arguments.of("W01 an indirect tail call", body(new Code().raw(0x13, 0, 0)), "tail calls"),
        Arguments.of("W01 atomic.wait", body(new Code().raw(0xfe, 1, 2, 0)), "threads"),
        Arguments.of("W02 a legacy try", body(new Code().raw(0x06, 0x40, 0x0b)), "exceptions"),
        Arguments.of("W02 catch", body(new Code().raw(0x07, 0)), "exceptions"),
        Arguments.of("W02 rethrow", body(new Code().raw(0x09, 0)), "exceptions"),
        Arguments.of("W02 throw_ref", body(new Code().raw(0x0a)), "exceptions"),
        Arguments.of("W02 delegate", body(new Code().raw(0x18, 0)), "exceptions"),
        Arguments.of("W02 catch_all", body(new Code().raw(0x19)), "exceptions"),
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
        Arguments.of(
            "W05 elements over the cap in all segments",
            sections(
                part(4, new Code().raw(1, 0x70, 0, 1)),
                part(
                    9,
                    new Code()
                        .unsigned(2)
                        .raw(5, 0x70)
                        .unsigned(40_000)
                        .append(repeat(40_000, 0xd0, 0x70, 0x0b))
                        .raw(5, 0x70)
                        .unsigned(40_000)
                        .append(repeat(40_000, 0xd0, 0x70, 0x0b)))),
            "in all segments"),
        Arguments.of(
            "W05 200,000 data segments",
            sections(part(11, new Code().unsigned(200_000).append(repeat(200_000, 1, 0)))),
            "data segments"),
        Arguments.of(
            "W05 data segments announced without end",
            section(12, 0xff, 0xff, 0xff, 0xff, 0x07),
            "data segments"),
        Arguments.of(
            "W05 a data segment longer than the file",
            section(11, 1, 1, 0x80, 0x80, 0x80, 0x80, 0x04),
            "bytes"),
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
            new Code().raw(0, 'a', 's', 'm', 1, 0, 0, 0, 1, 100).toBytes(),
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
            new Code().raw(0, 'a', 's', 'm', 1, 0, 0, 0, 0, 0x80, 0x94, 0xeb, 0xdc, 0x03).toBytes(),
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
            "W07 10,000 operands under 13,000 branches",
            function(operandsUnderBranches(10_000, 13_000)),
            "operands on the stack"),
        Arguments.of(
            "W07 10,000 operands that 13,000 branches drop",
            function(operandsThatBranchesDrop(10_000, 13_000)),
            "operands on the stack"),
        Arguments.of(
            "W07 4,000 operands under 2,000 branches",
            function(operandsUnderBranches(4_000, 2_000)),
            "too many to compile"),
        Arguments.of(
            "W07 4,000 operands that 2,000 branches drop",
            function(operandsThatBranchesDrop(4_000, 2_000)),
            "too many to compile"),
        Arguments.of(
            "W07 1,000 functions of 1,000 operands under 20 branches",
            functions(1_000, operandsUnderBranches(1_000, 20)),
            "too many to compile"),
        Arguments.of(
            "W07 256 types of one form with 256 functions",
            types(256, 256, 64),
            "256 types of the forms of 256 functions are too many"),
        Arguments.of(
            "W07 4,096 types of one form with 10,000 functions",
            types(4_096, 10_000, 0),
            "too many to compile"),
        Arguments.of(
            "W07 a select of two types",
            body(new Code().constant(0).constant(0).constant(0).raw(0x1c, 2, 0x7f, 0x7f)),
            "one type of select"),
        Arguments.of(
            "W07 a select of no type",
            body(new Code().constant(0).constant(0).constant(0).raw(0x1c, 0)),
            "one type of select"),
        Arguments.of(
            "W07 more bodies than functions",
            sections(
                part(1, new Code().raw(1, 0x60, 0, 0)),
                part(3, new Code().raw(1, 0)),
                part(10, new Code().raw(2, 2, 0, 0x0b, 2, 0, 0x0b))),
            "function bodies: expected 1"),
        Arguments.of(
            "W07 fewer bodies than functions",
            sections(
                part(1, new Code().raw(1, 0x60, 0, 0)),
                part(3, new Code().raw(2, 0, 0)),
                part(10, new Code().raw(1, 2, 0, 0x0b))),
            "function bodies: expected 2"),
        Arguments.of(
            "W07 nesting of 200,000",
            function(
                new Code().raw(0).append(repeat(200_000, 2, 0x40)).append(repeat(200_001, 0x0b))),
            "at most 131072 bytes"),
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
  void refusesWithoutTakingMuch(String name, byte[] module, String reason) {
    var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    Throwable refusal = null;
    try {
      GuestAdmission.check(module, GuestLimits.DEFAULT);
    } catch (GuestFormatException e) {
      refusal = e;
    }
    long allocated = threads.getCurrentThreadAllocatedBytes() - before;
    assertThat(refusal).isNotNull().hasMessageContaining(reason);
    assertThat(allocated).isLessThan(REFUSAL_BYTES + 2L * module.length);
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

  /// The engine would parse it for nothing, however large.
  @Test
  void largeCustomSectionIsLeftOut() {
    byte[] plain = body(new Code().constant(7));
    Code custom = new Code().raw(1, 'x').append(repeat(3 << 20, 0xee));
    ByteArrayOutputStream both = new ByteArrayOutputStream();
    both.write(plain, 0, 8);
    both.write(sections(part(0, custom)), 8, sections(part(0, custom)).length - 8);
    both.write(plain, 8, plain.length - 8);
    assertThat(both.size()).isGreaterThan(3 << 20);
    assertThat(GuestAdmission.check(both.toByteArray(), GuestLimits.DEFAULT)).isEqualTo(plain);
  }

  // ---- how high the operand stack is
  // --------------------------------------------------------------

  private static final int MOST_OPERANDS = 4_096;

  /// Instructions with what they take from the operand stack and leave there.
  private record Instruction(String name, int taken, int left, int... bytes) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static Stream<Instruction> each(String kind, int taken, int left, int... opcodes) {
    return Arrays.stream(opcodes)
        .mapToObj(op ->
            new Instruction(
                "%s 0x%x".formatted(kind, op),
                taken,
                left,
                kind.equals("load") || kind.equals("store")
                    ? new int[] {op, 0, 0}
                    : new int[] {op}));
  }

  private static int[] range(int first, int last) {
    return IntStream.rangeClosed(first, last).toArray();
  }

  static Stream<Instruction> instructions() {
    return Stream.of(
            each("nop", 0, 0, 0x01),
            each("drop", 1, 0, 0x1a),
            each("select", 3, 1, 0x1b),
            each("load", 1, 1, range(0x28, 0x35)),
            each("store", 2, 0, range(0x36, 0x3e)),
            each("eqz", 1, 1, 0x45, 0x50),
            each("compare", 2, 1, range(0x46, 0x4f)),
            each("compare", 2, 1, range(0x51, 0x66)),
            each("count", 1, 1, 0x67, 0x68, 0x69, 0x79, 0x7a, 0x7b),
            each("integers", 2, 1, range(0x6a, 0x78)),
            each("integers", 2, 1, range(0x7c, 0x8a)),
            each("a float", 1, 1, range(0x8b, 0x91)),
            each("floats", 2, 1, range(0x92, 0x98)),
            each("a double", 1, 1, range(0x99, 0x9f)),
            each("doubles", 2, 1, range(0xa0, 0xa6)),
            each("convert", 1, 1, range(0xa7, 0xc4)),
            Stream.of(
                new Instruction("typed select", 3, 1, 0x1c, 1, 0x7f),
                new Instruction("local.get", 0, 1, 0x20, 0),
                new Instruction("local.set", 1, 0, 0x21, 0),
                new Instruction("local.tee", 1, 1, 0x22, 0),
                new Instruction("global.get", 0, 1, 0x23, 0),
                new Instruction("global.set", 1, 0, 0x24, 0),
                new Instruction("table.get", 1, 1, 0x25, 0),
                new Instruction("table.set", 2, 0, 0x26, 0),
                new Instruction("memory.size", 0, 1, 0x3f, 0),
                new Instruction("memory.grow", 1, 1, 0x40, 0),
                new Instruction("i64.const", 0, 1, 0x42, 0),
                new Instruction("f32.const", 0, 1, 0x43, 0, 0, 0, 0),
                new Instruction("f64.const", 0, 1, 0x44, 0, 0, 0, 0, 0, 0, 0, 0),
                new Instruction("ref.null", 0, 1, 0xd0, 0x70),
                new Instruction("ref.is_null", 1, 1, 0xd1),
                new Instruction("ref.func", 0, 1, 0xd2, 0),
                new Instruction("call", 3, 2, 0x10, 0),
                new Instruction("call_indirect", 4, 2, 0x11, 0, 0),
                new Instruction("truncate", 1, 1, 0xfc, 0),
                new Instruction("memory.init", 3, 0, 0xfc, 8, 0, 0),
                new Instruction("data.drop", 0, 0, 0xfc, 9, 0),
                new Instruction("memory.copy", 3, 0, 0xfc, 10, 0, 0),
                new Instruction("memory.fill", 3, 0, 0xfc, 11, 0),
                new Instruction("table.init", 3, 0, 0xfc, 12, 0, 0),
                new Instruction("elem.drop", 0, 0, 0xfc, 13, 0),
                new Instruction("table.copy", 3, 0, 0xfc, 14, 0, 0),
                new Instruction("table.size", 0, 1, 0xfc, 16, 0),
                new Instruction("table.fill", 3, 0, 0xfc, 17, 0),
                new Instruction("block", 3, 2, 0x02, 0, 0x1a, 0x0b),
                new Instruction("loop", 0, 1, 0x03, 0x7f, 0x41, 0, 0x0b),
                new Instruction("if", 4, 2, 0x04, 0, 0x1a, 0x05, 0x1a, 0x0b),
                new Instruction("br_if", 1, 0, 0x0d, 0),
                new Instruction("br", 0, 1, 0x02, 0x7f, 0x41, 0, 0x41, 0, 0x0c, 0, 0x0b),
                new Instruction("br_table", 0, 0, 0x02, 0x40, 0x41, 0, 0x0e, 1, 0, 0, 0x0b),
                new Instruction("return", 0, 0, 0x02, 0x40, 0x41, 0, 0x0f, 0x0b),
                new Instruction("unreachable", 0, 0, 0x02, 0x40, 0x41, 0, 0x00, 0x6a, 0x0b)))
        .flatMap(stream -> stream);
  }

  /// With the instruction ten times over many operands, the stack is as high as before.
  @ParameterizedTest
  @MethodSource("instructions")
  void heightOfTheOperandStackIsCounted(Instruction instruction) {
    Code ten = new Code();
    for (int i = 0; i < 10; i++) {
      ten.append(repeat(instruction.taken(), 0x41, 0)).raw(instruction.bytes());
      ten.append(repeat(instruction.left(), 0x1a));
    }
    Code most = repeat(MOST_OPERANDS - 100, 0x41, 0).append(ten).append(repeat(100, 0x41, 0));
    assertThatCode(() -> GuestAdmission.check(everything(most), GuestLimits.DEFAULT))
        .doesNotThrowAnyException();
    assertThatThrownBy(() ->
            GuestAdmission.check(everything(most.append(repeat(1, 0x41, 0))), GuestLimits.DEFAULT))
        .hasMessageContaining("at most 4096 operands on the stack, found 4097");
  }

  /// A module with one of everything, and a function of these instructions; type 0 takes three values and
  /// gives two.
  private static byte[] everything(Code instructions) {
    Code body = new Code().raw(1, 1, 0x7f).append(instructions).raw(0x0f, 0x0b);
    return sections(
        part(1, new Code().raw(1, 0x60, 3, 0x7f, 0x7f, 0x7f, 2, 0x7f, 0x7f)),
        part(3, new Code().raw(1, 0)),
        part(4, new Code().raw(1, 0x70, 0, 1)),
        part(5, new Code().raw(1, 0, 1)),
        part(6, new Code().raw(1, 0x7f, 1, 0x41, 0, 0x0b)),
        part(9, new Code().raw(1, 1, 0, 1, 0)),
        part(12, new Code().raw(1)),
        part(10, new Code().raw(1).unsigned(body.toBytes().length).append(body)),
        part(11, new Code().raw(1, 1, 0)));
  }
}
