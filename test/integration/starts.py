#!/usr/bin/env python3
"""Every service starts from its snapshot and the journal's tail; without one from the whole
journal. What it then says of itself is what its journal says, counted without the product's code.

Each service that keeps a journal is killed with -9 once enough is behind it: with its snapshot
whole, with it damaged, and with it gone.

usage: starts.py BUILD_DIR SOURCE_DIR
"""
import json
import os
import shutil
import signal
import sys
import tempfile

from chaos import configure, settle
from system import System, check_books, check_orders, e8

SERVICES = ["marketdata", "execution", "reconciliation", "strategy.ema", "health"]
COUNTED = {
    "strategy.ema": {"opportunities": "OPPORTUNITY_DETECTED", "accepted": "OPPORTUNITY_ACCEPTED",
                     "rejected": "OPPORTUNITY_REJECTED", "plans": "PLAN_READY",
                     "threats": "THREAT_DETECTED"},
    "reconciliation": {"passes": "RECONCILIATION_RESULT"},
    "health": {"alerts_raised": "THREAT_DETECTED"},
}


class Operation(System):
    def values(self, name):
        """What a service says of itself now."""
        answer = json.loads(self.spoor("health", "--json", expect=None).stdout)
        row = next(r for r in answer["services"] if r["name"] == name)
        return row.get("status", {}).get("values", {})

    def starts(self, name):
        """state_restored of each start, as fields, and the epochs started."""
        lines = [line for path in sorted(self.logs.glob(f"{name}.log*"), reverse=True)
                 for line in path.read_text().splitlines() if " state_restored " in line]
        return [dict(p.split("=", 1) for p in line.split() if "=" in p) for line in lines]

    def supervisor_records_read(self):
        """Of each start of health: how many records of the supervisor's journal it read."""
        lines = [line for path in sorted(self.logs.glob("health.log*"), reverse=True)
                 for line in path.read_text().splitlines() if " supervisor_journal_read " in line]
        return [int(line.split("records=")[1].split()[0]) for line in lines]

    def snapshot(self, name):
        return self.data / name / f"{name}.json"

    def restart(self, name):
        """Kills it; the fields of its next start."""
        before = len(self.starts(name))
        os.kill(self.status()[name]["pid"], signal.SIGKILL)
        self.await_that(f"{name} to start", lambda: len(self.starts(name)) > before)
        settle(self)
        return self.starts(name)[-1]

    def equity(self):
        """Capital and the newest result of the link."""
        capital = e8(self.operation["strategy_links"][0]["capital"].split()[0])
        results = [r["b"] for r in self.records("execution", {"LEDGER_STATE_CHANGED"})
                   if r["b"]["strategy_link_id"] == "ema"]
        return capital + (e8(results[-1].get("realised_pnl", "0")) if results else 0)

    def check_answers(self, name):
        """Waits until both sides, which go on meanwhile, have said the same."""
        for value, kind in COUNTED.get(name, {}).items():
            self.await_that(f"{name}: {value} as {kind} are in its journal", lambda v=value, k=kind:
                            self.values(name).get(v) == str(len(self.records(name, {k}))), 20)
        if name == "strategy.ema":
            self.await_that("its equity as execution booked it", lambda:
                            e8(self.values(name).get("equity", "0")) == self.equity(), 20)


def from_snapshot(system, name):
    system.await_that(f"a snapshot of {name}", system.snapshot(name).exists)
    total = len(system.records(name))
    start = system.restart(name)
    assert start["from"] == "snapshot", (name, start)
    assert int(start["folded"]) < total, (name, start, total)
    if name == "health":
        system.await_that("the supervisor's journal to be read", lambda:
                          len(system.supervisor_records_read()) == len(system.starts(name)))
        read, all_of_it = system.supervisor_records_read()[-1], len(system.records("supervisor"))
        assert read < all_of_it, (read, all_of_it)
    system.check_answers(name)
    return f"{start['folded']} of {total}"


def damaged(system, name):
    os.kill(system.status()[name]["pid"], signal.SIGSTOP)  # or it would save a whole one over it
    data = bytearray(system.snapshot(name).read_bytes())
    data[len(data) * 2 // 3] ^= 1
    system.snapshot(name).write_bytes(data)
    start = system.restart(name)
    assert start["from"] == "journal", (name, start)
    system.check_answers(name)
    return start["folded"]


def gone(system, name):
    os.kill(system.status()[name]["pid"], signal.SIGSTOP)
    for path in (system.data / name).glob(f"{name}.json*"):
        path.unlink()
    start = system.restart(name)
    assert start["from"] == "journal", (name, start)
    system.check_answers(name)
    return start["folded"]


def alert(system):
    """What health alerts of is a fact of its own, which ends, and which why explains."""
    system.spoor("halt", "--reason", "to see an alert")
    def found(kind):
        return [r["b"] for r in system.records("health", {kind})
                if r["b"]["threat_type"].startswith("TRADING_")]
    before = len(found("THREAT_ENDED"))
    system.await_that("an alert", lambda: len(found("THREAT_DETECTED")) > before, 20)
    threat = found("THREAT_DETECTED")[-1]
    told = system.spoor("why", threat["threat_id"]).stdout
    assert threat["threat_type"] in told and "execution" in told, told
    assert "to see an alert" in told and "ACTIVE" in told, told
    system.resume("--reason", "seen")
    system.await_that("its end", lambda: len(found("THREAT_ENDED")) > before, 20)
    told = system.spoor("why", threat["threat_id"]).stdout
    assert "ended" in told, told
    return told.splitlines()[0]


def main():
    folder = tempfile.mkdtemp(prefix="spoor-starts-")
    try:
        with Operation(sys.argv[1], sys.argv[2], folder) as system:
            configure(system, None)
            system.spoor("up", "--policy", "budget=60,backoff_max=1s", timeout=90)
            settle(system)
            system.await_that("two closed trades", lambda:
                              len(system.records("execution", {"TRADE_CLOSED"})) >= 2, 90)
            for case in (from_snapshot, damaged, gone):
                folded = [f"{name} {case(system, name)}" for name in SERVICES]
                print(f"ok  {case.__name__.replace('_', ' ')}: folded {', '.join(folded)}",
                      flush=True)
            print(f"ok  {alert(system)}", flush=True)
            system.spoor("down")
            entries, _ = check_orders(system)
            fills = check_books(system)
            print(f"ok  {len(entries)} entries, {len(fills)} fills: journal == ledger == venue")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
