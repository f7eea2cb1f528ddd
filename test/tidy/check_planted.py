"""The layer and style checks must see what they are for: plants each fault and expects its line.

usage: check_planted.py ROOT
"""
import pathlib
import subprocess
import sys
import tempfile

HEADER = "#ifndef SP_{0}_H\n#define SP_{0}_H\n\n{1}#endif\n"
LONG_BODY = "int sp_long(void)\n{\n" + "    sp_step();\n" * 69 + "}\n"
# (file, content, which check, what it must say)
FAULTS = [
    ("proto/a.h", HEADER.format("A", '#include "common/b.h"\n'), "layers",
     "must not include common"),
    ("common/a.c", '#include "services/x/x_core.h"\n', "layers", "must not include services"),
    ("services/x/x_io.c", '#include "services/y/y_core.h"\n', "layers", "service x must not"),
    ("common/two.c", "#include <zmq.h>\n", "layers", "more than one module"),
    ("services/supervisor/s_io.c", '#include "common/bus.h"\n', "layers",
     "reaches zmq: common/bus.c <- services/supervisor/s_io.c"),
    ("common/a.c", "static int x;\n" * 601, "tidy", "601 lines"),
    ("common/a.c", LONG_BODY, "tidy", "sp_long has 72 lines"),
    ("common/a.c", "/* " + "a" * 100 + " */\n", "tidy", "106 columns"),
    ("common/a.c", "\tint x;\n", "tidy", "tab"),
    ("common/a.c", "int x; \n", "tidy", "white space at the end"),
    ("common/a.c", "/* FIX" "ME */\n", "tidy", "FIX" "ME"),
    ("docs/a.md", "later: TO" "DO\n", "tidy", "TO" "DO"),
    ("common/a.c", "int x;", "tidy", "no newline"),
    ("docs/proofs.md", "test_good, and test_nowhere\n", "tidy", "there is no test test_nowhere"),
    ("common/a.c", "int *other(int a,\n           int b)\n{\n    return 0;\n}\n", "tidy",
     "common/a.c:1: other is extern"),
    ("common/a.h", "#pragma once\n", "tidy", "no header guard"),
    ("common/a.h", HEADER.format("GOOD", ""), "tidy", "is also that of"),
    ("common/utils.c", "int x;\n", "tidy", "named after the one thing"),
    ("services/x/main.c", "int x;\n" * 80, "tidy", "a main.c has at most"),
    ("services/x/x_core.c", "static void f(void)\n{\n    x = time(NULL);\n}\n", "tidy",
     "x_core.c:3: a pure module calls time()"),
    ("common/market/m.c", "static void f(void)\n{\n    fopen(p, m);\n}\n", "tidy", "calls fopen()"),
]
SOUND = {
    "common/good.h": HEADER.format("GOOD", "int sp_good(void);\n"),
    "common/good.c": "/* time() in words, \"open(\" too */\nstatic int good(void)\n{\n"
                     "    return book->open(1) + lifetime(2);\n}\n",
    "common/bus.h": HEADER.format("BUS", ""),
    "common/bus.c": '#include "common/bus.h"\n\n#include <zmq.h>\n',
    "services/x/x_core.c": "static void f(void)\n{\n    book->open(1);\n    /* time(NULL) */\n}\n",
    "services/supervisor/s_core.c": '#include "common/good.h"\n',
    "services/backtest/b.c": '#include "services/x/x_core.h"\n',
    "test/t.c": "#include <zmq.h>\n\nint test_good;\n",
}


def check(scripts, name, tree):
    with tempfile.TemporaryDirectory() as folder:
        for path, content in tree.items():
            path = pathlib.Path(folder, path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        done = subprocess.run([sys.executable, scripts / f"check_{name}.py", folder],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


def main():
    scripts, bad = pathlib.Path(sys.argv[1]) / "scripts", 0
    for name in ("layers", "tidy"):
        status, said = check(scripts, name, SOUND)
        if status != 0:
            bad += 1
            print(f"{name} complains about a sound tree:\n{said}")
    for path, content, name, expected in FAULTS:
        status, said = check(scripts, name, {**SOUND, path: content})
        if status == 0 or expected not in said:
            bad += 1
            print(f"{name} misses {path} ({expected}); it said:\n{said}")
    print(f"{len(FAULTS)} planted faults, {bad} wrong answers")
    return 1 if bad else 0


sys.exit(main())
