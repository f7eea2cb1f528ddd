#!/usr/bin/env python3
"""The ledger's commands on a stopped and on a running operation, and a ledger that fails while
trading goes on.

usage: ledger.py BUILD_DIR SOURCE_DIR
"""
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import sys
import tempfile
import urllib.request

from chaos import configure, settle
from system import System, check_books

PLANT = ("CREATE TRIGGER planted BEFORE INSERT ON orders BEGIN"
         " SELECT RAISE(ABORT, 'planted'); END")


def path(system):
    return system.data / "execution" / "ledger.db"


def change(file, *statements):
    with sqlite3.connect(file) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


def traded(system, more=1):
    have = len(system.records("execution", {"FILL"}))
    system.await_that("fills", lambda: len(system.records("execution", {"FILL"})) >= have + more,
                      120)


def running(system):
    for words in (("verify",), ("rebuild",)):
        told = system.spoor("ledger", *words, expect=75).stderr
        assert "spoor down" in told, told


def backups_of(system):
    return sorted(p.name for p in (system.folder / "backup").glob("*"))


def backups_while_running(system):
    """Execution makes its copies itself: on schedule, and when it is asked."""
    system.await_that("two backups", lambda: len(backups_of(system)) >= 2)
    told = system.spoor("ledger", "backup").stdout
    assert "identical" in told and "/backup/ledger-" in told, told
    system.spoor("ledger", "backup", system.folder / "copy.db")
    told = system.spoor("ledger", "backup", system.folder / "copy.db", expect=64).stderr
    assert "already" in told, told
    for name in backups_of(system):
        assert name == "ledger.part" or name.endswith(".db"), name
    # health shows what execution told it last, which may be from before its first copy
    system.await_that("the time of a backup", lambda: (
        metric(system, "spoor_ledger_backup_timestamp_seconds") or 0) > 1_700_000_000)
    system.await_that("no failure", lambda: metric(system, "spoor_ledger_backup_failed") == 0)
    system.await_that("fewer again", lambda: len(backups_of(system)) <= 4)  # three and a copy
    (system.folder / "copy.db").unlink()


def backup_fails_and_says_so(system):
    """The folder cannot be written: trading goes on, status and metric tell, and it passes."""
    folder = system.folder / "backup"
    shutil.rmtree(folder)
    folder.write_text("in the way")
    told = system.spoor("ledger", "backup", expect=None)
    assert told.returncode == 74 and "ledger.part" in told.stderr, told
    system.await_that("the metric", lambda: metric(system, "spoor_ledger_backup_failed") == 1)
    health = json.dumps(json.loads(system.spoor("health", "--json", expect=None).stdout))
    assert "no backup of the ledger" in health, health
    folder.unlink()
    system.spoor("ledger", "backup")
    system.await_that("the metric", lambda: metric(system, "spoor_ledger_backup_failed") == 0)


def verified(system):
    told = system.spoor("ledger", "verify").stdout
    assert "identical" in told and "DIFFERS" not in told, told
    for asset in (system.world["instruments"][0][k] for k in ("base", "quote")):
        assert f"\n{asset} " in told, told


def backups(system):
    copy = system.folder / "copy.db"
    system.spoor("ledger", "backup", copy)
    before = copy.read_bytes()
    told = system.spoor("ledger", "backup", copy, expect=64).stderr
    assert "already" in told, told
    assert copy.read_bytes() == before
    system.spoor("ledger", "verify", copy)
    change(copy, "UPDATE links SET cash = cash + 1")
    told = system.spoor("ledger", "verify", copy, expect=65)
    assert "DIFFERS" in told.stdout, told.stdout
    assert sorted(p.name for p in system.folder.glob("copy.db*")) == ["copy.db"]


def rebuilds(system):
    told = system.spoor("ledger", "rebuild").stdout
    assert "identical" in told, told
    change(path(system), "UPDATE links SET cash = cash + 1")
    system.spoor("ledger", "verify", expect=65)
    assert "DIFFERENT" in system.spoor("ledger", "rebuild").stdout
    verified(system)
    change(path(system), "DROP TRIGGER postings_are_kept",
           "DELETE FROM postings WHERE leg = 0 AND seq = (SELECT min(seq) FROM postings)")
    told = system.spoor("ledger", "verify", expect=65).stderr
    assert "sum to zero" in told, told
    system.spoor("ledger", "rebuild")
    verified(system)
    path(system).write_bytes(b"no database" * 1000)
    told = system.spoor("ledger", "verify", expect=65).stderr
    assert "rebuild" in told, told
    assert "damaged" in system.spoor("ledger", "rebuild").stdout
    verified(system)
    path(system).unlink()
    system.spoor("ledger", "verify", expect=3)
    system.spoor("ledger", "rebuild")
    verified(system)
    names = sorted(p.name for p in path(system).parent.glob("ledger.db*"))
    assert names == ["ledger.db"], names


