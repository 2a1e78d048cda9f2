package ai.realm.template;

/// One turn of a conversation.
///
/// @param role who speaks: `system`, `user`, `assistant`, `tool`
/// @param content what is said
public record ChatMessage(String role, String content) {}
