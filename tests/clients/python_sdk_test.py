"""The official Python client (PyPI s2-sdk) does its ordinary work against an S2 endpoint.

Usage: python_sdk_test.py [http://127.0.0.1:PORT]; the endpoint may also stand in S2_ENDPOINT. Each step prints ok or
what was wrong; the exit code is 1 when one failed.
"""

import asyncio
import os
import sys
import traceback
import uuid
from datetime import timedelta

from s2_sdk import (S2, AppendInput, BasinConfig, Batching, CommandRecord, Compression, Endpoints,
                    FencingTokenMismatchError, ReadLimit, ReadUnwrittenError, Record, S2ServerError, SeqNum,
                    SeqNumMismatchError, StreamConfig, TailOffset)

STEP_TIMEOUT_S = 20


def expect(actual, wanted, what):
    if actual != wanted:
        raise AssertionError(f"{what}: {actual!r}, wanted {wanted!r}")


def records(*bodies):
    return [Record(body=body) for body in bodies]


async def bodies_from(stream, start, count):
    """All of a bounded read session."""
    out = []
    async for batch in stream.read_session(start=SeqNum(start), limit=ReadLimit(count=count)):
        out += [(r.seq_num, r.body) for r in batch.records]
    return out


async def basins_and_streams(s2, basin):
    other = f"py-{uuid.uuid4().hex[:12]}"
    info = await s2.create_basin(other)
    expect(info.name, other, "created basin")
    expect((await s2.ensure_basin(other)).status.name, "CONFIG_UNCHANGED", "ensuring what is there")
    await s2.reconfigure_basin(other, config=BasinConfig(create_stream_on_read=True))
    expect((await s2.get_basin_config(other)).create_stream_on_read, True, "reconfigured")
    names = [item.name for item in (await s2.list_basins(prefix=other)).items]
    expect(names, [other], "listed basins")
    one = s2.basin(other)
    await one.create_stream("a/b c?d", config=StreamConfig(retention_policy=3600))
    expect((await one.get_stream_config("a/b c?d")).retention_policy, 3600, "stream configuration")
    await one.reconfigure_stream("a/b c?d", config=StreamConfig(retention_policy="infinite"))
    expect((await one.get_stream_config("a/b c?d")).retention_policy, "infinite", "reconfigured stream")
    await one.ensure_stream("second")
    listed = [item.name async for item in one.list_all_streams()]
    expect(listed, ["a/b c?d", "second"], "listed streams")
    await one.delete_stream("second")
    try:
        await s2.create_basin(other)
    except S2ServerError as error:
        expect((error.status_code, error.code), (409, "resource_already_exists"), "creating what is there")
    else:
        raise AssertionError("a basin was created twice")
    await s2.delete_basin(other)


async def unary(_, basin):
    stream = basin.stream(f"unary-{uuid.uuid4().hex}")
    ack = await stream.append(AppendInput(records=[
        Record(body=b"first", headers=[(b"k", b"v")], timestamp=1000), Record(body=bytes(range(256)))]))
    expect((ack.start.seq_num, ack.end.seq_num, ack.tail.seq_num), (0, 2, 2), "ack")
    batch = await stream.read(start=SeqNum(0))
    expect([r.body for r in batch.records], [b"first", bytes(range(256))], "bodies")
    expect((batch.records[0].headers, batch.records[0].timestamp), ([(b"k", b"v")], 1000), "headers, timestamp")
    expect((await stream.check_tail()).seq_num, 2, "tail")
    expect([r.seq_num for r in (await stream.read(start=TailOffset(1))).records], [1], "tail offset")
    try:
        await stream.read(start=SeqNum(9))
    except ReadUnwrittenError as error:
        expect(error.tail.seq_num, 2, "tail of a 416")
    else:
        raise AssertionError("a read beyond the tail succeeded")


