#!/usr/bin/env python3
"""Mixing up prices, quantities, ids and clocks must not compile; the control must.

usage: check_mixing.py SOURCE_ROOT COMPILER...
"""
import re
import subprocess
import sys


def main():
    root, compiler = sys.argv[1], sys.argv[2:]
    source = f"{root}/test/compile/mixing.c"
    text = open(source, encoding="utf-8").read()
    cases = [(int(n), what) for n, what in re.findall(r"CASE == (\d+)\s+/\* (.+?) \*/", text)]
    flags = ["-std=gnu17", "-I", root, "-c", "-o", "/dev/null", "-Wno-unused",
             "-Werror=unused-result"]
    failures = 0
    for number, what in cases:
        done = subprocess.run(compiler + flags + [f"-DCASE={number}", source],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              check=False)
        errors = re.findall(r"mixing\.c:(\d+):\d+: error: (.*)", done.stderr)
        lines = {line for line, _ in errors}
        good = done.returncode == 0 if number == 0 else len(lines) == 1
        failures += not good
        print("ok  " if good else "FAIL", what, "->", errors[0][1] if errors else "compiles")
        if number == 0 and not good:
            print(done.stderr)
    assert len(cases) >= 12, "cases were not found"
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
