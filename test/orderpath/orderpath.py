#!/usr/bin/env python3
"""The order path under attack: the real processes over real sockets, one fault of the exchange
after the other and several at once, execution killed at each named step of the protocol, and the
whole history judged afterwards (history.py).

usage: orderpath.py BUILD_DIR SOURCE_DIR [--rounds N] [--lanes N] [--seed N] [--only WORD]
                    [--aimed] [--keep DIR]

A round sets faults, or arms the kill at a step, or both, while strategies trade; it has been
played when every fault has happened and the kill, if there is one, has ended execution, which is
then started again. Each lane is an operation of its own. Every fault and every step is played alone
at least once; the other rounds are drawn from the seed, and one in four may not meet its aim:
an exit that the venue refuses too often halts its strategy, rightly, until it is resumed here. A
step that is never passed, and a fault that never happens, fail the test. A failure names the lane
and its rounds, and the command that plays them again; processes are real, so the moments are not
repeated to the microsecond.
  --aimed      only the few rounds that meet the bug planted by SPOOR_PLANTED_BUG
  --only WORD  only rounds whose description holds the word, again and again
  --keep DIR   leave what the lanes wrote there
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

import history
from operation import LINKS, ROW, Operation
from system import whole_lines

# kind: what is set, with its parameters; "on" is where it makes sense.
ORDER = {"on": "order.place"}
EVENT = {"on": "executionReport", "count": 4}
FAULTS = {
    "drop_request": ORDER, "drop_reply": ORDER, "timeout": ORDER, "timeout_refused": ORDER,
    "error_executed": ORDER, "error_refused": ORDER, "delay": ORDER | {"ms": 200},
    "late_reply": ORDER | {"ms": 200}, "events_first": ORDER | {"ms": 100},
    "rate_limit": {"ms": 300}, "ban": {"ms": 300}, "maintenance": {},
    "duplicate_event": EVENT, "late_event": EVENT | {"ms": 200}, "reorder_event": EVENT,
    "lose_event": EVENT, "drop_stream": EVENT,
    # An order of unknown outcome is asked for, and "does not exist" for a while.
    "query_lag": {"ms": 800},
}
NEEDS_DOUBT = ("query_lag",)
WHOLE = ("rate_limit", "ban", "maintenance")  # until cleared: they meet every request
ACTS = {"stream_drop": {"which": "user"}, "server_shutdown": {"ms": 100},
        "market": {"symbol": "BTCUSDT", "status": "BREAK"}, "clock_offset": {"ms": 400}}
AT_START = ("epoch_taken", "restored", "venue_up", "reconciled")
BY_HALT = ("plan_refused", "halt_appended", "halt_synced")
BY_DOUBT = ("unknown_appended",)
BY_FLATTEN = ("cancel_appended", "cancel_synced", "cancel_sent", "canceled_appended")
# What meets which planted bug.
AIMED = {
    "sent_again": [{"faults": ("timeout",)}] * 4,
    "not_found_is_reject": [{"faults": ("lose_event", "query_lag")}] * 6,
    "absence_not_waited": [{"faults": ("lose_event", "query_lag")}] * 8,
    "server_error_is_reject": [{"faults": ("error_executed",)}] * 4,
    "fill_not_deduped": [{"faults": ("duplicate_event",)}] * 6,
    "leg_not_counted": [{"failpoint": "trade_opened"}] * 2,
    "effect_before_sync": [{"faults": ("late_reply",)}] * 2,
    "halt_unchecked": [{"failpoint": "plan_refused"}] * 2,
}
PATIENCE_S = 10
REST_S = 90


class Round:
    def __init__(self, faults=(), act=None, failpoint=None, passage=1):
        self.faults, self.act, self.failpoint, self.passage = faults, act, failpoint, passage

    def __str__(self):
        words = [*self.faults, *([f"act {self.act}"] if self.act else []),
                 *([f"kill at {self.failpoint}:{self.passage}"] if self.failpoint else [])]
        return " + ".join(words)


def rounds_of(seed, count, failpoints):
    """Everything once alone, then drawn."""
    draw = random.Random(seed)
    rounds = [Round(faults=(kind,)) for kind in FAULTS] + [Round(act=act) for act in ACTS]
    rounds += [Round(failpoint=name) for name in failpoints]
    while len(rounds) < count:
        faults = tuple(draw.sample(sorted(FAULTS), draw.choice((0, 1, 1, 2))))
        failpoint = draw.choice(failpoints) if draw.random() < 0.7 or not faults else None
        if failpoint in AT_START + BY_HALT + BY_FLATTEN:
            continue
        if any(kind in WHOLE for kind in faults) and (failpoint or len(faults) > 1):
            continue
        if failpoint in BY_DOUBT and faults:
            continue
        rounds.append(Round(faults, None, failpoint, draw.randint(1, 3)))
    draw.shuffle(rounds)
    return rounds[:count] if count < len(rounds) else rounds


class Tail:
    """A journal as it grows, complete batches only."""

    def __init__(self, folder):
        self.folder, self.offset, self.records, self.batch = folder, {}, [], []

    def read(self):
        for path in sorted(self.folder.glob("[0-9]*.jsonl")):
            with open(path, "rb") as file:
                file.seek(self.offset.get(path, 0))
                data = whole_lines(file.read())
            self.offset[path] = self.offset.get(path, 0) + len(data)
            for line in data.splitlines():
                record = json.loads(line)
                if "k" not in record:
                    continue
                self.batch.append(record)
                if record["m"] == 0:
                    self.records += self.batch
                    self.batch = []
        return self.records


class Lane:
    """One operation and the rounds that it lives through."""

    def __init__(self, args, number, rounds):
        self.number, self.rounds, self.played = number, rounds, []
        self.folder = pathlib.Path(args.folder) / f"lane{number}"
        self.folder.mkdir()
        self.op = Operation(args.build, args.source, self.folder, args.seed + number)
        self.begin = {a: history.e8(v)
                      for a, v in self.op.world["venue"]["balances"].items()}
        self.is_aimed = args.aimed
        self.kills, self.tail = 0, Tail(self.op.data / "execution")

    # ---- one round ----

    def await_that(self, what, check, seconds=PATIENCE_S):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if check():
                return True
            self.raise_the_dead()
            time.sleep(0.05)
        return False

    def raise_the_dead(self):
        """Execution ends by a kill of ours only, and every end is followed by a start."""
        process = self.op.running["execution"]
        if process.poll() is None:
            return
        assert process.returncode == -signal.SIGKILL, (
            f"execution ended with {process.returncode}:\n"
            + "\n".join((self.folder / "execution.txt").read_text().splitlines()[-12:]))
        self.kills += 1
        self.op.start_execution()

    def command(self, *words):
        """An operator who tries until it is done."""
        for _ in range(20):
            if self.op.spoor(*words, expect=None).returncode == 0:
                return
            self.raise_the_dead()
            time.sleep(0.05)
        raise AssertionError(f"spoor {' '.join(words)} is never done")

    def try_to_resume(self):
        """Looks, then confirms what was seen; execution may not run, or have changed."""
        try:
            seen = json.loads(self.op.spoor("resume", "--json", expect=None).stdout)
        except json.JSONDecodeError:
            return
        if "confirm" in seen:
            self.op.spoor("resume", "--confirm", seen["confirm"], expect=None)

    def resume(self):
        """Until the journal says so: a resume that meets no execution takes back a halt that waits
        for it in a file, and one that execution knows already lasts."""
        told = len(self.tail.read())

        def is_resumed():
            commands = [r["b"]["command"] for r in self.tail.read()[told:]
                        if r["k"] == "OPERATOR_COMMAND"]
            if commands[-1:] == ["RESUME"] and not (self.op.data / "execution/HALT").exists():
                return True
            self.try_to_resume()
            return False
        assert self.await_that("a resume", is_resumed), "trading is not resumed"

    def flatten(self):
        """Again and again until execution is killed on the way: not every time there is something
        to cancel."""
        before = self.kills
        for _ in range(10):
            self.await_that("something to sell", self.is_open)
            self.command("flatten", "--reason", "a round of the test")
            if self.await_that("the kill", lambda: self.kills > before, 1.5):
                self.await_that("what is open to be sold", lambda: not self.is_open(), 10)
                return
            self.resume()

    def kill_now(self):
        self.op.running["execution"].kill()
        self.op.running["execution"].wait()

    def play(self, this):
        op, before, told = self.op, self.kills, len(self.tail.read())
        if this.failpoint:
            op.failpoints.arm(this.failpoint, this.passage)
        if this.failpoint in BY_DOUBT and not this.faults:
            op.fault("timeout", **ORDER)
        for kind in this.faults:
            if kind in NEEDS_DOUBT and not any(k in this.faults for k in ("timeout", "drop_reply")):
                op.fault("drop_reply", **ORDER)
            if kind in NEEDS_DOUBT and "lose_event" not in this.faults:
                op.fault("lose_event", **EVENT)  # else the doubt is over before it is asked
            count = 0 if kind in WHOLE + NEEDS_DOUBT else 1
            op.fault(kind, **({"count": count} | FAULTS[kind]))
        if this.act:
            op.ask("POST", "act", what=this.act, **ACTS[this.act])
        if this.failpoint in AT_START:
            self.kill_now()
        if this.failpoint in BY_HALT:
            self.command("halt", "--reason", "a round of the test")
        if this.failpoint in BY_FLATTEN:
            self.flatten()
        wanted = before + (2 if this.failpoint in AT_START else 1 if this.failpoint else 0)

        def is_met():
            if self.kills < wanted or not op.faults_hit():
                return False
            return not this.act or self.has_felt(this.act, told)

        met = self.await_that(str(this), is_met)
        op.failpoints.disarm()
        op.heal()
        if this.failpoint in BY_HALT + BY_FLATTEN:
            self.resume()
        return met

    def is_open(self):
        records = self.tail.read()
        opened, closed = ({r["b"]["trade_id"] for r in records if r["k"] == kind}
                          for kind in ("TRADE_OPENED", "TRADE_CLOSED"))
        return bool(opened - closed)

    def has_felt(self, act, told):
        """What execution writes after an act of the exchange's operator."""
        kind = ("ORDER_REJECTED" if act == "market" else
                "ORDER_ACK" if act == "clock_offset" else "VENUE_DISCONNECTED")
        return any(r["k"] == kind for r in self.tail.read()[told:])

    # ---- the whole ----

    def run(self):
        with self.op as op:
            op.begin()
            op.await_that("a trade", lambda: any(
                r["k"] == "TRADE_CLOSED" for r in self.tail.read()))
            for number, this in enumerate(self.rounds):
                try:
                    met = self.play(this)
                    if not met and not self.is_aimed:
                        self.try_to_resume()
                except (AssertionError, OSError) as error:
                    raise AssertionError(f"round {number} ({this}): {error}") from error
                self.played.append((this, met))
                self.judge(self.tail.read(), history.ALWAYS, number)
            passed = {name: op.failpoints.passed(name) for name in op.failpoints.names}
            self.rest()
        return passed

    def judge(self, records, rules, number):
        found = history.violations(history.History(
            records, [], {"orders": [], "fills": [], "balances": []}, self.begin), rules)
        assert not found, f"after round {number} ({self.rounds[number]}): " + "; ".join(found[:5])

    def rest(self):
        """Everything heals; what is open is sold, execution ends in order, and all is judged."""
        op = self.op
        op.heal()
        self.command("flatten", "--reason", "the end of the test")

        def is_quiet():
            h = history.History(self.tail.read(), [], {"orders": []}, self.begin)
            live = [r for r in h.intents.values() if r[0]["b"]["order_id"] not in h.ends()]
            return not live and not list(history.h13(h))

        quiet = self.await_that("rest", is_quiet, REST_S)
        truth = op.truth()
        for instance in [f"strategy.{link}" for link in LINKS] + ["reconciliation", "execution"]:
            op.end(instance, signal.SIGTERM)
        others = []
        for name in [f"strategy.{link}" for link in LINKS] + ["reconciliation"]:
            others += op.records(name)
        found = history.violations(history.History(self.tail.read(), others, truth, self.begin))
        assert not found, f"{len(found)} violations: " + "; ".join(found[:8])
        assert quiet, "not at rest, and no rule says why"
        self.check_ledger(truth)

    def check_ledger(self, truth):
        rows = {tuple(row) for row in self.op.sql(
            "execution", "ledger.db", "SELECT symbol, venue_trade_id, px, qty, fee FROM fills")}
        told = {(f["symbol"], f["trade_no"], *(history.e8(f[k]) for k in ("px", "qty", "fee")))
                for f in truth["fills"]}
        assert rows == told, f"H8: ledger and venue differ in {sorted(rows ^ told)[:5]}"


