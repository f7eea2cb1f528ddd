"""Fails if a file breaks the house style that a program can see.

usage: check_tidy.py ROOT            sizes, names, purity, white space
       check_tidy.py ROOT --format   clang-format; status 77 (skipped) if clang-format-14 is absent
"""
import pathlib
import re
import shutil
import subprocess
import sys

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100
MAIN_LINES_MAX = 79
FOLDERS = ("proto", "common", "services", "test", "scripts", "config", "deploy", "docs", ".ci")
CODE = {".c", ".h", ".py", ".sh"}
TEXT = CODE | {".def", ".md", ".build", ".yml", ".json"}
LEFTOVERS = re.compile(r"\b(" + "|".join(("FIX" + "ME", "XX" + "X", "TO" + "DO")) + r")\b")
VAGUE_NAMES = {"utils", "util", "misc", "helpers", "helper"}
IMPURE = re.compile(
    r"(?<![\w.>])(clock_gettime|gettimeofday"
    r"|time|rand|random|srand|getrandom|fsync|fdatasync|fopen|open|openat|read|write|pread|pwrite"
    r"|rename|unlink|socket|connect|send|recv|sleep|usleep"
    r"|nanosleep|printf|getenv|sp_clock_wall|sp_clock_mono|sp_log|sp_log_err)\s*\(")


def is_pure(path):
    """Whether the file must not touch clock, randomness, files, sockets or the log."""
    parts = path.parts
    return path.suffix == ".c" and (path.stem.endswith("_core")
                                    or parts[:2] in (("common", "market"), ("common", "workers")))


def without_comments_and_strings(text):
    def blank(match):
        return re.sub(r"[^\n]", " ", match[0])
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def functions(lines):
    """Yields (first line, last line, signature) of every function definition, 1-based.

    In this style a brace alone in column one opens a function's body and nothing else."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            start = number
            first = number
            while first > 1 and re.search(r"^(?!#).*[^;}\s]\s*$", lines[first - 2]):
                first -= 1
        elif line.startswith("}") and start is not None:
            yield first, number, " ".join(lines[first - 1:start - 1])
            start = None


def check_c(rel, text, complain):
    code = without_comments_and_strings(text)
    lines = code.splitlines()
    for number, line in enumerate(lines, 1):
        if is_pure(rel) and IMPURE.search(line):
            complain(f"{rel}:{number}: a pure module calls {IMPURE.search(line)[1]}()")
    for first, last, signature in functions(lines):
        match = re.search(r"(\w+)\s*\(", re.sub(r"__attribute__\s*\(\(.*?\)\)", "", signature))
        name = match[1] if match else "?"
        if last - first + 1 > FUNCTION_LINES_MAX:
            complain(f"{rel}:{first}: {name} has {last - first + 1} lines, "
                     f"at most {FUNCTION_LINES_MAX}")
        is_static = re.search(r"\bstatic\b", signature)
        is_ours = name == "main" or name.startswith("sp_") or rel.parts[0] == "test"
        if not is_static and not is_ours:
            complain(f"{rel}:{first}: {name} is extern and not called sp_...")
    if rel.name == "main.c" and len(lines) > MAIN_LINES_MAX:
        complain(f"{rel}: {len(lines)} lines, a main.c has at most {MAIN_LINES_MAX}")


def check_guard(rel, text, guards, complain):
    match = re.search(r"^#ifndef (SP_\w+_H)\n#define \1\n.*^#endif\s*\Z", text, flags=re.M | re.S)
    if not match:
        complain(f"{rel}: no header guard SP_..._H around the whole header")
    elif match[1] in guards:
        complain(f"{rel}: guard {match[1]} is also that of {guards[match[1]]}")
    else:
        guards[match[1]] = rel


def check_text(rel, text, is_code, complain):
    lines = text.splitlines()
    if is_code and len(lines) > FILE_LINES_MAX:
        complain(f"{rel}: {len(lines)} lines, at most {FILE_LINES_MAX}")
    for number, line in enumerate(lines, 1):
        if is_code and len(line) > COLUMNS_MAX:
            complain(f"{rel}:{number}: {len(line)} columns, at most {COLUMNS_MAX}")
        if "\t" in line:
            complain(f"{rel}:{number}: tab")
        if line != line.rstrip():
            complain(f"{rel}:{number}: white space at the end of the line")
        if LEFTOVERS.search(line):
            complain(f"{rel}:{number}: {LEFTOVERS.search(line)[1]}")
    if text and not text.endswith("\n"):
        complain(f"{rel}: no newline at the end of the file")


def text_files(root):
    """Yields (path, text, whether it is code) of what people write and read here."""
    folders = [p for d in FOLDERS for p in (root / d).rglob("*")]
    for path in sorted(folders + list(root.glob("*"))):
        if not path.is_file() or "__pycache__" in path.parts or "golden" in path.parts:
            continue
        is_script = path.suffix == "" and path.read_bytes()[:2] == b"#!"
        if path.suffix in TEXT or is_script:
            yield path, path.read_text(), path.suffix in CODE or is_script


def check_style(root):
    problems, guards, count = [], {}, 0
    for path, text, is_code in text_files(root):
        rel = path.relative_to(root)
        count += 1
        check_text(rel, text, is_code, problems.append)
        if path.stem in VAGUE_NAMES:
            problems.append(f"{rel}: a file is named after the one thing it holds")
        if path.suffix in (".c", ".h"):
            check_c(rel, text, problems.append)
        if path.suffix == ".h":
            check_guard(rel, text, guards, problems.append)
    problems += check_names_of_tests(root)
    for problem in problems:
        print(problem)
    print(f"{count} files, {len(problems)} problems")
    return 1 if problems or not count else 0


def check_names_of_tests(root):
    """What the documentation names as a test is a function or a file below test/."""
    sources = [p for p in (root / "test").rglob("*") if p.suffix in (".c", ".py")]
    known = {p.stem for p in sources} | {p.name for p in sources if p.suffix == ".py"}
    for path in sources:
        if path.suffix == ".c":
            known |= set(re.findall(r"\btest_[a-z0-9_]+", path.read_text()))
    for path in sorted((root / "docs").glob("*.md")):
        if path.name not in ("proofs.md", "bus.md"):
            continue
        for name in sorted(set(re.findall(r"\btest_[a-z0-9_]+\b|\b[a-z_]+\.py\b",
                                          path.read_text()))):
            if name not in known and name != "test_bus_":
                yield f"{path.relative_to(root)}: there is no test {name}"


def check_format(root):
    tool = shutil.which("clang-format-14")
    if tool is None:
        print("SKIPPED: clang-format-14 is not installed; scripts/setup installs it")
        return 77
    paths = [str(p) for p, _, _ in text_files(root) if p.suffix in (".c", ".h")]
    done = subprocess.run([tool, "--dry-run", "-Werror", *paths], cwd=root, check=False)
    print(f"{len(paths)} files formatted as .clang-format says: {done.returncode == 0}")
    return 1 if done.returncode else 0


def main():
    root = pathlib.Path(sys.argv[1])
    return check_format(root) if "--format" in sys.argv[2:] else check_style(root)


sys.exit(main())
