package ai.realm.guest.sdk;

import ai.realm.guest.Arena;
import ai.realm.guest.Host;

/// One request of a [Batch]: tokens to append to a sequence, and how to sample after them. Its settings stay
/// from step to step.
public final class Row {
  static final int BYTES = 64;

  // Layout of a request; see docs/guest-abi.md.
  private static final int KV = 0;
  private static final int TOKENS = 4;
  private static final int COUNT = 8;
  private static final int OUT = 12;
  private static final int LOGPROB = 16;
  private static final int FLAGS = 20;
  private static final int MASK = 24;
  private static final int MATCHER = 28;
  private static final int TEMPERATURE = 32;
  private static final int TOP_K = 36;
  private static final int TOP_P = 40;
  private static final int SEED = 44;
  private static final int MIN_P = 48;
  private static final int REPEAT_PENALTY = 52;
  private static final int STATUS = 56;
  private static final int SAMPLER = 60;

  private final Scratch scratch;
  private final int at;
  private final Block tokens = new Block();
  private final Block mask = new Block();
  private final Block sampled = new Block();
  private final Block logprobs = new Block();
  private int outputs;

  /// Memory that grows by doubling: what it had before stays taken until the call ends.
  private static final class Block {
    private int address;
    private int capacity;

    int ensure(Scratch scratch, int bytes) {
      if (bytes > capacity) {
        capacity = Math.max(bytes, 2 * capacity);
        address = scratch.take(capacity);
      }
      return address;
    }
  }

  Row(Scratch scratch, int at) {
    this.scratch = scratch;
    this.at = at;
    for (int i = 0; i < BYTES; i += 4) {
      Arena.putInt(at + i, 0);
    }
    topP(1);
  }

  /// Appends tokens to a sequence.
  public Row feed(Sequence sequence, int... ids) {
    int address = tokens.ensure(scratch, 4 * ids.length);
    Scratch.putAt(address, ids);
    Arena.putInt(at + KV, sequence.handle());
    Arena.putInt(at + TOKENS, address);
    Arena.putInt(at + COUNT, ids.length);
    return this;
  }

  /// The flags `ALL`, `EMIT`, `NONE`, `LOGITS`, `NO_END` of [Host].
  public Row flags(int flags) {
    Arena.putInt(at + FLAGS, flags);
    return this;
  }

  /// 0 takes the most probable token.
  public Row temperature(float temperature) {
    Arena.putFloat(at + TEMPERATURE, temperature);
    return this;
  }

  /// 0: all.
  public Row topK(int topK) {
    Arena.putInt(at + TOP_K, topK);
    return this;
  }

  /// 1: all.
  public Row topP(float topP) {
    Arena.putFloat(at + TOP_P, topP);
    return this;
  }

  /// 0: all.
  public Row minP(float minP) {
    Arena.putFloat(at + MIN_P, minP);
    return this;
  }

  /// 0 or 1: none.
  public Row repeatPenalty(float penalty) {
    Arena.putFloat(at + REPEAT_PENALTY, penalty);
    return this;
  }

  public Row seed(int seed) {
    Arena.putInt(at + SEED, seed);
    return this;
  }

  /// A sampler in place of the settings above.
  public Row sampler(Sampler sampler) {
    Arena.putInt(at + SAMPLER, open(sampler.handle()));
    return this;
  }

  /// Samples by the settings above again.
  public Row withoutSampler() {
    Arena.putInt(at + SAMPLER, 0);
    return this;
  }

  /// A handle that is not closed: the host reads 0 as none, and would sample anything.
  private static int open(int handle) {
    if (handle == 0) {
      throw new HostException(Host.EBADF);
    }
    return handle;
  }

  /// Samples what the matcher allows, in place of what [#mask] said.
  public Row matcher(Matcher matcher) {
    int handle = open(matcher.handle());
    Arena.putInt(at + MASK, 0);
    Arena.putInt(at + MATCHER, handle);
    return this;
  }

  /// Samples what a bitset over the vocabulary has, in place of what [#matcher] said.
  public Row mask(int[] bits) {
    if (bits.length == 0) {
      throw new HostException(Host.EINVAL);
    }
    int address = mask.ensure(scratch, 4 * bits.length);
    Scratch.putAt(address, bits);
    Arena.putInt(at + MASK, address);
    Arena.putInt(at + MATCHER, 0);
    return this;
  }

  /// Samples anything again.
  public Row unconstrained() {
    Arena.putInt(at + MASK, 0);
    Arena.putInt(at + MATCHER, 0);
    return this;
  }

  /// Makes room for as many outputs as the flags ask for.
  void prepare() {
    int flags = Arena.getInt(at + FLAGS);
    int fed = Arena.getInt(at + COUNT);
    outputs = (flags & Host.NONE) != 0 ? 0 : (flags & Host.ALL) != 0 ? fed : 1;
    Arena.putInt(at + OUT, sampled.ensure(scratch, 4 * outputs));
    Arena.putInt(at + LOGPROB, logprobs.ensure(scratch, 4 * outputs));
  }

  /// How many tokens the last step sampled: one, none, or with `ALL` one for each that was fed.
  public int outputs() {
    return outputs;
  }

  /// The token that was sampled.
  public int token() {
    return token(0);
  }

  public int token(int output) {
    return Arena.getInt(sampled.address + 4 * checked(output));
  }

  /// The natural logarithm of its probability.
  public float logprob() {
    return logprob(0);
  }

  public float logprob(int output) {
    return Arena.getFloat(logprobs.address + 4 * checked(output));
  }

  private int checked(int output) {
    if (output < 0 || output >= outputs) {
      throw new HostException(Host.EINVAL);
    }
    return output;
  }

  /// Whether what was sampled ends the answer.
  public boolean ended() {
    return (Arena.getInt(at + STATUS) & Host.ENDS_GENERATION) != 0;
  }
}
