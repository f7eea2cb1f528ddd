#!/usr/bin/env python3
"""The order-path test catches the bugs that are named for it: with each planted, the rounds aimed
at it must fail, by the rule that is there for it. Without any they pass.

usage: planted.py BUILD_DIR SOURCE_DIR
"""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

# Which bug of common/planted_bugs.def, and which rule finds it. An exit that was believed not to be
# there is sold again, and what is counted twice may fill an order beyond its quantity (H9): that
# ends the rounds before the last judgement.
CAUGHT_BY = {"sent_again": "H2", "not_found_is_reject": "H8|H9", "server_error_is_reject": "H8",
             "absence_not_waited": "H8|H9",
             "fill_not_deduped": "H4|H9", "leg_not_counted": "H2", "effect_before_sync": "H1",
             "halt_unchecked": "H7", "": None}
HERE = pathlib.Path(__file__).resolve().parent


def judge(bug):
    done = subprocess.run([sys.executable, HERE / "orderpath.py", *sys.argv[1:3], "--aimed"],
                          env=dict(os.environ, SPOOR_PLANTED_BUG=bug), text=True, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    rule = CAUGHT_BY[bug]
    if rule is None:
        return bug, done.returncode == 0, done.stdout
    found = any(f"{one}: " in done.stdout for one in rule.split("|"))
    return bug, done.returncode != 0 and found, done.stdout


def main():
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for bug, is_right, text in pool.map(judge, CAUGHT_BY):
            print(f"{'ok    ' if is_right else 'FAILED'} {bug or 'no bug'}"
                  f" ({CAUGHT_BY[bug] or 'passes'})", flush=True)
            if not is_right:
                failed += 1
                print(text)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
