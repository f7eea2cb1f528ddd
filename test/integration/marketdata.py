#!/usr/bin/env python3
"""The real spoor-marketdata and subscribers of its streams: counts, sums and books of recordings,
pacing, kills, outages, and the files it records.

usage: marketdata.py BUILD_DIR SOURCE_DIR
Uses the recordings in $SPOOR_DATA or ../shared/data when they are there.
"""
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
SOURCE = pathlib.Path(sys.argv[2]).resolve()
DATA = pathlib.Path(os.environ.get("SPOOR_DATA", SOURCE.parent / "shared" / "data"))
DEADLINE = 60.0
CONSUMERS = ("venue", "execution", "strategy.ema")

GOLDEN = {
    "BTCUSDT": {
        "file": "spot_btcusdt_20240808.gz", "TRADE": 9757, "QUOTE": 28040, "deltas": 3451,
        "first_trade": 3735683259, "last_trade": 3735693015, "first_px": "61837.63",
        "last_px": "61685.99", "qty": "212.03315", "value": "13084074.1123886",
        "buy_qty": "96.65118", "applied": 3449, "last_update_id": 50093421584,
        "bids": 1209, "asks": 2196,
        "best_bids": [["61685.99", "1.0087"], ["61685.98", "0.10972"], ["61685.57", "0.32412"]],
        "best_asks": [["61686", "2.29327"], ["61686.01", "0.00009"], ["61686.02", "0.45446"]]},
    "ETHUSDT": {
        "file": "spot_ethusdt_20240808.gz", "TRADE": 6106, "QUOTE": 24077, "deltas": 3434,
        "first_trade": 1520538925, "last_trade": 1520545030, "first_px": "2683.8",
        "last_px": "2682.51", "qty": "2261.3149", "value": "6066483.27618",
        "buy_qty": "953.0359", "applied": 3432, "last_update_id": 35346671849,
        "bids": 1195, "asks": 1158,
        "best_bids": [["2682.5", "3.3168"], ["2682.41", "0.002"], ["2682.4", "0.0274"]],
        "best_asks": [["2682.51", "48.9739"], ["2682.52", "3.7296"], ["2682.54", "5.2867"]]},
}


class Process:
    """A child whose JSON lines are read as they come."""

    def __init__(self, *args, env=None, json_lines=True):
        self.child = subprocess.Popen([str(a) for a in args], text=True, env=env,
                                      stdout=subprocess.PIPE if json_lines else None,
                                      stderr=None if json_lines else subprocess.PIPE)
        self.lines = queue.Queue()
        self.seen = []
        self.thread = threading.Thread(target=self.read, args=(json_lines,), daemon=True)
        self.thread.start()

    def read(self, json_lines):
        for line in self.child.stdout if json_lines else self.child.stderr:
            self.lines.put(json.loads(line) if json_lines else line.rstrip("\n"))
        self.lines.put(None)

    def until(self, what, test, seconds=DEADLINE):
        """The next line for which test holds."""
        end = time.monotonic() + seconds
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {what} within {seconds} s; saw {self.seen[-10:]}")
            assert line is not None, f"ended before {what}; saw {self.seen[-10:]}"
            self.seen.append(line)
            if test(line):
                return line

    def event(self, name, seconds=DEADLINE):
        return self.until(name, lambda e: e.get("event") == name, seconds)

    def summary(self):
        return self.until("summary", lambda e: e.get("summary"))

    def end(self, sig=signal.SIGTERM):
        if self.child.poll() is None:
            self.child.send_signal(sig)
        code = self.child.wait(timeout=DEADLINE)
        self.thread.join(timeout=DEADLINE)
        (self.child.stdout or self.child.stderr).close()
        return code


