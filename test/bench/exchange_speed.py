"""How fast the practice exchange answers: REST orders over one connection and over pipelined ones,
and the trades of its market to a thousand WebSockets. The real spoor-venue with its market; the
client is bench-venue, on the same machine."""
import json
import os
import pathlib
import subprocess
import sys
from decimal import Decimal

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "conformance"))

import exchange  # noqa: E402

SYMBOL, QTY = "BTCUSDT", "0.01000"
MANY = 2**31 - 1
BELOW = Decimal("0.95")  # of the market: near enough for its filters, far enough to rest


def resting_price(venue):
    last = Decimal(venue.get(f"klines?symbol={SYMBOL}&interval=1s")[-1][4])
    return str((last * BELOW).quantize(Decimal("0.01")))


def cpu_us(pid):
    """Of the whole process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


def measure(build, source, folder, tools, sizes):
    """`sizes`: REST pairs, pipelined orders and their connections, WebSockets and milliseconds."""
    folder.mkdir()
    with exchange.Exchange(build, source, folder) as venue:
        venue.act("limits", weight=MANY, orders_10s=MANY, orders_day=MANY, connections=MANY,
                  messages=MANY)
        pid = venue.processes[-1].pid

        def run(*command):
            before = cpu_us(pid)
            done = subprocess.run(
                [tools / "bench-venue", str(venue.port), exchange.KEY, exchange.SECRET, SYMBOL,
                 resting_price(venue), QTY, *map(str, command)],
                check=True, stdout=subprocess.PIPE, text=True, timeout=120)
            line = json.loads(done.stdout)
            count = line.get("messages") or line.get("orders") or 1
            line["venue_cpu_us"] = (cpu_us(pid) - before) / count
            return line

        return {"rest": run("rest", sizes["rest"]),
                "pipeline": run("pipeline", sizes["connections"], sizes["pipelined"]),
                "streams": run("streams", sizes["sockets"], sizes["ms"])}
