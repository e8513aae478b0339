// The careful form: nothing accepted is lost without a word.
//
// Each stream has a ring of events, oldest first; those in front are on their way, one append at a time, the rest wait. A
// full ring drops the oldest that waits, and says so. Every append is conditional on the stream's end (matchSeqNum), so a
// retry cannot store twice: where S2 answers that the end is elsewhere, what stands there tells whether an earlier attempt
// was stored after all, or who else writes. The writer that began last owns the stream; the other steps down. At the end
// (SIGTERM, end of input) the rings drain until a deadline, and what is left is reported as lost.
//
// The client's producer is not used, and its retries are off: what an attempt left behind has to be looked at before the
// next.
import {
  AppendInput, AppendRecord, MAX_APPEND_BYTES, RangeNotSatisfiableError, ReadFrom, S2, S2Environment, S2Error,
  SeqNumMismatchError,
} from "@s2-dev/streamstore";
import {Request, budgetMillis, capacity, lingerMillis, maxRecords, say} from "./common.js";

const firstTimeout = 500, lastTimeout = 4000; // ms of an attempt; each further one has twice the time
const firstPause = 25, lastPause = 1000, drainPause = 50; // between attempts, likewise
const forAnswers = 0.9; // of the time for an answer, what its work may take
const taken = "a later writer has the stream";

const basin = () => new S2({
  ...S2Environment.parse(), accessToken: process.env.S2_ACCESS_TOKEN!, retry: {maxAttempts: 1},
}).basin(process.env.S2_BASIN!);
const now = () => performance.now();

// The answer, unless the signal comes first: on Node 18 a request may miss that. Whoever waits is then gone, so that an answer
// which comes after all changes nothing.
const unlessAborted = <T>(answer: Promise<T>, signal: AbortSignal): Promise<T> => Promise.race([
  answer,
  new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), {once: true})),
]);

// Wakes everybody who waits.
class Bell {
  private waiting = new Set<() => void>();
  ring(): void {
    for (const wake of this.waiting) wake();
    this.waiting.clear();
  }
  async wait(millis?: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.waiting.add(resolve);
      if (millis !== undefined) timer = setTimeout(() => { this.waiting.delete(resolve); resolve(); }, Math.max(0, millis));
    });
    clearTimeout(timer);
  }
}

type Event = {seq: number; session: Session; record: AppendRecord; at: number};
type Fate = "stored" | "moved" | {lost: string}; // moved: not stored, the stream ends elsewhere than was thought

class Session {
  open = true;
  durable = 0; // everything up to here is stored, or was reported as dropped
  holed = false; // something was lost: durable rises no more
  asked: Promise<void> = Promise.resolve(); // the flush or stop before: answers come in the order of the asking
  constructor(readonly name: string, readonly stream: Stream) {}
}

// One stream: batches leave its ring one at a time, each tried until its fate is known.
class Stream {
  ring: Event[] = [];
  flying = 0; // so many in front are on their way
  hurry = 0; // up to here nothing lingers
  taken = false; // by a later writer
  attempt?: {abort: AbortController; since: number};
  readonly wake = new Bell();
  private end?: number; // of the stream, once known
  private client;

  constructor(private readonly writer: Careful, private readonly name: string) {
    this.client = basin().stream(name);
    void this.run();
  }

  private async run(): Promise<void> {
    for (;;) await this.store(await this.nextBatch());
  }

  // Waits until a batch is full, has lingered, or is in a hurry.
  private async nextBatch(): Promise<Event[]> {
    for (;;) {
      let count = 0;
      for (let size = 0; count < Math.min(this.ring.length, maxRecords); ++count) {
        size += this.ring[count].record.meteredBytes;
        if (size > MAX_APPEND_BYTES) break;
      }
      const oldest = this.ring.at(0);
      const wait = oldest && oldest.at + lingerMillis - now();
      const full = count === maxRecords || count < this.ring.length;
      if (oldest && (full || wait! <= 0 || oldest.seq <= this.hurry)) {
        this.flying = count;
        return this.ring.slice(0, count);
      }
      await this.wake.wait(wait);
    }
  }

