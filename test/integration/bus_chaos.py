#!/usr/bin/env python3
"""Kills and stops a publisher and a subscriber, again and again, and counts.

Both have queues of ten messages, so frames are lost all the time as well. At the end

  facts   the subscriber's journal has applied every record of the publisher's journal exactly once,
          in order, with the right content;
  ticks   of every incarnation: published == applied + announced as lost, in order, nothing twice.

  bus_chaos.py CHAOS_PUB CHAOS_SUB [--kills N] [--seed N] [--keep]
"""
import argparse
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time


class Failure(Exception):
    pass


class Side:
    """One of the two programs, in its current incarnation."""

    def __init__(self, name, command, stderr):
        self.name, self.command, self.stderr = name, command, stderr
        self.process = None
        self.starts = self.kills = self.stops = 0

    def start(self):
        self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=self.stderr)
        self.starts += 1

    def check(self):
        if self.process is not None and self.process.poll() is not None:
            raise Failure(f"{self.name} ended by itself with {self.process.returncode}")

    def kill(self):
        self.check()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None
        self.kills += 1

    def stop_for(self, seconds):
        self.check()
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)
        self.stops += 1

    def end(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


def hurt(rng, side):
    if rng.random() < 0.7:
        side.kill()
        if rng.random() < 0.5:
            time.sleep(rng.uniform(0, 0.3))
        side.start()
    else:
        side.stop_for(2.3 if rng.random() < 0.03 else rng.uniform(0.02, 0.3))


def records_of(folder):
    """All records of a journal, by line."""
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".jsonl"):
            continue
        with open(os.path.join(folder, name), "rb") as lines:
            for line in lines:
                record = json.loads(line)
                if "s" in record and record.get("k") not in (None, "SEGMENT", "SEAL"):
                    yield record


def check_facts(data):
    published = [(f"pub/{r['e']}:{r['s']}", r) for r in records_of(os.path.join(data, "pub"))]
    applied = [r for r in records_of(os.path.join(data, "sub")) if r.get("in")]
    refs = [r["in"] for r in applied]
    for i, (ref, record) in enumerate(published):
        if i >= len(refs):
            raise Failure(f"fact {ref} was never applied ({len(refs)} of {len(published)})")
        if refs[i] != ref:
            raise Failure(f"applied {refs[i]} where {ref} was due (number {i})")
        if record["k"] == "CURSOR" and record["b"]["inputs"] != applied[i]["b"]["inputs"]:
            raise Failure(f"fact {ref} was applied with another content")
    if len(refs) != len(published):
        raise Failure(f"{len(refs)} facts applied, {len(published)} published")
    return len(published)


def read_ticks(data):
    """Applied sequences and lost ranges [first, last] of each epoch."""
    applied, lost, newest = {}, {}, (1, 0)
    with open(os.path.join(data, "sub", "ticks.log"), encoding="ascii") as lines:
        for line in lines:
            what, *numbers = line.split()
            numbers = [int(n) for n in numbers]
            if what == "A":
                epoch, seq, value = numbers
                if value != seq:
                    raise Failure(f"tick {epoch}:{seq} says it is {value}")
                if (epoch, seq) <= newest:
                    raise Failure(f"tick {epoch}:{seq} came after {newest[0]}:{newest[1]}")
                newest = (epoch, seq)
                applied.setdefault(epoch, set()).add(seq)
            else:
                seen, first, epoch, last = numbers
                if seen == epoch:
                    lost.setdefault(epoch, []).append((first, last))
                else:
                    lost.setdefault(seen, []).append((first, sys.maxsize))
                    for between in range(seen + 1, epoch):
                        lost.setdefault(between, []).append((1, sys.maxsize))
                    lost.setdefault(epoch, []).append((1, last))
    return applied, lost


