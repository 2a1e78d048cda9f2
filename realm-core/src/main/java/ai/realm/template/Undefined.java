package ai.realm.template;

/// The value of a name, key or attribute that does not exist: prints as nothing, is false, iterates as
/// empty, and refuses everything else.
///
/// @param what what was looked for, for messages
record Undefined(String what) {
  TemplateException error() {
    return TemplateException.value("'" + what + "' is undefined");
  }
}
