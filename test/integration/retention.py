#!/usr/bin/env python3
"""Old segments are deleted on request, never more than everybody can do without, and say so; a
start afterwards has the same books, and one that would need what is gone refuses.

usage: retention.py BUILD_DIR SOURCE_DIR
"""
import copy
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from chaos import configure, settle
from system import System, check_books


def segments(system, stream):
    return sorted(int(p.name[:20]) for p in (system.data / stream).glob("*.jsonl"))


def newest(system, stream, kind):
    found = system.records(stream, {kind})
    return found[-1] if found else None


def is_limited(text):
    return re.search(r"limited by (\S+)", text).group(1)


def nothing_for_a_sleeping_reader(system):
    """A service that does not run keeps what it has not read."""
    system.await_that("some segments", lambda: len(segments(system, "execution")) > 3, 90)
    system.spoor("stop", "reconciliation")
    before = segments(system, "execution")
    system.await_that("more", lambda: len(segments(system, "execution")) > len(before) + 2, 90)

    def limited():
        told = system.spoor("journal", "retain", "execution", "--keep", "0s").stdout
        return told if is_limited(told) == "reconciliation" else None
    told = system.await_that("the sleeper to be what limits it", limited, 30)
    left = segments(system, "execution")
    place = [r["in"] for r in system.records("reconciliation") if r.get("in", "").startswith(
        "execution/")][-1]
    assert left[0] <= int(place.split(":")[1]), (left, place)
    system.spoor("start", "reconciliation")
    settle(system)
    print(f"ok  a stopped reader keeps what it has not read: {told.strip()}")


def trim(system):
    before = segments(system, "execution")
    first_id = system.records("execution", {"TRADE_CLOSED"})[0]["b"]["trade_id"]

    def deleted():
        told = system.spoor("journal", "retain", "execution", "--keep", "0s").stdout
        return told if told.startswith("deleted") else None
    told = system.await_that("a trim", deleted, 60)
    left = segments(system, "execution")
    record = newest(system, "execution", "JOURNAL_TRIMMED")["b"]
    assert left[0] > before[0] and record["first_seq"] == left[0], (record, left)
    assert record["operator_name"] and record["limited_by"] == is_limited(told), (record, told)
    system.spoor("journal", "verify")
    print(f"ok  {told.strip()}")
    return first_id


def says_what_is_gone(system, trade):
    done = system.spoor("why", trade)  # its strategy's records are there still
    assert "ITS BEGIN WAS DELETED" in done.stdout and "NOT DONE" not in done.stdout, done.stdout
    done = system.spoor("why", "trd_0000000000000000000000000z", expect=3)
    assert "any more" in done.stderr and "were deleted" in done.stderr, done.stderr
    done = system.spoor("journal", "execution:1", expect=None)
    assert done.returncode != 0 and "holds records from" in done.stderr, done.stderr
    done = system.spoor("trades")
    assert "were deleted" in done.stderr, done.stderr
    print("ok  why, journal and trades say what was deleted")


def starts_from_the_snapshot(system):
    for name in ("execution", "strategy.ema", "reconciliation"):
        seq = system.records(name)[-1]["s"]
        os.kill(system.status()[name]["pid"], signal.SIGKILL)
        system.await_that(f"{name} again", lambda: [
            r for r in system.records(name, {"STREAM_STARTED"}) if r["s"] > seq])
        settle(system)
    print("ok  kill -9 of execution, strategy and reconciliation: back by snapshot and tail")


def restored_from(system, name):
    lines = [line for path in sorted(system.logs.glob(f"{name}.log*"), reverse=True)
             for line in path.read_text().splitlines() if " state_restored " in line]
    return re.search(r"from=(\S+)", lines[-1]).group(1)


def takes_another_configuration(system):
    """A new link, other capital, another worker, another schedule: though what was before is gone,
    everything starts from its snapshots, and again when the link is removed."""
    before = copy.deepcopy((system.operation, system.blueprint))
    link = system.operation["strategy_links"][0]
    link["capital"] = "6000 USDT"
    system.operation["strategy_links"].insert(0, {**link, "id": "second", "capital": "4000 USDT"})
    system.operation["schedules"][0]["name"] = "other"
    system.blueprint["threat"][0]["id"] = "calm"
    for what in ("added", "removed"):
        system.spoor("down")
        system.write_config()
        system.spoor("up", timeout=90)
        settle(system)
        for name in ("execution", "strategy.ema", "reconciliation"):
            assert restored_from(system, name) == "snapshot", name
        told = json.loads(system.spoor("health", "--json", expect=None).stdout)["services"]
        links = {row["name"] for row in told if row["name"].startswith("strategy.")}
        assert links == ({"strategy.ema", "strategy.second"} if what == "added"
                         else {"strategy.ema"}), links
        system.operation, system.blueprint = copy.deepcopy(before)
    print("ok  links, capital, workers and schedules change, though the begin is gone")


