package ai.realm.runtime;

import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/// What a guest's module exports, known before it is loaded.
public final class GuestExports {
  private final GuestInterface guest;

  private GuestExports(GuestInterface guest) {
    this.guest = guest;
  }

  /// Reads a module and checks, as a deployment does ([MultiRealmManager]), that it fits the host and has what
  /// answers a prompt: `load_model` and `generate`.
  ///
  /// @throws GuestFormatException naming the import or export, what was expected and what was found
  public static GuestExports check(RealmRuntime runtime, byte[] wasm) {
    if (EndiveGuestEngine.isBuiltIn(wasm)) {
      return new GuestExports(GuestInterface.of(wasm));
    }
    Map<String, HostFunction> functions =
        runtime.hostFunctions().stream()
            .collect(Collectors.toMap(HostFunction::name, Function.identity()));
    return new GuestExports(GuestInterface.check(wasm, functions::get));
  }

  /// Whether there is a function of that name that takes so many i32 parameters and gives an i32.
  public boolean has(String name, int parameters) {
    return guest.exports(name, parameters);
  }
}
