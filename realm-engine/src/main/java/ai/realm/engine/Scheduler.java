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
  /// Prompt rows that are always taken beside strangers' tokens: fewer would cost more than they bring.
  private static final int LEAST_CHUNK = 8;

  /// The same of a tenant that has had more than its share: what a decoded token counts by default.
  private static final int LEAST_CHUNK_AHEAD = 4;

  /// How much longer strangers' prompts may make a step that decodes.
  private static final double STRETCH = 0.5;

  /// The same of a tenant that has had more than its share.
  private static final double STRETCH_AHEAD = 0.25;

  /// Prompt rows of a step without decoding rows, when other tenants may come: fewer would waste kernels.
  private static final int LEAST_SHARED_CHUNK = 16;

  /// How many decoding steps such a step may last.
  private static final int SHARED_CHUNK_STEPS = 2;

  /// How long a step of prompts may take when nobody else is there: who comes, or gives up, waits for it.
  private static final long LONGEST_STEP_NANOS = 500_000_000;

  /// Rows of such a step at the least.
  private static final int LEAST_LONG_CHUNK = 64;

  /// Part of a step's places that is kept for prompts where more sequences decode than there are places.
  private static final double PLACES_FOR_PROMPTS = 1.0 / 8;

  /// How long a sequence counts as decoding after a token, when the tenant's own prompts ask.
  private static final long OWN_MOMENT_NANOS = 100_000_000;

  /// How far a tenant may fall behind another, in steps full of prompts.
  private static final double MOST_BEHIND_STEPS = 16;

  /// How far before those that are always there a tenant may begin that has had less, in the same.
  private static final double CREDIT_STEPS = 0.5;

  /// How long a tenant counts as being there after its last work.
  private static final long COMPANY_NANOS = 1_000_000_000;

  /// What lower priorities get while higher ones have work: one row of so many.
  private static final double LOWER_SHARE = 1.0 / 16;

  /// How long a tenant counts as decoding after a token, besides the time of a step.
  private static final long MOMENT_NANOS = 5_000_000;

  /// Steps that are shorter leave a thread's core to others when tenants are in company: a guest that is
  /// woken on a core that computes waits for a time slice, of 2 to 4 ms on Linux.
  private static final long SHORT_STEP_NANOS = 2_000_000;

  /// Steps that are shorter always do: guests take a fair part of the time then, and the operations are too
  /// small to be faster with one thread more.
  private static final long TINY_STEP_NANOS = 500_000;

  /// A core of so many parts of the machine at the most is spared.
  private static final double SHORT_SPARES = 0.25;

  /// Of two cores one, while a sequence or two decode: operations of so small a model are faster on one.
  private static final double TINY_SPARES = 0.5;

  private static final int FEW_ROWS = 2;

  /// Prompts of a tenant, of those that have no blocks, that are told in a plan that there are none: each costs a look
  /// at all sequences.
  private static final int MOST_EMPTY_HANDED = 8;

  private final EngineConfig config;
  private final List<EngineTenant> tenants;
  private final List<Sequence> sequences;
  private final BlockSupply blocks;
  private final LongSupplier nanoClock;
  private final StepCost cost = new StepCost();
  private final FairClock clock;

  /// Whether a step that only decodes was measured.
  private boolean decodeMeasured;

  private int decodeRows;
  private long plan;

  /// When the step was planned.
  private long plannedNanos;

  private int promptRows;

  /// Sequences that decode as one row, of the step before too where this one has none.
  private int typicalDecodeRows = 1;

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
    this.sequences = sequences;
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
    double decodeNanos = decodeMeasured ? decodeNanos() : Double.MAX_VALUE;
    if (decodeNanos < TINY_STEP_NANOS) {
      return typicalDecodeRows <= FEW_ROWS ? TINY_SPARES : SHORT_SPARES;
    }
    return decodeNanos < SHORT_STEP_NANOS && inCompany() ? SHORT_SPARES : 0;
  }

  /// Learns from a step how long such take.
  void measured(int rows, long nanos) {
    if (decodeRows > 0 && promptRows == 0) {
      decodeMeasured = true;
    }
    cost.add(rows, nanos);
  }

  /// What the choice of a tenant's tokens took beside the forward pass.
  void sampled(EngineTenant tenant, int outputs, long nanos) {
    if (outputs == 0) {
      return;
    }
    tenant.sampleNanos += 0.1 * ((double) nanos / outputs - tenant.sampleNanos);
    if (cost.isKnown()) {
      tenant.virtualTime += nanos / cost.nanosPerRow() / tenant.share().weight();
    }
  }

  /// Of a step that only decodes.
  private double decodeNanos() {
    return cost.of(typicalDecodeRows);
  }

  /// Fills the batch; leaves it empty when nothing can run.
  void plan(Batch batch) {
    plan++;
    plannedNanos = nanoClock.getAsLong();
    batch.clear();
    planned.clear();
    decodeRows = 0;
    rank();
    clock.advance();
    singles = countSingles();
    int least = Math.min(LEAST_CHUNK, config.maxRows());
    for (int p = 0; p < highest; p++) {
      if (owed[p] >= least) {
        takeLevel(batch, p, (int) owed[p]);
      }
    }
    for (int p = highest; p >= 0; p--) {
      takeLevel(batch, p, config.maxRows());
    }
    promptRows = batch.rows() - decodeRows;
    typicalDecodeRows = decodeRows > 0 ? decodeRows : typicalDecodeRows;
  }

  /// Adds what waits of a priority: what decodes, then prompts.
  private void takeLevel(Batch batch, int priority, int mostPromptRows) {
    level = priority;
    int others = batch.rows();
    take(batch, true, config.maxRows(), config.maxSequences() - placesForPrompts());
    decodeRows += batch.rows() - others;
    int rows;
    if (singles == 0) {
      rows = promptRows();
    } else if (decodeMeasured || decodeRows == 0) {
      // Those that decode and are not taken yet keep their rows.
      rows = Math.max(1, Math.min(stallRows(), config.maxRows() - singles));
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

  /// Rows of a step without decoding sequences.
  private int promptRows() {
    if (!cost.isKnown()) {
      return inCompany() ? stallRows() : config.maxRows();
    }
    int rows;
    if (!inCompany()) {
      rows = Math.max(LEAST_LONG_CHUNK, cost.rowsIn(LONGEST_STEP_NANOS, config.maxRows()));
    } else if (!decodeMeasured) {
      rows = stallRows();
    } else {
      double time = SHARED_CHUNK_STEPS * decodeNanos();
      rows = Math.max(LEAST_SHARED_CHUNK, cost.rowsIn(time, config.maxRows()));
    }
    return Math.min(config.maxRows(), anyDecodedJustNow() ? Math.min(rows, stallRows()) : rows);
  }

  /// Whether a sequence had a token a moment ago and is not asked to compute a prompt: what it is asked next
  /// is on its way.
  private boolean anyDecodedJustNow() {
    long now = nanoClock.getAsLong();
    double moment = OWN_MOMENT_NANOS + decodeNanos();
    for (int i = 0; i < sequences.size(); i++) {
      Sequence s = sequences.get(i);
      if (!s.stepping && s.hadOutput && now - s.lastUsedNanos < moment) {
        return true;
      }
    }
    return false;
  }

  /// Whether several tenants have work, or had a moment ago.
  private boolean inCompany() {
    long now = nanoClock.getAsLong();
    int there = 0;
    for (int t = 0; t < tenants.size(); t++) {
      EngineTenant tenant = tenants.get(t);
      boolean worked = tenant.promptTokens + tenant.decodedTokens > 0;
      if (!tenant.waiting.isEmpty() || (worked && now - tenant.lastWorkNanos < COMPANY_NANOS)) {
        there++;
      }
    }
    return there > 1;
  }

  /// Prompt rows that a tenant may add beside others' decoding sequences.
  private int rowsBesideStrangers(boolean ahead) {
    int least = ahead ? LEAST_CHUNK_AHEAD : LEAST_CHUNK;
    if (!decodeMeasured) {
      return least;
    }
    double time = (ahead ? STRETCH_AHEAD : STRETCH) * decodeNanos();
    return Math.max(least, cost.rowsIn(time, config.maxRows()));
  }

  /// How many of a tenant's sequences may decode in a step beside tenants that have had less and have work: as many
  /// as each of these has that decode, or what the machine computes in STRETCH of the time that a step of that one's
  /// alone takes, by their weights. So a step that a stranger's only stream waits for takes half as long again, if this tenant
  /// has a hundred, which still have its share of the machine; and all of it while such strangers have nothing to do.
  private int decodesBesideOthers(EngineTenant tenant) {
    int most = config.maxRows();
    for (int t = 0; t < tenants.size(); t++) {
      EngineTenant other = tenants.get(t);
      if (other.virtualTime < tenant.virtualTime
          && other.share().priority().compareTo(tenant.share().priority()) >= 0
          && (other.prompts > 0 || decodedJustNow(other))) {
        int rows = Math.max(1, Math.max(other.decodeRows, other.decodeRowsBefore));
        double part = tenant.share().weight() / other.share().weight();
        double time = STRETCH * part * cost.of(rows);
        int added = cost.isKnown() ? cost.rowsIn(time, config.maxRows()) : LEAST_CHUNK;
        most = Math.min(most, Math.max(1, Math.max((int) (rows * part), added)));
      }
    }
    return most;
  }

  /// Whether sequences of a tenant decode in this step, or did a moment ago: between a token and the step after
  /// it lies what the caller makes of it.
  private boolean decodesNow(EngineTenant tenant) {
    return tenant.decodedInPlan == plan || (tenant.sequences > 0 && decodedJustNow(tenant));
  }

  /// The same, and whether they did until their end: who asks again as soon as it has an answer would find a step
  /// of all that others have begun in between.
  private boolean decodedJustNow(EngineTenant tenant) {
    return tenant.decodedInPlan == plan
        || (tenant.outputs > 0
            && plannedNanos - tenant.lastOutputNanos < MOMENT_NANOS + decodeNanos());
  }

  /// Who decodes beside a tenant's prompts, seen from it.
  private enum Beside {
    NOBODY,
    /// Tenants that have had less than this one.
    BEHIND,
    /// Some that have had as much or more.
    AHEAD
  }

  /// Whether sequences of other tenants decode. Those of a lower priority do not count.
  private Beside decodesBeside(EngineTenant tenant) {
    Beside found = Beside.NOBODY;
    for (int t = 0; t < tenants.size(); t++) {
      EngineTenant other = tenants.get(t);
      if (other == tenant || other.share().priority().compareTo(tenant.share().priority()) < 0) {
        continue;
      }
      if (decodesNow(other)) {
        if (other.virtualTime >= tenant.virtualTime) {
          return Beside.AHEAD;
        }
        found = Beside.BEHIND;
      }
    }
    return found;
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
      return Math.min(room, decodesBesideOthers(tenant) - taken);
    }
    Beside beside = decodesBeside(next.sequence().tenant);
    if (beside == Beside.NOBODY) {
      return room;
    }
    int rows = rowsBesideStrangers(beside == Beside.BEHIND) - (batch.rows() - decodeRows);
    return Math.min(room, rows > 0 ? withSampling(next, rows) : rows);
  }

  /// Fewer rows, at least one, where a token of each is to be chosen and that takes its time.
  private int withSampling(StepRequest next, int rows) {
    if (next.outputs <= 1 || !cost.isKnown()) {
      return rows;
    }
    double row = cost.nanosPerRow();
    return (int) Math.max(1, rows * row / (row + next.sequence().tenant.sampleNanos));
  }

  private int stallRows() {
    if (!cost.isKnown()) {
      return 32;
    }
    return Math.max(1, cost.rowsIn(config.maxStallMillis() * 1e6, config.maxRows()));
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
        maxRows = Math.min(maxRows, Math.max(LEAST_SHARED_CHUNK, 2 * batch.rows()));
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
    }
    return true;
  }
}
