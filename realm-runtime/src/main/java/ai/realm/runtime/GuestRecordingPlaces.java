package ai.realm.runtime;

import ai.realm.runtime.HostParameters.Kind;
import ai.realm.runtime.HostParameters.Parameter;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The places that a recorded host call can have, by the names that [GuestPointers] gives them: what a damaged
/// file says beyond them is refused before a guest is blamed for it.
///
/// @param arguments pointers among them as 0
record GuestRecordingPlaces(String function, int[] arguments) {
  private static final Pattern FIELD = Pattern.compile("requests\\[(\\d{1,2})]\\.(\\w+)");
  private static final List<String> READ_FIELDS = names(StepFields.TOKENS, StepFields.MASK);
  private static final List<String> WRITTEN_FIELDS =
      names(StepFields.OUT, StepFields.LOGPROB, StepFields.STATUS);

  private static List<String> names(Integer... fields) {
    return List.of(fields).stream().map(StepFields::name).toList();
  }

  /// The requests that the host can have read.
  int mostRequests() {
    return function.equals("step") || function.equals("step_submit")
        ? Math.clamp(arguments[1], 0, Steps.MAX_REQUESTS)
        : 0;
  }

  /// Whether the host can have read or written at a place.
  boolean has(String place, Kind kind) {
    Matcher field = FIELD.matcher(place);
    if (!field.matches()) {
      return place.isEmpty() || index(place, kind) >= 0;
    }
    int request = Integer.parseInt(field.group(1));
    return kind == Kind.READ
        ? request < mostRequests() && READ_FIELDS.contains(field.group(2))
        : request < mostWritten() && WRITTEN_FIELDS.contains(field.group(2));
  }

  private int mostWritten() {
    return function.equals("step_wait") ? Steps.MAX_REQUESTS : mostRequests();
  }

  /// The bytes that the arguments leave the host to write at a place; the memory's where they do not tell.
  long room(String place, long memory) {
    int at = index(place, Kind.WRITTEN);
    return at < 0 || at + 1 == arguments.length
        ? memory
        : Math.clamp(
            (long) parameters().get(at).content().elementBytes() * arguments[at + 1], 0L, memory);
  }

  private int index(String place, Kind kind) {
    List<Parameter> parameters = parameters();
    for (int i = 0; i < parameters.size(); i++) {
      if (parameters.get(i).kind() == kind && parameters.get(i).name().equals(place)) {
        return i;
      }
    }
    return -1;
  }

  private List<Parameter> parameters() {
    return HostParameters.of(function).list();
  }
}