def check_ticks(data):
    applied, lost = read_ticks(data)
    counts = {"published": 0, "applied": 0, "lost": 0, "losses": 0}
    for name in os.listdir(os.path.join(data, "pub")):
        if not name.startswith("ring."):
            continue
        epoch = int(name[5:])
        with open(os.path.join(data, "pub", name), "rb") as count:
            raw = count.read()
        total = struct.unpack("<Q", raw)[0] if raw else 0
        here = applied.get(epoch, set())
        if here and max(here) > total:
            raise Failure(f"tick {epoch}:{max(here)} was applied, only {total} were published")
        ranges = lost.get(epoch, [])
        announced = set()
        for first, last in ranges:
            announced.update(range(first, min(last, total) + 1))
        if here & announced:
            both = min(here & announced)
            raise Failure(f"epoch {epoch}: {both} was applied and announced as lost")
        missing = set(range(1, total + 1)) - here - announced
        if missing:
            raise Failure(f"epoch {epoch}: {len(missing)} ticks from {min(missing)} on were lost "
                          f"in silence (of {total})")
        counts["published"] += total
        counts["applied"] += len(here)
        counts["lost"] += len(announced)
        counts["losses"] += len(ranges)
    if counts["published"] != counts["applied"] + counts["lost"]:
        raise Failure(f"ticks do not add up: {counts}")
    return counts


def run(options, folder, stderr):
    rng = random.Random(options.seed)
    run_dir, data = os.path.join(folder, "run"), os.path.join(folder, "data")
    os.mkdir(run_dir, 0o700)
    os.mkdir(data, 0o700)
    ways = {"files": 0, "socket": 0}

    def sub_command():
        way = rng.choice(sorted(ways))
        ways[way] += 1
        return [options.sub, run_dir, data, way]

    pub = Side("publisher", lambda: [options.pub, run_dir, data], stderr)
    sub = Side("subscriber", sub_command, stderr)
    started = time.monotonic()
    try:
        pub.start()
        sub.start()
        for _ in range(options.kills):
            time.sleep(rng.uniform(0.02, 0.4))
            hurt(rng, rng.choice((pub, sub)))
        with open(os.path.join(run_dir, "quiet"), "w", encoding="ascii"):
            pass
        try:
            out, _ = sub.process.communicate(timeout=60)
        except subprocess.TimeoutExpired as late:
            raise Failure("the subscriber did not catch up within 60 s") from late
        if sub.process.returncode != 0:
            raise Failure(f"subscriber ended with {sub.process.returncode}")
        pub.check()
        pub.process.terminate()
        if pub.process.wait(timeout=20) != 0:
            raise Failure(f"publisher ended with {pub.process.returncode}")
    finally:
        pub.end()
        sub.end()
    seconds = time.monotonic() - started
    print(f"seed {options.seed}: {seconds:.0f} s, "
          f"{pub.kills} kills and {pub.stops} stops of the publisher, "
          f"{sub.kills} and {sub.stops} of the subscriber "
          f"({ways['files']} starts with files, {ways['socket']} with the socket only)")
    print(out.decode().strip())
    for name in ("pub", "sub"):
        subprocess.run([options.pub, "--verify", os.path.join(data, name), name], check=True)
    facts = check_facts(data)
    print(f"facts: {facts} published, {facts} applied once and in order")
    ticks = check_ticks(data)
    print(f"ticks: {ticks['published']} published = {ticks['applied']} applied + {ticks['lost']} "
          f"announced as lost in {ticks['losses']} ranges")
    if ticks["applied"] == 0 or facts == 0:
        raise Failure("nothing was applied: the test proves nothing")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pub")
    parser.add_argument("sub")
    parser.add_argument("--kills", type=int, default=200, help="kills and stops together")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--keep", action="store_true", help="leave the folder for inspection")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="spoor-chaos-")
    log = os.path.join(folder, "stderr")
    status = 0
    try:
        with open(log, "wb") as stderr:
            run(options, folder, stderr)
    except (Failure, subprocess.SubprocessError) as failure:
        with open(log, encoding="utf-8", errors="replace") as text:
            print(text.read()[-2000:], file=sys.stderr)
        print(f"FAILED with --seed {options.seed}: {failure}", file=sys.stderr)
        status = 1
    if options.keep:
        print(folder)
    else:
        shutil.rmtree(folder)
    return status


if __name__ == "__main__":
    sys.exit(main())
