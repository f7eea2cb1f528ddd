#!/usr/bin/env python3
"""The run of scripts/demo, which sets up, builds and calls this. See its --help."""
import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

from demo_market import Market
from demo_summary import Summary, plural
from journals import Journal, decimal, e8, short_id

ROOT = pathlib.Path(__file__).resolve().parent.parent
SPOOR = ROOT / "build" / "spoor"
DATA = ROOT / "var" / "demo"
SECONDS = 30  # at 60x: 30 minutes of market
RECORDING_SPEED = 12
KILL_AFTER = 0.3  # of the run: before that, the first trades are shown undisturbed
LOOK_EVERY = 0.05
HEAD = ("wall   market    messages  opportunities  rejected  closed  position"
        "                PnL USDT")


class Failed(Exception):
    """The demo cannot go on; the text says why."""


def say(text, colour=None):
    if colour and sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        text = f"\033[{colour}m{text}\033[0m"
    print(text, flush=True)


def spoor(*args, config, check=True, timeout=120):
    done = subprocess.run([SPOOR, "-C", config, *args], stdin=subprocess.DEVNULL, cwd=ROOT,
                          capture_output=True, text=True, timeout=timeout)
    if check and done.returncode != 0:
        raise Failed(f"spoor {' '.join(args)} ended with {done.returncode}:\n{done.stdout}"
                     f"{done.stderr}")
    return done


def status(config):
    """{service: row}, empty if nothing runs."""
    done = spoor("--json", "status", "--short", config=config, check=False)
    try:
        parts = json.loads(done.stdout)["supervisors"]
    except (ValueError, KeyError):
        return {}
    return {row["name"]: row for part in parts for row in part}


def trading(config):
    """What execution says is possible now: ALLOWED, REDUCE_ONLY, STOPPED; None without answer."""
    done = spoor("--json", "health", config=config, check=False)
    try:
        answers = {row["name"]: row["status"] for row in json.loads(done.stdout)["services"]}
        return answers["execution"]["trading"]
    except (ValueError, KeyError):
        return None


# ---- Configuration and data ----

def port_is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_config(args):
    """config/demo as it is; a copy in var/demo-config if something in it must differ."""
    source = ROOT / "config" / "demo"
    port = 8787 if port_is_free(8787) else free_port()
    if args.data is None and port == 8787:
        return source
    copy = ROOT / "var" / "demo-config"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy)
    platform = json.loads((source / "platform.json").read_text())
    platform["paths"] = {"data": str(DATA), "run": str(DATA / "run"), "logs": str(DATA / "log")}
    platform["http"]["listen"] = f"127.0.0.1:{port}"
    operation = json.loads((source / "operation.json").read_text())
    if args.data is not None:
        feed = operation["worlds"]["practice"]["feed"]
        feed = {key: feed[key] for key in ("symbols", "record", "silence")}
        feed |= {"source": "recording", "file": str(args.data), "speed": f"{RECORDING_SPEED}x"}
        operation["worlds"]["practice"]["feed"] = feed
    for name, value in (("platform.json", platform), ("operation.json", operation)):
        value.pop("$schema", None)
        (copy / name).write_text(json.dumps(value, indent=2) + "\n")
    return copy


def make_room(config):
    """A fresh data folder; what an earlier run left is kept beside it."""
    running = status(config)
    if running:
        raise Failed("spoor already runs with this data; stop it first: build/spoor"
                     f" -C {config.relative_to(ROOT)} down")
    if DATA.exists():
        previous = DATA.with_name("demo.previous")
        shutil.rmtree(previous, ignore_errors=True)
        DATA.rename(previous)


# ---- The run ----

