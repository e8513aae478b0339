// The official TypeScript client (npm @s2-dev/streamstore) does its ordinary work against an S2 endpoint.
//
// Usage: node node_sdk_test.mjs [http://127.0.0.1:PORT]; the endpoint may also stand in S2_ENDPOINT, the folder whose
// node_modules has the client in S2_NODE_DIR. Each step prints ok or what was wrong; exit code 1 when one failed.
import assert from "node:assert/strict";
import {randomUUID, webcrypto} from "node:crypto";
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";
import path from "node:path";

globalThis.crypto ??= webcrypto;  // which the client takes for given, and Debian's Node 18 does not bring
const from = path.join(path.resolve(process.env.S2_NODE_DIR ?? process.cwd()), "package.json");
const cjs = createRequire(from).resolve("@s2-dev/streamstore");
const {S2, AppendInput, AppendRecord, BatchTransform, FencingTokenMismatchError, Producer, RangeNotSatisfiableError,
  SeqNumMismatchError} = await import(pathToFileURL(cjs.replace(`${path.sep}cjs${path.sep}`, `${path.sep}esm${path.sep}`)));

const kStepTimeoutMillis = 20_000;
const endpoint = process.argv[2] ?? process.env.S2_ENDPOINT;
if (!endpoint) {
  console.error("usage: node_sdk_test.mjs http://127.0.0.1:PORT");
  process.exit(2);
}
const s2 = new S2({accessToken: process.env.S2_ACCESS_TOKEN ?? "ignored", endpoints: {account: endpoint, basin: endpoint}});
const basinName = `js-${randomUUID().slice(0, 13)}`;
const basin = s2.basin(basinName);
const fresh = (name) => basin.stream(`${name}-${randomUUID()}`);
const text = (...bodies) => AppendInput.create(bodies.map((body) => AppendRecord.string({body})));
const bodies = (batch) => batch.records.map((record) => record.body);

const steps = {
  async basinsAndStreams() {
    const listed = await s2.basins.list({prefix: basinName});
    assert.deepEqual(listed.basins.map((b) => b.name), [basinName]);
    await basin.streams.create({stream: "a/b c?d"});
    await basin.streams.ensure({stream: "second"});
    const names = (await basin.streams.list()).streams.map((s) => s.name);
    assert.deepEqual(names, ["a/b c?d", "second"]);
    assert.equal((await basin.streams.getConfig({stream: "a/b c?d"})).storageClass, "express");
    await basin.streams.delete({stream: "second"});
    await basin.streams.delete({stream: "a/b c?d"});
  },

  async unary() {
    const stream = fresh("unary");
    const raw = Uint8Array.from({length: 256}, (_, n) => n);
    const ack = await stream.append(AppendInput.create([
      AppendRecord.string({body: "grüße", headers: [["k", "v"]]}), AppendRecord.bytes({body: raw})]));
    assert.equal(ack.start.seqNum, 0);
    assert.equal(ack.end.seqNum, 2);
    const batch = await stream.read({start: {from: {seqNum: 0}}}, {as: "bytes"});
    assert.equal(new TextDecoder().decode(batch.records[0].body), "grüße");
    assert.deepEqual(batch.records[1].body, raw);
    assert.equal((await stream.checkTail()).tail.seqNum, 2);
    const last = await stream.read({start: {from: {tailOffset: 2}}, stop: {limits: {count: 1}}});
    assert.deepEqual(bodies(last), ["grüße"]);
    await assert.rejects(stream.read({start: {from: {seqNum: 9}}}), RangeNotSatisfiableError);
  },

  async conditionsAndFencing() {
    const stream = fresh("cond");
    const one = (body, options) => AppendInput.create([AppendRecord.string({body})], options);
    await stream.append(one("0", {matchSeqNum: 0}));
    await assert.rejects(stream.append(one("x", {matchSeqNum: 0})), SeqNumMismatchError);
    await stream.append(AppendInput.create([AppendRecord.fence("mine")]));
    await stream.append(one("2", {fencingToken: "mine"}));
    await assert.rejects(stream.append(one("x", {fencingToken: "theirs"})), FencingTokenMismatchError);
    await stream.append(AppendInput.create([AppendRecord.trim(2)]));
    assert.equal((await stream.read({start: {from: {seqNum: 0}}})).records[0].seqNum, 2);
  },

  async appendSession() {
    const stream = fresh("session");
    const session = await stream.appendSession();
    const tickets = [];
    for (let n = 0; n < 50; n++) tickets.push(await session.submit(text(`${n}`)));
    const acks = await Promise.all(tickets.map((ticket) => ticket.ack()));
    assert.deepEqual(acks.map((ack) => ack.start.seqNum), Array.from({length: 50}, (_, n) => n));
    await session.close();
    assert.equal((await stream.checkTail()).tail.seqNum, 50);
  },

  async producer() {
    const stream = fresh("producer");
    const producer = new Producer(new BatchTransform({lingerDurationMillis: 2, maxBatchRecords: 7}),
      await stream.appendSession());
    const tickets = [];
    for (let n = 0; n < 100; n++) tickets.push(await producer.submit(AppendRecord.string({body: `${n}`})));
    await producer.flush();
    const acks = await Promise.all(tickets.map((ticket) => ticket.ack()));
    assert.deepEqual(acks.map((ack) => ack.seqNum()), Array.from({length: 100}, (_, n) => n));
    await producer.close();
  },

  async readSessionFollows() {
    const stream = fresh("follow");
    await stream.append(text("0"));
    const session = await stream.readSession({start: {from: {seqNum: 0}}});
    const seen = [];
    const reader = (async () => {
      for await (const record of session) {
        seen.push(record.body);
        if (seen.length === 3) return;
      }
    })();
    await new Promise((resolve) => setTimeout(resolve, 200));
    await stream.append(text("1"));
    await stream.append(text("2"));
    await reader;
    assert.deepEqual(seen, ["0", "1", "2"]);
  },

  async largeBodies() {
    const stream = fresh("large");
    const body = "abcdefgh".repeat(16000);
    await stream.append(text(body, body));
    const session = await stream.appendSession();
    await (await session.submit(text(body))).ack();
    await session.close();
    const batch = await stream.read({start: {from: {seqNum: 0}}});
    assert.deepEqual(bodies(batch), [body, body, body]);
  },
};

let failed = 0;
await s2.basins.create({basin: basinName, config: {createStreamOnAppend: true}});
for (const [name, step] of Object.entries(steps)) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("no end within 20 s")), kStepTimeoutMillis);
  });
  try {
    await Promise.race([step(), late]);
    console.log(`ok     ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}:`, error);
  }
  clearTimeout(timer);
}
await s2.basins.delete({basin: basinName});
console.log(`${Object.keys(steps).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