async def conditions_and_fencing(_, basin):
    stream = basin.stream(f"cond-{uuid.uuid4().hex}")
    await stream.append(AppendInput(records=records(b"0"), match_seq_num=0))
    try:
        await stream.append(AppendInput(records=records(b"x"), match_seq_num=0))
    except SeqNumMismatchError as error:
        expect(error.expected_seq_num, 1, "expected sequence number")
    else:
        raise AssertionError("a wrong match_seq_num was taken")
    await stream.append(AppendInput(records=[CommandRecord.fence("mine")]))
    await stream.append(AppendInput(records=records(b"2"), fencing_token="mine"))
    try:
        await stream.append(AppendInput(records=records(b"x"), fencing_token="theirs"))
    except FencingTokenMismatchError as error:
        expect(error.expected_fencing_token, "mine", "expected token")
    else:
        raise AssertionError("a wrong fencing token was taken")
    await stream.append(AppendInput(records=[CommandRecord.trim(2)]))
    batch = await stream.read(start=SeqNum(0))
    expect(batch.records[0].seq_num, 2, "first record after the trim")


async def append_session(_, basin):
    stream = basin.stream(f"session-{uuid.uuid4().hex}")
    async with stream.append_session() as session:
        tickets = [await session.submit(AppendInput(records=records(b"%d" % n))) for n in range(50)]
        acks = [await ticket for ticket in tickets]
    expect([ack.start.seq_num for ack in acks], list(range(50)), "acks in order")
    expect(await bodies_from(stream, 0, 50), [(n, b"%d" % n) for n in range(50)], "what was stored")


async def producer(_, basin):
    stream = basin.stream(f"producer-{uuid.uuid4().hex}")
    async with stream.producer(batching=Batching(max_records=7, linger=timedelta(milliseconds=2))) as out:
        tickets = [await out.submit(Record(body=b"%d" % n)) for n in range(100)]
        await out.flush()
        seqs = [(await ticket).seq_num for ticket in tickets]
    expect(seqs, list(range(100)), "acknowledged sequence numbers")
    expect(len(await bodies_from(stream, 0, 100)), 100, "stored")


async def read_session_follows(_, basin):
    stream = basin.stream(f"follow-{uuid.uuid4().hex}")
    await stream.append(AppendInput(records=records(b"0")))
    seen = []

    async def follow():
        async for batch in stream.read_session(start=SeqNum(0)):
            seen.extend(r.body for r in batch.records)
            if len(seen) == 3:
                return

    reader = asyncio.create_task(follow())
    await asyncio.sleep(0.2)
    await stream.append(AppendInput(records=records(b"1")))
    await stream.append(AppendInput(records=records(b"2")))
    await reader
    expect(seen, [b"0", b"1", b"2"], "followed")


async def large_compressed(s2_of, basin_name):
    for how in (Compression.GZIP, Compression.ZSTD):
        async with s2_of(how) as s2:
            stream = s2.basin(basin_name).stream(f"large-{how.name.lower()}-{uuid.uuid4().hex}")
            body = b"abcdefgh" * 16000
            await stream.append(AppendInput(records=records(body, body)))
            async with stream.append_session() as session:
                await (await session.submit(AppendInput(records=records(body))))
            got = await bodies_from(stream, 0, 3)
            expect([b for _, b in got], [body] * 3, f"{how.name} bodies")


async def main():
    endpoint = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("S2_ENDPOINT")
    if not endpoint:
        sys.exit(__doc__)
    basin_name = f"py-{uuid.uuid4().hex[:12]}"

    def client(compression=Compression.NONE):
        return S2(os.environ.get("S2_ACCESS_TOKEN", "ignored"), endpoints=Endpoints(endpoint, endpoint),
                  compression=compression)

    failed = 0
    async with client() as s2:
        await s2.create_basin(basin_name, config=BasinConfig(create_stream_on_append=True))
        basin = s2.basin(basin_name)
        steps = [(f.__name__, lambda f=f: f(s2, basin)) for f in (
            basins_and_streams, unary, conditions_and_fencing, append_session, producer, read_session_follows)]
        steps.append(("large_compressed", lambda: large_compressed(client, basin_name)))
        for name, step in steps:
            try:
                await asyncio.wait_for(step(), STEP_TIMEOUT_S)
                print(f"ok     {name}")
            except Exception as error:
                failed += 1
                print(f"FAILED {name}: {error!r}")
                traceback.print_exc()
        await s2.delete_basin(basin_name)
    print(f"{len(steps) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


asyncio.run(main())
