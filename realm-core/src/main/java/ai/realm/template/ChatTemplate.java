package ai.realm.template;

import ai.realm.template.Node.Statement;
import java.time.Clock;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A model's own chat template, in the subset of Jinja that such templates are written in, rendered as
/// Hugging Face transformers does: blocks trimmed, `raise_exception`, `strftime_now`, `tojson` without
/// HTML escapes, values immutable. Thread-safe; each render has its own limits on steps, output and
/// depth, since a template is as trustworthy as the file that it came in.
public final class ChatTemplate {
  private static final int MAX_SOURCE = 1 << 20;

  private final List<Statement> body;
  private final Clock clock;

  private ChatTemplate(List<Statement> body, Clock clock) {
    this.body = body;
    this.clock = clock;
  }

  /// Parses a template.
  ///
  /// @throws TemplateException when it is not in the language, or too large or deep
  public static ChatTemplate compile(String source) {
    return compile(source, Clock.system(ZoneId.systemDefault()));
  }

  /// Parses a template whose `strftime_now` reads `clock`.
  public static ChatTemplate compile(String source, Clock clock) {
    if (source.length() > MAX_SOURCE) {
      throw TemplateException.limit(
          "expected at most " + MAX_SOURCE + " characters, found " + source.length());
    }
    return new ChatTemplate(Parser.parse(source), clock);
  }

  /// Renders a conversation.
  ///
  /// @param addGenerationPrompt whether to end where the assistant's answer begins
  public String render(
      List<ChatMessage> messages, boolean addGenerationPrompt, String bosToken, String eosToken) {
    List<Object> turns = new ArrayList<>();
    for (ChatMessage m : messages) {
      Map<String, Object> turn = new LinkedHashMap<>();
      turn.put("role", m.role());
      turn.put("content", m.content());
      turns.add(turn);
    }
    Map<String, @Nullable Object> variables = new LinkedHashMap<>();
    variables.put("messages", turns);
    variables.put("tools", null);
    variables.put("documents", null);
    variables.put("add_generation_prompt", addGenerationPrompt);
    variables.put("bos_token", bosToken);
    variables.put("eos_token", eosToken);
    return render(variables);
  }

  /// Renders with any variables: null, Boolean, Integer, Long, Float, Double, String, List and Map.
  ///
  /// @throws TemplateException when the template refuses them, fails, or exceeds a limit
  public String render(Map<String, ? extends @Nullable Object> variables) {
    Interpreter interpreter = new Interpreter();
    Scope globals = new Scope(null);
    Builtins.define(globals, interpreter.limits, () -> LocalDateTime.now(clock));
    Scope given = new Scope(globals);
    variables.forEach(
        (name, value) -> given.set(name, Builtins.value(value, 0, interpreter.limits)));
    return interpreter.render(body, given);
  }
}
