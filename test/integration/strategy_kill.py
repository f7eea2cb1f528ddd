#!/usr/bin/env python3
"""Kills a strategy with -9, again and again, between a market and an execution that live on.

At the end, from the journals alone:

  its journal is gapless over all its lives, and every life has decided something;
  no bar is decided twice, every opportunity has one verdict;
  every plan has exactly one answer, and no two trades were ever open at once;
  a threat ends at most once, and a worker never has two;
  the equity behind the last plan is the capital plus every result that was booked before it.

Snapshots are taken every 100 ms: all but the first lives begin from one, fold a part of both
journals, and every third finds its snapshot damaged and folds everything.

  strategy_kill.py STRATEGY FAKE_WORLD SOURCE [--kills N]
"""
import argparse
import collections
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CAPITAL = 10000


def check(ok, text):
    if not ok:
        raise SystemExit(f"FAILED: {text}")


def records(folder):
    """The records of a journal, in order."""
    found = []
    for path in sorted(folder.rglob("*.jsonl")) or sorted(folder.rglob("*journal*")):
        if path.is_file():
            for line in path.read_text().splitlines():
                record = json.loads(line)
                if "s" in record and record["k"] not in ("SEGMENT", "SEAL"):
                    found.append(record)
    return sorted(found, key=lambda record: record["s"])


def count(folder, kind):
    """How many records of a kind there are by now; the last line may be half written, and what is
    no journal may be gone again."""
    found = 0
    for path in folder.rglob("*"):
        try:
            found += path.read_bytes().count(b'"%s"' % kind.encode())
        except (FileNotFoundError, IsADirectoryError):
            pass
    return found


class World:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        shutil.copytree(pathlib.Path(args.source) / "config", folder / "config")
        platform = folder / "config/demo/platform.json"
        text = json.loads(platform.read_text())
        text["paths"] = {name: str(folder / name) for name in ("data", "run", "logs")}
        text["journal"] = {"snapshot_every": "100ms"}
        text["disk"] = {"warn_below": "2 MiB", "reduce_only_below": "1 MiB"}
        platform.write_text(json.dumps(text))
        self.log = open(folder / "log", "wb")
        self.processes = {}

    def start(self, program, instance):
        self.processes[instance] = subprocess.Popen(
            [program, "--config", str(self.folder / "config/demo"), "--instance", instance],
            stdout=self.log, stderr=self.log)

    def check_alive(self):
        for instance, process in self.processes.items():
            if process.poll() is not None:
                self.log.flush()
                print((self.folder / "log").read_text()[-3000:], file=sys.stderr)
                raise SystemExit(f"FAILED: {instance} ended with {process.returncode}")

    def logged(self, event):
        """The fields of each such line of the strategy's log."""
        lines = (self.folder / "log").read_text().splitlines()
        return [dict(part.split("=", 1) for part in line.split() if "=" in part)
                for line in lines if f" {event} " in line and "strategy.ema" in line]

    def damage_snapshot(self):
        path = self.folder / "data/strategy.ema/strategy.ema.json"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    def wait_for(self, folder, kind, at_least):
        deadline = time.monotonic() + 30
        while count(folder, kind) < at_least:
            self.check_alive()
            check(time.monotonic() < deadline, f"{kind}: fewer than {at_least} after 30 s")
            time.sleep(0.02)

    def end(self, instance, how):
        process = self.processes.pop(instance)
        process.send_signal(how)
        return process.wait(timeout=20)


