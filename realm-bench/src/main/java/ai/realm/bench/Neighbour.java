package ai.realm.bench;

import ai.realm.runtime.MultiRealmManager;
import ai.realm.runtime.TenantId;
import java.util.List;

/// A tenant that others have beside them: calls that it makes at once, how many of them it may, and what each
/// does again and again.
record Neighbour(String name, int calls, int allowed, Act act) {
  static final TenantId TENANT = new TenantId("other");
  static final String PROMPT = "Tell me a story about a fox.";
  static final String CONFIG = "{\"max_tokens\":64,\"min_tokens\":64}";

  /// Calls, and sequences, that a tenant may have at once.
  static final int ALLOWED = 4;

  /// One thing that a neighbour does; what it is refused or killed for is its own affair.
  interface Act {
    /// @param round of all its calls together: no two have the same, so that none finds in a cache what another
    ///     has computed
    void run(MultiRealmManager realms, long round);
  }

  Neighbour(String name, int calls, Act act) {
    this(name, calls, ALLOWED, act);
  }

  /// One that asks for stories with so many calls at once.
  static Neighbour polite(String name, int calls) {
    return new Neighbour(name, calls, Neighbour::generate);
  }

  /// Those that want more of the engine than is theirs.
  static List<Neighbour> greedy() {
    String longest = "fox ".repeat(400);
    return List.of(
        new Neighbour("F01 flood: 40 calls at once", 40, Neighbour::generate),
        new Neighbour(
            "F02 prompts of the greatest length",
            4,
            (realms, round) -> call(realms, round + longest, "{\"raw\":true,\"max_tokens\":1}")),
        new Neighbour("F03 a hundred streams", 100, Neighbour::generate),
        new Neighbour("F03 a hundred streams, allowed", 100, 100, Neighbour::generate));
  }

  /// Those whose guests are hostile.
  static List<Neighbour> withGuests() {
    return List.of(
        new Neighbour(
            "F04 spinner, in a worker",
            1,
            (realms, round) -> guest(realms, round, HostileGuests.spinner())),
        new Neighbour(
            "F05 allocator, in a worker",
            1,
            (realms, round) -> guest(realms, round, HostileGuests.allocator())),
        new Neighbour(
            "F06 compile bombs, in a worker",
            1,
            (realms, round) -> realms.deploy(TENANT, HostileGuests.bomb(round))));
  }

  private static void generate(MultiRealmManager realms, long round) {
    call(realms, PROMPT, CONFIG);
  }

  private static void call(MultiRealmManager realms, String prompt, String config) {
    realms.generate(TENANT, "model", prompt, config, text -> {});
  }

  private static void guest(MultiRealmManager realms, long round, byte[] wasm) {
    if (round == 0) {
      realms.deploy(TENANT, wasm);
    }
    call(realms, PROMPT, CONFIG);
  }
}
