package ai.realm.engine;

import ai.realm.compute.Batch;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Which rows go into the next forward step. Guarded by the engine's lock.
///
/// Token-weighted fair queueing (start-time fair queueing, Goyal et al. 1996): each tenant has a
/// virtual time that grows by the cost of what it is given over its weight, and the tenant with the
/// least goes first. Who comes starts a little before the least virtual time of those who wait ([FairClock]). A step
/// takes every sequence that is decoding first, one row each, then prompts in chunks:
///
/// | beside | rows of prompts |
/// |---|---|
/// | nothing, and no other tenant had work in the last second | all that fit, for half a second at most |
/// | nothing | what the machine computes in the time of two decoding steps: who comes meanwhile waits no longer; after a shorter prompt, no more than that one has |
/// | decoding sequences, also ones that just had a token | what it computes in `maxStallMillis` |
/// | another tenant's | what it computes in half the time of such a step, in a quarter where the tenant has had more than its share: so others' prompts stretch the time between a tenant's tokens no more than others' tokens would |
///
/// Where more sequences decode than a step has places, some places are kept for prompts of tenants that
/// had less than those who decode. Of a higher [Priority] everything goes first, but for what is owed to
/// those below.
final class Scheduler {
  /// Part of a step's places that is kept for prompts where more sequences decode than there are places.
  private static final double PLACES_FOR_PROMPTS = 1.0 / 8;

  /// How far a tenant may fall behind another, in steps full of prompts.
  private static final double MOST_BEHIND_STEPS = 16;

  /// How far before those that are always there a tenant may begin that has had less, in the same.
  private static final double CREDIT_STEPS = 0.5;

  /// What lower priorities get while higher ones have work: one row of so many.
  private static final double LOWER_SHARE = 1.0 / 16;

  /// Prompts of a tenant, of those that have no blocks, that are told in a plan that there are none: each costs a look
  /// at all sequences.
  private static final int MOST_EMPTY_HANDED = 8;

  private final EngineConfig config;
  private final List<EngineTenant> tenants;
  private final BlockSupply blocks;
  private final LongSupplier nanoClock;
  private final StepBounds bounds;
  private final FairClock clock;

  private int decodeRows;
  private long plan;

  private int promptRows;

  /// What choosing tokens of the prompts that were taken lasts, in rows.
  private double samplingRows;

  /// Whether a step of prompts may take its time.
  private boolean undisturbed;

  /// Rows that each priority is behind its least share beside higher ones, or ahead.
  private final double[] owed = new double[Priority.values().length];

  /// The highest priority that waits, and a bit for each that does.
  private int highest;

  private int waiting;

  /// The priority that is being taken.
  private int level;

  /// Requests that wait and have one row left, as when a sequence decodes.
  private int singles;

  /// Requests of the step being planned, in batch order.
  final ArrayList<StepRequest> planned = new ArrayList<>();

  Scheduler(
      EngineConfig config,
      List<EngineTenant> tenants,
      List<Sequence> sequences,
      BlockSupply blocks,
      LongSupplier nanoClock) {
    this.config = config;
    this.tenants = tenants;
    this.bounds = new StepBounds(config, tenants, sequences, nanoClock);
    this.blocks = blocks;
    this.nanoClock = nanoClock;
    this.clock =
        new FairClock(
            tenants, MOST_BEHIND_STEPS * config.maxRows(), CREDIT_STEPS * config.maxRows());
  }

  /// A tenant that starts to compete again gets no credit for the time it was away.
  void activate(EngineTenant tenant) {
    clock.enter(tenant);
  }

  /// Gives a tenant another share, from the next step on.
  void change(EngineTenant tenant, TenantShare share) {
    clock.change(tenant, share);
  }

  /// The part of all cores that a step may leave to what else the tenants need; 0 for none.
  double sparedPart() {
    return bounds.sparedPart();
  }

  /// Learns from a step how long such take.
  ///
  /// @param nanos of the forward pass: what choosing tokens took is each tenant's own ([#sampled])
  void measured(int rows, long nanos) {
    bounds.measured(rows, nanos, decodeRows > 0 && promptRows == 0);
  }

  /// What the choice of a tenant's tokens took beside the forward pass.
  void sampled(EngineTenant tenant, int outputs, long nanos) {
    if (outputs == 0) {
      return;
    }
    double each = (double) nanos / outputs;
    tenant.sampleNanos += (tenant.sampleKnown ? 0.1 : 1) * (each - tenant.sampleNanos);
    tenant.sampleKnown = true;
    tenant.virtualTime += bounds.inRows(nanos) / tenant.share().weight();
  }

