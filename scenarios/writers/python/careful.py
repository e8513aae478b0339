"""The careful form: nothing accepted is lost without a word.

Each stream has a ring of events, oldest first; those in front are on their way, one append at a time, the rest wait. A full
ring drops the oldest that waits, and says so. Every append is conditional on the stream's end (match_seq_num), so a retry
cannot store twice: where S2 answers that the end is elsewhere, what stands there tells whether an earlier attempt was
stored after all, or who else writes. The writer that began last owns the stream; the other steps down. At the end (SIGTERM,
end of input) the rings drain until a deadline, and what is left is reported as lost.

The client's producer is not used, and its retries are off: what an attempt left behind has to be looked at before the next.
"""

import asyncio
import json
import os
import random
import sys
import time
from dataclasses import dataclass, field

from s2_sdk import (S2, AppendInput, Endpoints, ReadUnwrittenError, Record, Retry, S2Error, S2ServerError, SeqNum,
                    SeqNumMismatchError, TailOffset)

from writer import BUDGET_S, CAPACITY, LINGER, MAX_RECORDS, say

MAX_BATCH = 1 << 20  # metered bytes: 8 and the body for each record
FIRST_TIMEOUT_S, LAST_TIMEOUT_S = 0.5, 4  # of an attempt; each further one has twice the time
FIRST_PAUSE_S, LAST_PAUSE_S, DRAIN_PAUSE_S = 0.025, 1, 0.05  # between attempts, likewise
FOR_ANSWERS = 0.9  # of the time for an answer, what its work may take
LINGER_S = LINGER.total_seconds()
TAKEN = "a later writer has the stream"


class Moved(Exception):
    """Not stored: the stream ends elsewhere than was thought."""


class Lost(Exception):
    """Never to be stored."""


async def wait_for(event, timeout):
    try:
        await asyncio.wait_for(event.wait(), timeout)
    except TimeoutError:
        pass


@dataclass(eq=False)
class Event:
    seq: int
    session: "Session"
    body: bytes
    at: float = field(default_factory=time.monotonic)


class Session:
    def __init__(self, name, stream):
        self.name, self.stream = name, stream
        self.open = True
        self.durable = 0  # everything up to here is stored, or was reported as dropped
        self.holed = False  # something was lost: durable rises no more
        self.turn = asyncio.Lock()  # fair: answers come in the order of the asking


