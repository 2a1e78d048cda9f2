package ai.realm.cli;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// Where a conversation's lines come from: a terminal with line editing, a pipe, or a test's script.
interface LineSource {
  /// The next line, or null at the end of input. An empty line for Ctrl-C.
  @Nullable String read(String prompt) throws IOException;
}