def verify(strategy, execution, kills):
    check([r["s"] for r in strategy] == list(range(1, len(strategy) + 1)), "journal has gaps")
    lives = {r["e"] for r in strategy}
    check(lives == set(range(1, kills + 2)), f"epochs are {sorted(lives)}")
    for life in lives:
        check(any(r["k"] == "PLAN_READY" for r in strategy if r["e"] == life),
              f"life {life} planned nothing")
    by_kind = collections.defaultdict(list)
    for record in strategy + execution:
        by_kind[record["k"]].append(record)

    bars = [r["by"][0] for r in by_kind["OPPORTUNITY_DETECTED"]]
    check(len(bars) == len(set(bars)), "a bar was decided twice")
    signals = collections.Counter(
        r["b"]["opportunity_id"] for r in by_kind["OPPORTUNITY_DETECTED"])
    verdicts = collections.Counter(
        r["b"]["opportunity_id"]
        for r in by_kind["OPPORTUNITY_ACCEPTED"] + by_kind["OPPORTUNITY_REJECTED"])
    check(signals == verdicts, "an opportunity without its one verdict")

    plans = collections.Counter(r["b"]["plan_id"] for r in by_kind["PLAN_READY"])
    answers = collections.Counter(
        r["b"]["plan_id"] for r in by_kind["PLAN_ACCEPTED"] + by_kind["PLAN_REFUSED"])
    check(plans == answers, "a plan without its one answer")
    is_open = None
    for record in execution:
        if record["k"] == "TRADE_OPENED":
            check(is_open is None, "two trades at once")
            is_open = record["b"]["trade_id"]
        if record["k"] == "TRADE_CLOSED":
            is_open = None

    active = {}
    for record in strategy:
        body = record["b"]
        if record["k"] == "THREAT_DETECTED":
            check(body["worker"] not in active, "two threats of one worker")
            active[body["worker"]] = body["threat_id"]
        if record["k"] == "THREAT_ENDED":
            check(active.pop(body["worker"], None) == body["threat_id"], "an end without begin")

    last = by_kind["PLAN_READY"][-1]["b"]["plan_id"]
    booked = 0
    for record in execution:
        if record["k"] == "TRADE_CLOSED":
            booked += 1
        if record["k"].startswith("PLAN_") and record["b"]["plan_id"] == last:
            break
    equity = by_kind["PLAN_READY"][-1]["b"]["capital"]
    check(float(equity) == CAPITAL + booked, f"equity {equity} after {booked} results of 1")
    return len(plans), len(signals), len(by_kind["THREAT_DETECTED"])


def verify_starts(world, kills, damaged):
    """What each life began from, and that a snapshot spares it the fold of most facts."""
    starts, books = world.logged("state_restored"), world.logged("books_restored")
    check(len(starts) == kills + 1 and len(books) == kills + 1, f"{len(starts)} starts logged")
    for life, (start, book) in enumerate(zip(starts, books)):
        source = "journal" if life in damaged or life == 0 else "snapshot"
        check(start["from"] == source, f"life {life} began from {start}, not from a {source}")
    whole = [int(books[life]["execution"]) for life in damaged]
    part = [int(b["execution"]) for life, b in enumerate(books) if life not in damaged]
    check(min(whole) > 0 and max(part) < max(whole),
          f"facts folded: {part} after a snapshot, {whole} without")
    return len(damaged)


def run(args, folder):
    world = World(args, folder)
    data = folder / "data"
    try:
        world.start(args.fake_world, "marketdata")
        world.start(args.fake_world, "execution")
        plans, damaged = 0, []
        for life in range(args.kills + 1):
            world.start(args.strategy, "strategy.ema")
            world.wait_for(data / "strategy.ema", "PLAN_READY", plans + 2)
            plans = count(data / "strategy.ema", "PLAN_READY")
            world.wait_for(data / "strategy.ema", "strategy_state", 1)
            # The last life ends in order, with every answer there.
            how = signal.SIGKILL if life < args.kills else signal.SIGTERM
            code = world.end("strategy.ema", how)
            if life % 3 == 1 and life < args.kills:
                world.damage_snapshot()
                damaged.append(life + 1)
            check(code == (-signal.SIGKILL if life < args.kills else 0), f"it ended with {code}")
        plans = count(data / "strategy.ema", "PLAN_READY")
        deadline = time.monotonic() + 10
        while (count(data / "execution", "PLAN_ACCEPTED") +
               count(data / "execution", "PLAN_REFUSED")) < plans:
            check(time.monotonic() < deadline, "plans without answer")
            time.sleep(0.02)
        for instance in ("execution", "marketdata"):
            check(world.end(instance, signal.SIGTERM) == 0, f"{instance} did not end in order")
    finally:
        for process in world.processes.values():
            process.kill()
            process.wait()
        world.log.close()
    verify_starts(world, args.kills, damaged)
    return verify(records(data / "strategy.ema"), records(data / "execution"), args.kills)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("strategy")
    parser.add_argument("fake_world")
    parser.add_argument("source")
    parser.add_argument("--kills", type=int, default=8)
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="spoor-strategy-"))
    try:
        plans, signals, threats = run(args, folder)
    finally:
        shutil.rmtree(folder)
    print(f"{args.kills} kills: {signals} opportunities, {plans} plans with one answer each, "
          f"{threats} threats; nothing decided twice, never two trades at once")


if __name__ == "__main__":
    main()