class Stream:
    """One stream: batches leave its ring one at a time, each tried until its fate is known."""

    def __init__(self, writer, name):
        self.writer, self.name = writer, name
        self.ring, self.flying = [], 0  # so many in front are on their way
        self.hurry = 0  # up to here nothing lingers
        self.wake = asyncio.Event()
        self.end = None  # of the stream, once known
        self.taken = False
        self.attempt, self.since = None, 0.0
        self.s2 = self.closing = None
        self.runner = asyncio.create_task(self.run())

    async def run(self):
        while True:
            await self.store(await self.next_batch())

    async def next_batch(self):
        """Waits until a batch is full, has lingered, or is in a hurry."""
        while True:
            batch, size = [], 0
            for event in self.ring[:MAX_RECORDS]:
                size += 8 + len(event.body)
                if size > MAX_BATCH:
                    break
                batch.append(event)
            wait = batch[0].at + LINGER_S - time.monotonic() if batch else None
            full = len(batch) == MAX_RECORDS or len(batch) < len(self.ring)
            if batch and (full or wait <= 0 or batch[0].seq <= self.hurry):
                self.flying = len(batch)
                return batch
            self.wake.clear()
            await wait_for(self.wake, wait)

    async def store(self, batch):
        """Tries until the batch is stored, refused for good, or not this writer's to store any more."""
        tried = 0
        while True:
            limit = min(FIRST_TIMEOUT_S * 2**min(tried, 8), LAST_TIMEOUT_S)
            if self.writer.deadline:
                limit = min(limit, max(0, self.writer.deadline - time.monotonic()) / 3)
            self.attempt, self.since = asyncio.create_task(self.append(batch)), time.monotonic()
            await asyncio.wait({self.attempt}, timeout=limit)
            tried += 1
            try:
                if not self.attempt.done():
                    self.attempt.cancel()
                    await asyncio.wait({self.attempt})  # an answer may come in between: then it counts
                if self.attempt.cancelled():
                    # A network that was cut leaves a connection that is dead and does not look it.
                    self.s2, old = None, self.s2
                    self.closing = asyncio.create_task(old.close())
                    raise TimeoutError("no answer in time")
                self.attempt.result()
                return self.writer.settle(self)
            except Moved:
                continue
            except Lost as why:
                return self.writer.settle(self, str(why))
            except (S2Error, OSError, TimeoutError) as error:
                print(f"stream {self.name}, attempt {tried}: {error!r}", file=sys.stderr)
            pause = min(FIRST_PAUSE_S * 2**min(tried, 8), LAST_PAUSE_S) * random.uniform(0.5, 1)
            if self.writer.deadline:
                await asyncio.sleep(min(pause, DRAIN_PAUSE_S))
            else:
                await wait_for(self.writer.draining, pause)

    async def append(self, batch):
        if self.s2 is None:
            self.s2 = S2(os.environ["S2_ACCESS_TOKEN"], endpoints=Endpoints.from_env(), retry=Retry(max_attempts=1))
            self.client = self.s2.basin(os.environ["S2_BASIN"]).stream(self.name)
        try:
            if self.end is None:
                await self.survey(TailOffset(1), [])
            records = [Record(body=event.body) for event in batch]
            ack = await self.client.append(AppendInput(records=records, match_seq_num=self.end))
            self.end = ack.end.seq_num
        except SeqNumMismatchError as error:  # an end before ours: the stream was made anew
            start = TailOffset(1) if error.expected_seq_num < self.end else SeqNum(self.end)
            if not await self.survey(start, batch):
                raise Moved() from None
        except S2ServerError as error:
            if error.status_code in (400, 413, 422):
                raise Lost(str(error)) from error
            raise

    async def survey(self, start, batch):
        """Reads who wrote to the stream and where it ends. True: the batch's first event stands there, and with it, by the
        atomicity of appends, all of them."""
        try:
            records = (await self.client.read(start=start)).records
        except ReadUnwrittenError as error:
            self.end = error.tail.seq_num
            return False
        except S2ServerError as error:
            if error.status_code != 404:
                raise
            self.end = 0  # no stream yet: the append makes it
            return False
        for record in records:
            try:
                owner = json.loads(record.body)
                writer, seq = owner["writer"], owner["seq"]
            except (ValueError, KeyError, TypeError):
                writer, seq = "", 0  # none of ours
            if writer > self.writer.id:
                self.taken, self.flying = True, len(self.ring)
                raise Lost(TAKEN)
            if batch and writer == self.writer.id and seq == batch[0].seq:
                self.end = record.seq_num + len(batch)
                return True
            self.end = record.seq_num + 1
        return False