def play_lane(args, number, rounds):
    lane, failure, passed = Lane(args, number, rounds), None, {}
    try:
        passed = lane.run()
    except AssertionError as error:
        failure = str(error)
    return lane, failure, passed


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n\n")[0])
    parser.add_argument("build")
    parser.add_argument("source")
    for name, value in (("--rounds", 320), ("--lanes", 6), ("--seed", 1)):
        parser.add_argument(name, type=int, default=value)
    parser.add_argument("--only", default="")
    parser.add_argument("--aimed", action="store_true")
    parser.add_argument("--keep")
    return parser.parse_args()


def main():
    args = arguments()
    args.folder = args.keep or tempfile.mkdtemp(prefix="spoor-orderpath-")
    pathlib.Path(args.folder).mkdir(exist_ok=True)
    probe = (pathlib.Path(args.source) / "common" / "failpoints.def").read_text()
    failpoints = ROW.findall(probe)
    rounds = rounds_of(args.seed, args.rounds, failpoints)
    if args.only:
        some = [r for r in rounds_of(args.seed, 2000, failpoints) if args.only in str(r)]
        rounds = (some * args.rounds)[:args.rounds]
    if args.aimed:
        bug = os.environ.get("SPOOR_PLANTED_BUG", "")
        rounds = [Round(**one) for name, some in AIMED.items() if bug in ("", name)
                  for one in some]
        args.lanes = 1
    lanes = [rounds[i::args.lanes] for i in range(args.lanes)]
    try:
        with concurrent.futures.ThreadPoolExecutor(args.lanes) as pool:
            results = list(pool.map(lambda i: play_lane(args, i, lanes[i]), range(args.lanes)))
        return report(args, results, failpoints)
    finally:
        if not args.keep:
            shutil.rmtree(args.folder, ignore_errors=True)


