"""Fails if a file reaches what its layer must not reach.

usage: check_layers.py ROOT

- proto <- common <- services <- test: no include of a layer above one's own;
- no service includes another; services/backtest, which composes cores, may;
- each third-party header is included by one module;
- nothing that services/supervisor includes, or that implements what it includes, includes zmq: a
  library's abort must not kill the supervisor.
"""
import pathlib
import re
import sys

RANK = {"proto": 0, "common": 1, "services": 2, "test": 3}
THIRD_PARTY = {
    "zmq.h": "zmq", "czmq.h": "zmq", "msgpack.h": "msgpack", "cJSON.h": "cJSON",
    "cjson/cJSON.h": "cJSON", "sqlite3.h": "sqlite3", "zstd.h": "zstd", "zlib.h": "zlib",
    "libwebsockets.h": "libwebsockets", "curl/curl.h": "curl", "openssl/hmac.h": "openssl",
    "openssl/evp.h": "openssl", "http_parser.h": "http_parser",
    "wslay/wslay.h": "wslay", "ncurses.h": "ncurses",
}
# A library that two modules know, each named with its reason: the services' client hangs in their
# loop; the program that cancels everything must do without a loop and the bus below it.
MAY_SHARE = {"curl": {"common/http/http_client", "common/http/http_call"}}
MAY_COMPOSE_SERVICES = {"backtest"}


def includes(path):
    """Yields (line number, header, whether it is in angle brackets)."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if match:
            yield number, match[2], match[1] == "<"


def check_layering(root, path, complain):
    parts = path.relative_to(root).parts
    for number, header, _ in includes(path):
        target = header.split("/")
        if RANK.get(target[0], -1) > RANK[parts[0]]:
            complain(f"{path.relative_to(root)}:{number}: {parts[0]}/ must not include "
                     f"{target[0]}/")
        if parts[0] == target[0] == "services" and len(target) > 2 and len(parts) > 2:
            if parts[1] != target[1] and parts[1] not in MAY_COMPOSE_SERVICES:
                complain(f"{path.relative_to(root)}:{number}: service {parts[1]} must not "
                         f"include service {target[1]}")


def check_third_party(root, paths, complain):
    users = {}
    for path in paths:
        if path.relative_to(root).parts[0] == "test":
            continue
        for number, header, _ in includes(path):
            library = THIRD_PARTY.get(header)
            if library is None and header.split("/")[0] in ("msgpack", "openssl", "curl"):
                library = header.split("/")[0]
            if library:
                module = path.relative_to(root).with_suffix("")
                users.setdefault(library, {})[module] = f"{path.relative_to(root)}:{number}"
    for library, modules in sorted(users.items()):
        if len(modules) > 1 and {str(m) for m in modules} != MAY_SHARE.get(library):
            complain(f"{library} is included by more than one module: "
                     + ", ".join(modules[m] for m in sorted(modules)))


def check_supervisor(root, complain):
    """Follows includes, and each header to the file that implements it."""
    came_from = {p: None for p in sorted((root / "services/supervisor").glob("*.[ch]"))}
    queue = list(came_from)
    while queue:
        path = queue.pop()
        for number, header, _ in includes(path):
            if THIRD_PARTY.get(header) == "zmq":
                chain, step = [], path
                while step is not None:
                    chain.append(str(step.relative_to(root)))
                    step = came_from[step]
                complain("services/supervisor reaches zmq: " + " <- ".join(chain))
            for name in (root / header, (root / header).with_suffix(".c")):
                if name.is_file() and name not in came_from:
                    came_from[name] = path
                    queue.append(name)


def main():
    root = pathlib.Path(sys.argv[1])
    problems = []
    paths = sorted(p for d in RANK for p in (root / d).rglob("*.[ch]"))
    for path in paths:
        check_layering(root, path, problems.append)
    check_third_party(root, paths, problems.append)
    check_supervisor(root, problems.append)
    for problem in problems:
        print(problem)
    print(f"{len(paths)} files, {len(problems)} problems")
    return 1 if problems or not paths else 0


sys.exit(main())
