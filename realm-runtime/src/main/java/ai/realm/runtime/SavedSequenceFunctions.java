package ai.realm.runtime;

import ai.realm.engine.AdmissionException;
import ai.realm.engine.Sequence;
import org.jspecify.annotations.Nullable;

/// Host functions that keep sequences for later calls and realms of the same tenant.
final class SavedSequenceFunctions {

  private final GuestState state;

  SavedSequenceFunctions(GuestState state) {
    this.state = state;
  }

  /// `(kv, name_ptr, name_len)`; 0 for the sequence forgets the name.
  int save(GuestMemory memory, int[] a) {
    byte[] name = name(memory, a);
    GuestState.OpenSequence open = state.sequence(a[0]);
    if (open == null && a[0] != 0) {
      return state.unknown("kv", "sequence", a[0]);
    }
    if (name == null) {
      return wrongName(a[2]);
    }
    Realm realm = state.realm();
    SavedSequences saved = realm.models().saved();
    if (open == null) {
      return saved.remove(realm.tenant(), name) ? 0 : Errno.ENOENT;
    }
    if (open.isBusy()) {
      return Errno.EBUSY;
    }
    byte[] model = fingerprint(open.model);
    Sequence sequence = open.sequence;
    try (HostMemory.Loan room = state.hostMemory().new Loan()) {
      saved.save(
          realm.tenant(),
          name,
          realm.limits().savedKvBytes(),
          sequence.savedBytes(),
          () -> new SavedKv(model, sequence.save()),
          room);
      return 0;
    } catch (LimitException e) {
      state.call().refuse(Errno.EDQUOT, e);
      return Errno.EDQUOT;
    }
  }

  /// `(model, name_ptr, name_len)` → a sequence.
  int open(GuestMemory memory, int[] a) {
    byte[] name = name(memory, a);
    GuestState.OpenModel model = state.model(a[0]);
    if (model == null) {
      return state.unknown("model", "model", a[0]);
    }
    if (name == null) {
      return wrongName(a[2]);
    }
    try (HostMemory.Loan room = state.hostMemory().new Loan()) {
      SavedKv saved = find(model, name, room);
      return saved == null ? Errno.ENOENT : open(model, saved);
    } catch (SavedSequenceException e) {
      if (e.code().equals("SAVED_KV_IO")) {
        throw e;
      }
      state.call().refuse(Errno.EINVAL, e);
      return Errno.EINVAL;
    } catch (LimitException e) {
      state.call().refuse(Errno.EDQUOT, e);
      return Errno.EDQUOT;
    } catch (AdmissionException e) {
      int error = HostFunctions.errno(e);
      state.call().refuse(error, e);
      return error;
    }
  }

  private @Nullable SavedKv find(GuestState.OpenModel model, byte[] name, HostMemory.Loan room) {
    Realm realm = state.realm();
    ModelHost host = model.host();
    SavedKv.Expected expected =
        new SavedKv.Expected(fingerprint(model), host.engine().kvLayout(), host.context());
    return realm.models().saved().find(realm.tenant(), name, expected, room);
  }

  private int open(GuestState.OpenModel model, SavedKv saved) {
    Sequence sequence;
    try {
      sequence =
          model.host().engine().openSequence(model.tenant(), model.adapter(), saved.sequence());
    } catch (IllegalArgumentException e) {
      throw new SavedSequenceException("SAVED_KV_INVALID", String.valueOf(e.getMessage()), e);
    }
    return state.handle(new GuestState.OpenSequence(state, model, sequence));
  }

  /// Reading the model's file is the host's work.
  private byte[] fingerprint(GuestState.OpenModel model) {
    long cpuBefore = Call.threadCpuNanos();
    byte[] fingerprint = model.host().fingerprint(model.adapter());
    state.call().excuseSince(cpuBefore);
    return fingerprint;
  }

  private int wrongName(int length) {
    return state.wrong(
        Errno.EINVAL, "name_len: expected 1 to %d, found %d", HostFunctions.MAX_NAME_BYTES, length);
  }

  /// A name of 1 to 1024 bytes, or null.
  private static byte @Nullable [] name(GuestMemory memory, int[] a) {
    memory.check(a[1], a[2]);
    return a[2] < 1 || a[2] > HostFunctions.MAX_NAME_BYTES ? null : memory.bytes(a[1], a[2]);
  }
}