class Run:
    def __init__(self, config, args):
        self.config = config
        self.args = args
        self.operation = json.loads((config / "operation.json").read_text())
        world = self.operation["worlds"]["practice"]
        instrument = world["instruments"][0]
        self.venue, self.symbol = world["venue"]["name"], instrument["symbol"]
        self.base, self.quote = instrument["base"], instrument["quote"]
        self.places = tuple(len(instrument[key].rstrip("0").partition(".")[2])
                            for key in ("tick", "step"))
        self.balances = {asset: e8(text) for asset, text in world["venue"]["balances"].items()}
        self.seconds = args.seconds or SECONDS
        link = self.operation["strategy_links"][0]["id"]
        self.execution = Journal(DATA / "execution")
        self.strategy = Journal(DATA / f"strategy.{link}")
        self.reconciliation = Journal(DATA / "reconciliation")
        self.marketdata = Journal(DATA / "marketdata")
        self.ledger = {}
        self.resting = {}
        self.killed = False
        self.survivor = None  # the trade that was open during the kill
        self.begin = None
        self.market = None

    def wall(self):
        return f"00:{int(time.monotonic() - self.begin):02d}" if self.begin else "00:00"

    def look(self):
        for record in self.execution.poll():
            body = record["b"]
            if record["k"] == "LEDGER_STATE_CHANGED":
                self.ledger = body
            elif record["k"] == "ORDER_INTENT" and body["role"] in ("TARGET", "STOP"):
                self.resting[body["order_id"]] = "intended"
            elif record["k"] == "ORDER_ACK" and body["order_id"] in self.resting:
                self.resting[body["order_id"]] = "resting"
            elif record["k"] in ("TRADE_CLOSED", "TRADE_OPENED"):
                self.resting = {}
        for journal in (self.strategy, self.reconciliation, self.marketdata):
            journal.poll()
        self.market.poll()

    def position(self):
        return e8(self.ledger.get("position", "0"))

    def protected(self):
        return self.position() > 0 and list(self.resting.values()).count("resting") == 2

    def pnl(self):
        """Realised, and what the open position would bring at the last price, before fees."""
        total = e8(self.ledger.get("realised_pnl", "0"))
        if self.position() and self.market.price:
            total += self.market.price * self.position() // 10 ** 8 - e8(self.ledger["cost"])
        return total

    def print_progress(self):
        position = self.position()
        held = f"long {decimal(position, self.places[1])} {self.base}" if position else "flat"
        say(f"{self.wall()}  {self.market.clock:<8}  {self.market.messages:>8,}  "
            f"{len(self.strategy.of('OPPORTUNITY_DETECTED')):>13}  "
            f"{len(self.strategy.of('OPPORTUNITY_REJECTED')):>8}  "
            f"{len(self.execution.of('TRADE_CLOSED')):>6}  {held:<20}  "
            f"{decimal(self.pnl(), 2, sign=True):>10}")

    # ---- Start ----

    def start(self):
        done = spoor("check", config=self.config)
        say(f"setup   {done.stdout.strip()}")
        began = time.monotonic()
        done = spoor("up", config=self.config)
        print(done.stdout.rstrip(), flush=True)
        self.begin = time.monotonic()
        self.market = Market(DATA / "run", f"md.{self.venue}.{self.symbol}")
        result = self.await_open(epoch=1)
        say(f"open    after {time.monotonic() - began:.2f} s: books equal ({counts(result)}),"
            " trading ALLOWED")
        print(f"\n{HEAD}", flush=True)

    def await_open(self, epoch, seconds=30):
        """Until this epoch's books were found equal and execution says that it trades."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.look()
            for body in (r["b"] for r in self.reconciliation.of("RECONCILIATION_RESULT")):
                if int(body["execution_epoch"]) < epoch or not body.get("clean"):
                    continue
                if trading(self.config) == "ALLOWED":
                    return body
            time.sleep(LOOK_EVERY / 5)
        raise Failed(f"trading did not open within {seconds} s (execution epoch {epoch});"
                     f" see {DATA / 'log'}")

    # ---- The kill ----

    def kill_execution(self):
        before = status(self.config)["execution"]
        records = len(self.execution.records)
        orders = len(self.resting)
        self.killed = True
        self.survivor = self.ledger.get("trade_id")
        say(f"{self.wall()}  kill -9 {before['pid']} (execution), on purpose, while it holds a"
            " position", "31")
        began = time.monotonic()
        os.kill(before["pid"], signal.SIGKILL)
        while True:
            row = status(self.config).get("execution", {})
            if row.get("state") == "READY" and row.get("epoch", 0) > before["epoch"]:
                break
            if time.monotonic() - began > 60:
                raise Failed(f"execution did not come back within 60 s: {row}; see {DATA / 'log'}")
            time.sleep(LOOK_EVERY / 5)
        back = time.monotonic() - began
        result = self.await_open(row["epoch"])
        equal = time.monotonic() - began
        self.expect_rest_ran_on()
        say(f"{self.wall()}  execution is back after {back:.2f} s as {row['pid']}, epoch"
            f" {before['epoch']} -> {row['epoch']}: {records} records replayed, position and\n"
            f"       {orders} protective orders found, books equal ({counts(result)}) after"
            f" {equal:.2f} s,\n       trading ALLOWED. The rest ran on.", "32")

    def expect_rest_ran_on(self):
        for name, row in status(self.config).items():
            if name != "execution" and row.get("restarts", 0) > 0:
                raise Failed(f"{name} was restarted too: {row}")

    # ---- From begin to end ----

    def trade(self):
        printed = 0
        step = max(1, round(self.seconds / 6))
        limit = self.seconds * 3
        while True:
            elapsed = time.monotonic() - self.begin
            self.look()
            if elapsed >= (printed + 1) * step:
                printed += 1
                self.print_progress()
            wants_kill = not self.args.no_kill and not self.killed
            if wants_kill and elapsed > KILL_AFTER * self.seconds and self.protected():
                self.kill_execution()
            if self.marketdata.of("FEED_ENDED"):
                say(f"{self.wall()}  the recording has ended")
                break
            if elapsed > self.seconds and (not wants_kill or elapsed > limit):
                break
            time.sleep(LOOK_EVERY)
        if not self.args.no_kill and not self.killed:
            say(f"{self.wall()}  no position was held long enough to kill execution while it holds"
                " one", "33")

    def memory(self):
        """Resident memory, shared pages divided among those who share them."""
        total = count = 0
        for row in status(self.config).values():
            try:
                text = pathlib.Path(f"/proc/{row.get('pid', 'none')}/smaps_rollup").read_text()
            except OSError:
                continue
            total += next(int(line.split()[1]) for line in text.splitlines()
                          if line.startswith("Pss:"))
            count += 1
        return f"{total / 1024:.0f} MiB in {count} processes"

    def stop(self):
        memory = self.memory()
        began = time.monotonic()
        spoor("down", config=self.config)
        self.look()
        if status(self.config):
            raise Failed("spoor down left something running")
        words = "no position" if self.position() == 0 else "POSITION LEFT"
        sealed = sum(1 for folder in DATA.iterdir() for path in sorted(folder.glob("*.jsonl"))[-1:]
                     if b'"seal":' in path.read_bytes()[-200:])
        say(f"stop    in order, {time.monotonic() - began:.2f} s: {words},"
            f" {sealed} journals sealed\n")
        return memory

    def conclude(self, memory):
        summary = Summary(DATA, self.balances, self.places)
        summary.print_trades()
        print()
        summary.print_books(spoor("journal", "verify", config=self.config, check=False))
        summary.print_latency()
        print(f"memory            {memory}\n", flush=True)
        trades = summary.trades()
        rejected = [r["b"]["opportunity_id"] for r in self.strategy.of("OPPORTUNITY_REJECTED")]
        self.explain(trades, rejected, summary)
        return summary.problems

    def explain(self, trades, rejected, summary):
        shown = f"build/spoor -C {self.config.relative_to(ROOT)}"
        if self.config == ROOT / "config" / "demo":
            shown = "build/spoor"
        lines = []
        if trades:
            lines.append((trades[-1]["trade_id"], "the last closed trade (printed below)"))
        if rejected:
            lines.append((rejected[-1], "why an opportunity was NOT taken (printed below)"))
        extra = []
        if self.survivor and trades and self.survivor != trades[-1]["trade_id"]:
            extra = [(self.survivor, "the trade that was open while execution was killed")]
        steps = [(f"{shown} why {short_id(name)}", words) for name, words in lines + extra]
        steps.append((f"build/spoor up {self.config.relative_to(ROOT)}",
                      "run it yourself, then kill -9 whatever you like"))
        width = max(34, *(len(command) for command, _ in steps))
        for at, (command, words) in enumerate(steps):
            print(f"{'next' if at == 0 else '':<7} {command:<{width}} {words}")
        for name, _ in lines:
            print(f"\n$ {shown} why {short_id(name)}", flush=True)
            done = spoor("why", short_id(name), config=self.config, check=False)
            print((done.stdout + done.stderr).rstrip(), flush=True)
            summary.expect(done.returncode == 0, f"spoor why {short_id(name)} ended with"
                           f" {done.returncode}")


def counts(result):
    return ", ".join(plural(int(result.get(one + "s", 0)), one)
                     for one in ("order", "position", "balance"))


def parse():
    parser = argparse.ArgumentParser(prog="scripts/demo", add_help=False)
    parser.add_argument("--data", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--no-kill", action="store_true")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    if args.data is not None and not args.data.is_file():
        raise Failed(f"--data {args.data}: no such file")
    if args.seconds is not None and args.seconds < 1:
        raise Failed("--seconds wants a number above 0")
    return args


def main():
    args = parse()
    config = make_config(args)
    make_room(config)
    run = Run(config, args)
    try:
        run.start()
        run.trade()
        memory = run.stop()
    except BaseException:
        spoor("down", config=config, check=False)
        raise
    problems = run.conclude(memory)
    if args.keep:
        print()
        print(spoor("up", config=config).stdout.rstrip())
        print("        it goes on trading; stop it: build/spoor"
              f" -C {config.relative_to(ROOT)} down")
    for problem in problems:
        print(f"scripts/demo: FAILED: {problem}", file=sys.stderr)
    return 1 if problems else 0


try:
    sys.exit(main())
except Failed as error:
    sys.stdout.flush()
    sys.exit(f"scripts/demo: {error}")
except KeyboardInterrupt:
    sys.exit("\nscripts/demo: interrupted; everything was stopped in order")
