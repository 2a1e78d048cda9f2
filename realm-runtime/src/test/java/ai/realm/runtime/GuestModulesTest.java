package ai.realm.runtime;

import static ai.realm.runtime.RawModule.functions;
import static ai.realm.runtime.RawModule.operandsThatBranchesDrop;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import run.endive.wasm.types.FunctionBody;

/// What is kept of guests once they are compiled.
final class GuestModulesTest {
  /// Parsed instructions of this guest were 3 MiB of heap, for as long as it was kept.
  @Test
  void codeThatHasBecomeMethodsIsNotKept() throws IOException {
    byte[] wasm = ExampleGuest.bytes("tree_of_thought");
    assertThat(bodies(wasm))
        .hasSizeGreaterThan(50)
        .allSatisfy(body -> assertThat(body.instructions()).hasSize(1));
  }

  /// The interpreter needs the code of what is too large for a method of the JVM.
  @Test
  void codeThatIsInterpretedIsKept() {
    List<FunctionBody> bodies = bodies(functions(2, operandsThatBranchesDrop(1_000, 75)));
    assertThat(bodies)
        .allSatisfy(body -> assertThat(body.instructions()).hasSizeGreaterThan(1_000));
  }

  private static List<FunctionBody> bodies(byte[] wasm) {
    return Arrays.asList(
        new EndiveGuestEngine()
            .load(wasm, GuestLimits.DEFAULT)
            .module()
            .codeSection()
            .functionBodies());
  }

  /// 64 guests of 4 MiB would be a quarter of a gigabyte before they are compiled.
  @Test
  void guestsAreKeptUpToSoManyBytes() {
    GuestModules modules = new GuestModules(new EndiveGuestEngine());
    for (int i = 0; i < 5; i++) {
      modules.get(large(3 << 20, i), GuestLimits.DEFAULT);
    }
    assertThat(modules.compilations()).isEqualTo(5);
    modules.get(large(3 << 20, 0), GuestLimits.DEFAULT);
    assertThat(modules.compilations()).as("15 MiB are kept").isEqualTo(5);
    modules.get(large(3 << 20, 5), GuestLimits.DEFAULT);
    modules.get(large(3 << 20, 0), GuestLimits.DEFAULT);
    assertThat(modules.compilations()).as("used since").isEqualTo(6);
    modules.get(large(3 << 20, 1), GuestLimits.DEFAULT);
    assertThat(modules.compilations()).as("the longest unused went").isEqualTo(7);
  }

  /// A guest that cannot be compiled takes no part of the room.
  @Test
  void refusedGuestsTakeNoRoom() {
    GuestModules modules = new GuestModules(new EndiveGuestEngine());
    modules.get(DefaultGuest.bytes(), GuestLimits.DEFAULT);
    for (int i = 0; i < 8; i++) {
      byte[] cut = Arrays.copyOf(large(3 << 20, i), 3 << 20);
      assertThatThrownBy(() -> modules.get(cut, GuestLimits.DEFAULT))
          .isInstanceOf(GuestFormatException.class);
    }
    int compilations = modules.compilations();
    modules.get(DefaultGuest.bytes(), GuestLimits.DEFAULT);
    assertThat(modules.compilations()).isEqualTo(compilations);
  }

  /// A guest with a custom section of that many bytes.
  private static byte[] large(int bytes, int number) {
    WasmModuleBuilder module = new WasmModuleBuilder().memory(1, 1);
    module.function("rest", 0, 0, new Code().constant(number));
    byte[] wasm = module.build();
    byte[] head = new Code().raw(0).unsigned(bytes).raw(1, 'n').toBytes();
    byte[] all = Arrays.copyOf(wasm, wasm.length + head.length + bytes - 2);
    System.arraycopy(head, 0, all, wasm.length, head.length);
    return all;
  }
}