  // Tries until the batch is stored, refused for good, or not this writer's to store any more.
  private async store(batch: Event[]): Promise<void> {
    for (let tried = 0; ; ++tried) {
      let limit = Math.min(firstTimeout * 2 ** tried, lastTimeout);
      if (this.writer.deadline) limit = Math.min(limit, Math.max(0, this.writer.deadline - now()) / 3);
      const abort = new AbortController();
      const timer = setTimeout(() => abort.abort(), limit);
      this.attempt = {abort, since: now()};
      try {
        const fate = await this.append(batch, abort.signal);
        if (fate === "moved") continue;
        return this.writer.settle(this, fate === "stored" ? undefined : fate.lost);
      } catch (error) {
        console.error(`stream ${this.name}, attempt ${tried + 1}:`, error instanceof Error ? error.message : error);
      } finally {
        clearTimeout(timer);
      }
      const pause = Math.min(firstPause * 2 ** tried, lastPause) * (0.5 + Math.random() / 2);
      await this.writer.draining.wait(this.writer.deadline ? Math.min(pause, drainPause) : pause);
    }
  }

  private async append(batch: Event[], signal: AbortSignal): Promise<Fate> {
    if (this.end === undefined) {
      const fate = await this.survey({tailOffset: 1}, [], signal);
      if (fate !== "moved") return fate;
    }
    const end = this.end!;
    try {
      const input = AppendInput.create(batch.map((event) => event.record), {matchSeqNum: end});
      this.end = (await unlessAborted(this.client.append(input, {signal}), signal)).end.seqNum;
      return "stored";
    } catch (error) {
      if (error instanceof SeqNumMismatchError) { // an end before ours: the stream was made anew
        return this.survey(error.expectedSeqNum < end ? {tailOffset: 1} : {seqNum: end}, batch, signal);
      }
      // The client itself says 400 where a name does not resolve: nobody has refused anything.
      const refused = error instanceof S2Error && error.origin === "server" && [400, 413, 422].includes(error.status);
      if (refused) return {lost: error.message};
      throw error;
    }
  }

  // Reads who wrote to the stream and where it ends. Stored: the batch's first event stands there, and with it, by the
  // atomicity of appends, all of them.
  private async survey(from: ReadFrom, batch: Event[], signal: AbortSignal): Promise<Fate> {
    try {
      for (const record of (await unlessAborted(this.client.read({start: {from}}, {signal}), signal)).records) {
        const {writer, seq} = this.ownerOf(record.body);
        if (writer > this.writer.id) {
          this.taken = true;
          this.flying = this.ring.length;
          return {lost: taken};
        }
        if (batch.length > 0 && writer === this.writer.id && seq === batch[0].seq) {
          this.end = record.seqNum + batch.length;
          return "stored";
        }
        this.end = record.seqNum + 1;
      }
    } catch (error) {
      if (error instanceof RangeNotSatisfiableError) this.end = error.tail?.seqNum ?? 0;
      else if (error instanceof S2Error && error.status === 404) this.end = 0; // no stream yet: the append makes it
      else throw error;
    }
    return "moved";
  }

  private ownerOf(body: string): {writer: string; seq: number} {
    try {
      const {writer, seq} = JSON.parse(body);
      return {writer: String(writer ?? ""), seq: Number(seq)};
    } catch {
      return {writer: "", seq: 0}; // none of ours
    }
  }
}

export class Careful {
  // Of this process: begins with the time of its start.
  readonly id = `${Date.now().toString(16).padStart(16, "0")}-${process.pid.toString(16).padStart(8, "0")}`;
  readonly draining = new Bell();
  deadline?: number; // of the shutdown, once it has begun
  private readonly changed = new Bell(); // events have left a ring
  private readonly sessions = new Map<string, Session>();
  private readonly streams = new Map<string, Stream>();
  private newest?: Session;
  private seq = 0;
  private off = false;
  private lost = false;

  async handle(request: Request): Promise<void> {
    const session = request.session ? this.sessions.get(request.session) : this.newest;
    if (request.op === "start") this.start(request.session!);
    else if (request.op === "publish") this.publish(request, session);
    else if (request.op === "storage") {
      this.off = !request.on;
      say({storage: request.on});
    } else if (request.op === "flush" && session) {
      this.inTurn(session, this.flush, request.deadline_ms ?? 2000);
    } else if (request.op === "stop" && session?.open) {
      session.open = false;
      this.inTurn(session, this.stop, (request.deadline_ms ?? budgetMillis) * forAnswers);
    }
  }

  private start(name: string): void {
    const target = process.env.S2_STREAM || name;
    if (!this.streams.has(target)) this.streams.set(target, new Stream(this, target));
    this.newest = this.sessions.get(name) ?? new Session(name, this.streams.get(target)!);
    this.sessions.set(name, this.newest);
    this.newest.open = true;
    say({started: name});
  }

