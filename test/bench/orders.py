"""From a tick in marketdata to an order's bytes at the venue socket, the real processes, beside the
physical floor measured at interleaved moments of the same run.

The product measures itself: ORDER_SENT.since_tick, in execution's journal, runs from the moment
marketdata had the tick behind the plan until the order's bytes were handed to the venue's socket,
with its intent synced in between. Only entries are counted: a protective order has no tick.

A strategy opens and closes a trade for each entry, a few a second; so most samples are of one
that plans an entry on a tick as often as it is told to, bench-flood: an order that expires at once.
"""
import json
import os
import subprocess
import threading
import time

from replay import Processes
from system import whole_lines

SERVICES = ("marketdata", "venue", "execution", "reconciliation", "strategy.ema")
BAR_FRAME_BYTES = 128    # about what the two hops carry; their time hardly depends on it
PLAN_FRAME_BYTES = 1024
FLOOR_EVERY_US = 20000
OFTEN = "strategy.often"
OFTEN_SPEED = "20x"
WARM_UP_ORDERS = 5


def make_nervous(system, speed):
    """A strategy that trades as often as it can."""
    system.world["feed"].update(source="generator", seed=7, speed=speed)
    workers = {w["id"]: w for part in system.blueprint.values() if isinstance(part, list)
               for w in part}
    system.blueprint["trigger"]["warm_up_bars"] = 12
    workers["ema_fast"]["params"]["period"] = 2
    workers["ema_slow"]["params"]["period"] = 3
    workers["cross"]["params"]["min_gap"] = "0.01 bps"
    workers["volatility"]["params"].update(window_bars=10, limit="50 bps")
    workers["exit"]["params"].update(stop="0.01%", target="0.01%")
    workers["route"]["params"]["valid"] = "2s"
    system.operation["risk"].update(order_value_max="20000 USDT", position_value_max="20000 USDT",
                                    daily_loss_max="9000 USDT", drawdown_max="99%")
    system.write_config()


def make_frequent(system):
    """One link, for the strategy that plans on ticks; no limit stops it."""
    link = system.operation["strategy_links"][0]
    link.update(id=OFTEN.partition(".")[2], capital="5000 USDT", on_stop="keep")
    system.operation["strategy_links"] = [link]
    system.operation["risk"].update(price_collar="50%", open_orders_max=4)
    system.world["feed"].update(source="generator", seed=7, speed=OFTEN_SPEED)
    system.write_config()


def duration_ns(text):
    """The journal's exact duration: a whole number and its unit."""
    number = text.rstrip("nsumhd")
    unit = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}[text[len(number):]]
    return int(number) * unit


class Entries:
    """What execution's journal says about entries, read as it grows."""

    def __init__(self, folder):
        self.folder = folder
        self.since_tick_ns, self.batch_bytes = [], []
        self.ids, self.offset, self.batch, self.has_intent = set(), {}, 0, False

    def read(self):
        for path in sorted(self.folder.glob("[0-9]*.jsonl")):
            with open(path, "rb") as file:
                file.seek(self.offset.get(path, 0))
                data = whole_lines(file.read())
            self.offset[path] = self.offset.get(path, 0) + len(data)
            for line in data.splitlines(keepends=True):
                self.take(json.loads(line), len(line))

    def take(self, record, len_bytes):
        kind, body = record.get("k"), record.get("b", {})
        self.batch += len_bytes
        if kind == "ORDER_INTENT" and body["role"] == "ENTRY":
            self.ids.add(body["order_id"])
            self.has_intent = True
        elif kind == "ORDER_SENT" and body["order_id"] in self.ids:
            self.since_tick_ns.append(duration_ns(body["since_tick"]))
        if record.get("m", 0) == 0:
            if self.has_intent:
                self.batch_bytes.append(self.batch)
            self.batch, self.has_intent = 0, False


class Floor:
    """bench-floor beside the running system, on the same disk."""

    def __init__(self, bench, folder, every_us, record_bytes):
        self.folder = folder
        folder.mkdir()
        self.process = subprocess.Popen(
            [bench / "bench-floor", folder, str(every_us), str(BAR_FRAME_BYTES),
             str(PLAN_FRAME_BYTES), str(record_bytes)],
            stdin=subprocess.PIPE, stdout=open(folder / "samples", "wb"))

    def end(self):
        self.process.stdin.close()
        if self.process.wait(timeout=10) != 0:
            raise RuntimeError(f"bench-floor ended with {self.process.returncode}")
        return [int(line) for line in (self.folder / "samples").read_text().split()]


