package ai.realm.runtime;

import java.util.Map;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// Functions of the embedding program that a realm's guests may call by name: text (JSON, as a rule) in,
/// text out. A guest without the capability finds none. They are called by guests' threads, several at
/// once, with 160 KiB of stack at least; a deadline interrupts them. A tool that throws ends the guest's call with `TOOL_FAILED`; it may call
/// guests itself, at most eight in each other (`CALL_DEPTH`), but not the running guest that waits for it
/// (`GUEST_BUSY`).
///
/// @param tools by name
public record GuestTools(Map<String, UnaryOperator<String>> tools) {
  /// No tools.
  public static final GuestTools NONE = new GuestTools(Map.of());

  public GuestTools {
    tools = Map.copyOf(tools);
  }

  @Nullable UnaryOperator<String> find(String name) {
    return tools.get(name);
  }
}
