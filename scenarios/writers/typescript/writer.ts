// An event writer on the official TypeScript client, as a sensible person would write it in an afternoon.
//
// It speaks the harness's stdio driver: JSON Lines in, JSON Lines out. One producer a session; an event is accepted when
// it was handed to the producer, and refused when too many wait there. Retries are the client's default. With --careful,
// the writer of careful.ts answers instead, which loses nothing without a word.
import {createInterface} from "node:readline";
import {AppendRecord, BatchTransform, Producer, S2, S2Environment} from "@s2-dev/streamstore";
import {Careful} from "./careful.js";
import {Request, budgetMillis, capacity, lingerMillis, maxRecords, say} from "./common.js";

const within = <T>(work: Promise<T>, millis: number): Promise<T> => {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => { timer = setTimeout(() => reject(new Error("too late")), millis); });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
};

const basin = new S2({...S2Environment.parse(), accessToken: process.env.S2_ACCESS_TOKEN!}).basin(process.env.S2_BASIN!);

class Session {
  readonly unacked = new Set<number>();
  durable = 0;
  private constructor(readonly name: string, private readonly producer: Producer) {}

  static async open(name: string): Promise<Session> {
    const append = await basin.stream(process.env.S2_STREAM || name).appendSession();
    return new Session(name, new Producer(
      new BatchTransform({lingerDurationMillis: lingerMillis, maxBatchRecords: maxRecords}), append));
  }

  publish(seq: number, event: object): void {
    const envelope = {capture_session_id: this.name, seq, event: {ts: Date.now() * 1000, ...event}};
    this.unacked.add(seq);
    this.store(seq, JSON.stringify(envelope)).catch((error) => console.error(`event ${seq} was not stored:`, error));
  }

  private async store(seq: number, body: string): Promise<void> {
    const ticket = await this.producer.submit(AppendRecord.string({body}));
    await ticket.ack();
    this.unacked.delete(seq);
    const through = this.unacked.size === 0 ? seq : Math.min(...this.unacked) - 1;
    if (through > this.durable) say({acked: this.durable = through, session: this.name});
  }

  async flush(cutoff: number): Promise<void> {
    await this.producer.flush();
    while ([...this.unacked].some((seq) => seq <= cutoff)) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  close(): Promise<void> { return this.producer.close(); }
}

let session: Session | undefined;
let lastSeq = 0;
let failed = false;

async function flush(target: Session, deadlineMillis: number): Promise<void> {
  const cutoff = lastSeq;
  try {
    await within(target.flush(cutoff), deadlineMillis);
    say({flushed: {through: cutoff}, session: target.name});
  } catch {
    const pending = [...target.unacked].filter((seq) => seq <= cutoff).length;
    say({flush_failed: {durable_through: target.durable, pending}, session: target.name});
  }
}

async function stop(): Promise<void> {
  const closing = session;
  session = undefined;
  if (!closing) return;
  await within(closing.close(), budgetMillis).catch((error) => console.error("closing failed:", error));
  for (const seq of closing.unacked) {
    failed = true;
    say({lost: {from: seq, to: seq, reason: "not acknowledged"}, session: closing.name});
  }
  say({stopped: {through: closing.durable}, session: closing.name});
}

async function handle(request: Request): Promise<void> {
  if (request.op === "start") {
    await stop();
    session = await Session.open(request.session!);
    say({started: request.session});
  } else if (request.op === "publish") {
    if (!session) say({rejected: request.n, reason: "no session"});
    else if (session.unacked.size >= capacity) say({rejected: request.n, reason: "too many wait"});
    else {
      session.publish(++lastSeq, request.event!);
      say({published: request.n, seq: lastSeq});
    }
  } else if (request.op === "flush" && session) {
    void flush(session, request.deadline_ms ?? 2000);
  } else if (request.op === "stop") {
    await stop();
  }
}

const naive = {
  handle,
  async shutDown(): Promise<number> {
    await stop();
    return failed ? 1 : 0;
  },
};
const writer = process.argv.includes("--careful") ? new Careful() : naive;

async function shutDown(): Promise<void> {
  const code = await writer.shutDown();
  process.stdout.write("", () => process.exit(code));
}

const lines = createInterface({input: process.stdin});
let work = Promise.resolve();
lines.on("line", (line) => {
  work = work.then(() => writer.handle(JSON.parse(line) as Request)).catch((error) => console.error("not done:", error));
});
lines.on("close", () => { work = work.then(shutDown); });
process.on("SIGTERM", () => { work = work.then(shutDown); });
process.on("unhandledRejection", (error) => console.error("unhandled:", error));
say({ready: true});
