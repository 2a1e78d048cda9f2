package ai.realm.guest.sdk;

import static ai.realm.guest.sdk.HostException.check;

import ai.realm.guest.Host;

/// A place in an output that a grammar allows. A row that has it samples what it allows, and moves it on.
public final class Matcher implements AutoCloseable {
  private final Scratch scratch;
  private int handle;

  Matcher(Scratch scratch, int handle) {
    this.scratch = scratch;
    this.handle = handle;
  }

  /// The host's handle; 0 once it is closed.
  public int handle() {
    return handle;
  }

  public Matcher fork() {
    return new Matcher(scratch, check(Host.forkMatcher(handle)));
  }

  /// For tokens that the guest appends itself.
  public void accept(int token) {
    check(Host.acceptToken(handle, token));
  }

  /// Whether the output is complete here.
  public boolean isComplete() {
    return (check(Host.matcherStatus(handle)) & Host.MATCHER_COMPLETE) != 0;
  }

  /// Whether nothing but the end can follow.
  public boolean isFinished() {
    return (check(Host.matcherStatus(handle)) & Host.MATCHER_FINISHED) != 0;
  }

  /// The text that must follow whatever the model says.
  public String forced() {
    return Scratch.text(scratch.readBytes((to, cap) -> Host.forcedText(handle, to, cap)));
  }

  /// The tokens of it that can be appended unsampled, after `accept` of each.
  public int[] forcedTokens() {
    return scratch.readInts((to, cap) -> Host.forcedTokens(handle, to, cap));
  }

  /// A bitset over the vocabulary of what may come next.
  public int[] mask() {
    return scratch.readInts((to, cap) -> Host.matcherMask(handle, to, cap));
  }

  @Override
  public void close() {
    if (handle != 0) {
      Host.freeMatcher(handle);
      handle = 0;
    }
  }
}
