package ai.realm.engine;

import java.util.List;
import java.util.function.LongSupplier;

/// How large a step may become, and what of it a request may have, so that nobody else waits too long: by what
/// steps took so far and who else is there. Guarded by the engine's lock.
final class StepBounds {
  /// Prompt rows that are always taken beside strangers' tokens: fewer would cost more than they bring.
  static final int LEAST_CHUNK = 8;

  /// The same of a tenant that has had more than its share: what a decoded token counts by default.
  private static final int LEAST_CHUNK_AHEAD = 4;

  /// How much longer strangers' prompts may make a step that decodes.
  private static final double STRETCH = 0.5;

  /// The same of a tenant that has had more than its share.
  private static final double STRETCH_AHEAD = 0.25;

  /// Prompt rows of a step without decoding rows, when other tenants may come: fewer would waste kernels.
  static final int LEAST_SHARED_CHUNK = 16;

  /// How many decoding steps such a step may last.
  private static final int SHARED_CHUNK_STEPS = 2;

  /// How long a step of prompts may take when nobody else is there: who comes, or gives up, waits for it.
  private static final long LONGEST_STEP_NANOS = 500_000_000;

  /// Rows of such a step at the least.
  private static final int LEAST_LONG_CHUNK = 64;

  /// Rows of a prompt with many outputs of a tenant of whom no token was chosen yet.
  private static final int FIRST_SAMPLED = 32;

  /// How long a sequence counts as decoding after a token, when the tenant's own prompts ask.
  private static final long OWN_MOMENT_NANOS = 100_000_000;

  /// How long a tenant counts as being there after its last work.
  private static final long COMPANY_NANOS = 1_000_000_000;

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

  private final EngineConfig config;
  private final List<EngineTenant> tenants;
  private final List<Sequence> sequences;
  private final LongSupplier nanoClock;
  private final StepCost cost = new StepCost();

  /// Whether a step that only decodes was measured.
  private boolean decodeMeasured;

  /// Sequences that decode as one row, of the step before too where this one has none.
  private int typicalDecodeRows = 1;

  /// The number of the step that is planned, and when.
  private long plan;

  private long plannedNanos;

  StepBounds(
      EngineConfig config,
      List<EngineTenant> tenants,
      List<Sequence> sequences,
      LongSupplier nanoClock) {
    this.config = config;
    this.tenants = tenants;
    this.sequences = sequences;
    this.nanoClock = nanoClock;
  }

  /// A step is about to be planned.
  ///
  /// @param number of the step
  void begin(long number) {
    plan = number;
    plannedNanos = nanoClock.getAsLong();
  }

  /// The step that was planned has so many sequences that decode.
  void decodes(int rows) {
    typicalDecodeRows = rows > 0 ? rows : typicalDecodeRows;
  }

  /// Learns from a step how long such take.
  ///
  /// @param nanos of the forward pass, without the choice of tokens
  /// @param decodes whether it did nothing else
  void measured(int rows, long nanos, boolean decodes) {
    decodeMeasured |= decodes;
    cost.add(rows, nanos);
  }

  /// Whether it is known how long a step takes that only decodes.
  boolean isDecodeMeasured() {
    return decodeMeasured;
  }

  /// What takes so long, in rows of prompts; 0 while that is not known.
  double inRows(double nanos) {
    return cost.isKnown() ? nanos / cost.nanosPerRow() : 0;
  }

  /// The part of all cores that a step may leave to what else the tenants need; 0 for none.
  double sparedPart() {
    double decodeNanos = decodeMeasured ? decodeNanos() : Double.MAX_VALUE;
    if (decodeNanos < TINY_STEP_NANOS) {
      return typicalDecodeRows <= FEW_ROWS ? TINY_SPARES : SHORT_SPARES;
    }
    return decodeNanos < SHORT_STEP_NANOS && inCompany() ? SHORT_SPARES : 0;
  }

  /// Of a step that only decodes.
  private double decodeNanos() {
    return cost.of(typicalDecodeRows);
  }

  /// Whether nobody else is there, and no sequence had a token a moment ago.
  boolean isUndisturbed() {
    return !inCompany() && !anyDecodedJustNow();
  }

  /// Rows of a step without decoding sequences.
  int promptRows() {
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
  int rowsBesideStrangers(boolean ahead) {
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
  int decodesBesideOthers(EngineTenant tenant) {
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
  enum Beside {
    NOBODY,
    /// Tenants that have had less than this one.
    BEHIND,
    /// Some that have had as much or more.
    AHEAD
  }

  /// Whether sequences of other tenants decode. Those of a lower priority do not count.
  Beside decodesBeside(EngineTenant tenant) {
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

  /// Fewer rows, at least one, where a token of each is to be chosen and that takes its time.
  int withSampling(StepRequest next, int rows) {
    if (next.outputs <= 1 || !cost.isKnown()) {
      return rows;
    }
    double row = cost.nanosPerRow();
    return (int) Math.max(1, rows * row / (row + next.sequence().tenant.sampleNanos));
  }

  /// The same where nobody else decodes.
  ///
  /// @param sampling what choosing tokens of other prompts in the step lasts, in rows
  /// @param undisturbed whether the step may take its time, instead of that of `rows`
  /// @return 0 where the others leave no time
  int withSampling(StepRequest next, int rows, double sampling, boolean undisturbed) {
    EngineTenant tenant = next.sequence().tenant;
    if (next.outputs <= 1) {
      return rows;
    }
    if (!cost.isKnown() || !tenant.sampleKnown) {
      return Math.min(rows, FIRST_SAMPLED);
    }
    double row = cost.nanosPerRow();
    double left = (undisturbed ? LONGEST_STEP_NANOS : rows * row) - sampling * row;
    return left <= 0 ? 0 : (int) Math.clamp(left / (row + tenant.sampleNanos), 1, rows);
  }

  /// Prompt rows that take no longer than somebody who decodes may have to wait for them.
  int stallRows() {
    if (!cost.isKnown()) {
      return 32;
    }
    return Math.max(1, cost.rowsIn(config.maxStallMillis() * 1e6, config.maxRows()));
  }
}
