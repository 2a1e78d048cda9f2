package ai.realm.runtime;

import ai.realm.digest.Sha256;
import ai.realm.error.RealmException;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A guest's run: every call of an export, every host call in it with what the host read of the guest's
/// memory, what it gave back, wrote and sent to the caller. `docs/guest-testing.md` has the file's format;
/// [GuestRecordingWriter] writes it, [GuestRecordingReader] reads it.
///
/// @param guest SHA-256 of the module that was recorded
/// @param limits what a call could take
/// @param calls in their order
record GuestRecording(String guest, GuestLimits limits, List<ExportCall> calls) {
  static final int VERSION = 3;

  /// A file's size.
  static final long MOST_BYTES = 256L << 20;

  /// Of what is longer only the SHA-256 is kept.
  static final int SHORT_BYTES = 4096;

  /// How a run ends by the host's hand, wherever the guest is.
  static final Set<String> ENDED_BY_HOST =
      Set.of(
          "GUEST_CANCELLED",
          "GUEST_CPU",
          "GUEST_DEADLINE",
          "GUEST_STUCK",
          "CPU_RATE",
          "HOST_CALL_RATE",
          "WORKER_LOST");

  /// How a run ends between two host calls by what the guest does, or with what it hands on to its caller.
  static final Set<String> ENDED_BY_GUEST =
      Set.of(
          "GUEST_TRAP",
          "GUEST_MEMORY",
          "MEMORY_LIMIT",
          "HOST_MEMORY_LIMIT",
          "OUTPUT_LIMIT",
          "OUTPUT_CLOSED",
          "HOST_FAILED");

  GuestRecording {
    calls = List.copyOf(calls);
  }

  /// One call of an export.
  ///
  /// @param arguments numbers and texts
  /// @param code why it failed, or null
  /// @param result what it returned, where it did
  record ExportCall(
      String name,
      List<Object> arguments,
      List<HostCall> hostCalls,
      @Nullable String code,
      long result) {
    /// Why it failed, or an empty text.
    String failure() {
      return code == null ? "" : code;
    }
  }

  /// One call of a host function.
  ///
  /// @param arguments pointers among them as 0
  /// @param requests of a step: what counts of their fields ([StepFields])
  record HostCall(
      String name,
      int[] arguments,
      List<int[]> requests,
      List<Data> reads,
      List<Data> writes,
      List<Output> outputs,
      Answer answer) {
    String describe() {
      return name + HostParameters.of(name).describe(arguments);
    }
  }

  /// What a host call came to.
  ///
  /// @param result what the guest got
  /// @param code why it ended the export's call, or null
  /// @param refusal what the caller hears when the guest hands the result on, or null
  record Answer(int result, @Nullable String code, @Nullable String refusal) {
    static Answer failed(String code) {
      return new Answer(0, code, null);
    }

    /// Whether it ended the call of the export.
    boolean isFailure() {
      return code != null;
    }

    /// Whether it is neither a failure nor an error.
    boolean isResult() {
      return code == null && result >= 0;
    }
  }

  /// Bytes of the guest's memory that the host read or wrote.
  ///
  /// @param place where, by name ([GuestPointers]); empty for an address
  /// @param offset from there
  /// @param length how many
  /// @param bytes themselves, or their SHA-256
  record Data(String place, int offset, int length, byte[] bytes) {
    static Data whole(String place, int offset, byte[] bytes) {
      return new Data(place, offset, bytes.length, bytes);
    }

    /// The bytes, or their SHA-256 where there are many.
    static Data of(String place, int offset, byte[] bytes) {
      return bytes.length <= SHORT_BYTES
          ? whole(place, offset, bytes)
          : new Data(place, offset, bytes.length, Sha256.of(bytes));
    }

    boolean isDigest() {
      return bytes.length != length;
    }

    boolean isSame(Data other) {
      return length == other.length && Arrays.equals(bytes, other.bytes);
    }
  }

  /// What went to the caller: a kind (`text`, `token`, `event`, `log`), a number and a text or bytes.
  record Output(String kind, int number, String text) {}

  /// `RECORDING_INVALID`: a file that is no recording. `RECORDING_LARGE`: a run too long to record.
  static final class RecordingException extends RealmException {
    private static final long serialVersionUID = 1L;

    RecordingException(String code, String message) {
      super(code, message);
    }
  }
}
