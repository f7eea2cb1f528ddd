#!/usr/bin/env python3
"""Lock-step: real processes on real sockets do what the same services do on the simulated machine.

The simulator plays a market without faults, with its own delays and its own disks, and
writes down what is left. Then `spoor up` runs the same configuration. The journals of execution,
reconciliation and every strategy have to be equal line by line, apart from checksums and "w": the
same opportunities, plans, orders, fills and results, with the same ids at the same times.

Where there is a recording (SPOOR_DATA, or data beside the source), the same is done with its begin.

usage: lock_step.py BUILD_DIR SOURCE_DIR SIMULATE [--seed N] [--seconds N] [--keep]
"""
import argparse
import gzip
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from system import System, check_books, free_port, whole_lines

RECORDED_MESSAGES = 4000
COUNTED = ["OPPORTUNITY_DETECTED", "PLAN_READY", "FILL", "TRADE_CLOSED"]


class Live(System):
    """A System whose configuration is the simulator's."""

    def __init__(self, build, source, folder, etc):
        folder.mkdir()
        super().__init__(build, source, folder)
        shutil.rmtree(self.config)
        shutil.copytree(etc, self.config)
        self.platform = json.loads((etc / "platform.json").read_text())
        self.operation = json.loads((etc / "operation.json").read_text())
        self.platform["paths"] = {"data": "../data", "run": "../run", "logs": "../log"}
        self.platform["http"] = {"listen": f"127.0.0.1:{free_port()}"}
        self.world = next(iter(self.operation["worlds"].values()))
        for name in ("platform", "operation"):
            (self.config / f"{name}.json").write_text(json.dumps(getattr(self, name)))


def play(system):
    """Runs it until the feed is over, and so are the last turns. The streams to compare."""
    system.spoor("up", timeout=60)
    system.await_that("the feed's end", lambda: system.records("marketdata", {"FEED_ENDED"}), 60)
    system.await_that("the end of the last turn", lambda: '"the feed has ended"' in system.spoor(
        "health", "--json", expect=None).stdout)
    system.spoor("down", timeout=60)
    return [name for name in system.journals()
            if name in ("execution", "reconciliation") or name.startswith("strategy.")]


def lines(data, stream):
    """A journal's records as they stand in it, but for what depends on the disk."""
    out = []
    for path in sorted((data / stream).glob("*.jsonl")):
        for line in whole_lines(path.read_bytes()).decode().splitlines():
            if '"segment":' in line[:40] or '"seal":' in line[:40]:
                continue
            out.append(re.sub(r'^{"c":"[0-9a-f]{8}",(.*?)"w":\d+,', r"{\1", line))
    return out


def compare(stream, live, other):
    for n, (a, b) in enumerate(zip(live, other)):
        if a != b:
            at = next(i for i, (x, y) in enumerate(zip(a, b)) if x != y)
            raise AssertionError(f"{stream}: record {n + 1} differs at byte {at}\n  live   {a}"
                                 f"\n  other  {b}")
    assert len(live) == len(other), f"{stream}: {len(live)} records, the other {len(other)}"


def simulate(args, folder, *more):
    subprocess.run([args.simulate, "--seed", str(args.seed), "--seconds", str(args.seconds),
                    "--lock-step", "--trace", folder, *more], check=True, stdout=subprocess.PIPE,
                   timeout=120)


def run(args, folder, what, *more):
    """The same configuration simulated and with real processes."""
    simulated = folder / "sim"
    simulated.mkdir(parents=True)
    simulate(args, simulated, *more)
    with Live(args.build, args.source, folder / "live", simulated / "etc") as live:
        streams = play(live)
        assert len(streams) >= 3, streams
        counts = {}
        for stream in streams:
            told = lines(live.data, stream)
            compare(stream, told, lines(simulated / "data", stream))
            for kind in COUNTED:
                counts[kind] = counts.get(kind, 0) + sum(f'"k":"{kind}"' in line for line in told)
            print(f"ok  {what}, {stream}: {len(told)} records, live == simulated")
        assert all(counts.values()), f"too little happened to prove anything: {counts}"
        check_books(live)
        pnl = [r["b"].get("realised_pnl", "0") for r in live.records("execution", {"TRADE_CLOSED"})]
        print(f"ok  {counts}; results {', '.join(pnl)}; journal == ledger == venue")


def run_recorded(args, folder):
    beside = args.source.resolve().parent / "shared" / "data"
    data = pathlib.Path(os.environ.get("SPOOR_DATA", beside))
    whole = data / "binance_wire" / "spot_btcusdt_20240808.gz"
    if not whole.exists():
        print("skip  a recording: there is none")
        return
    with gzip.open(whole) as source, gzip.open(folder / "begin.gz", "wb") as begin:
        begin.writelines(itertools.islice(source, RECORDED_MESSAGES))
    run(args, folder / "recorded", "recording", "--recording", str(folder / "begin.gz"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("simulate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="spoor-lock-step-"))
    try:
        run(args, folder / "generated", "generator")
        run_recorded(args, folder)
    except BaseException:
        args.keep = True
        print(f"kept for a look: {folder}", file=sys.stderr)
        raise
    finally:
        if not args.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