class Operation:
    """The demo's configuration in a folder of its own, with another feed."""

    def __init__(self, folder, **feed):
        self.folder = pathlib.Path(folder)
        self.config = self.folder / "config"
        shutil.copytree(SOURCE / "config" / "demo", self.config)
        platform = json.loads((self.config / "platform.json").read_text())
        platform["paths"] = {"data": "../data", "run": "../run", "logs": "../logs"}
        (self.config / "platform.json").write_text(json.dumps(platform))
        self.symbol = "BTCUSDT"
        self.set_feed(**feed)
        self.run = self.folder / "run"
        self.data = self.folder / "data"
        self.processes = []

    def set_feed(self, symbol="BTCUSDT", **feed):
        operation = json.loads((self.config / "operation.json").read_text())
        world = operation["worlds"]["practice"]
        if "file" in feed:
            world["feed"] = {"source": "recording", "symbols": [symbol], "silence": "2s"}
        world["feed"].update(feed, symbols=[symbol])
        world["venue"]["balances"] = {"USDT": "10000", symbol[:3]: "0"}
        world["instruments"][0].update(symbol=symbol, base=symbol[:3])
        blueprint = self.config / "strategies" / "ema_cross.json"
        blueprint.write_text(blueprint.read_text().replace(self.symbol, symbol))
        (self.config / "operation.json").write_text(json.dumps(operation))
        self.symbol = symbol

    @property
    def stream(self):
        return f"md.paper.{self.symbol}"

    def service(self):
        p = Process(BUILD / "spoor-marketdata", "--config", self.config, json_lines=False)
        self.processes.append(p)
        return p

    def tap(self, name, *options):
        p = Process(BUILD / "test" / "md_tap", self.run, name, self.stream, *options)
        self.processes.append(p)
        return p

    def taps(self, *options):
        self.run.mkdir(parents=True, exist_ok=True)
        return [self.tap(name, "--paced", "--facts", *options) for name in CONSUMERS]

    def facts(self, *kinds):
        found = []
        for path in sorted((self.data / "marketdata").glob("*.jsonl")):
            for line in path.read_text().splitlines():
                record = json.loads(line)
                if record.get("k") in kinds:
                    found.append(record)
        return found

    def close(self):
        failed = sys.exc_info()[0] is not None
        for p in self.processes:
            p.end(signal.SIGKILL)
            while failed and not p.lines.empty():
                p.seen.append(p.lines.get())
            if failed:
                print(p.child.args, *p.seen[-20:], sep="\n    ")


def same(what, got, want):
    assert got == want, f"{what}: {got}, expected {want}"


def strip(decimal):
    return decimal.rstrip("0").rstrip(".")


def check_order(summary):
    for key in ("disorder", "time_back", "bars_late", "missing_trades"):
        same(key, summary[key], 0)


def check_golden(summary, golden):
    check_order(summary)
    same("gaps", summary["gaps"], 0)
    for key in ("TRADE", "QUOTE", "first_trade", "last_trade", "first_px", "last_px", "qty",
                "buy_qty"):
        same(key, summary[key], golden[key])
    same("value", strip(summary["value"]), golden["value"])
    book = summary["book"]
    same("right", book["right"], True)
    for key in ("applied", "last_update_id", "bids", "asks", "best_bids", "best_asks"):
        same(key, book[key], golden[key])


def recordings(folder):
    for symbol, golden in GOLDEN.items():
        path = DATA / "binance_wire" / golden["file"]
        if not path.exists():
            print(f"skipped: {symbol}: no {path}")
            continue
        op = Operation(folder / symbol, symbol=symbol, file=str(path), speed="max", record=True)
        try:
            taps = op.taps("--until", "FEED_ENDED")
            service = op.service()
            for tap in taps:
                check_golden(tap.summary(), golden)
            same("exit code", service.end(), 0)
            same("ends", [r["b"].get("stopped", False)
                          for r in op.facts("FEED_ENDED")], [False, True])
            same("outages", op.facts("THREAT_DETECTED"), [])
            check_files(op, golden)
        finally:
            op.close()
        print(f"ok: {symbol}: counts, sums and the golden book at three paced subscribers")


