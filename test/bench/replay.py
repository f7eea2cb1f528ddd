"""How many messages a second go through marketdata -> bus -> strategy, the real processes.

A feed at full speed is paced by all of its consumers, so venue and execution take part as in the
topology. The rate is what the strategy counts as processed, over the time between two of its
counts.
"""
import os
import subprocess

SERVICES = ("marketdata", "venue", "execution", "strategy.ema")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of all threads of a process."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


class Processes:
    """Services of one configuration, started by hand; ended with the context."""

    def __init__(self, system, names):
        self.system = system
        system.logs.mkdir(exist_ok=True)
        self.running = {name: self.start(name) for name in names}

    def add(self, name, program):
        """One more; what it is called as an instance, and its program."""
        self.running[name] = self.start(name, program)

    def start(self, name, program=None):
        program = program or self.system.build / f"spoor-{name.partition('.')[0]}"
        with open(self.system.logs / f"{name}.log", "wb") as log:
            return subprocess.Popen([program, "--config", self.system.config, "--instance", name],
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def check(self):
        for name, process in self.running.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}\n"
                                   f"{self.system.log_tails()}")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def watch(system, bench, service, metric, wanted, processes):
    """(seconds, value) pairs as they change, until `wanted(pairs)` says so."""
    pairs = []
    with subprocess.Popen([bench / "bench-watch", system.run, service, metric],
                          stdout=subprocess.PIPE, text=True) as watcher:
        for line in watcher.stdout:
            processes.check()
            ns, value = line.split()
            pairs.append((int(ns) / 1e9, int(value)))
            if wanted(pairs):
                break
        watcher.terminate()
    return pairs


def measure(system, bench, seconds):
    """{rate, seconds, messages, cpu: {service: share of one core}} of one run."""
    system.world["feed"].update(speed="max")
    system.write_config()
    begun = {}

    def wanted(pairs):
        now, count = pairs[-1]
        if not begun and count > 0:
            begun.update(at=now, count=count,
                         cpu={n: cpu_seconds(p.pid) for n, p in processes.running.items()})
        return bool(begun) and now - begun["at"] >= seconds

    with Processes(system, SERVICES) as processes:
        pairs = watch(system, bench, "strategy.ema", "spoor_ticks_processed_total", wanted,
                      processes)
        end, count = pairs[-1]
        spent = {name: cpu_seconds(process.pid) - begun["cpu"][name]
                 for name, process in processes.running.items()}
    wall = end - begun["at"]
    messages = count - begun["count"]
    return {"rate": messages / wall, "seconds": wall, "messages": messages,
            "cpu": {name: used / wall for name, used in spent.items()}}
