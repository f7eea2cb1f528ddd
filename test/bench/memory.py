"""What each process of a running operation keeps for itself: Private_* of /proc/PID/smaps_rollup.

Shared pages (libraries, the program) are not counted; the parts of the rings that are in use are,
so a value is an upper bound of what is owed without them.
"""
import time


def private_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_"))


def measure(system, seconds):
    """{process: KiB} after so many seconds of an operation at rest with a strategy that trades."""
    system.write_config()
    system.spoor("up")
    try:
        time.sleep(seconds)
        return {name: private_kib(row["pid"])
                for name, row in system.status().items() if row.get("pid")}
    finally:
        system.spoor("down", expect=None)
