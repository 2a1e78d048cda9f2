package ai.realm.wasm;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import run.endive.runtime.CompiledModule;
import run.endive.wasm.Parser;
import run.endive.wasm.WasmModule;
import run.endive.wasm.types.ExternalType;

final class DefaultGuestTest {
  private static WasmModule module() {
    return Parser.parse(DefaultGuest.bytes());
  }

  @Test
  void exportsTheThreeCallsOfAModel() {
    Set<String> functions = new TreeSet<>();
    for (int i = 0; i < module().exportSection().exportCount(); i++) {
      if (module().exportSection().getExport(i).exportType() == ExternalType.FUNCTION) {
        functions.add(module().exportSection().getExport(i).name());
      }
    }
    assertThat(functions).contains("load_model", "generate", "unload_model");
  }

  @Test
  void importsOnlyHostFunctionsThatTheAbiNames() {
    Set<String> hostFunctions = new TreeSet<>();
    Set<String> modules = new TreeSet<>();
    module().importSection().stream()
        .forEach(imported -> {
          modules.add(imported.module());
          if (imported.module().equals("realm_host")) {
            hostFunctions.add(imported.name());
          }
        });
    assertThat(hostFunctions)
        .containsExactlyInAnyOrder(
            "arg_read",
            "log",
            "emit_token",
            "emit_text",
            "emit_event",
            "model_open",
            "model_close",
            "model_info",
            "tokenize",
            "kv_text",
            "chat_template",
            "kv_new",
            "kv_len",
            "kv_open",
            "kv_save",
            "kv_free",
            "embed",
            "grammar_compile",
            "grammar_free",
            "matcher_new",
            "matcher_accept",
            "matcher_status",
            "matcher_forced_tokens",
            "matcher_free",
            "sampler_new",
            "sampler_free",
            "step");
    assertThat(modules)
        .isSubsetOf(
            "env", "realm_host", "teavm", "teavmDate", "teavmJso", "teavmMemory", "wasm:js-string");
  }

  @Test
  void compiledModuleBelongsToTheBytes() throws Exception {
    List<CompiledModule> compiled =
        ServiceLoader.load(CompiledModule.class).stream().map(ServiceLoader.Provider::get).toList();
    assertThat(compiled).hasSize(1);
    String digest =
        HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(DefaultGuest.bytes()));
    Class<?> type = compiled.getFirst().getClass();
    try (var in = type.getResourceAsStream(type.getSimpleName() + ".sha256")) {
      assertThat(in).isNotNull();
      assertThat(new String(in.readAllBytes(), StandardCharsets.US_ASCII)).isEqualTo(digest);
    }
  }
}
