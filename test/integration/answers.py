#!/usr/bin/env python3
"""One effect and one answer, whatever is repeated: a command under the same id is sent again, at
once, after a kill -9 of execution, and after its opposite; plans flow while execution and the
strategies are killed in turns. Each command acts once and is answered as done each time; each plan
in a strategy's journal has exactly one answer in execution's.

usage: answers.py BUILD_DIR SOURCE_DIR
"""
import collections
import shutil
import signal
import subprocess
import sys
import tempfile

from fencing import LINKS, Operation
from system import check_books, check_orders

ANSWERS = {"PLAN_ACCEPTED", "PLAN_REFUSED", "PLAN_EXPIRED"}


class Repeated(Operation):
    def order(self, command, number):
        """What it answers; None while nobody listens."""
        done = subprocess.run([self.build / "test" / "send_command", self.run, command,
                               str(number)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=20)
        return done.stdout if "is not running" not in done.stdout else None

    def count(self, kind):
        return len(self.records("execution", {kind}))

    def restart(self, program, instance):
        """Killed, and started again; until it has begun a new epoch."""
        before = len(self.records(instance, {"STREAM_STARTED"}))
        self.end(instance, signal.SIGKILL)
        self.start(program, instance)
        self.await_that(f"{instance} to begin anew", lambda: len(
            self.records(instance, {"STREAM_STARTED"})) > before)

    def plans(self):
        return [r["b"]["plan_id"] for name in LINKS
                for r in self.records(f"strategy.{name}", {"PLAN_READY"})]

    def answers(self):
        return collections.Counter(
            r["b"]["plan_id"] for r in self.records("execution", ANSWERS))


def commands(system):
    said = [system.order("HALT", 1), system.order("HALT", 1)]
    system.restart("spoor-execution", "execution")
    said.append(system.await_that("an answer", lambda: system.order("HALT", 1)))
    # The answer: it is done, and how trading stands now.
    assert all(text.startswith("ok trading") for text in said), said
    assert "number 1" in said[0] and said[0] == said[1], said
    assert system.count("OPERATOR_COMMAND") == 1
    assert system.count("TRADING_HALTED") == 1
    assert system.order("RESUME", 2).startswith("ok")
    assert system.order("HALT", 1).startswith("ok") # late: it was done, and is not done again
    assert system.count("TRADING_HALTED") == 1, "a late repetition halted again"
    assert system.count("OPERATOR_COMMAND") == 2
    print("ok  a command sent four times, across a kill: one effect, done each time")


def plans(system):
    """While trading is halted every plan is refused, and the strategy plans anew."""
    assert system.order("HALT", 3).startswith("ok")
    (system.run / "late").touch()
    for turn in range(8):
        before = len(system.answers())
        system.await_that("plans to be answered", lambda b=before: len(system.answers()) > b)
        if turn % 2 == 0:
            system.restart("spoor-execution", "execution")
        if turn % 4 != 0:
            system.restart("test/one-plan", "strategy.late")
    assert system.order("RESUME", 4).startswith("ok")
    system.await_that("the trade of strategy.late", lambda: system.intents("late"))
    system.end("strategy.late", signal.SIGTERM)
    system.end("strategy.buy", signal.SIGTERM)
    system.await_that("every plan to be answered", lambda: set(system.plans()) == set(
        system.answers()))
    assert len(set(system.plans())) == len(system.plans())
    twice = [plan for plan, times in system.answers().items() if times != 1]
    assert not twice, f"answered more than once: {twice}"
    print(f"ok  {len(system.plans())} plans over kills of both sides, one answer each")


def main():
    folder = tempfile.mkdtemp(prefix="spoor-answers-")
    try:
        with Repeated(sys.argv[1], sys.argv[2], folder) as system:
            system.configure()
            system.begin("spoor-execution")
            commands(system)
            plans(system)
            system.await_that("all orders settled", lambda: len(
                system.records("execution", {"ORDER_ACK"})) >= 6)
            for name in ("reconciliation", "execution", "marketdata", "venue"):
                assert system.end(name, signal.SIGTERM) == 0, name
            check_orders(system)
            check_books(system)
            print("ok  journal == ledger == venue")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
