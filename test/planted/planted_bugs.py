"""Whether a planted bug is caught by whom the table says.

usage: planted_bugs.py TABLE BUG CATCHER PROGRAM [ARG...]
       planted_bugs.py --search TABLE SIMULATOR [BUG...]
       planted_bugs.py --complete TABLE SOURCE_ROOT BUILD_ROOT PLANTED_PROGRAM BUG...

With SPOOR_PLANTED_BUG=BUG, PROGRAM must fail and its output hold the evidence that the table
names. That it passes without is a test of its own.

The table names the simulator's seed that meets a bug first ("sim --seed N"): that seed must fail
with the bug and pass without it. Any change of the product may move what a seed does; when the
named one meets the bug no longer, seeds 1 to 300 are searched, and the first that fails must show
the evidence. --search writes the seeds into the table anew.

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
SEARCH = ["--first", "1", "--seeds", "300"]
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


def run_seeds(command, hint, bug):
    """The run of the seed that the table names, or of the first that fails."""
    if hint and run([*command, *hint], "").returncode == 0:
        planted = run([*command, *hint], bug)
        if planted.returncode != 0:
            return planted
    print(f"{' '.join(hint)} does not meet {bug} any more: searching")
    planted = run([*command, *SEARCH], bug)
    seed = FAILED.search(planted.stdout)
    if seed is None:
        return planted
    print(f"seed {seed[1].decode()} meets it")
    without = run([*command, "--seed", seed[1].decode()], "")
    return planted if without.returncode == 0 else without


def search(path, simulator, bugs):
    text = pathlib.Path(path).read_text()
    for bug, (_, by, evidence) in table(path).items():
        if by.split()[0] != "sim" or (bugs and bug not in bugs):
            continue
        planted = run([simulator, "--until-failure", *SEARCH], bug)
        seed = FAILED.search(planted.stdout)
        shown = shows(planted.stdout, evidence)
        print(f"{bug}: {seed[0].decode() if seed else 'not caught'}{'' if shown else ' (OTHER)'}",
              flush=True)
        if seed and shown:
            row = re.compile(rf'(PLANTED_BUG\({bug},[^)]*?")sim[^"]*(")')
            text = row.sub(rf"\g<1>sim --seed {seed[1].decode()}\2", text)
    pathlib.Path(path).write_text(text)


def check_caught(path, bug, catcher, command):
    wrong, by, evidence = table(path)[bug]
    by, *hint = by.split()
    if by != catcher:
        return f"the table says that {by} catches {bug}, not {catcher}"
    planted = run_seeds(command, hint, bug) if by == "sim" else run(command, bug)
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