def check_files(op, golden):
    """What was recorded, read by another implementation."""
    try:
        import pyarrow.compute as pc
        import pyarrow.parquet as pq
    except ImportError:
        print("skipped: pyarrow is not installed")
        return
    folder = op.data / "market" / "paper" / op.symbol
    table = pq.ParquetDataset(str(folder / "trade")).read().sort_by("trade_id")
    same("recorded trades", table.num_rows, golden["TRADE"])
    same("first id", table["trade_id"][0].as_py(), golden["first_trade"])
    same("recorded quantity", strip(str(pc.sum(table["qty"]).as_py())), golden["qty"])
    quotes = pq.ParquetDataset(str(folder / "quote")).read()
    same("recorded quotes", quotes.num_rows, golden["QUOTE"])
    deltas = pq.ParquetDataset(str(folder / "book_delta")).read()
    same("recorded changes", len(pc.unique(deltas["last_update_id"])), golden["deltas"])
    leftovers = list((op.data / "market").rglob("*.tmp"))
    same("leftovers", leftovers, [])
    print(f"ok: {op.symbol}: recorded files are whole and equal")


def late_joiner(folder):
    """A subscriber that comes when all is over gets the whole book, also after a kill."""
    golden = GOLDEN["BTCUSDT"]
    path = DATA / "binance_wire" / golden["file"]
    if not path.exists():
        print("skipped: late joiner: no recording")
        return
    op = Operation(folder / "late", file=str(path), speed="max")
    try:
        taps = op.taps("--until", "FEED_ENDED")
        service = op.service()
        for tap in taps:
            tap.summary()
        for round_of in ("same process", "after kill -9"):
            late = op.tap("late")
            late.event("book")
            late.end()
            book = late.summary()["book"]
            for key in ("last_update_id", "bids", "asks", "best_bids", "best_asks"):
                same(key, book[key], golden[key])
            if round_of == "same process":
                service.end(signal.SIGKILL)
                service = op.service()
        same("ended once", len(op.facts("FEED_ENDED")), 1)
        print("ok: a late joiner gets the whole book, also of an ended feed after a kill")
    finally:
        op.close()


def endings(folder):
    """A recording is not played again after a kill, and is after an orderly end."""
    lines = ['%d {"stream":"btcusdt@trade","data":{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,'
             '"p":"100.00","q":"0.10000","T":%d,"m":true,"M":true}}'
             % (ms * 1000000, ms, n, ms)
             for n, ms in enumerate(range(1723161255000, 1723161257000, 10), 1)]
    lines.insert(20, "1723161255200000000 {nonsense")
    capture = folder / "small"
    capture.write_text("\n".join(lines) + "\n")
    op = Operation(folder / "endings", file=str(capture), speed="10x")
    try:
        for want_anew, stop in ((True, signal.SIGKILL), (False, signal.SIGTERM),
                                (True, signal.SIGTERM)):
            service = op.service()
            wanted = "feed_ended" if want_anew else "run_up_done"
            service.until(wanted, lambda line: wanted in line)
            service.end(stop)
            started = op.facts("FEED_STARTED")[-1]["b"]
            same("begun anew", started.get("anew", False), want_anew)
        same("errors", len(op.facts("FEED_ERROR")), 2)
        assert "line 21" in op.facts("FEED_ERROR")[0]["b"]["reason"]
        print("ok: bad input is a fact; an ended recording starts anew only after an orderly end")
    finally:
        op.close()


