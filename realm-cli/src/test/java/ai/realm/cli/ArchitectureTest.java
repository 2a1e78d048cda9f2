package ai.realm.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/// The sentences of ARCHITECTURE.md about who may know whom.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class ArchitectureTest {
  private static final String CORE_GGUF = "ai.realm.gguf..";
  private static final String TENSOR = "ai.realm.tensor..";
  private static final String TOKENIZER = "ai.realm.tokenizer..";
  private static final String TEMPLATE = "ai.realm.template..";
  private static final String SPI = "ai.realm.compute";
  private static final String CPU = "ai.realm.compute.cpu..";
  private static final String MODEL = "ai.realm.model..";
  private static final String ENGINE = "ai.realm.engine..";
  private static final String RUNTIME = "ai.realm.runtime..";
  private static final String WASM = "ai.realm.wasm..";
  private static final String CLI = "ai.realm.cli..";

  private JavaClasses classes;

  @BeforeAll
  void readClasses() {
    classes =
        new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("ai.realm");
  }

  @Test
  void rulesSeeTheWholeHouse() {
    for (String known :
        List.of(
            "ai.realm.compute.Backend",
            "ai.realm.compute.cpu.WorkerPool",
            "ai.realm.model.CausalLm",
            "ai.realm.engine.Engine",
            "ai.realm.cli.Main",
            "ai.realm.gguf.GgufFile",
            "ai.realm.runtime.RealmRuntime",
            "ai.realm.wasm.DefaultGuest")) {
      assertThat(classes.contain(known)).as(known).isTrue();
    }
  }

  @Test
  void coreKnowsNothingAboveIt() {
    noClasses()
        .that()
        .resideInAnyPackage(
            CORE_GGUF, TENSOR, TOKENIZER, TEMPLATE, SPI, "ai.realm.error..", "ai.realm.digest..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(CPU, MODEL, ENGINE, RUNTIME, WASM, CLI)
        .check(classes);
  }

  @Test
  void modelsKnowNoComputeImplementationAndNothingAboveThem() {
    noClasses()
        .that()
        .resideInAPackage(MODEL)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(CPU, ENGINE, RUNTIME, WASM, CLI)
        .check(classes);
  }

  @Test
  void backendsKnowTheSpiOnly() {
    noClasses()
        .that()
        .resideInAPackage(CPU)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(CORE_GGUF, TOKENIZER, TEMPLATE, MODEL, ENGINE, RUNTIME, WASM, CLI)
        .check(classes);
  }

  @Test
  void engineKnowsNeitherBackendsNorWebAssembly() {
    noClasses()
        .that()
        .resideInAPackage(ENGINE)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(CPU, RUNTIME, WASM, CLI, "run.endive..")
        .check(classes);
  }

  @Test
  void runtimeKnowsNeitherBackendsNorTheCommandLine() {
    noClasses()
        .that()
        .resideInAPackage(RUNTIME)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(CPU, WASM, CLI, "picocli..", "org.jline..")
        .check(classes);
  }

  @Test
  void onlyTheCpuBackendsUseTheVectorModule() {
    noClasses()
        .that()
        .resideOutsideOfPackage(CPU)
        .should()
        .dependOnClassesThat()
        .resideInAPackage("jdk.incubator.vector..")
        .check(classes);
  }

  @Test
  void nothingUsesUnsafe() {
    noClasses()
        .should()
        .dependOnClassesThat()
        .haveFullyQualifiedName("sun.misc.Unsafe")
        .check(classes);
  }

  @Test
  void packagesOfTheLibraryAreFreeOfCycles() {
    slices()
        .matching("ai.realm.(model|engine|runtime|cli)..")
        .should()
        .beFreeOfCycles()
        .check(classes);
  }
}
