package ai.realm.guest.sdk;

import static ai.realm.guest.sdk.HostException.check;

import ai.realm.guest.Host;

/// Tokens with their keys and values; forks share them until one goes on.
public final class Sequence implements AutoCloseable {
  private final Scratch scratch;
  private int handle;

  Sequence(Scratch scratch, int handle) {
    this.scratch = scratch;
    this.handle = handle;
  }

  /// The host's handle; 0 once it is closed.
  public int handle() {
    return handle;
  }

  public Sequence fork() {
    return new Sequence(scratch, check(Host.forkSequence(handle)));
  }

  public int length() {
    return check(Host.sequenceLength(handle));
  }

  public void truncate(int length) {
    check(Host.truncateSequence(handle, length));
  }

  /// The text that a token adds: whole characters, the rest waits for the next token.
  public String text(int token) {
    // Once: the host's decoder moves on with each call.
    return Scratch.text(scratch.readBytes((to, cap) -> Host.sequenceText(handle, token, to, cap)));
  }

  /// Keeps the sequence for later calls and realms of the tenant, in place of what has the name.
  public void save(String name) {
    if (handle == 0) {
      // With 0 for the sequence the host would forget the name.
      throw new HostException(Host.EBADF);
    }
    byte[] n = Scratch.utf8(name);
    int mark = scratch.mark();
    int result = Host.saveSequence(handle, scratch.put(n), n.length);
    scratch.release(mark);
    check(result);
  }

  /// Logits of an output of the last step, whose row kept them.
  public float[] logits(int output) {
    return scratch.readFloats((to, cap) -> Host.readLogits(handle, output, to, cap));
  }

  /// Appends tokens and embeds them; pooling is one of `EMBED_…` of [Host].
  public float[] embed(int[] tokens, int pooling) {
    return Model.embed(scratch, handle, tokens, pooling);
  }

  @Override
  public void close() {
    if (handle != 0) {
      Host.freeSequence(handle);
      handle = 0;
    }
  }
}