def same_books(system):
    """What is left of the journal is in the ledger, and the ledger is the venue's."""
    fills = {(s, t): (side, px, qty) for s, t, side, px, qty in system.sql(
        "execution", "ledger.db", "SELECT symbol, venue_trade_id, side, px, qty FROM fills")}
    sides = {1: "BUY", 2: "SELL"}
    venue = {(s, t): (sides[side], px, qty) for s, t, side, px, qty in system.sql(
        "venue", "venue.db", "SELECT symbol, trade_no, side, px, qty FROM fills")}
    assert fills == venue and fills, "ledger and venue differ"
    held = {(r["b"]["symbol"], r["b"]["venue_trade_id"]) for r in system.records("execution",
                                                                                 {"FILL"})}
    assert held < set(fills), "nothing was deleted"
    result = newest(system, "reconciliation", "RECONCILIATION_RESULT")["b"]
    assert result.get("clean"), result
    print(f"ok  ledger == venue, {len(fills)} fills, {len(held)} of them still in the journal")


def alone(system, program, instance):
    return subprocess.run([system.build / program, "--config", system.config, "--instance",
                           instance], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, timeout=30)


def refuses_without(system):
    """No snapshot, no ledger file, no place in a strategy's: the history is not whole."""
    done = system.spoor("ledger", "rebuild", expect=None)
    assert done.returncode != 0 and "deleted" in done.stderr, done.stderr
    folder = system.data / "execution"
    aside = system.folder / "aside"
    shutil.copytree(folder, aside)
    for path in folder.glob("execution.json*"):
        path.unlink()
    done = alone(system, "spoor-execution", "execution")
    assert done.returncode == 65 and "were deleted" in done.stderr, done
    assert "execution.json" in done.stderr, done.stderr
    for path in aside.glob("execution.json*"):
        shutil.copy(path, folder)
    (folder / "ledger.db").unlink()
    done = alone(system, "spoor-execution", "execution")
    assert done.returncode == 65 and "the journal begins at" in done.stderr, done
    shutil.copy(aside / "ledger.db", folder)
    # The newest generation damaged: the one before is taken, and folds to the same.
    path = folder / "execution.json"
    path.write_bytes(path.read_bytes()[:-100])
    process = subprocess.Popen([system.build / "spoor-execution", "--config", system.config],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    lines = []
    for line in process.stderr:
        lines.append(line)
        if " ready " in line:
            break
    assert any("from=snapshot" in line for line in lines), lines
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0, lines
    print("ok  a start that would need what is gone exits with 65, the generation before will do")


def refuses_to_skip(system):
    """Facts deleted behind a reader's back end it, instead of being passed over."""
    folder = system.data / "strategy.ema"
    for path in folder.glob("strategy.ema.json*"):
        path.unlink()
    done = alone(system, "spoor-strategy", "strategy.ema")
    assert done.returncode == 65, done
    assert "were deleted" in done.stderr and "execution" in done.stderr, done.stderr
    print("ok  a strategy whose facts are gone exits with 65 and says which")


def main():
    folder = tempfile.mkdtemp(prefix="spoor-retention-")
    try:
        with System(sys.argv[1], sys.argv[2], folder) as system:
            configure(system, None)
            system.platform["journal"] = {"snapshot_every": "200ms", "segment": "4 KiB"}
            system.write_config()
            system.spoor("up", "--policy", "budget=60,backoff_max=1s", timeout=90)
            settle(system)
            nothing_for_a_sleeping_reader(system)
            trade = trim(system)
            says_what_is_gone(system, trade)
            starts_from_the_snapshot(system)
            takes_another_configuration(system)
            system.spoor("down")
            same_books(system)
            refuses_without(system)
            refuses_to_skip(system)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