  /// Fills the batch; leaves it empty when nothing can run.
  void plan(Batch batch) {
    plan++;
    bounds.begin(plan);
    batch.clear();
    planned.clear();
    decodeRows = 0;
    samplingRows = 0;
    rank();
    clock.advance();
    singles = countSingles();
    int least = Math.min(StepBounds.LEAST_CHUNK, config.maxRows());
    for (int p = 0; p < highest; p++) {
      if (owed[p] >= least) {
        takeLevel(batch, p, (int) owed[p]);
      }
    }
    for (int p = highest; p >= 0; p--) {
      takeLevel(batch, p, config.maxRows());
    }
    promptRows = batch.rows() - decodeRows;
    bounds.decodes(decodeRows);
  }

  /// Adds what waits of a priority: what decodes, then prompts.
  private void takeLevel(Batch batch, int priority, int mostPromptRows) {
    level = priority;
    int others = batch.rows();
    take(batch, true, config.maxRows(), config.maxSequences() - placesForPrompts());
    decodeRows += batch.rows() - others;
    int rows;
    undisturbed = singles == 0 && bounds.isUndisturbed();
    if (singles == 0) {
      rows = bounds.promptRows();
    } else if (bounds.isDecodeMeasured() || decodeRows == 0) {
      // Those that decode and are not taken yet keep their rows.
      rows = Math.max(1, Math.min(bounds.stallRows(), config.maxRows() - singles));
    } else {
      // The first step that decodes does nothing else: to learn what that takes.
      rows = 0;
    }
    take(batch, false, decodeRows + Math.min(rows, mostPromptRows), config.maxSequences());
  }

  private boolean isInLevel(EngineTenant tenant) {
    return tenant.share().priority().ordinal() == level;
  }

  private int countSingles() {
    int found = 0;
    for (int t = 0; t < tenants.size(); t++) {
      EngineTenant tenant = tenants.get(t);
      tenant.singles = 0;
      for (int i = 0; i < tenant.waiting.size(); i++) {
        tenant.singles += isSingle(tenant.waiting.get(i)) ? 1 : 0;
      }
      tenant.prompts = tenant.waiting.size() - tenant.singles;
      tenant.nextSingle = 0;
      tenant.nextPrompt = 0;
      tenant.emptyHanded = 0;
      found += tenant.singles;
    }
    return found;
  }

  /// Places that sequences which decode must leave, because more of them wait than there are places and a
  /// tenant whose prompts wait has had less than one of theirs.
  private int placesForPrompts() {
    if (singles < config.maxSequences()) {
      return 0;
    }
    StepRequest prompt = fairest(false);
    if (prompt == null) {
      return 0;
    }
    for (int t = 0; t < tenants.size(); t++) {
      EngineTenant tenant = tenants.get(t);
      if (tenant.singles > 0 && isInLevel(tenant) && goesBefore(prompt.sequence().tenant, tenant)) {
        return (int) Math.max(1, config.maxSequences() * PLACES_FOR_PROMPTS);
      }
    }
    return 0;
  }

  /// Which priorities have requests waiting: nothing is owed to the others, nor to one that waits for none.
  private void rank() {
    highest = 0;
    int waits = 0;
    for (int t = 0; t < tenants.size(); t++) {
      EngineTenant tenant = tenants.get(t);
      if (!tenant.waiting.isEmpty()) {
        int priority = tenant.share().priority().ordinal();
        highest = Math.max(highest, priority);
        waits |= 1 << priority;
      }
    }
    for (int p = 0; p < owed.length; p++) {
      if (p >= highest || (waits >> p & 1) == 0) {
        owed[p] = 0;
      }
    }
    waiting = waits;
  }

  /// Rows that a request may have in this step.
  private int room(Batch batch, StepRequest next, boolean decode, int maxRows) {
    if (next.whole) {
      int all = config.maxRows() - batch.rows();
      return next.count <= all ? all : 0;
    }
    int room = maxRows - batch.rows();
    if (decode) {
      EngineTenant tenant = next.sequence().tenant;
      int taken = tenant.decodedInPlan == plan ? tenant.decodeRows : 0;
      return Math.min(room, bounds.decodesBesideOthers(tenant) - taken);
    }
    StepBounds.Beside beside = bounds.decodesBeside(next.sequence().tenant);
    if (beside == StepBounds.Beside.NOBODY) {
      return bounds.withSampling(next, room, samplingRows, undisturbed);
    }
    boolean ahead = beside == StepBounds.Beside.BEHIND;
    int rows = bounds.rowsBesideStrangers(ahead) - (batch.rows() - decodeRows);
    return Math.min(room, rows > 0 ? bounds.withSampling(next, rows) : rows);
  }

