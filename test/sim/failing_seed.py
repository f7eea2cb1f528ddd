"""What somebody does with a seed that failed: repeats it, makes its faults fewer, asks why.

usage: failing_seed.py SIMULATOR_WITH_BUGS SPOOR
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

BUG, SEED = "fill_not_deduped", "23"
FAILED = re.compile(r"^seed (\d+) (FAILED at \S+ s, event \d+: .*)$", re.MULTILINE)
AGAIN = re.compile(r"^  again: simulate (.*) --verbose$", re.MULTILINE)


def simulate(simulator, *args):
    done = subprocess.run([simulator, *args], env={**os.environ, "SPOOR_PLANTED_BUG": BUG},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode != 0, f"{args}: the planted bug is not met"
    failed, again = FAILED.findall(done.stdout), AGAIN.findall(done.stdout)
    assert failed and again, done.stdout
    return done.stdout, failed, [line.split() for line in again]


def kinds_off(args):
    return bin(int(args[args.index("--off") + 1], 16)).count("1")


def main():
    simulator, spoor = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        _, first, again = simulate(simulator, "--seed", SEED, "--trace", folder)
        _, second, _ = simulate(simulator, *again[0])
        assert first == second, f"{first} is repeated as {second}"
        print(f"ok  the line that it prints repeats it: {first[0][1]}")

        text, failed, fewer = simulate(simulator, *again[0], "--shrink")
        assert len(failed) == 2 and kinds_off(fewer[1]) > kinds_off(fewer[0]) + 10, text
        _, shrunk, _ = simulate(simulator, *fewer[1])
        assert shrunk[0] == failed[1], f"{failed[1]} is repeated as {shrunk[0]}"
        print(f"ok  {kinds_off(fewer[1])} kinds of faults are off, and it still fails")

        why = subprocess.run([spoor, "why", "--data", folder / "data", "last"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, check=False)
        assert re.search(r"^RESULT DOES NOT ADD UP ", why.stdout, re.MULTILINE), why.stdout
        print("ok  spoor why sees in the journals that were left what was wrong")


if __name__ == "__main__":
    main()