def metric(system, name):
    url = f"http://{system.platform['http']['listen']}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(name) and not line.startswith("#"):
                return float(line.split()[-1])
    return None


def names_the_broken_row(system):
    seq = system.sql("execution", "ledger.db", "SELECT max(seq) FROM fills")[0][0]
    change(path(system), "DROP TRIGGER fills_stay",
           f"UPDATE fills SET venue_time = venue_time + 1 WHERE seq = {seq}")
    told = system.spoor("ledger", "verify", expect=65).stderr
    assert f"breaks at fills, sequence {seq}" in told, told
    system.spoor("ledger", "rebuild")
    verified(system)


def restores(system):
    """The drill: a backup, more trades, the ledger lost; what comes back is the same."""
    system.spoor("ledger", "backup", system.folder / "drill.db")
    system.spoor("up", timeout=90)
    settle(system)
    traded(system)
    system.spoor("down")
    before = system.spoor("ledger", "verify").stdout
    shutil.copy(system.folder / "drill.db", path(system))  # by hand: the rest comes by itself
    system.spoor("up", timeout=90)
    settle(system)
    system.spoor("down")
    verified(system)
    assert fills(system, path(system))[:len(fills(system, system.folder / "drill.db"))] == fills(
        system, system.folder / "drill.db")
    assert before.split("\n")[0].split(",")[1] <= system.spoor("ledger", "verify").stdout.split(
        "\n")[0].split(",")[1]


def fills(system, file):
    with sqlite3.connect(f"file:{file}?immutable=1", uri=True) as db:
        rows = db.execute("SELECT seq, hash FROM fills ORDER BY seq").fetchall()
    db.close()
    return rows


def is_replaced_at_start(system):
    """A damaged ledger keeps nobody from trading: it is put aside and written anew."""
    path(system).write_bytes(b"no database" * 1000)
    system.spoor("up", timeout=90)
    settle(system)
    traded(system)
    log = (system.logs / "execution.log").read_text()
    assert log.count("ledger_replaced") == 1, log[-2000:]
    assert metric(system, "spoor_ledger_replaced") == 1
    health = json.dumps(json.loads(system.spoor("health", "--json", expect=None).stdout))
    assert "the ledger was damaged" in health, health
    system.spoor("down")
    aside = path(system).with_name("ledger.db.damaged.1")
    assert aside.read_bytes().startswith(b"no database")
    aside.unlink()
    verified(system)


def fails_and_trades_on(system):
    change(path(system), PLANT)
    system.spoor("up", timeout=90)
    settle(system)
    pid = system.status()["execution"]["pid"]
    traded(system, 2)
    system.await_that("the metric", lambda: metric(system, "spoor_ledger_failed") == 1)
    log = (system.logs / "execution.log").read_text()
    assert log.count("ledger_failed") == 1 and "planted" in log, log[-2000:]
    health = json.loads(system.spoor("health", "--json", expect=None).stdout)
    assert "the ledger is not written" in json.dumps(health), health
    assert system.status()["execution"]["pid"] == pid, "execution was restarted"
    system.spoor("down")
    change(path(system), "DROP TRIGGER planted")


def continues(system):
    """The next start writes what is missing, also after a kill."""
    system.spoor("up", timeout=90)
    settle(system)
    os.kill(system.status()["execution"]["pid"], signal.SIGKILL)
    settle(system)
    system.spoor("down")
    verified(system)
    check_books(system)


def main():
    folder = tempfile.mkdtemp(prefix="spoor-ledger-")
    try:
        with System(sys.argv[1], sys.argv[2], pathlib.Path(folder)) as system:
            configure(system, None)
            system.platform["ledger"] = {"backup_every": "500 ms", "backup_keep": 3,
                                         "backup_dir": str(system.folder / "backup")}
            system.write_config()
            system.spoor("up", timeout=90)
            settle(system)
            traded(system, 2)
            for case in (running, backups_while_running, backup_fails_and_says_so,
                         lambda s: s.spoor("down"), verified, backups, rebuilds,
                         names_the_broken_row, restores, is_replaced_at_start,
                         fails_and_trades_on, continues):
                case(system)
                if case.__name__ != "<lambda>":
                    print(f"ok  {case.__name__.replace('_', ' ')}", flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