  private publish(request: Request, session?: Session): void {
    const reject = (reason: string) => say({rejected: request.n, reason});
    if (!session?.open) return void reject("no session");
    if (session.stream.taken) return void reject(taken);
    const seq = this.seq + 1;
    const record = AppendRecord.string({body: JSON.stringify(
      {writer: this.id, capture_session_id: session.name, seq, ts: Date.now() * 1000, event: request.event})});
    if (record.meteredBytes > MAX_APPEND_BYTES) return void reject("larger than S2 takes");
    this.seq = seq;
    say({published: request.n, seq});
    if (this.off) return;
    const {stream} = session;
    if (stream.ring.length - stream.flying >= capacity) {
      const [oldest] = stream.ring.splice(stream.flying, 1);
      say({dropped: {from: oldest.seq, to: oldest.seq}, session: oldest.session.name});
    }
    stream.ring.push({seq, session, record, at: now()});
    stream.wake.ring();
  }

  // Answers a flush or a stop behind those that were asked for before.
  private inTurn(session: Session, work: (session: Session, cutoff: number, until: number) => Promise<void>, millis: number) {
    const cutoff = this.seq, until = now() + millis;
    session.stream.hurry = cutoff;
    session.stream.wake.ring();
    session.asked = session.asked.then(() => work.call(this, session, cutoff, until));
  }

  // Waits, at most until then, for the session's events up to the cut-off to leave the ring. Those that are left. A
  // shutdown's deadline is a deadline here, too.
  private async unsaved(session: Session, cutoff: number, until: number): Promise<Event[]> {
    for (;;) {
      until = Math.min(until, this.deadline ?? until);
      const left = session.stream.ring.filter((event) => event.session === session && event.seq <= cutoff);
      if (left.length === 0 || now() >= until) return left;
      await this.changed.wait(until - now());
    }
  }

  private async flush(session: Session, cutoff: number, until: number): Promise<void> {
    const left = await this.unsaved(session, cutoff, until);
    if (left.length > 0 || session.holed) {
      say({flush_failed: {durable_through: session.durable, pending: left.length}, session: session.name});
    } else {
      say({flushed: {through: cutoff}, session: session.name});
    }
  }

  // Answers what is durable by its deadline. What is not is tried on, for as long as the process lives.
  private async stop(session: Session, cutoff: number, until: number): Promise<void> {
    await this.unsaved(session, cutoff, until);
    say({stopped: {through: session.durable}, session: session.name});
  }

  // The session's part of a shutdown. What it gives up may be on its way, and be stored all the same.
  private async close(session: Session, cutoff: number, until: number): Promise<void> {
    const left = new Set(await this.unsaved(session, cutoff, until));
    this.lose([...left], "not stored in time");
    const {stream} = session;
    stream.flying -= stream.ring.slice(0, stream.flying).filter((event) => left.has(event)).length;
    stream.ring = stream.ring.filter((event) => !left.has(event));
    if (session.open) say({stopped: {through: session.durable}, session: session.name});
    session.open = false;
  }

  // What is on its way leaves the ring: stored, or lost for a reason.
  settle(stream: Stream, lost?: string): void {
    const gone = stream.ring.splice(0, stream.flying);
    stream.flying = 0;
    if (lost !== undefined) {
      this.lose(gone, lost);
    } else {
      for (const [session, seq] of new Map(gone.map((event) => [event.session, event.seq]))) {
        if (!session.holed) say({acked: session.durable = seq, session: session.name});
      }
    }
    this.changed.ring();
  }

  // Reports events as lost, in ranges without holes.
  private lose(events: Event[], reason: string): void {
    for (let i = 0; i < events.length;) {
      const {session, seq: from} = events[i];
      let to = from;
      while (++i < events.length && events[i].session === session && events[i].seq === to + 1) ++to;
      session.holed = this.lost = true;
      say({lost: {from, to, reason}, session: session.name});
    }
  }

  async shutDown(): Promise<number> {
    this.deadline ??= now() + budgetMillis * forAnswers;
    this.draining.ring();
    this.changed.ring();
    for (const {attempt} of this.streams.values()) {
      if (attempt && now() - attempt.since > firstTimeout) attempt.abort.abort(); // what it had time for does not answer
    }
    for (const session of this.sessions.values()) this.inTurn(session, this.close, budgetMillis);
    await Promise.all([...this.sessions.values()].map((session) => session.asked));
    return this.lost ? 1 : 0;
  }
}
