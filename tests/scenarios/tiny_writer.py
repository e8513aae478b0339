#!/usr/bin/env python3
"""The smallest writer that keeps its promises, and ways not to: a partner for tests of the runner.

Speaks the stdio protocol; appends unary JSON with match_seq_num, one batch at a time. TINY_BUG names what goes wrong:
no-drain (SIGTERM ends it at once), early-ack (acked before durable), leave-child (a process of its group outlives it),
crash (at its fifth event), die-slowly (the same, and gone only a while after its output), text-acks (a text where a number
belongs), misspelt (`publish` where `published` belongs), mute (answers no event), slow-reader (takes 0.1 s a line),
late-sender (its first append comes after 1 s).
"""
import base64, http.client, json, os, queue, signal, subprocess, sys, threading, time, urllib.parse

bug = os.environ.get("TINY_BUG", "")
url = urllib.parse.urlparse(os.environ["S2_BASIN_ENDPOINT"])
basin, token = os.environ["S2_BASIN"], os.environ["S2_ACCESS_TOKEN"]
max_records = int(os.environ.get("S2_BATCHER_MAX_RECORDS", "50"))
work, out_lock, state = queue.Queue(), threading.Lock(), {"pending": 0, "through": 0}
done = threading.Condition()


def say(**line):
    with out_lock:
        os.write(1, (json.dumps(line) + "\n").encode())


def say_acked(seq):
    say(acked=str(seq) if bug == "text-acks" else seq)


def append(stream, records, next_seq):
    body = json.dumps({"records": [{"body": base64.b64encode(r).decode()} for r in records], "match_seq_num": next_seq})
    path = "/v1/streams/" + urllib.parse.quote(stream, safe="") + "/records"
    headers = {"s2-basin": basin, "s2-format": "base64", "content-type": "application/json",
               "authorization": "Bearer " + token}
    while True:
        try:
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=1)
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status == 200:
                return json.loads(text)["end"]["seq_num"]
            if answer.status == 412:  # an append before this one landed, its answer was lost
                return next_seq + len(records)
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.01)


def send():
    tails = {}
    if bug == "late-sender":
        time.sleep(1)
    while True:
        batch = [work.get()]
        while len(batch) < max_records and not work.empty() and work.queue[0][0] == batch[0][0]:
            batch.append(work.get())
        stream = batch[0][0]
        if bug == "early-ack":
            say_acked(batch[-1][1])
            time.sleep(0.2)
        tails[stream] = append(stream, [b[2] for b in batch], tails.get(stream, 0))
        say_acked(batch[-1][1])
        with done:
            state["pending"] -= len(batch)
            state["through"] = batch[-1][1]
            done.notify_all()


def drain(seconds):
    with done:
        return done.wait_for(lambda: state["pending"] == 0, seconds)


def end(*_):
    if bug == "no-drain":
        os._exit(0)
    ok = drain(5)
    if not ok:
        say(lost={"from": state["through"] + 1, "to": seq, "reason": "out of time"})
    os._exit(0 if ok else 1)


signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=end).start())
if bug == "leave-child":
    subprocess.Popen(["sleep", "30"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
threading.Thread(target=send, daemon=True).start()
seq, session = 0, ""
say(ready=True)
for line in sys.stdin.buffer:
    op = json.loads(line)
    if bug == "slow-reader":
        time.sleep(0.1)
    session = op.get("session", session)
    stream = os.environ.get("S2_STREAM") or session
    if op["op"] == "start":
        say(started=session)
    elif op["op"] == "publish":
        seq += 1
        if bug in ("mute", "misspelt"):
            print("storing nothing", file=sys.stderr, flush=True)
            if bug == "misspelt":
                say(publish=op["n"], seq=seq)
            continue
        if bug == "crash" and seq == 5:
            raise RuntimeError("the fifth is one too many")
        if bug == "die-slowly" and seq == 5:
            os.close(1)
            time.sleep(0.1)
            os._exit(1)
        if len(line) > 1000000:
            say(rejected=op["n"], reason="too large")
            continue
        with done:
            state["pending"] += 1
        work.put((stream, seq, line))
        say(published=op["n"], seq=seq)
    elif op["op"] in ("flush", "stop"):
        ok = drain(op.get("deadline_ms", 5000) / 1000)
        if op["op"] == "stop":
            say(stopped={"through": state["through"]})
        elif ok:
            say(flushed={"through": seq})
        else:
            say(flush_failed={"durable_through": state["through"], "pending": state["pending"]})
end()
