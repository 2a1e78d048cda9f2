package ai.realm.runtime;

import static ai.realm.runtime.RawModule.function;
import static ai.realm.runtime.RawModule.functions;
import static ai.realm.runtime.RawModule.localsOverBlocks;
import static ai.realm.runtime.RawModule.operandsThatBranchesDrop;
import static ai.realm.runtime.RawModule.operandsUnderBranches;
import static ai.realm.runtime.RawModule.repeat;
import static ai.realm.runtime.RawModule.types;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// W07: what compiling costs at the bounds of admission. Times are for `./dev bench isolation`; here the
/// bytes that the compiler allocates stand for them, which no other load of the machine changes.
@Timeout(120)
final class CompileCostTest {
  /// Endive's compiler made some 90 GB of garbage of half a megabyte before there were these bounds.
  private static final long MOST_BYTES = 3L << 30;

  /// Modules at the bounds of what is admitted, each the worst of its kind.
  static Stream<Arguments> atTheBounds() {
    return Stream.of(
        Arguments.of("10,000 functions", functions(10_000, new Code().raw(0, 0x0b))),
        Arguments.of("2,000 locals over 1,990 blocks", function(localsOverBlocks(1_990))),
        Arguments.of(
            "four bodies of 2,000 locals over 1,990 blocks", functions(4, localsOverBlocks(1_990))),
        Arguments.of("120 types of one form with 120 functions", types(120, 120, 64)),
        Arguments.of(
            "nesting of 490",
            function(new Code().raw(0).append(repeat(490, 2, 0x40)).append(repeat(491, 0x0b)))),
        Arguments.of(
            "four bodies of 128 KiB, too large for methods of the JVM",
            functions(4, new Code().raw(0).append(repeat(43_000, 0x41, 0, 0x1a)).raw(0x0b))),
        Arguments.of(
            "four bodies of 4,000 operands under 490 branches",
            functions(4, operandsUnderBranches(4_000, 490))),
        Arguments.of(
            "a body of 4,000 operands that 990 branches drop",
            function(operandsThatBranchesDrop(4_000, 990))));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("atTheBounds")
  void whatIsAdmittedCompilesWithBoundedWork(String name, byte[] module) {
    var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    assertThat(new EndiveGuestEngine().load(module, GuestLimits.DEFAULT)).isNotNull();
    assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(MOST_BYTES);
  }

  /// The compiler begins anew for each: 200 of them were a minute of CPU time for 470 KB.
  @Test
  void manyFunctionsTooLargeForTheJvmAreRefused() {
    byte[] module = functions(40, operandsThatBranchesDrop(1_000, 75));
    var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    assertThatThrownBy(() -> new EndiveGuestEngine().load(module, GuestLimits.DEFAULT))
        .isInstanceOf(GuestFormatException.class)
        .hasMessageContaining("at most 4 functions that are too large for a method of the JVM");
    assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(MOST_BYTES);
  }

  /// Endive 1.0.0 mixes up the slots of i64 where more than 1,024 functions have a type.
  @Test
  void moduleThatMakesAnInvalidClassIsRefused() {
    assertThatThrownBy(() -> new EndiveGuestEngine().load(types(1, 1_100, 2), GuestLimits.DEFAULT))
        .isInstanceOf(GuestFormatException.class)
        .hasMessage("guest: its code makes no class: Bad local variable type");
  }
}