  /// Adds requests that have one row left (`decode`) or more, fairest tenant first, up to so many rows and
  /// sequences.
  private void take(Batch batch, boolean decode, int rowLimit, int maxSequences) {
    int maxRows = Math.min(rowLimit, config.maxRows());
    while (batch.rows() < maxRows && batch.sequences() < maxSequences) {
      StepRequest next = fairest(decode);
      if (next == null) {
        return;
      }
      int room = room(batch, next, decode, maxRows);
      if (room <= 0) {
        // None of its prompts, or no more of its tokens, fits beside the others' tokens.
        if (decode) {
          next.sequence().tenant.decodeHeldInPlan = plan;
        } else {
          next.sequence().tenant.heldInPlan = plan;
        }
        continue;
      }
      next.sequence().inBatch = true;
      boolean empty = next.sequence().blockCount == 0;
      if (!add(batch, next, room)) {
        // No blocks for it in this step: it stays queued, others may still fit.
        next.sequence().inBatch = false;
        next.sequence().lastUsedNanos = nanoClock.getAsLong();
        next.blockedInPlan = plan;
        next.sequence().tenant.emptyHanded += !decode && empty ? 1 : 0;
      } else if (batch.sequences() == 1 && !decode && maxRows < config.maxRows()) {
        // In company, the first prompt's step is at most twice as long for what others add to it.
        maxRows =
            Math.min(
                maxRows,
                Math.max(StepBounds.LEAST_SHARED_CHUNK, (int) (2 * (batch.rows() + samplingRows))));
      }
    }
  }

  /// The request to take next of the tenants of this level.
  private @Nullable StepRequest fairest(boolean decode) {
    StepRequest best = null;
    for (int t = 0; t < tenants.size(); t++) {
      EngineTenant tenant = tenants.get(t);
      long held = decode ? tenant.decodeHeldInPlan : tenant.heldInPlan;
      if (!isInLevel(tenant) || held == plan) {
        continue;
      }
      if (best != null && !goesBefore(tenant, best.sequence().tenant)) {
        continue;
      }
      StepRequest first = first(tenant, decode);
      best = first == null ? best : first;
    }
    return best;
  }

  /// A tenant's first request of a kind that this plan may still take.
  private @Nullable StepRequest first(EngineTenant tenant, boolean decode) {
    int i = decode ? tenant.nextSingle : tenant.nextPrompt;
    while (i < tenant.waiting.size() && !mayTake(tenant.waiting.get(i), decode)) {
      i++;
    }
    if (decode) {
      tenant.nextSingle = i;
    } else {
      tenant.nextPrompt = i;
    }
    return i < tenant.waiting.size() ? tenant.waiting.get(i) : null;
  }

  /// A thousand prompts that have nothing yet need not all be told that there is nothing for them: those that have
  /// blocks are always tried, as others may wait for these.
  private boolean mayTake(StepRequest r, boolean decode) {
    Sequence s = r.sequence();
    return !s.inBatch
        && isSingle(r) == decode
        && r.blockedInPlan != plan
        && (decode || s.blockCount > 0 || s.tenant.emptyHanded < MOST_EMPTY_HANDED);
  }

  /// Whether one row of it is left, as when a sequence decodes.
  private static boolean isSingle(StepRequest r) {
    return !r.whole && r.start + r.count - r.sequence().cached == 1;
  }

  private static boolean goesBefore(EngineTenant a, EngineTenant b) {
    int byPriority = a.share().priority().compareTo(b.share().priority());
    if (byPriority != 0) {
      return byPriority > 0;
    }
    if (a.virtualTime != b.virtualTime) {
      return a.virtualTime < b.virtualTime;
    }
    // Several that the clock has moved on take turns.
    return a.lastWorkNanos < b.lastWorkNanos;
  }

  private boolean add(Batch batch, StepRequest request, int room) {
    Sequence s = request.sequence();
    int end = request.start + request.count;
    int firstOutput = request.firstWanted();
    int limit = Math.min(firstOutput, end - 1);
    int take = blocks.provide(s, limit, end, room);
    if (take == 0) {
      return false;
    }
    int outputs =
        request.pool != null ? 0 : Math.max(0, s.cached + take - Math.max(firstOutput, s.cached));
    int index = batch.add(s.tokens, s.cached, take, s.cached, s.blocks, outputs);
    batch.adapt(index, s.adapter);
    planned.add(request);
    EngineTenant tenant = s.tenant;
    boolean decode = take == 1 && request.count == 1;
    double charged = decode ? config.decodeCost() : take;
    tenant.virtualTime += charged / tenant.share().weight();
    tenant.lastWorkNanos = nanoClock.getAsLong();
    int priority = tenant.share().priority().ordinal();
    if (priority < highest) {
      owed[priority] = Math.max(-config.maxRows(), owed[priority] - charged);
    }
    for (int p = 0; p < priority; p++) {
      if ((waiting >> p & 1) != 0) {
        owed[p] = Math.min(config.maxRows(), owed[p] + charged * LOWER_SHARE);
      }
    }
    if (decode) {
      tenant.decodedTokens++;
      if (tenant.decodedInPlan != plan) {
        tenant.decodedInPlan = plan;
        tenant.decodeRowsBefore = tenant.decodeRows;
        tenant.decodeRows = 0;
      }
      tenant.decodeRows++;
    } else {
      tenant.promptTokens += take;
      samplingRows += bounds.inRows(outputs * tenant.sampleNanos);
    }
    return true;
  }
}
