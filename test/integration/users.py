#!/usr/bin/env python3
"""Users' stories that need processes, by their row in docs/users.md: readers beside a trading
system (1), a process that hangs (7), a balance that changed past us (20).

usage: users.py BUILD_DIR SOURCE_DIR
"""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import urllib.request

from chaos import configure, settle
from system import System, check_orders, free_port

WORD = "users-control-word"


def entries(system):
    return [r for r in system.records("execution", {"ORDER_INTENT"}) if r["b"]["role"] == "ENTRY"]


class Readers:
    """People who look, all at once and all the time, until told to stop."""

    def __init__(self, system):
        self.system, self.over, self.looks = system, threading.Event(), 0
        looks = (("trades",), ("why", "last"), ("journal", "execution"), ("status",), ("limits",))
        self.threads = [threading.Thread(target=self.ask, args=look) for look in looks]
        self.threads.append(threading.Thread(target=self.open_ledger))
        for thread in self.threads:
            thread.start()

    def ask(self, *args):
        while not self.over.is_set():
            subprocess.run([self.system.build / "spoor", "-C", self.system.config, *args],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=60)
            self.looks += 1

    def open_ledger(self):
        """As a web page would: a transaction of its own on the file, as long as it gets one."""
        while not self.over.is_set():
            try:
                with sqlite3.connect(f"file:{self.system.data}/execution/ledger.db?mode=ro",
                                     uri=True, timeout=0.1) as base:
                    base.execute("BEGIN")
                    base.execute("SELECT count(*) FROM fills").fetchall()
                    self.over.wait(0.2)
            except sqlite3.Error:
                self.over.wait(0.05)  # it is the reader that waits
            self.looks += 1

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def row_01_readers_never_block_the_journal(system):
    before = len(entries(system))
    readers = Readers(system)
    try:
        system.await_that("entries beside readers", lambda: len(entries(system)) >= before + 4, 60)
    finally:
        readers.stop()
    assert readers.looks > 20, readers.looks
    # Every execution of the venue is in the journal, behind an intent that came before it.
    intents = {r["b"]["client_order_id"]: r["s"]
               for r in system.records("execution", {"ORDER_INTENT"})}
    for fill in system.records("execution", {"FILL"}):
        assert intents[fill["b"]["client_order_id"]] < fill["s"], fill


def row_07_a_hang_ends_by_itself(system):
    """Stopped, it answers nobody and is alive by every look from outside."""
    pid = system.status()["execution"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    system.await_that("another execution",
                      lambda: system.status().get("execution", {}).get("pid") not in (None, 0, pid),
                      60)
    settle(system)
    before = len(entries(system))
    system.await_that("an entry after it", lambda: len(entries(system)) > before, 60)
    ends = [r for r in system.records("supervisor", {"CHILD_EXITED"}) if r["b"].get("pid") == pid]
    assert ends, "the journal says what ended"


def control(system, path, **params):
    request = urllib.request.Request(
        f"http://127.0.0.1:{system.api_port}/spoor/v1/{path}",
        data=urllib.parse.urlencode(params).encode() if params else None,
        headers={"Authorization": f"Bearer {WORD}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def bus_flows(system):
    """{service: {stream: flow}} as `spoor status` shows it."""
    shown = json.loads(system.spoor("status", "--json").stdout)["supervisors"][0]
    return {row["name"]: {f["stream"]: f for f in row["bus"]} for row in shown if row.get("bus")}


def status_shows_what_the_bus_does(system):
    """Each service, each stream: nested, and what was published is applied or said to be lost."""
    def ticks(bus):
        return next((f for s, f in bus.get("strategy.ema", {}).items() if s.startswith("md.")),
                    {"applied": 0})

    def have_heard():
        bus = bus_flows(system)
        facts = bus.get("reconciliation", {}).get("execution", {"applied": 0})
        return ticks(bus)["applied"] > 0 < facts["applied"]

    system.await_that("the strategy and reconciliation have heard something", have_heard)
    bus = bus_flows(system)
    heard = ticks(bus)
    own = bus["marketdata"][heard["stream"]]
    assert heard["publisher"] == "marketdata" and "publisher" not in own, (heard, own)
    assert heard["lost"] == heard["rewound"] == 0, heard
    assert own["published"] > 0 and own["lag"] >= 0, own
    facts = bus["reconciliation"]["execution"]
    assert 0 < facts["applied"] <= system.records("execution")[-1]["s"], facts
    assert {"lag", "replayed", "gaps", "dropped"} <= set(facts), facts
    text = system.spoor("status").stdout
    assert all(word in text for word in ("applied", "lag", "lost", "replayed", "gaps", "dropped"))


def row_20_what_changed_past_us_is_adopted(system):
    """A deposit: the books differ and trading closes, until a person says what the venue holds."""
    system.spoor("halt", "--reason", "a deposit is on its way")
    system.spoor("flatten")
    flat = lambda: not ({r["b"]["trade_id"] for r in system.records("execution", {"TRADE_OPENED"})}
                        - {r["b"]["trade_id"] for r in system.records("execution",
                                                                      {"TRADE_CLOSED"})})
    system.await_that("a flat account", flat)
    control(system, "act", what="transfer", asset="USDT", amount="2500")
    assert system.spoor("reconcile", expect=None).returncode == 70
    state = system.spoor("status").stdout
    assert "differ" in state, state
    told = [r for r in system.records("reconciliation", {"DISCREPANCY"})
            if r["b"].get("asset") == "USDT"][-1]["b"]
    wrong = system.spoor("adopt", "USDT", "1", "--reason", "a slip", expect=70)
    assert "differ" in wrong.stderr, wrong
    amount = told["venues"].split()[0]
    assert system.spoor("adopt", "USDT", amount, expect=64).stderr.count("--reason")
    system.spoor("adopt", "USDT", amount, "--reason", "deposit of 2500")
    adopted = system.records("execution", {"BALANCE_ADOPTED"})
    assert [a["b"]["after"] for a in adopted] == ["1", amount], adopted
    why = system.spoor("why", adopted[-1]["b"]["command_id"]).stdout
    assert "deposit of 2500" in why and "the account holds" in why, why
    before = len(entries(system))
    system.resume()
    system.await_that("an entry after the adoption", lambda: len(entries(system)) > before, 60)


def main():
    folder = tempfile.mkdtemp(prefix="spoor-users-")
    try:
        with System(sys.argv[1], sys.argv[2], folder) as system:
            system.api_port = free_port()
            for name, text in (("keys.json", '{"keys": [{"api_key": "k", "secret": "s"}]}'),
                               ("control.token", WORD)):
                (system.config / name).write_text(text)
                (system.config / name).chmod(0o400)
            system.world["venue"]["api"] = {"listen": f"127.0.0.1:{system.api_port}",
                                            "keys": "keys.json", "control": "control.token"}
            configure(system, None)
            system.spoor("up", "--policy", "budget=60,backoff_max=1s,stuck_after=2s", timeout=90)
            settle(system)
            for case in (status_shows_what_the_bus_does,
                         row_01_readers_never_block_the_journal, row_07_a_hang_ends_by_itself,
                         row_20_what_changed_past_us_is_adopted):
                case(system)
                print(f"ok  {case.__name__.replace('_', ' ')}", flush=True)
            system.spoor("down")
            check_orders(system)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
