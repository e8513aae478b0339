"""An event writer on the official Python client, as a sensible person would write it in an afternoon.

It speaks the harness's stdio driver: JSON Lines in, JSON Lines out. One queue and one producer a session; an event is
accepted when it is in the queue, and refused when the queue is full. Retries are the client's default. With --careful, the
writer of careful.py answers instead, which loses nothing without a word.
"""

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections import deque
from datetime import timedelta

from s2_sdk import S2, Batching, Endpoints, Record


def milliseconds(text):
    amount, unit = re.fullmatch(r"(\d+)(us|ms|s|m)?", text).groups()
    return int(amount) * {"us": 0.001, "ms": 1, None: 1, "s": 1000, "m": 60000}[unit]


CAPACITY = int(os.environ.get("S2_WRITER_RING_CAPACITY", "1024"))
LINGER = timedelta(milliseconds=milliseconds(os.environ.get("S2_BATCHER_LINGER", "100ms")))
MAX_RECORDS = min(1000, int(os.environ.get("S2_BATCHER_MAX_RECORDS", "50")))  # S2 takes no more at once
BUDGET_S = milliseconds(os.environ.get("S2_WRITER_SHUTDOWN_BUDGET", "10s")) / 1000


def say(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Session:
    """One capture session: a queue, a task that feeds the producer, and what is known to be durable."""

    def __init__(self, basin, name):
        self.name = name
        self.producer = basin.stream(os.environ.get("S2_STREAM") or name).producer(
            batching=Batching(max_records=MAX_RECORDS, linger=LINGER))
        self.queue = deque()
        self.wake = asyncio.Event()
        self.closing = False
        self.unacked = set()
        self.durable = 0
        self.changed = asyncio.Condition()
        self.feeder = asyncio.create_task(self.feed())

    def publish(self, seq, event):
        envelope = {"capture_session_id": self.name, "seq": seq, "event": {"ts": time.time_ns() // 1000, **event}}
        self.unacked.add(seq)
        self.queue.append((seq, json.dumps(envelope, ensure_ascii=False).encode("utf-8", "replace")))
        self.wake.set()

    async def feed(self):
        while True:
            while self.queue:
                seq, body = self.queue.popleft()
                try:
                    ticket = await self.producer.submit(Record(body=body))
                    asyncio.create_task(self.confirm(seq, ticket))
                except Exception as error:
                    print(f"event {seq} was not stored: {error!r}", file=sys.stderr)
            if self.closing:
                return
            self.wake.clear()
            await self.wake.wait()

    async def confirm(self, seq, ticket):
        try:
            await ticket
        except Exception as error:
            print(f"event {seq} was not stored: {error!r}", file=sys.stderr)
            return
        async with self.changed:
            self.unacked.discard(seq)
            through = min(self.unacked, default=seq + 1) - 1
            if through > self.durable:
                self.durable = through
                say({"acked": through, "session": self.name})
            self.changed.notify_all()

    async def flush(self, cutoff):
        while self.queue:
            await asyncio.sleep(0.001)
        await self.producer.flush()
        async with self.changed:
            await self.changed.wait_for(lambda: min(self.unacked, default=cutoff + 1) > cutoff)

    async def close(self):
        self.closing = True
        self.wake.set()
        await self.feeder
        await self.producer.close()


class Writer:
    def __init__(self, s2):
        self.s2 = s2
        self.basin = s2.basin(os.environ["S2_BASIN"])
        self.session = None
        self.seq = 0
        self.failed = False

    async def handle(self, request):
        op, session = request.get("op"), self.session
        if op == "start":
            if session:
                await self.stop()
            self.session = Session(self.basin, request["session"])
            say({"started": request["session"]})
        elif op == "publish" and (session is None or session.closing):
            say({"rejected": request["n"], "reason": "no session"})
        elif op == "publish" and len(session.queue) >= CAPACITY:
            say({"rejected": request["n"], "reason": "queue full"})
        elif op == "publish":
            self.seq += 1
            session.publish(self.seq, request["event"])
            say({"published": request["n"], "seq": self.seq})
        elif op == "flush" and session:
            asyncio.create_task(self.flush(session, request.get("deadline_ms", 2000) / 1000))
        elif op == "stop":
            await self.stop()

    async def flush(self, session, deadline_s):
        cutoff = self.seq
        try:
            await asyncio.wait_for(session.flush(cutoff), deadline_s)
            say({"flushed": {"through": cutoff}, "session": session.name})
        except Exception:
            pending = sum(1 for seq in session.unacked if seq <= cutoff)
            say({"flush_failed": {"durable_through": session.durable, "pending": pending}, "session": session.name})

    async def stop(self):
        session, self.session = self.session, None
        if session is None:
            return
        try:
            await asyncio.wait_for(session.close(), BUDGET_S)
        except Exception as error:
            print(f"closing failed: {error!r}", file=sys.stderr)
        for seq in sorted(session.unacked):
            self.failed = True
            say({"lost": {"from": seq, "to": seq, "reason": "not acknowledged"}, "session": session.name})
        say({"stopped": {"through": session.durable}, "session": session.name})

    async def shut_down(self):
        await self.stop()
        await self.s2.close()
        return 1 if self.failed else 0


async def main():
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader(limit=8 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    terminated = loop.create_future()
    loop.add_signal_handler(signal.SIGTERM, lambda: terminated.done() or terminated.set_result(None))

    if "--careful" in sys.argv[1:]:
        import careful
        writer = careful.Writer()
    else:
        writer = Writer(S2(os.environ["S2_ACCESS_TOKEN"], endpoints=Endpoints.from_env()))
    say({"ready": True})
    while not terminated.done():
        line = asyncio.ensure_future(stdin.readline())
        await asyncio.wait({line, terminated}, return_when=asyncio.FIRST_COMPLETED)
        if not line.done() or not line.result():
            break
        try:
            await writer.handle(json.loads(line.result()))
        except json.JSONDecodeError as error:
            print(f"not a request: {error}", file=sys.stderr)
    return await writer.shut_down()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
