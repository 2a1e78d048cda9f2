package ai.realm.runtime;

import static ai.realm.runtime.RawModule.functions;
import static ai.realm.runtime.RawModule.operandsThatBranchesDrop;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.realm.digest.Sha256;
import ai.realm.testing.wasm.WasmModuleBuilder;
import ai.realm.testing.wasm.WasmModuleBuilder.Code;
import ai.realm.wasm.DefaultGuest;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import run.endive.wasm.types.FunctionBody;

/// What is kept of guests once they are compiled.
@Timeout(120)
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

  /// Two bring the same bytes at once: what becomes of the first says nothing to the second.
  @ParameterizedTest
  @ValueSource(strings = {"it is interrupted", "its limits are smaller"})
  void whoWaitsForAnothersCompilationHasItsOwnWhereThatFails(String failure) throws Exception {
    boolean interrupted = failure.equals("it is interrupted");
    CountDownLatch loading = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    AtomicInteger loads = new AtomicInteger();
    EndiveGuestEngine engine = new EndiveGuestEngine();
    GuestModules modules =
        new GuestModules((wasm, limits) -> {
          if (loads.incrementAndGet() == 1) {
            loading.countDown();
            try {
              go.await();
            } catch (InterruptedException e) {
              throw new GuestTrapException("GUEST_CANCELLED", "interrupted", e);
            }
            throw new GuestFormatException("too large for the first");
          }
          return engine.load(wasm, limits);
        });
    byte[] wasm = large(1000, 1);
    FutureTask<GuestModules.Guest> first =
        new FutureTask<>(() -> modules.get(wasm, GuestLimits.DEFAULT));
    Thread firstThread = new Thread(first);
    firstThread.start();
    loading.await();
    FutureTask<GuestModules.Guest> second =
        new FutureTask<>(() -> modules.get(wasm.clone(), GuestLimits.DEFAULT));
    Thread secondThread = new Thread(second);
    secondThread.start();
    while (secondThread.getState() != Thread.State.TIMED_WAITING) {
      Thread.onSpinWait();
    }
    if (interrupted) {
      firstThread.interrupt();
    } else {
      go.countDown();
    }
    assertThat(second.get(60, TimeUnit.SECONDS).module()).isNotNull();
    assertThatThrownBy(() -> first.get(60, TimeUnit.SECONDS))
        .hasCauseInstanceOf(interrupted ? GuestTrapException.class : GuestFormatException.class);
    assertThat(modules.get(wasm, GuestLimits.DEFAULT)).isSameAs(second.get());
    assertThat(loads).hasValue(2);
  }

  /// Whoever came first to another's task ran it, and it failed with whom it was not.
  @Test
  void whoIsInterruptedTakesNoTaskOfAnotherAlong() throws Exception {
    GuestModules modules = new GuestModules(new EndiveGuestEngine());
    GuestModules.Guest guest = modules.get(DefaultGuest.bytes(), GuestLimits.DEFAULT);
    byte[] wasm = large(1000, 1);
    // Another's that is known by now, and that the other has not come to run yet.
    FutureTask<GuestModules.Guest> anothers = new FutureTask<>(() -> guest);
    modules.remember(Sha256.hex(wasm), anothers, wasm.length);
    List<FutureTask<GuestModules.Guest>> waiting = new ArrayList<>();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      waiting.add(new FutureTask<>(() -> modules.get(wasm, GuestLimits.DEFAULT)));
      threads.add(new Thread(waiting.get(i)));
      threads.get(i).start();
    }
    for (Thread thread : threads) {
      while (thread.getState() != Thread.State.TIMED_WAITING) {
        assertThat(anothers).isNotDone();
        assertThat(thread.isAlive()).isTrue();
        Thread.onSpinWait();
      }
    }
    threads.get(0).interrupt();
    assertThatThrownBy(() -> waiting.get(0).get(60, TimeUnit.SECONDS))
        .hasCauseInstanceOf(GuestTrapException.class);
    assertThat(anothers).isNotDone();
    anothers.run();
    assertThat(waiting.get(1).get(60, TimeUnit.SECONDS)).isSameAs(guest);
  }

  /// Who is interrupted while others' guests keep the compiler.
  @Test
  void whoIsInterruptedIsToldSo() {
    GuestModules modules = new GuestModules(new EndiveGuestEngine());
    Thread.currentThread().interrupt();
    assertThatThrownBy(() -> modules.get(large(1000, 1), GuestLimits.DEFAULT))
        .isInstanceOfSatisfying(
            GuestTrapException.class, e -> assertThat(e.code()).isEqualTo("GUEST_CANCELLED"));
    assertThat(Thread.interrupted()).isTrue();
    assertThat(modules.get(large(1000, 1), GuestLimits.DEFAULT).module()).isNotNull();
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
