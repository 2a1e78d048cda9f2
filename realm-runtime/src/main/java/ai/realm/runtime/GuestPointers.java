package ai.realm.runtime;

import ai.realm.runtime.HostParameters.Content;
import ai.realm.runtime.HostParameters.Kind;
import ai.realm.runtime.HostParameters.Parameter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Where the pointers of a guest's host calls lead: those among the arguments and those in the requests of a
/// step, each by a name that stays when the guest's data moves. It remembers where submitted steps write.
final class GuestPointers {
  /// Requests of one step, as [Steps] takes them.
  private static final int MOST_REQUESTS = 64;

  /// A place in the guest's memory.
  ///
  /// @param name a parameter, or a field of a request: `requests[0].tokens_ptr`
  /// @param kind [Kind#READ] or [Kind#WRITTEN]
  /// @param length bytes that it takes at most
  record Place(String name, Kind kind, Content content, int pointer, long length) {
    boolean has(int address) {
      return address >= pointer && address - (long) pointer < length;
    }
  }

  private final Map<Integer, List<Place>> tickets = new HashMap<>();

  /// The pointers of a call that is about to be made. Nothing that lies outside of the memory is looked at.
  OfCall of(HostFunction function, GuestMemory memory, int[] arguments) {
    List<Place> places = new ArrayList<>();
    List<int[]> requests = new ArrayList<>();
    List<Parameter> parameters = HostParameters.of(function.name()).list();
    int requestsAt = 0;
    for (int i = 0; i < parameters.size(); i++) {
      Parameter parameter = parameters.get(i);
      switch (parameter.kind()) {
        case VALUE, CAPACITY -> {}
        case READ, WRITTEN ->
            places.add(
                new Place(
                    parameter.name(),
                    parameter.kind(),
                    parameter.content(),
                    arguments[i],
                    Long.MAX_VALUE));
        case REQUESTS -> {
          requestsAt = arguments[i];
          readRequests(memory, requestsAt, arguments[i + 1], requests, places);
        }
      }
    }
    if (function.name().equals("step_wait")) {
      places.addAll(tickets.getOrDefault(arguments[0], List.of()));
    }
    return new OfCall(places, requests, requestsAt);
  }

  private static void readRequests(
      GuestMemory memory, int pointer, int count, List<int[]> requests, List<Place> places) {
    if (count < 1
        || count > MOST_REQUESTS
        || !memory.holds(pointer, (long) StepRow.BYTES * count)) {
      return;
    }
    for (int i = 0; i < count; i++) {
      int at = pointer + StepRow.BYTES * i;
      int[] words = memory.ints(at, StepFields.COUNT);
      requests.add(words);
      long ids = 4L * Math.max(1, words[StepFields.N]);
      places.add(place(i, StepFields.TOKENS, Kind.READ, words[StepFields.TOKENS], ids));
      places.add(place(i, StepFields.OUT, Kind.WRITTEN, words[StepFields.OUT], ids));
      places.add(place(i, StepFields.STATUS, Kind.WRITTEN, at + 4 * StepFields.STATUS, 4));
      if (words[StepFields.LOGPROB] != 0) {
        places.add(place(i, StepFields.LOGPROB, Kind.WRITTEN, words[StepFields.LOGPROB], ids));
      }
      if (words[StepFields.MASK] != 0) {
        places.add(place(i, StepFields.MASK, Kind.READ, words[StepFields.MASK], Integer.MAX_VALUE));
      }
    }
  }

  private static Place place(int request, int field, Kind kind, int pointer, long length) {
    String name = "requests[%d].%s".formatted(request, StepFields.name(field));
    Content content = field == StepFields.LOGPROB ? Content.FLOATS : Content.INTS;
    return new Place(name, kind, content, pointer, length);
  }

  /// A call was answered.
  void answered(HostFunction function, int[] arguments, OfCall call, int result) {
    if (function.name().equals("step_submit") && result > 0) {
      tickets.put(result, call.places.stream().filter(p -> p.kind() == Kind.WRITTEN).toList());
    } else if (function.name().equals("step_wait")
        && result != Errno.EAGAIN
        && result != Errno.ECANCELED) {
      tickets.remove(arguments[0]);
    }
  }

  /// What the guest had open is gone.
  void forget() {
    tickets.clear();
  }

  /// The pointers of one call.
  static final class OfCall {
    private final List<Place> places;
    private final List<int[]> requests;
    private final int requestsAt;
    private final Set<Place> used = new HashSet<>();

    private OfCall(List<Place> places, List<int[]> requests, int requestsAt) {
      this.places = places;
      this.requests = requests;
      this.requestsAt = requestsAt;
    }

    /// The words of the step's requests.
    List<int[]> requests() {
      return requests;
    }

    /// The request that an address lies in, or -1.
    int request(int address) {
      int offset = address - requestsAt;
      return offset >= 0 && offset < StepRow.BYTES * requests.size() ? offset / StepRow.BYTES : -1;
    }

    /// What the host reads from an address. Of pointers that are the same each is taken once, in order.
    @Nullable Place readFrom(int address) {
      Place found = null;
      for (Place place : places) {
        if (place.kind() == Kind.READ && place.pointer() == address) {
          if (used.add(place)) {
            return place;
          }
          found = found == null ? place : found;
        }
      }
      return found;
    }

    /// Where the host writes when it writes to an address.
    @Nullable Place writtenAt(int address) {
      Place found = null;
      for (Place place : places) {
        if (place.kind() == Kind.WRITTEN && place.has(address)) {
          if (place.pointer() == address) {
            return place;
          }
          found = found == null ? place : found;
        }
      }
      return found;
    }

    /// The place of a name, or null.
    @Nullable Place find(String name, Kind kind) {
      for (Place place : places) {
        if (place.kind() == kind && place.name().equals(name)) {
          return place;
        }
      }
      return null;
    }
  }
}
