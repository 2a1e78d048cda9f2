package ai.realm.template;

import ai.realm.error.RealmException;

/// A chat template that cannot be compiled or rendered. The message names the line where it can.
public final class TemplateException extends RealmException {
  private static final long serialVersionUID = 1L;

  /// The template is not in the language.
  static final String INVALID = "TEMPLATE_INVALID";

  /// The template asked for more steps, output or depth than a render may use.
  static final String LIMIT = "TEMPLATE_LIMIT";

  /// The template itself refused the conversation (`raise_exception`).
  static final String RAISED = "TEMPLATE_RAISED";

  /// An expression met a value that it cannot work with.
  static final String VALUE = "TEMPLATE_VALUE";

  private TemplateException(String code, String message) {
    super(code, message);
  }

  static TemplateException invalid(int line, String message) {
    return new TemplateException(INVALID, "chat template line " + line + ": " + message);
  }

  static TemplateException limit(String message) {
    return new TemplateException(LIMIT, "chat template: " + message);
  }

  static TemplateException raised(String message) {
    return new TemplateException(RAISED, message);
  }

  static TemplateException value(String message) {
    return new TemplateException(VALUE, "chat template: " + message);
  }
}
