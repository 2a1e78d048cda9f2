package ai.realm.cli;

import ai.realm.template.ChatMessage;
import java.util.List;

/// What is asked of the guest.
///
/// @param messages the conversation, rendered by the model's chat template; exactly one message of
///     any role when `raw`
/// @param raw whether the text is continued as it stands, without the template
/// @param sampling how tokens are chosen and when to stop
record GenerationRequest(List<ChatMessage> messages, boolean raw, SamplingOptions sampling) {
  GenerationRequest {
    messages = List.copyOf(messages);
    if (messages.isEmpty() || raw && messages.size() != 1) {
      throw new IllegalArgumentException(
          "expected %s, found %d"
              .formatted(raw ? "one text" : "at least one message", messages.size()));
    }
  }
}
