#!/usr/bin/env python3
"""Each service of a running operation records its inputs, and a rerun of them gives its journal.

The operation trades the generated market; every service is killed with -9 and comes back, some of
them from a snapshot; then it is stopped. `spoor rerun` must find each journal equal, over all lives
of its service. Then the recordings are spoilt: a changed input must be reported at its number, a
damaged file by its line, an unfinished one read up to its end.

usage: rerun.py BUILD_DIR SOURCE_DIR [--keep]
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile

from chaos import configure, settle, up
from system import System

SERVICES = ["marketdata", "execution", "reconciliation", "strategy.ema", "health"]


def crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


TABLE = crc32c_table()


def crc32c(seed, data):
    crc = ~seed & 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return ~crc & 0xFFFFFFFF


def seal(lines):
    """The lines with their checksums made right again."""
    crc, out = 0, []
    for line in lines:
        if line.startswith(b'"run":', 16):
            crc = 0
        crc = crc32c(crc, line[16:])
        out.append(b'{"c":"%08x",' % crc + line[16:])
    return b"\n".join(out) + b"\n"


class Recording:
    """The last run of a file of recorded inputs, as an editor has it."""

    def __init__(self, path):
        lines = path.read_bytes().splitlines()
        begin = max(i for i, line in enumerate(lines) if line.startswith(b'"run":', 16))
        self.lines = lines[begin:]
        self.epoch = json.loads(self.lines[0])["run"]["epoch"]

    def find(self, wanted):
        """Line index and content of the first input that is wanted."""
        for index, line in enumerate(self.lines):
            value = json.loads(line)
            if "n" in value and wanted(value):
                return index, value
        raise AssertionError("no such input was recorded")

    def change(self, index, before, after):
        changed = re.sub(before, after, self.lines[index], count=1)
        assert changed != self.lines[index], self.lines[index]
        return seal(self.lines[:index] + [changed] + self.lines[index + 1:])


def rerun(system, service, path, *more, expect=0):
    done = system.spoor("rerun", service, path, *more, expect=expect)
    return done.stdout + done.stderr


def kill(system, service):
    before = system.status()[service]
    os.kill(before["pid"], signal.SIGKILL)
    system.await_that(f"{service} to come back", lambda: system.status().get(service, {}).get(
        "epoch", 0) > before["epoch"])
    settle(system)


def trade(system, count):
    """Waits for so many more trades."""
    goal = len(system.records("execution", {"TRADE_CLOSED"})) + count
    system.await_that(f"{count} trades", lambda: len(
        system.records("execution", {"TRADE_CLOSED"})) >= goal, 60)


def alert(system):
    """Health raises an alert after a halt, dies with it, and ends it after the resume."""
    def told(kind):
        return [r for r in system.records("health", {kind})
                if r["b"]["threat_type"].startswith("TRADING_")]
    system.spoor("halt", "--reason", "a rerun repeats it")
    ended = len(told("THREAT_ENDED"))
    system.await_that("an alert", lambda: len(told("THREAT_DETECTED")) > ended)
    kill(system, "health")
    system.resume()
    system.await_that("its end", lambda: len(told("THREAT_ENDED")) > ended)


def live(system):
    assert up(system).returncode == 0, system.log_tails()
    settle(system)
    trade(system, 2)
    for service in SERVICES[:-1]:
        kill(system, service)
    trade(system, 2)
    alert(system)
    system.spoor("down", timeout=60)


def check_equal(system, inputs):
    for service in SERVICES:
        path = inputs / f"{service}.inputs"
        said = rerun(system, service, path)
        found = re.search(r"(\d+) inputs, (\d+) records, equal \((\d+) runs\)", said)
        assert found, said
        held = len([r for r in system.records(service)
                    if r["k"] not in ("STREAM_STARTED", "JOURNAL_TRUNCATED")])
        assert int(found[3]) == 2 and 0 < int(found[2]) == held, f"{service}: {held} held, {said}"
        print(f"ok  {service}: {found[1]} inputs, {found[2]} records, equal, over a kill")
    restored = "".join(p.read_text() for p in system.logs.glob("execution*.log"))
    assert "state_restored from=snapshot" in restored, "no start from a snapshot"


def check_changes(system, inputs):
    """One changed input of each service: told at its number, with the values."""
    cases = {
        "execution": (lambda v: v.get("r", {}).get("k") == "VENUE_REPORT" and
                      "venue_trade_id" in v["r"]["b"], rb'"px":"\d', rb'"px":"5'),
        "strategy.ema": (None, rb'"close":"(\d+)', rb'"close":"9\1'),
        "reconciliation": (lambda v: v["id"] == 1 and v.get("r", {"b": {}})["b"].get(
            "asset") == "USDT", rb'"free":"\d', rb'"free":"7'),
        "marketdata": (lambda v: v["i"] == "MESSAGE", rb'"market":"2026', rb'"market":"2027'),
        "health": (lambda v: v.get("r", {}).get("k") == "SERVICE_STATUS", rb'"b":{',
                   rb'"b":{"storage":"the disk is full",'),
    }
    for service, (wanted, before, after) in cases.items():
        path = inputs / f"{service}.inputs"
        recording = Recording(path)
        if wanted is None:  # the bar behind an opportunity
            bar = next(r for r in system.records(service, {"OPPORTUNITY_DETECTED"})
                       if r["e"] == recording.epoch)["by"][0]
            place = re.fullmatch(r"(.*)/(\d+):(\d+)", bar)
            wanted = lambda v: v["i"] == "TICK" and v["r"]["k"] == "BAR" and (
                v["x"], v["r"]["e"], v["r"]["s"]) == (place[1], int(place[2]), int(place[3]))
        index, value = recording.find(wanted)
        spoilt = inputs / "spoilt"
        spoilt.write_bytes(recording.change(index, before, after))
        said = rerun(system, service, spoilt, expect=70)
        found = re.search(r"input (\d+) of epoch (\d+): it", said)
        assert found and int(found[2]) == recording.epoch, said
        at = int(found[1])
        # What a balance leads to is recorded when the pass ends.
        # Health raises an alert when it looks, at the next tick.
        assert at == value["n"] or (service in ("reconciliation", "health") and at > value["n"]), \
            f"{service}: changed {value['n']}\n{said}"
        # Where the journal has no record of the input, there is nothing to show beside.
        assert "records that the journal has not" in said or (
            "journal  {" in said and "rerun    " in said), said
        assert "--break-at" in said, said
        print(f"ok  {service}: input {value['n']} changed, input {at} differs")


def check_damage(system, inputs):
    path = inputs / "execution.inputs"
    whole, spoilt = path.read_bytes(), inputs / "spoilt"
    lines = whole.count(b"\n", 0, len(whole) // 2) + 1
    damaged = bytearray(whole)
    place = len(whole) // 2
    damaged[place] ^= 1 if damaged[place] != 11 else 2
    spoilt.write_bytes(damaged)
    said = rerun(system, "execution", spoilt, expect=65)
    assert f"line {lines}, byte" in said and "equal up to here" in said, said
    spoilt.write_bytes(whole[:place])
    said = rerun(system, "execution", spoilt)
    assert "behind the last recorded input" in said and "equal" in said, said
    for begin in (b"", whole[:40]):
        spoilt.write_bytes(begin)
        said = rerun(system, "execution", spoilt, expect=65)
        assert "holds no run" in said, said
    said = rerun(system, "execution", inputs / "none", expect=64)
    assert "No such file" in said, said
    said = rerun(system, "execution", inputs / "strategy.ema.inputs", expect=64)
    assert "holds inputs of strategy.ema" in said, said
    for service, word in (("supervisor", "spoor journal supervisor"), ("venue", "no core")):
        said = rerun(system, service, path, expect=64)
        assert word in said, said
    print("ok  damage is named, an unfinished file is read, a foreign one refused")


def check_debugger(system, inputs):
    path = inputs / "execution.inputs"
    rerun(system, "execution", path, "--epoch", 2, "--break-at", 3, expect=-signal.SIGTRAP)
    said = rerun(system, "execution", path, "--epoch", 2, "--until", 3, "-v")
    assert said.count("\n") >= 4 and "3 inputs" in said and "ended as asked" in said, said
    print("ok  --break-at stops, --until ends, -v tells")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("source")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="spoor-rerun-")
    try:
        with System(args.build, args.source, folder) as system:
            system.platform["record_inputs"] = {"dir": "../inputs"}
            configure(system, None)
            inputs = pathlib.Path(folder) / "inputs"
            live(system)
            check_equal(system, inputs)
            check_changes(system, inputs)
            check_damage(system, inputs)
            check_debugger(system, inputs)
    except BaseException:
        args.keep = True
        print(f"kept for a look: {folder}", file=sys.stderr)
        raise
    finally:
        if not args.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
