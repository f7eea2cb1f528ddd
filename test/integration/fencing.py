#!/usr/bin/env python3
"""One holder of a role: a twin of execution ends with 75 and the first goes on; a holder that is
stopped, superseded and continued sends nothing to the venue, appends nothing to its journal and
ends with 77, though an order waits for it, or though it is asked to stop; who comes after it sends
that order, once.

usage: fencing.py BUILD_DIR SOURCE_DIR [EXECUTION]
"""
import copy
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from poison import Processes
from system import check_books, check_orders

LINKS = ("buy", "late")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def raise_epoch(path):
    """As a successor would that got past the lock: the older of both slots gets a newer epoch."""
    raw = bytearray(path.read_bytes())
    epochs = [int(raw[at + 6:at + 16]) for at in (0, 512)]
    covered = b"epoch %010d" % (max(epochs) + 1)
    at = 512 * epochs.index(min(epochs))
    raw[at:at + 512] = (covered + b" crc %08x" % crc32c(covered)).ljust(511) + b"\n"
    with open(path, "r+b") as file:
        file.write(raw)
    return max(epochs)


class Operation(Processes):
    def configure(self):
        link = self.operation["strategy_links"][0]
        self.operation["strategy_links"] = []
        for name in LINKS:
            other = copy.deepcopy(link)
            other.update(id=name, capital="5000 USDT", on_stop="keep")
            self.operation["strategy_links"].append(other)
        self.operation["risk"].update(price_collar="50%", open_orders_max=8)
        self.world["feed"]["speed"] = "1x"
        self.write_config()

    def begin(self, execution):
        self.start("spoor-venue", "venue")
        self.start("spoor-marketdata", "marketdata")
        self.start(execution, "execution")
        self.start("spoor-reconciliation", "reconciliation")
        for name in LINKS:
            self.start("test/one-plan", f"strategy.{name}")
        self.await_that("a protected trade", lambda: len(
            self.records("execution", {"ORDER_ACK"})) >= 3, 40)
        self.await_that("execution to hear of strategy.late", lambda: [
            r for r in self.records("execution") if r.get("in", "").startswith("strategy.late/")])

    def kept(self):
        """All that execution keeps of its own, byte for byte; the ledger is a projection of it."""
        folder = self.data / "execution"
        return {path.name: path.read_bytes() for pattern in ("*.jsonl", "*.json", "*.next")
                for path in folder.glob(pattern)}

    def intents(self, link):
        return [r["b"]["client_order_id"] for r in self.records("execution", {"ORDER_INTENT"})
                if r["b"]["strategy_link_id"] == link]


def twin(system, execution):
    done = subprocess.run([system.build / execution, "--config", system.config, "--instance",
                           "execution"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=20)
    assert done.returncode == 75, f"the twin ended with {done.returncode}\n{done.stdout}"
    assert str(system.running["execution"].pid) in done.stdout, done.stdout
    system.spoor("halt", "--reason", "is it still the first who answers?")
    system.resume()
    assert len(system.records("execution", {"OPERATOR_COMMAND"})) == 2
    assert {r["e"] for r in system.records("execution")} == {1}
    assert system.running["execution"].poll() is None
    print("ok  the twin ended with 75, the first goes on")


def stand_still(system, holder):
    holder.send_signal(signal.SIGSTOP)
    system.await_that("execution to stand still", lambda: "(stopped)" in pathlib.Path(
        f"/proc/{holder.pid}/status").read_text())


def unseen_resume(system):
    """Who is not shown what is halted resumes nothing, with the right word or without one."""
    holder = system.running["execution"]
    system.spoor("halt", "--reason", "who resumes has to look first")
    word = json.loads(system.spoor("resume", "--json", expect=4).stdout)["confirm"]
    stand_still(system, holder)
    for args in ([], ["--confirm", word]):
        done = system.spoor("resume", *args, expect=70)
        assert "nothing was resumed" in done.stderr, done.stderr
    holder.send_signal(signal.SIGCONT)
    system.resume()
    print("ok  an execution that stands still is sent no resume")


def asked_to_stop(system):
    """A superseded holder closes nothing: the file that it would close is its successor's."""
    holder = system.running["reconciliation"]
    folder = system.data / "reconciliation"
    stand_still(system, holder)
    raise_epoch(folder / "EPOCH")
    before = {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}
    holder.send_signal(signal.SIGTERM)
    holder.send_signal(signal.SIGCONT)
    code = system.end("reconciliation")
    assert code == 77, f"the superseded holder ended with {code}"
    assert {path.name: path.read_bytes() for path in folder.glob("*.jsonl")} == before
    system.start("spoor-reconciliation", "reconciliation")
    print("ok  a superseded holder that is asked to stop leaves the journal as it is")


def stopped_holder(system):
    """An order waits for it: strategy.late plans while execution stands still."""
    holder = system.running["execution"]
    stand_still(system, holder)
    (system.run / "late").touch()
    system.await_that("a plan that waits", lambda: system.records("strategy.late", {"PLAN_READY"}))
    epoch = raise_epoch(system.data / "execution" / "EPOCH")
    before = system.kept()
    holder.send_signal(signal.SIGCONT)

    def judged():
        assert not system.intents("late"), "a superseded holder sent an order"
        return holder.poll() is not None
    system.await_that("the superseded holder to end", judged, 20)
    code = system.end("execution")
    after = system.kept()
    changed = [name for name in set(before) | set(after) if before.get(name) != after.get(name)]
    assert not changed, f"a superseded holder has written: {changed}"
    assert code == 77, f"the superseded holder ended with {code}"
    assert f"epoch {epoch} was superseded by {epoch + 1}" in system.text("execution")
    # SQLite takes its log away when the file is closed: whoever comes next finds a closed one.
    left = sorted(p.name for p in (system.data / "execution").glob("ledger.db*"))
    assert left == ["ledger.db"], f"the superseded holder left the ledger open: {left}"
    system.end("venue", signal.SIGTERM)
    orders = set(system.venue_orders())
    assert orders == set(system.intents("buy")), f"sent by a superseded holder: {orders}"
    print("ok  the stopped holder woke, sent nothing, wrote nothing and ended with 77")
    return epoch


def successor(system, execution, epoch):
    system.start("spoor-venue", "venue")
    system.start(execution, "execution")
    system.await_that("the waiting plan to be carried out", lambda: [
        r for r in system.records("execution", {"FILL"})
        if r["b"]["client_order_id"] in system.intents("late")], 40)
    started = system.records("execution", {"STREAM_STARTED"})[-1]
    assert started["e"] == epoch + 2, started
    for name in ("strategy.buy", "strategy.late", "reconciliation", "execution", "marketdata",
                 "venue"):
        assert system.end(name, signal.SIGTERM) == 0, name
    entries, answers = check_orders(system)
    assert len(entries) == len(LINKS), entries
    check_books(system)
    print(f"ok  its successor carried out the order once; {len(answers)} plans, one answer each")


def main():
    execution = sys.argv[3] if len(sys.argv) > 3 else "spoor-execution"
    folder = tempfile.mkdtemp(prefix="spoor-fencing-")
    try:
        with Operation(sys.argv[1], sys.argv[2], folder) as system:
            system.configure()
            system.begin(execution)
            twin(system, execution)
            unseen_resume(system)
            asked_to_stop(system)
            successor(system, execution, stopped_holder(system))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
