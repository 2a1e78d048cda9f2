package ai.realm.engine;

import java.util.ArrayList;

/// A tenant as the engine knows it: its share, its waiting requests, what it holds and what it has been
/// given. Made by [Engine#tenant]; everything is guarded by the engine's lock, which reading name and share
/// does not need.
public final class EngineTenant {
  private final String name;
  private volatile TenantShare share;
  final long number;
  final PrefixCache prefixes;
  final ArrayList<StepRequest> waiting = new ArrayList<>();

  /// Work received so far, in prompt tokens over weight: the tenant with the least goes first.
  double virtualTime;

  /// How long its callers take from a token to the step after it; 0 until one did.
  final ReturnTime returnTime = new ReturnTime();

  /// What choosing a token of it takes on the engine's thread, a moving mean; 0 before one was chosen.
  double sampleNanos;

  boolean sampleKnown;

  /// Of what waited when the step was planned, what has one row left and what has more.
  int singles;

  int prompts;

  /// In `waiting`, the first request of each kind that the plan may take: those before it are in the batch, found no
  /// blocks, or are of the other kind.
  int nextSingle;

  int nextPrompt;

  /// Prompts without any blocks that found none in the plan.
  int emptyHanded;

  /// The step, by number, in which its prompts found no room.
  long heldInPlan;

  /// The step, by number, in which a sequence of it decodes.
  long decodedInPlan;

  /// Its sequences that decoded in that plan, and in the one before that it decoded in.
  int decodeRows;

  int decodeRowsBefore;

  /// The last plan in which it had as many of them as fit beside others'.
  long decodeHeldInPlan;

  /// When a sequence of the tenant last got what it asked for, such as a token, and how often one did.
  long lastOutputNanos;

  long outputs;

  /// When the tenant last had work in a step.
  long lastWorkNanos;

  int sequences;

  /// KV blocks that its sequences have, and those that their admitted steps may still take.
  int kvBlocks;

  long promptTokens;
  long decodedTokens;

  EngineTenant(String name, TenantShare share, long number, PrefixCache prefixes) {
    this.name = name;
    this.share = share;
    this.number = number;
    this.prefixes = prefixes;
  }

  /// The name it was made with.
  public String name() {
    return name;
  }

  /// Its part of the engine, now.
  public TenantShare share() {
    return share;
  }

  void share(TenantShare next) {
    share = next;
  }

  @Override
  public String toString() {
    return "tenant " + name;
  }
}
