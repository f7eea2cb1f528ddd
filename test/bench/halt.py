"""How long after `spoor halt` the last order that increases risk leaves, while orders stream as
fast as the path takes them.

Strategies that plan as soon as they are answered keep execution, the venue and every core busy;
nothing slows them down, not even the halt: refused plans go on coming. The clock starts before the
command's process does. An order's moment is the product's own: when execution had the plan's tick,
plus ORDER_SENT.since_tick, which ends when the bytes were handed to the venue's socket.

usage: halt.py BUILD_DIR SOURCE_DIR [TRIALS]
"""
import copy
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

from replay import Processes  # noqa: E402
from system import System, whole_lines  # noqa: E402

LINKS = 6
SERVICES = ("venue", "marketdata", "execution", "reconciliation")
UNDER_LOAD_S = 0.5  # between a resume and the next halt
QUIET_S = 0.3       # after the command: whatever still leaves is late


def configure(system):
    link = system.operation["strategy_links"][0]
    system.operation["strategy_links"] = []
    for number in range(LINKS):
        other = copy.deepcopy(link)
        other.update(id=f"flood{number}", capital="1000 USDT", on_stop="keep")
        system.operation["strategy_links"].append(other)
    system.operation["risk"].update(price_collar="50%", open_orders_max=2 * LINKS)
    system.world["feed"]["speed"] = "1x"
    system.write_config()


def duration_ns(text):
    number = text.rstrip("nsumhd")
    return int(number) * {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}[text[len(number):]]


class Journal:
    """Execution's, read as it grows: each entry that left as (sequence, moment)."""

    def __init__(self, folder):
        self.folder, self.offset = folder, {}
        self.ticks, self.sent, self.halts = {}, [], []

    def read(self):
        for path in sorted(self.folder.glob("[0-9]*.jsonl")):
            with open(path, "rb") as file:
                file.seek(self.offset.get(path, 0))
                data = whole_lines(file.read())
            self.offset[path] = self.offset.get(path, 0) + len(data)
            for line in data.splitlines():
                self.take(json.loads(line))

    def take(self, record):
        kind, body = record.get("k"), record.get("b", {})
        if kind == "ORDER_INTENT" and body["side"] == "BUY":
            self.ticks[body["order_id"]] = int(body["tick_received"])
        elif kind == "ORDER_SENT" and body["order_id"] in self.ticks:
            at = self.ticks.pop(body["order_id"]) + duration_ns(body["since_tick"])
            self.sent.append((record["s"], at))
        elif kind == "TRADING_HALTED":
            self.halts.append(record["s"])


def one_halt(system, journal):
    journal.read()
    begun = len(journal.sent)
    time.sleep(UNDER_LOAD_S)
    at = time.monotonic_ns()
    system.spoor("halt", "--reason", "how fast is it?")
    answered = time.monotonic_ns()
    time.sleep(QUIET_S)
    journal.read()
    entries = journal.sent[begun:]
    if not entries:
        raise RuntimeError(f"no order was under way\n{system.log_tails()}")
    late = [seq for seq, _ in entries if seq > journal.halts[-1]]
    return {"orders_per_s": len(entries) / UNDER_LOAD_S, "after_halt": len(late),
            "last_send_ms": max(0, max(moment for _, moment in entries) - at) / 1e6,
            "answer_ms": (answered - at) / 1e6}


def measure(system, trials):
    """One dict per trial."""
    configure(system)
    names = [link["id"] for link in system.operation["strategy_links"]]
    results = []
    with Processes(system, SERVICES) as processes:
        for name in names:
            with open(system.logs / f"{name}.log", "wb") as log:
                processes.running[name] = subprocess.Popen(
                    [system.build / "test" / "bench-flood", "--config", system.config, "--instance",
                     f"strategy.{name}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        journal = Journal(system.data / "execution")
        end = time.monotonic() + 60
        while len(journal.sent) < 20 * LINKS:
            processes.check()
            if time.monotonic() > end:
                raise TimeoutError(f"no orders\n{system.log_tails()}")
            time.sleep(0.1)
            journal.read()
        for _ in range(trials):
            results.append(one_halt(system, journal))
            processes.check()
            system.resume()
    return results


def main():
    trials = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    folder = tempfile.mkdtemp(prefix="bench-halt-")
    try:
        results = measure(System(sys.argv[1], sys.argv[2], folder), trials)
    finally:
        shutil.rmtree(folder)
    for result in results:
        print(json.dumps(result))
    print(f"worst {max(r['last_send_ms'] for r in results):.1f} ms to the last entry, "
          f"{max(r['answer_ms'] for r in results):.1f} ms to the answer")


if __name__ == "__main__":
    main()