def pacing(folder):
    """At full speed nothing runs ahead of the slowest consumer, and it goes on where it was."""
    op = Operation(folder / "pacing", speed="max", length="20m")
    try:
        op.run.mkdir(parents=True)
        fast = op.tap("venue", "--paced", "--facts", "--until", "FEED_ENDED")
        slow = op.tap("execution", "--paced", "--facts", "--until", "FEED_ENDED")
        service = op.service()
        service.until("ready", lambda line: " ready " in line)
        probe = op.tap("late", "--count", "1")
        time.sleep(0.3)  # a run ahead would need only a fraction of that
        same("without the third consumer", len(op.facts("FEED_POSITION")), 0)
        third = op.tap("strategy.ema", "--paced", "--facts", "--until", "FEED_ENDED")
        third.event("FEED_POSITION")
        slow.child.send_signal(signal.SIGSTOP)
        service.end(signal.SIGKILL)
        service = op.service()
        slow.child.send_signal(signal.SIGCONT)
        sums = [p.summary() for p in (fast, slow, third)]
        for summary in sums:
            assert summary["epochs"] >= 1 and summary["records"] > 0, summary
            same("time_back", summary["time_back"], 0)
            same("right", summary["book"]["right"], True)
        same("one last trade", len({s["last_trade"] for s in sums}), 1)
        starts = op.facts("FEED_STARTED")
        assert len(starts) == 2 and not starts[1]["b"].get("anew"), starts
        assert starts[1]["t"] > starts[0]["t"], starts
        probe.end()
        same("exit code", service.end(), 0)
        print("ok: full speed is paced by the slowest; after a kill it goes on where it was")
    finally:
        op.close()


def kills(folder):
    """The market goes on without us: anchor kept, gap told, books right again."""
    op = Operation(folder / "kills", speed="60x")
    try:
        op.run.mkdir(parents=True)
        tap = op.tap("tap", "--facts")
        for n in range(5):
            service = op.service()
            tap.until("book", lambda e: e.get("event") == "book" and e["epoch"] == n + 1)
            if n < 4:
                service.end(signal.SIGKILL)
        tap.end()
        summary = tap.summary()
        same("epochs", summary["epochs"], 5)
        for key in ("disorder", "time_back", "bars_late"):
            same(key, summary[key], 0)
        starts = op.facts("FEED_STARTED")
        same("one anchor", len({(s["b"]["anchor_wall"], s["b"]["anchor_market"])
                                for s in starts}), 1)
        same("gaps told", len(op.facts("DATA_GAP")), 4)
        same("exit code", service.end(), 0)
        print("ok: five lives, one anchor, every gap told, the book right each time")
    finally:
        op.close()


def outage(folder):
    """One threat per outage, ended when data flows, also over a kill."""
    op = Operation(folder / "outage", speed="60x", silence="300ms")
    try:
        op.run.mkdir(parents=True)
        tap = op.tap("tap", "--facts")
        service = op.service()
        tap.event("book")
        ask = [str(BUILD / "test" / "md_ask"), str(op.run)]
        subprocess.run(ask + ["pause_feed"], check=True, stdout=subprocess.DEVNULL)
        tap.event("THREAT_DETECTED")
        subprocess.run(ask + ["pause_feed"], check=True, stdout=subprocess.DEVNULL)
        time.sleep(1.0)  # more than three times the limit: a second threat would be told
        subprocess.run(ask + ["resume_feed"], check=True, stdout=subprocess.DEVNULL)
        tap.event("THREAT_ENDED")
        same("threats", len(op.facts("THREAT_DETECTED")), 1)
        subprocess.run(ask + ["pause_feed"], check=True, stdout=subprocess.DEVNULL)
        tap.event("THREAT_DETECTED")
        service.end(signal.SIGKILL)
        service = op.service()
        tap.event("THREAT_ENDED")
        service.child.send_signal(signal.SIGSTOP)
        time.sleep(0.8)  # its own absence is not the feed's
        service.child.send_signal(signal.SIGCONT)
        same("exit code", service.end(), 0)
        threats = op.facts("THREAT_DETECTED")
        ended = op.facts("THREAT_ENDED")
        same("threats", len(threats), 2)
        same("ended", [t["b"]["threat_id"] for t in ended],
             [t["b"]["threat_id"] for t in threats])
        same("type", {t["b"]["threat_type"] for t in threats}, {"CONNECTION_LOST"})
        print("ok: one CONNECTION_LOST per outage, ended by data, also over a kill")
    finally:
        op.close()


def main():
    with tempfile.TemporaryDirectory(prefix="spoor-md-") as name:
        folder = pathlib.Path(name)
        for test in (recordings, late_joiner, endings, pacing, kills, outage):
            test(folder)


main()