class Writer:
    def __init__(self):
        self.id = f"{time.time_ns():016x}-{os.getpid():08x}"  # begins with the time of its start
        self.sessions, self.streams, self.newest = {}, {}, None
        self.seq = 0
        self.off = self.lost = False
        self.deadline = None  # of the shutdown, once it has begun
        self.draining = asyncio.Event()
        self.changed = asyncio.Event()  # events have left a ring; made anew each time
        self.answers = set()

    async def handle(self, request):
        op = request.get("op")
        session = self.sessions.get(request["session"]) if request.get("session") else self.newest
        if op == "start":
            self.start(request["session"])
        elif op == "publish":
            self.publish(request, session)
        elif op == "storage":
            self.off = not request["on"]
            say({"storage": request["on"]})
        elif op == "flush" and session:
            self.in_turn(session, self.flush, request.get("deadline_ms", 2000) / 1000)
        elif op == "stop" and session and session.open:
            session.open = False
            self.in_turn(session, self.stop, request.get("deadline_ms", BUDGET_S * 1000) / 1000 * FOR_ANSWERS)

    def start(self, name):
        stream = os.environ.get("S2_STREAM") or name
        if stream not in self.streams:
            self.streams[stream] = Stream(self, stream)
        self.newest = self.sessions.setdefault(name, Session(name, self.streams[stream]))
        self.newest.open = True
        say({"started": name})

    def publish(self, request, session):
        def reject(reason):
            say({"rejected": request["n"], "reason": reason})

        if session is None or not session.open:
            return reject("no session")
        if session.stream.taken:
            return reject(TAKEN)
        seq = self.seq + 1
        envelope = {"writer": self.id, "capture_session_id": session.name, "seq": seq, "ts": time.time_ns() // 1000,
                    "event": request["event"]}
        body = json.dumps(envelope, ensure_ascii=False).encode("utf-8", "replace")
        if 8 + len(body) > MAX_BATCH:
            return reject("larger than S2 takes")
        self.seq = seq
        say({"published": request["n"], "seq": seq})
        if self.off:
            return
        stream = session.stream
        if len(stream.ring) - stream.flying >= CAPACITY:
            oldest = stream.ring.pop(stream.flying)
            say({"dropped": {"from": oldest.seq, "to": oldest.seq}, "session": oldest.session.name})
        stream.ring.append(Event(seq, session, body))
        stream.wake.set()

    def in_turn(self, session, work, within_s):
        """Answers a flush or a stop behind those that were asked for before."""
        cutoff, until = self.seq, time.monotonic() + within_s
        session.stream.hurry = cutoff
        session.stream.wake.set()

        async def answer():
            async with session.turn:
                await work(session, cutoff, until)

        task = asyncio.create_task(answer())
        self.answers.add(task)
        task.add_done_callback(self.answers.discard)

    async def unsaved(self, session, cutoff, until):
        """Waits, at most until then, for the session's events up to the cut-off to leave the ring. Those that are left. A
        shutdown's deadline is a deadline here, too."""
        while True:
            until = min(until, self.deadline or until)
            left = [event for event in session.stream.ring if event.session is session and event.seq <= cutoff]
            wait = until - time.monotonic()
            if not left or wait <= 0:
                return left
            await wait_for(self.changed, wait)

    async def flush(self, session, cutoff, until):
        left = await self.unsaved(session, cutoff, until)
        if left or session.holed:
            say({"flush_failed": {"durable_through": session.durable, "pending": len(left)}, "session": session.name})
        else:
            say({"flushed": {"through": cutoff}, "session": session.name})

    async def stop(self, session, cutoff, until):
        """Answers what is durable by its deadline. What is not is tried on, for as long as the process lives."""
        await self.unsaved(session, cutoff, until)
        say({"stopped": {"through": session.durable}, "session": session.name})

    async def end(self, session, cutoff, until):
        """The session's part of a shutdown. What it gives up may be on its way, and be stored all the same."""
        left = await self.unsaved(session, cutoff, until)
        self.lose(left, "not stored in time")
        stream = session.stream
        stream.flying -= sum(1 for event in stream.ring[:stream.flying] if event in left)
        stream.ring = [event for event in stream.ring if event not in left]
        if session.open:
            session.open = False
            say({"stopped": {"through": session.durable}, "session": session.name})

    def settle(self, stream, lost=None):
        """What is on its way leaves the ring: stored, or lost for a reason."""
        gone, stream.ring, stream.flying = stream.ring[:stream.flying], stream.ring[stream.flying:], 0
        if lost:
            self.lose(gone, lost)
        else:
            for session, seq in {event.session: event.seq for event in gone}.items():
                if not session.holed:
                    session.durable = seq
                    say({"acked": seq, "session": session.name})
        self.tell_change()

    def tell_change(self):
        self.changed.set()
        self.changed = asyncio.Event()

    def lose(self, events, reason):
        """Reports events as lost, in ranges without holes."""
        ranges = []
        for event in events:
            event.session.holed = self.lost = True
            if ranges and ranges[-1][0] is event.session and ranges[-1][2] == event.seq - 1:
                ranges[-1][2] = event.seq
            else:
                ranges.append([event.session, event.seq, event.seq])
        for session, first, last in ranges:
            say({"lost": {"from": first, "to": last, "reason": reason}, "session": session.name})

    async def shut_down(self):
        self.deadline = time.monotonic() + BUDGET_S * FOR_ANSWERS
        self.draining.set()
        self.tell_change()
        for stream in self.streams.values():
            if stream.attempt and time.monotonic() - stream.since > FIRST_TIMEOUT_S:
                stream.attempt.cancel()  # what it had time for does not answer
        for session in self.sessions.values():
            self.in_turn(session, self.end, BUDGET_S)
        await asyncio.gather(*self.answers)
        return 1 if self.lost else 0
