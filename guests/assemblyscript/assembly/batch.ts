// Steps: what one asks the engine to compute, and what it sampled.

import { Matcher, Sampler, Sequence, check, host, ok } from "./index";

/// One request of a step: 64 bytes of a `Batch`, as the host reads them. `tokens`, `n`, `out`, `logprobOut` and
/// `mask` are the batch's to set.
@unmanaged
export class Request {
  kv: i32;
  tokens: usize;
  n: i32;
  out: usize;
  logprobOut: usize;
  flags: i32;
  mask: usize;
  matcher: i32;
  temperature: f32;
  topK: i32;
  topP: f32;
  seed: i32;
  minP: f32;
  repeatPenalty: f32;
  status: i32;
  sampler: i32;
}

/// What a request takes for a handle that may be freed. The host reads 0 as none, and would sample anything: so
/// that is an error now, and of each step that has the request.
function known(handle: i32): i32 {
  if (handle != 0) return handle;
  check(host.EBADF);
  return -1;
}

/// Requests of different sequences that one forward step computes together, at most 64. Each appends
/// tokens and samples the next one, none (STEP_NONE), or one for each of them (STEP_ALL).
export class Batch {
  private requests: ArrayBuffer;
  // What the requests point to must live as long as they do.
  private inputs: StaticArray<i32>[] = [];
  private masks: StaticArray<u32>[] = [];
  private sampled: StaticArray<i32>[] = [];
  private logprobs: StaticArray<f32>[] = [];

  constructor(public readonly rows: i32) {
    this.requests = new ArrayBuffer(64 * rows);
    for (let i = 0; i < rows; i++) {
      this.request(i).topP = 1;
      this.inputs.push(new StaticArray<i32>(1));
      this.masks.push(new StaticArray<u32>(0));
      this.sampled.push(new StaticArray<i32>(1));
      this.logprobs.push(new StaticArray<f32>(1));
    }
  }

  /// A row's record, to set how it samples.
  request(row: i32): Request {
    return changetype<Request>(changetype<usize>(this.requests) + 64 * row);
  }

  /// Lets a row append tokens to a sequence.
  set(row: i32, sequence: Sequence, tokens: StaticArray<i32>): void {
    this.inputs[row] = tokens;
    const request = this.request(row);
    request.kv = sequence.handle;
    request.tokens = changetype<usize>(tokens);
    request.n = tokens.length;
  }

  /// Lets a row append the one token that it sampled, or another.
  next(row: i32, sequence: Sequence, token: i32): void {
    const one = new StaticArray<i32>(1);
    one[0] = token;
    this.set(row, sequence, one);
  }

  /// Lets a row sample what a bitset over the vocabulary has, in place of what a matcher allows; an empty one
  /// lets it sample anything.
  mask(row: i32, bits: StaticArray<u32>): void {
    this.masks[row] = bits;
    this.request(row).mask = bits.length == 0 ? 0 : changetype<usize>(bits);
    this.request(row).matcher = 0;
  }

  /// Lets a row sample what a matcher allows, in place of what a mask has; null lets it sample anything. One that
  /// did not open or is freed is an error (EBADF).
  matcher(row: i32, matcher: Matcher | null): void {
    this.request(row).mask = 0;
    this.request(row).matcher = matcher ? known(matcher.handle) : 0;
  }

  /// Lets a row sample by a sampler, or by the fields of its record again; one that is freed is an error.
  sampler(row: i32, sampler: Sampler | null): void {
    this.request(row).sampler = sampler ? known(sampler.handle) : 0;
  }

  /// Runs the first rows in one step; false after an error.
  step(rows: i32): bool {
    if (this.prepare(rows)) check(host.step(changetype<usize>(this.requests), rows));
    return ok();
  }

  /// Lets the engine begin a step of the first rows; they stay as they are until the ticket's step is done.
  submit(rows: i32): Ticket {
    const handle = this.prepare(rows) ? check(host.step_submit(changetype<usize>(this.requests), rows)) : 0;
    return new Ticket(this, handle);
  }

  /// Makes room for as many outputs as the rows will have: the host writes all of them.
  private prepare(rows: i32): bool {
    if (rows < 1 || rows > this.rows) check(host.EINVAL);
    if (!ok()) return false;
    for (let i = 0; i < rows; i++) {
      const n = this.outputs(i);
      if (this.sampled[i].length != n) {
        this.sampled[i] = new StaticArray<i32>(n);
        this.logprobs[i] = new StaticArray<f32>(n);
      }
      this.request(i).out = changetype<usize>(this.sampled[i]);
      this.request(i).logprobOut = n == 0 ? 0 : changetype<usize>(this.logprobs[i]);
    }
    return true;
  }

  /// How many tokens a row samples.
  outputs(row: i32): i32 {
    const request = this.request(row);
    if ((request.flags & host.STEP_NONE) != 0) return 0;
    return (request.flags & host.STEP_ALL) != 0 ? request.n : 1;
  }

  /// What a row sampled; with STEP_ALL, at one of the positions.
  token(row: i32, output: i32 = 0): i32 {
    return this.sampled[row][output];
  }

  /// The natural logarithm of its probability.
  logprob(row: i32, output: i32 = 0): f32 {
    return this.logprobs[row][output];
  }

  /// Whether that ends the answer.
  ended(row: i32): bool {
    return (this.request(row).status & host.STATUS_ENDS_GENERATION) != 0;
  }
}

/// A step that the engine has. It keeps its batch: the host writes there when it is waited for.
export class Ticket {
  constructor(private batch: Batch, private handle: i32) {}

  /// Waits at most so long; whether the step is done and its rows have their results.
  wait(millis: i32): bool {
    if (!ok()) return false;
    const result = host.step_wait(this.handle, millis);
    if (result == host.EAGAIN) return false;
    check(result);
    return ok();
  }
}
