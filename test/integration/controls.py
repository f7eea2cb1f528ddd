#!/usr/bin/env python3
"""What stops trading and what opens it again, each across a kill -9 of execution: a lost feed
(circuit breaker), an operator's halt, flatten, and a halt while execution is down.

usage: controls.py BUILD_DIR SOURCE_DIR
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from decimal import Decimal

from chaos import configure, settle
from system import System, check_books, check_orders


class Operation(System):
    def kinds(self, kind, **fields):
        return [r for r in self.records("execution", {kind})
                if all(r["b"].get(k) == v for k, v in fields.items())]

    def seq(self):
        records = self.records("execution")
        return records[-1]["s"] if records else 0

    def after(self, seq, kind, seconds=40, **fields):
        """Waits for a record of execution after `seq`."""
        def found():
            return [r for r in self.kinds(kind, **fields) if r["s"] > seq]
        return self.await_that(f"{kind} {fields} after {seq}", found, seconds)[0]

    def ask_feed(self, what):
        subprocess.run([self.build / "test" / "md_ask", self.run, what], check=True,
                       stdout=subprocess.DEVNULL, timeout=20)

    def kill_execution(self):
        before = self.seq()
        os.kill(self.status()["execution"]["pid"], signal.SIGKILL)
        self.after(before, "STREAM_STARTED")
        settle(self)


def feed_outage(system):
    """One threat, the breaker opens, a restart does not close it, the end of the threat and a clean
    reconciliation do."""
    start = system.seq()
    system.ask_feed("pause_feed")
    halted = system.after(start, "TRADING_HALTED", breaker="OPEN")
    threats = [r for r in system.records("marketdata", {"THREAT_DETECTED"})
               if r["b"]["threat_type"] == "CONNECTION_LOST"]
    assert len(threats) == 1, threats
    assert halted["b"]["threat_ids"] == [threats[0]["b"]["threat_id"]], halted
    system.kill_execution()
    state = system.spoor("status").stdout
    assert "REDUCE ONLY" in state.upper().replace("_", " "), state
    resumed_from = system.seq()
    system.ask_feed("resume_feed")
    half = system.after(resumed_from, "TRADING_HALTED", breaker="HALF_OPEN")
    closed = system.after(half["s"], "TRADING_RESUMED", breaker="CLOSED")
    assert closed["b"].get("reconciliation_id"), closed
    opened = [r for r in system.kinds("PLAN_ACCEPTED") if halted["s"] < r["s"] < closed["s"]
              and r["b"]["action"] == "OPEN"]
    assert not opened, f"risk was increased while the breaker was open: {opened}"
    answer = system.spoor("why", threats[0]["b"]["threat_id"]).stdout
    assert "CONNECTION_LOST" in answer or "connection" in answer.lower(), answer


def operator_halt(system):
    start = system.seq()
    system.spoor("halt", "--reason", "lunch")
    halted = system.after(start, "TRADING_HALTED", cause="OPERATOR")
    system.kill_execution()
    refused = system.after(halted["s"], "PLAN_REFUSED", 60, gate="halted")
    assert "lunch" in refused["b"]["reason"], refused
    before = system.seq()
    seen = json.loads(system.spoor("resume", "--json", expect=4).stdout)
    assert not seen["ok"] and "lunch" in seen["reason"], seen
    shown = system.spoor("resume", expect=4).stdout
    assert "Nothing was resumed yet" in shown and f"--confirm {seen['confirm']}" in shown, shown
    system.spoor("halt", "--scope", "strategy.ema", "--reason", "and another")
    told = system.spoor("resume", "--confirm", seen["confirm"], expect=4).stderr
    assert "does not stand for what is halted now" in told, told
    assert not [r for r in system.kinds("TRADING_RESUMED") if r["s"] > before]
    system.resume()
    resumed = system.after(before, "TRADING_RESUMED")
    accepted = [r for r in system.kinds("PLAN_ACCEPTED", action="OPEN")
                if halted["s"] < r["s"] < resumed["s"]]
    assert not accepted, accepted


def open_trade(system):
    opened = {r["b"]["trade_id"] for r in system.kinds("TRADE_OPENED")}
    closed = {r["b"]["trade_id"] for r in system.kinds("TRADE_CLOSED")}
    return opened - closed


def limits_in_use(system, trade):
    """What a position has cost is what its limit says is used, in all three scopes."""
    opened = system.kinds("TRADE_OPENED", trade_id=trade)[0]["b"]
    rows = json.loads(system.spoor("limits", "--json").stdout)["limits"]
    used = {r["scope"]: r for r in rows if r["name"] == "position_value_max"}
    assert set(used) == {"venue.paper", "instrument.BTCUSDT", "strategy.ema"}, used
    for row in used.values():
        (use, unit), limit = row["use"].split(), Decimal(row["limit"].split()[0])
        assert unit == "USDT" and Decimal(use) + Decimal(row["headroom"].split()[0]) == limit, row
    if trade in open_trade(system):
        cost = Decimal(opened["px"]) * Decimal(opened["qty"])
        assert all(Decimal(r["use"].split()[0]) >= cost for r in used.values()), (cost, used)
    shown = system.spoor("limits").stdout
    assert "position_value_max" in shown and "trading" in shown, shown


def steps(system, command):
    return [r for r in system.kinds("FLATTEN", command_id=command)]


def operator_flatten(system):
    """The venue holds its breath, so that the kill falls between a cancel and its answer."""
    trade = system.await_that("an open trade", lambda: open_trade(system), 120).pop()
    limits_in_use(system, trade)
    before = system.seq()
    venue = system.status()["venue"]["pid"]
    os.kill(venue, signal.SIGSTOP)
    try:
        said = system.spoor("flatten", "--reason", "going home").stdout
        assert "flatten  all: " in said, said
        command = system.after(before, "OPERATOR_COMMAND", command="FLATTEN")["b"]["command_id"]
        system.await_that("the flatten to begin", lambda: steps(system, command))
        sent = [r["b"]["step"] for r in steps(system, command)]
        seq = system.seq()
        os.kill(system.status()["execution"]["pid"], signal.SIGKILL)
    finally:
        os.kill(venue, signal.SIGCONT)
    system.after(seq, "STREAM_STARTED")
    done = system.after(before, "FLATTEN", step="DONE", command_id=command)
    told = [r["b"]["step"] for r in steps(system, command)]
    for step in ("STARTED", "CANCELS_CONFIRMED", "FLAT"):
        assert told.count(step) == 1, told
    assert "DONE" not in sent and told[-1] == "DONE" and "FAILED" not in told, (sent, told)
    assert told.index("CANCELS_CONFIRMED") < told.index("FLAT") < told.index("VERIFYING"), told
    exits = [r["b"]["client_order_id"] for r in system.kinds("ORDER_INTENT", role="EXIT")
             if before < r["s"] < done["s"]]
    assert exits == [r["b"]["client_order_id"] for r in steps(system, command)
                     if r["b"]["step"] == "REDUCING"], (exits, told)
    record = system.kinds("TRADE_CLOSED", trade_id=trade)[0]
    # The market may have closed it in the very moment of the command.
    if record["b"]["cause"] == "OPERATOR":
        assert record["b"].get("command_id") == command, record
        assert "going home" in system.spoor("why", trade).stdout
    why = system.spoor("why", command).stdout
    for word in ("STARTED: 1 trade", "CANCELS CONFIRMED", "FLAT", "VERIFYING", "DONE: flat"):
        assert word.lower() in why.lower().replace("_", " "), (word, why)
    assert not open_trade(system)
    assert "flatten  " not in system.spoor("status").stdout
    settle(system)
    system.resume()


def halt_without_execution(system):
    system.spoor("stop", "execution")
    before = system.seq()
    told = system.spoor("halt", "--reason", "while it is down").stdout
    path = system.data / "execution" / "HALT"
    assert path.exists(), told
    system.spoor("start", "execution")
    command = system.after(before, "OPERATOR_COMMAND", command="HALT")
    assert "while it is down" in command["b"]["reason"], command
    system.after(command["s"], "TRADING_HALTED")
    system.await_that("the halt file to be taken over", lambda: not path.exists())
    system.resume()


def main():
    folder = tempfile.mkdtemp(prefix="spoor-controls-")
    try:
        with Operation(sys.argv[1], sys.argv[2], folder) as system:
            for scope in (system.world["instruments"][0], system.operation["strategy_links"][0]):
                scope["risk"] = {"position_value_max": "6000 USDT"}
            configure(system, None)
            system.spoor("up", "--policy", "budget=60,backoff_max=1s", timeout=90)
            settle(system)
            for case in (feed_outage, operator_halt, operator_flatten, halt_without_execution):
                case(system)
                print(f"ok  {case.__name__.replace('_', ' ')}", flush=True)
            system.spoor("down")
            entries, _ = check_orders(system)
            fills = check_books(system)
            print(f"ok  {len(entries)} entries, {len(fills)} fills: journal == ledger == venue")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
