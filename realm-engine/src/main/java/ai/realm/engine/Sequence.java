package ai.realm.engine;

import ai.realm.compute.Adapter;
import ai.realm.engine.sampling.History;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// Tokens of one conversation and the KV blocks that hold their keys and values. Grows by steps, can be
/// forked and truncated. Owned by the realm that opened it; while a step is in flight the engine owns
/// it, and every other call fails.
///
/// The engine may take the blocks of a sequence that is not stepping when it runs out of blocks; the
/// next step then computes the tokens again. That costs time, never correctness.
public final class Sequence implements AutoCloseable {
  private static final int LEAST_TOKENS = 64;

  private final SequenceCalls calls;
  final EngineTenant tenant;

  /// What is added to the weights for this sequence; null for nothing.
  final @Nullable Adapter adapter;

  /// Order of opening: older sequences are preempted later.
  final long number;

  /// The tenant's share when it was opened, or the sequence that it is a fork of: bounds that were lowered
  /// since do not hold for it.
  final TenantShare opened;

  /// History, and during a step the tokens being added.
  int[] tokens = new int[LEAST_TOKENS];

  int length;

  /// What samplers look back on.
  History history = new History();

  /// Positions whose keys and values are in the blocks; at most `length` between steps.
  int cached;

  int[] blocks = new int[4];
  int blockCount;

  /// Blocks that its step in flight was admitted with: those that it has, and those that it may still take.
  private int promised;

  boolean stepping;
  boolean inBatch;
  boolean closed;
  long lastUsedNanos;

  /// Whether its last step gave what its caller waits for, such as a token.
  boolean hadOutput;

  Sequence(
      SequenceCalls calls,
      EngineTenant tenant,
      @Nullable Adapter adapter,
      long number,
      TenantShare opened) {
    this.calls = calls;
    this.tenant = tenant;
    this.adapter = adapter;
    this.number = number;
    this.opened = opened;
  }

  /// Number of tokens.
  public int length() {
    return calls.length(this);
  }

  /// A copy of the tokens.
  public int[] tokens() {
    return calls.tokens(this);
  }

  /// A sequence with the same tokens and adapter that shares this one's blocks until either writes to them.
  ///
  /// @throws AdmissionException when the tenant may open no more sequences
  public Sequence fork() {
    return calls.fork(this);
  }

  /// Bytes that [#save] would copy now.
  public long savedBytes() {
    return calls.savedBytes(this);
  }

  /// A copy of its tokens, keys and values, from which [Engine#openSequence] goes on as this sequence would.
  /// Computed steps are copied beside the engine's thread; nobody waits for it.
  public SavedSequence save() {
    return calls.save(this);
  }

  /// Forgets the tokens from `newLength` on.
  ///
  /// @throws IllegalArgumentException when it is longer than the sequence
  public void truncate(int newLength) {
    calls.truncate(this, newLength);
  }

  /// Gives its blocks back; a step in flight is cancelled. Closing twice does nothing.
  @Override
  public void close() {
    calls.close(this);
  }

  /// Appends tokens behind the history without counting them in `length` yet.
  void stage(int[] ids, int count) {
    if (tokens.length < length + count) {
      tokens = Arrays.copyOf(tokens, Math.max(length + count, tokens.length * 2));
    }
    System.arraycopy(ids, 0, tokens, length, count);
    history.truncate(length);
  }

  /// Gives memory back that is out of proportion to the tokens that are left: blocks no longer stand for it.
  void shrinkTokens() {
    int enough = Math.max(LEAST_TOKENS, length);
    if (tokens.length > 4 * enough) {
      tokens = Arrays.copyOf(tokens, enough);
    }
  }

  /// The most KV blocks that its tenant may have when it steps.
  int maxKvBlocks() {
    return Math.max(opened.maxKvBlocks(), tenant.share().maxKvBlocks());
  }

  /// The most requests of its tenant that may wait when it steps.
  int maxQueuedRequests() {
    return Math.max(opened.maxQueuedRequests(), tenant.share().maxQueuedRequests());
  }

  /// Blocks that count against the tenant's limit.
  int charged() {
    return Math.max(promised, blockCount);
  }

  /// Blocks that its step in flight needs in all.
  int promised() {
    return promised;
  }

  /// Charges the tenant for so many blocks until the step ends, whether or not it has them yet.
  void promise(int count) {
    int before = charged();
    promised = count;
    tenant.kvBlocks += charged() - before;
  }

  /// Takes a block that is held for it.
  void addBlock(int block) {
    if (blockCount == blocks.length) {
      blocks = Arrays.copyOf(blocks, blocks.length * 2);
    }
    int before = charged();
    blocks[blockCount++] = block;
    tenant.kvBlocks += charged() - before;
  }

  /// Forgets the blocks from index `from` on.
  void dropBlocks(int from) {
    int before = charged();
    blockCount = Math.min(blockCount, from);
    tenant.kvBlocks += charged() - before;
  }
}
