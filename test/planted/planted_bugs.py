"""Whether a planted bug is caught by whom the table says.

usage: planted_bugs.py TABLE BUG CATCHER PROGRAM [ARG...]
       planted_bugs.py --search TABLE SIMULATOR [BUG...]
       planted_bugs.py --complete TABLE SOURCE_ROOT BUILD_ROOT PLANTED_PROGRAM BUG...

With SPOOR_PLANTED_BUG=BUG, PROGRAM must fail and its output hold the evidence that the table
names. That it passes without is a test of its own.

The table names the simulator's seed that meets a bug first ("sim --seed N"): that seed must fail
with the bug and pass without it. Any change of the product may move what a seed does; when the
named one meets the bug no longer, seeds 1 to 300 are run over all processors until one does. A seed
counts only if it shows the evidence and passes without the bug. --search writes the seeds into the
table anew.

--complete: every row of the table has a test and stands in the sources, and no product program has
any bug in it.
"""
import os
import pathlib
import re
import subprocess
import sys

ROW = re.compile(r'PLANTED_BUG\((\w+),\s*"([^"]+)",\s*"([^"]+)",\s*"([^"]+)"\)')
SWITCH = b"SPOOR_PLANTED_BUG"
FAILED = re.compile(rb"seed (\d+) FAILED[^\n]*")
SEEDS = 300
UNKNOWN = 99


def table(path):
    """Rows by bug: (what is wrong, catcher, evidence)."""
    return {row[0]: row[1:] for row in ROW.findall(pathlib.Path(path).read_text())}


def shows(output, evidence):
    return any(one.encode() in output for one in evidence.split("|"))


def run(command, bug):
    return subprocess.run(command, env={**os.environ, SWITCH.decode(): bug},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)


def meets(command, evidence, output):
    """The seeds of the output that failed as they ought to, and pass without the bug."""
    for seed in FAILED.finditer(output):
        alone = [*command, "--seed", seed[1].decode()]
        if shows(seed[0], evidence) and run(alone, "").returncode == 0:
            yield int(seed[1])


def find_seed(command, bug, evidence):
    """(the first of SEEDS seeds that meets the bug or None, the last output)."""
    first = 1
    while first <= SEEDS:
        planted = run([*command, "--until-failure", "--jobs", "0", "--first", str(first),
                       "--seeds", str(SEEDS + 1 - first)], bug)
        found = sorted(meets(command, evidence, planted.stdout))
        if found:
            return found[0], planted
        failed = [int(seed[1]) for seed in FAILED.finditer(planted.stdout)]
        if not failed:
            break
        first = max(failed) + 1
    return None, planted


def check_simulated(bug, row, hint, command):
    wrong, _, evidence = row
    planted = run([*command, *hint], bug)
    if not hint or not list(meets(command, evidence, planted.stdout)):
        print(f"{' '.join(hint)} does not meet {bug} any more: searching")
        seed, planted = find_seed(command, bug, evidence)
        if seed is None:
            sys.stdout.buffer.write(planted.stdout)
            return f"none of {SEEDS} seeds meets {bug}: {wrong}"
        print(f"seed {seed} meets it")
    sys.stdout.buffer.write(b"\n".join(one[0] for one in FAILED.finditer(planted.stdout)) + b"\n")
    return None


def search(path, simulator, bugs):
    text = pathlib.Path(path).read_text()
    for bug, (_, by, evidence) in table(path).items():
        if by.split()[0] != "sim" or (bugs and bug not in bugs):
            continue
        seed, planted = find_seed([simulator], bug, evidence)
        line = [one[0].decode() for one in FAILED.finditer(planted.stdout)]
        print(f"{bug}: {'not caught' if seed is None else seed}: {line}", flush=True)
        if seed is not None:
            row = re.compile(rf'(PLANTED_BUG\({bug},[^)]*?")sim[^"]*(")')
            text = row.sub(rf"\g<1>sim --seed {seed}\2", text)
    pathlib.Path(path).write_text(text)


def check_caught(path, bug, catcher, command):
    wrong, by, evidence = table(path)[bug]
    by, *hint = by.split()
    if by != catcher:
        return f"the table says that {by} catches {bug}, not {catcher}"
    if by == "sim":
        return check_simulated(bug, table(path)[bug], hint, command)
    planted = run(command, bug)
    if planted.returncode in (0, UNKNOWN):
        sys.stdout.buffer.write(planted.stdout)
        return f"{catcher} does not catch {bug} (status {planted.returncode}): {wrong}"
    if not shows(planted.stdout, evidence):
        sys.stdout.buffer.write(planted.stdout)
        return f"{catcher} fails with {bug}, but not as it ought to: no \"{evidence}\""
    print(f"{bug} ({wrong}): caught by {catcher}")
    return None


def product_programs(root, build):
    """The programs of services/meson.build."""
    text = (root / "services/meson.build").read_text()
    return [build / name for name in re.findall(r"\{'name': '([\w-]+)',\s*'sources'", text)]


def check_complete(path, root, build, planted, tested):
    problems = []
    rows = table(path)
    text = pathlib.Path(path).read_text()
    if len(rows) != len(re.findall(r"^PLANTED_BUG\(", text, re.M)):
        problems.append("a row of the table cannot be read")
    for bug in sorted(set(rows) ^ set(tested)):
        problems.append(f"{bug} has a row or a test, but not both")
    used = {}
    for source in [*root.glob("common/**/*.c"), *root.glob("services/**/*.c")]:
        for bug in re.findall(r"\bSP_BUG\((\w+)\)", source.read_text()):
            used.setdefault(bug, source)
    for bug in sorted(set(rows) - set(used)):
        problems.append(f"{bug} is in the table, but nowhere planted")
    if SWITCH not in planted.read_bytes():
        problems.append(f"{planted} has no bugs: this check would find nothing")
    for program in product_programs(root, build):
        if SWITCH in program.read_bytes():
            problems.append(f"{program} can be told to have a bug")
    return problems


def main(args):
    if args[0] == "--search":
        search(args[1], args[2], args[3:])
        problems = []
    elif args[0] == "--complete":
        path, root, build, planted = map(pathlib.Path, args[1:5])
        problems = check_complete(path, root, build, planted, args[5:])
    else:
        problem = check_caught(args[0], args[1], args[2], args[3:])
        problems = [problem] if problem else []
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
