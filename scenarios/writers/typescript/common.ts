// What both forms share: the environment, the requests, the answers.
import {MAX_APPEND_RECORDS} from "@s2-dev/streamstore";

export type Request = {op: string; session?: string; n?: number; event?: object; deadline_ms?: number; on?: boolean};

const milliseconds = (text: string): number => {
  const [, amount, unit] = /^(\d+)(us|ms|s|m)?$/.exec(text)!;
  return Number(amount) * ({us: 0.001, ms: 1, s: 1000, m: 60000} as Record<string, number>)[unit ?? "ms"];
};
const env = (name: string, fallback: string) => process.env[name] || fallback;
export const capacity = Number(env("S2_WRITER_RING_CAPACITY", "1024"));
export const lingerMillis = milliseconds(env("S2_BATCHER_LINGER", "100ms"));
export const maxRecords = Math.min(MAX_APPEND_RECORDS, Number(env("S2_BATCHER_MAX_RECORDS", "50")));
export const budgetMillis = milliseconds(env("S2_WRITER_SHUTDOWN_BUDGET", "10s"));

export const say = (line: object) => process.stdout.write(JSON.stringify(line) + "\n");