class Readers:
    """A context manager: who reads the same files meanwhile, each again and again."""

    COMMANDS = (("why", "last"), ("journal", "export", "--csv", "execution"))

    def __init__(self, system):
        self.system, self.ended, self.runs = system, threading.Event(), 0

    def command(self, *args):
        return subprocess.Popen([self.system.build / "spoor", "-C", self.system.config, *args],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def repeat(self, args):
        while not self.ended.is_set():
            self.command(*args).wait()
            self.runs += 1

    def __enter__(self):
        self.follower = self.command("journal", "execution", "-f")
        self.threads = [threading.Thread(target=self.repeat, args=(args,))
                        for args in self.COMMANDS]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, error, trace):
        self.ended.set()
        self.follower.terminate()
        self.follower.wait()
        for thread in self.threads:
            thread.join()


def percentile(samples, percent):
    """Nearest rank."""
    ordered = sorted(samples)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def histogram(samples):
    """[upper bound in ns, count], bounds double from 64 us on."""
    bounds = [64000 << i for i in range(12)]
    counts = [0] * len(bounds)
    for sample in samples:
        counts[next((i for i, b in enumerate(bounds) if sample <= b), len(bounds) - 1)] += 1
    return [[b, c] for b, c in zip(bounds, counts)]


def summary(samples):
    return {"samples": len(samples), "p50_ns": percentile(samples, 50),
            "p99_ns": percentile(samples, 99), "max_ns": max(samples),
            "histogram": histogram(samples)}


def wait_for(entries, processes, count, seconds):
    """Until that many entries were sent. TimeoutError if they never are."""
    end = time.monotonic() + seconds
    while len(entries.since_tick_ns) < count:
        processes.check()
        if time.monotonic() > end:
            raise TimeoutError(f"{len(entries.since_tick_ns)} entries after {seconds} s\n"
                               f"{processes.system.log_tails()}")
        time.sleep(0.05)
        entries.read()


class Run:
    """Processes whose entries are measured."""

    def __init__(self, system, processes, bench, every_us):
        self.system, self.processes, self.bench = system, processes, bench
        self.every_us = every_us  # the floor's
        self.entries = Entries(system.data / "execution")
        wait_for(self.entries, processes, WARM_UP_ORDERS, 60)

    def watch(self, folder, seconds, count):
        """Our entries and the floor's samples of that many of ours, or so many seconds."""
        entries = self.entries
        entries.read()
        before = len(entries.since_tick_ns)
        floor = Floor(self.bench, self.system.folder / folder, self.every_us,
                      percentile(entries.batch_bytes, 50))
        end = time.monotonic() + seconds
        while time.monotonic() < end and len(entries.since_tick_ns) - before < count:
            self.processes.check()
            time.sleep(0.5)
            entries.read()
        floor_ns = floor.end()
        entries.read()
        ours, floor = summary(entries.since_tick_ns[before:]), summary(floor_ns)
        return {"record_bytes": percentile(entries.batch_bytes, 50), "order": ours, "floor": floor,
                "ratio_p50": ours["p50_ns"] / floor["p50_ns"],
                "ratio_p99": ours["p99_ns"] / floor["p99_ns"]}

    def read_too(self, seconds, count):
        with Readers(self.system) as readers:
            return self.watch("floor_read", seconds, count) | {"commands": readers.runs}


def measure(system, bench, seconds, speed):
    """{order, floor, ratios} of a whole strategy flow."""
    make_nervous(system, speed)
    with Processes(system, SERVICES) as processes:
        return Run(system, processes, bench, FLOOR_EVERY_US).watch("floor", seconds, 1 << 30)


def measure_often(system, bench, every_us, count, seconds):
    """{order, floor, ratios, read: the same with readers beside it} of `count` entries each, or of
    so many seconds; the floor as often as ours."""
    make_frequent(system)
    os.environ["BENCH_FLOOD_EVERY_US"] = str(every_us)
    with Processes(system, SERVICES[:-1]) as processes:
        processes.add(OFTEN, bench / "bench-flood")
        run = Run(system, processes, bench, every_us)
        result = run.watch("floor", seconds, count)
        return result | {"read": run.read_too(seconds, count)}
