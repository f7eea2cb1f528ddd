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
import sqlite3
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


def starts(system):
    """Execution alone, until it is ready, and stopped. What it said until then."""
    process = subprocess.Popen([system.build / "spoor-execution", "--config", system.config],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    lines = []
    for line in process.stderr:
        lines.append(line)
        if " ready " in line:
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0, lines
    return lines


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
    assert any("from=snapshot" in line for line in starts(system))
    print("ok  a start that would need what is gone exits with 65, the generation before will do")


def change(file, statement):
    with sqlite3.connect(file) as db:
        db.execute(statement)
    db.close()


def verified(system):
    told = system.spoor("ledger", "verify").stdout
    assert "identical" in told and "instead of them" in told, told


def makes_the_ledger_again(system):
    """The journal alone cannot: a backup that reaches it and the journal can, and only they."""
    ledger = system.data / "execution" / "ledger.db"
    told = system.spoor("ledger", "verify", expect=None)
    assert told.returncode != 0 and "not compared" in told.stdout, told
    told = system.spoor("ledger", "backup").stdout
    assert "not compared" in told, told
    for path in (system.data / "execution").glob("execution.json*"):
        shutil.copy(path, system.folder / f"older.{path.name}")
    system.ended = system.records("execution")[-1]["s"]
    system.spoor("up", timeout=90)
    settle(system)
    have = len(system.records("execution", {"FILL"}))
    system.await_that("more fills", lambda: len(system.records("execution", {"FILL"})) > have, 60)
    system.spoor("down")
    verified(system)
    change(ledger, "UPDATE links SET cash = cash + 1")
    told = system.spoor("ledger", "verify", expect=65)
    assert "DIFFERS" in told.stdout and "spoor ledger rebuild" in told.stderr, told
    assert "backup/ledger-" in told.stderr, told.stderr
    assert "DIFFERENT" in system.spoor("ledger", "rebuild").stdout
    verified(system)
    ledger.unlink()
    assert "backup/ledger-" in system.spoor("ledger", "verify", expect=3).stderr
    assert "begins with" in system.spoor("ledger", "rebuild").stdout
    verified(system)
    same_books(system)
    print("ok  without the journal's begin a backup and the journal make the ledger again")


def damage(system, seq):
    path = [p for p in sorted((system.data / "execution").glob("*.jsonl"))
            if int(p.name[:20]) <= seq][-1]
    text = path.read_bytes()
    assert text.count(b'"s":%d,' % seq) == 1, seq
    path.write_bytes(text.replace(b'"s":%d,' % seq, b'"s":%d,' % (seq + 1)))


def put_back(system, aside):
    folder = system.data / "execution"
    shutil.rmtree(folder)
    shutil.copytree(aside, folder)


def repairs_without_its_begin(system):
    """What a repair does to the ledger where the journal could not write it anew."""
    folder, aside = system.data / "execution", system.folder / "before_repair"
    repair = ("journal", "repair", "execution")
    kept, backup = max((int(p.stem.split("-")[-1]), p)
                       for p in (folder / "backup").glob("ledger-*.db"))
    first, last = segments(system, "execution")[0], system.records("execution")[-1]["s"]
    bad = next(r["s"] for r in system.records("execution") if r["s"] > system.ended + 1)
    assert first < kept < bad < last, (first, kept, bad, last)
    damage(system, bad)
    shutil.copytree(folder, aside)
    # A backup reaches what stays.
    told = system.spoor(*repair, "--yes").stdout
    assert f"makes it again from what stays and\n          {backup}" in told, told
    assert (folder / "quarantine" / "ledger.db").exists() and not (folder / "ledger.db").exists()
    told = system.spoor("ledger", "verify", expect=3).stderr
    assert backup.name in told, told
    system.spoor("ledger", "rebuild")
    verified(system)
    cursor = system.sql("execution", "ledger.db", "SELECT cursor FROM meta")[0][0]
    assert kept <= cursor < bad, (kept, cursor, bad)
    (folder / "ledger.db").unlink()
    for path in folder.glob("execution.json*"):
        path.unlink()
    for path in system.folder.glob("older.*"):  # the snapshots end behind the cut, too
        shutil.copy(path, folder / path.name.removeprefix("older."))
    starts(system)
    verified(system)
    assert system.sql("execution", "ledger.db", "SELECT cursor FROM meta")[0][0] >= bad
    # The ledger has seen nothing of what goes.
    put_back(system, aside)
    shutil.copy(backup, folder / "ledger.db")
    told = system.spoor(*repair, "--yes").stdout
    assert "ledger  stays" in told, told
    assert (folder / "ledger.db").exists() and not (folder / "quarantine" / "ledger.db").exists()
    verified_after = system.spoor("ledger", "verify", expect=None)
    assert verified_after.returncode == 0, verified_after
    # It has, and nothing could give it again.
    put_back(system, aside)
    shutil.rmtree(folder / "backup")
    before = {p.name: p.read_bytes() for p in folder.glob("*.jsonl")}
    told = system.spoor(*repair, "--yes", expect=65)
    assert "no backup in" in told.stderr and f"between record {first - 1} and" in told.stderr, told
    assert {p.name: p.read_bytes() for p in folder.glob("*.jsonl")} == before
    assert (folder / "ledger.db").exists()
    put_back(system, aside)
    print("ok  a repair keeps the ledger, has a backup to make it from, or changes nothing")


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
            makes_the_ledger_again(system)
            repairs_without_its_begin(system)
            refuses_to_skip(system)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
