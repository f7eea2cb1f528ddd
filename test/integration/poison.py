#!/usr/bin/env python3
"""A journal that fails while orders work: execution cancels its entries at the venue, leaves its
exits there, sends no order, ends with 74, and after a restart its books are the venue's.

usage: poison.py BUILD_DIR SOURCE_DIR
"""
import contextlib
import copy
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from system import System, check_books, check_orders


class Processes(System):
    """The operation without a supervisor, so that an end can be looked at."""

    def __enter__(self):
        self.running, self.files = {}, []
        return self

    def __exit__(self, kind, error, trace):
        for process in self.running.values():
            process.kill()
            process.wait()
        for file in self.files:
            file.close()
        if kind is not None:
            for path in sorted(self.folder.glob("*.txt")):
                print(f"--- {path.name}", *path.read_text().splitlines()[-15:], sep="\n")

    def start(self, program, instance):
        file = open(self.folder / f"{instance}.txt", "ab")
        self.files.append(file)
        self.running[instance] = subprocess.Popen(
            [self.build / program, "--config", self.config, "--instance", instance],
            stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    def end(self, instance, sig=None, seconds=30):
        process = self.running.pop(instance)
        if sig is not None:
            process.send_signal(sig)
        return process.wait(seconds)

    def text(self, instance):
        return (self.folder / f"{instance}.txt").read_text()

    def venue_orders(self):
        """client order id -> row, of the venue's own truth."""
        with contextlib.suppress(Exception):
            rows = self.sql("venue", "venue.db", "SELECT client_order_id, side, state, type FROM"
                            " orders")
            return {row[0]: row[1:] for row in rows}
        return {}


def configure(system):
    link = system.operation["strategy_links"][0]
    system.operation["strategy_links"] = []
    for name in ("buy", "wait"):
        other = copy.deepcopy(link)
        other.update(id=name, capital="5000 USDT", on_stop="keep")
        system.operation["strategy_links"].append(other)
    system.operation["risk"].update(price_collar="50%", open_orders_max=8)
    system.world["feed"]["speed"] = "1x"
    system.platform["disk"] = {"warn_below": "128 KiB", "warn_below_part": "0%",
                               "reduce_only_below": "64 KiB", "ballast": "16 KiB"}
    system.write_config()


def begin(system):
    for program, instance in (("spoor-venue", "venue"), ("spoor-marketdata", "marketdata"),
                              ("spoor-execution", "execution"),
                              ("spoor-reconciliation", "reconciliation"),
                              ("test/one-plan", "strategy.buy"),
                              ("test/one-plan", "strategy.wait")):
        system.start(program, instance)
    system.await_that("a protected trade", lambda: len(
        [r for r in system.records("execution", {"ORDER_ACK"})]) >= 4, 40)
    intents = {r["b"]["client_order_id"]: r["b"] for r in
               system.records("execution", {"ORDER_INTENT"})}
    entry = [k for k, b in intents.items() if b["strategy_link_id"] == "wait"]
    exits = [k for k, b in intents.items() if b["role"] in ("TARGET", "STOP")]
    assert len(entry) == 1 and len(exits) == 2, intents
    return entry[0], exits, intents


def fill_the_disk(system):
    with open(system.data / "execution" / "filler", "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
    system.await_that("reduce only", lambda: [
        r for r in system.records("execution", {"TRADING_HALTED"}) if r["b"]["cause"] == "STORAGE"])
    told = []
    for _ in range(2000):  # the journal has written 256 KiB ahead
        done = system.spoor("halt", "--reason", "full disk", expect=None)
        if done.returncode != 0:
            return told
        told += re.findall(r"cmd_(\w+)", done.stdout)
    raise SystemExit("FAILED: the disk never filled up")


def check_end(system, entry, exits, intents):
    code = system.end("execution")
    text = system.text("execution")
    assert code == 74, f"exit {code}"
    assert f"entry_cancel_asked client_order_id={entry}" in text, "the entry was not cancelled"
    assert "entries_to_cancel=1 not_asked=0" in text and "entry_cancel_answered ok=1" in text
    for order in exits:
        assert order not in text.split("storage_failed")[0].split("fatal")[-1], f"{order} touched"
    system.end("venue", signal.SIGTERM)
    orders = system.venue_orders()
    states = {"OPEN": 4, "CANCELED": 9}
    assert orders[entry][1] == states["CANCELED"], orders[entry]
    for order in exits:
        assert orders[order][1] == states["OPEN"], (order, orders[order])
    assert set(orders) == set(intents), f"sent at the end: {set(orders) - set(intents)}"
    print("ok  entry canceled at the venue, exits stay, no order was sent, exit 74")


def check_return(system, entry, told):
    (system.data / "execution" / "filler").unlink()
    system.start("spoor-venue", "venue")
    system.start("spoor-execution", "execution")
    ended = system.await_that("the cancel to be booked", lambda: [
        r for r in system.records("execution", {"ORDER_CANCELED"})
        if r["b"]["client_order_id"] == entry], 30)[0]
    assert ended["by"], ended
    system.await_that("space", lambda: [r for r in system.records("execution", {"TRADING_RESUMED"})
                                        if r["b"]["cause"] == "STORAGE"])
    kept = [r["b"]["command_id"] for r in system.records("execution", {"OPERATOR_COMMAND"})]
    for end in told:
        assert any(k.endswith(end) for k in kept), f"{end} was acknowledged, and is not kept"
    system.await_that("clean books", lambda: [
        r for r in system.records("reconciliation", {"RECONCILIATION_RESULT"})
        if r["b"].get("clean") and r["b"]["execution_epoch"] == ended["e"]], 30)
    for name in ("strategy.buy", "strategy.wait", "reconciliation", "execution", "marketdata",
                 "venue"):
        assert system.end(name, signal.SIGTERM) == 0, name
    check_orders(system)
    fills = check_books(system)
    print(f"ok  after the restart journal == ledger == venue, {len(fills)} fill(s)")


def main():
    if os.geteuid() != 0:
        print("SKIP  needs root for a small tmpfs")
        return
    folder = tempfile.mkdtemp(prefix="spoor-poison-")
    try:
        with Processes(sys.argv[1], sys.argv[2], folder) as system:
            configure(system)
            (system.data / "execution").mkdir(parents=True, mode=0o700)
            system.data.chmod(0o700)
            mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs",
                                      system.data / "execution"], stderr=subprocess.PIPE, text=True)
            if mounted.returncode != 0:
                print("SKIP  needs a small tmpfs: " + mounted.stderr.strip())
                return
            try:
                entry, exits, intents = begin(system)
                told = fill_the_disk(system)
                check_end(system, entry, exits, intents)
                check_return(system, entry, told)
            finally:
                for process in system.running.values():
                    process.kill()
                    process.wait()
                system.running = {}
                subprocess.run(["umount", system.data / "execution"], check=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