def report(args, results, failpoints):
    failed = 0
    for lane, failure, _ in results:
        count = len(lane.played)
        missed = [str(this) for this, met in lane.played if not met]
        print(f"lane {lane.number}: {count} rounds, {lane.kills} kills, {len(missed)} not met"
              + (f": {', '.join(missed)}" if missed else ""))
        if failure:
            failed += 1
            print(f"FAILED: lane {lane.number}: {failure}\n  again: test/orderpath/orderpath.py"
                  f" {args.build} {args.source} --seed {args.seed} --rounds {args.rounds}"
                  f" --lanes {args.lanes}" + (f" --only '{args.only}'" if args.only else ""))
    met = sum(1 for lane, _, _ in results for _, met in lane.played if met)
    print(f"{met} rounds met what they were to meet")
    if not failed and not args.only and not args.aimed:
        never = [name for name in failpoints if not any(p.get(name) for _, _, p in results)]
        seen = {kind for lane, _, _ in results for this, met in lane.played if met
                for kind in this.faults}
        unmet = [k for k in FAULTS if k not in seen]
        if never or unmet or met < args.rounds * 3 // 4:
            failed += 1
            print(f"FAILED: steps never passed: {never}, faults never met: {unmet},"
                  f" {met} of {args.rounds} rounds met")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
