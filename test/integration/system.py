"""A whole operation in a temporary folder: started, watched, killed, stopped, and read afterwards.

Reads what the product leaves behind (journals as JSON lines, SQLite files after the stop) with the
standard library only, so that it shares no code with what it checks.
"""
import contextlib
import copy
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

UNIT = 10**8


def e8(text):
    """Exact decimal text to units of 1e-8."""
    sign = -1 if text.startswith("-") else 1
    whole, _, part = text.lstrip("-").partition(".")
    assert len(part) <= 8, text
    return sign * (int(whole) * UNIT + int(part.ljust(8, "0") or "0"))


def px_times_qty(px, qty):
    """Rounded half away from zero, as the product defines it."""
    wide = px * qty
    return (abs(wide) + UNIT // 2) // UNIT * (1 if wide >= 0 else -1)


def whole_lines(data):
    """What is written of a segment's bytes: a tab is a byte that is still to come, and what is
    behind the last newline is half a line."""
    data = data.partition(b"\t")[0]
    return data[:data.rfind(b"\n") + 1]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class System:
    """One operation; use as a context manager: it ends every process it started."""

    def __init__(self, build, source, folder, base="demo"):
        self.build, self.source = pathlib.Path(build).resolve(), pathlib.Path(source).resolve()
        self.folder = pathlib.Path(folder)
        self.config = self.folder / "config"
        shutil.copytree(self.source / "config" / base, self.config)
        if base != "demo":
            shutil.copytree(self.source / "config" / "demo" / "strategies",
                            self.config / "strategies", dirs_exist_ok=True)
        self.platform = json.loads((self.config / "platform.json").read_text())
        self.operation = json.loads((self.config / "operation.json").read_text())
        self.platform["paths"] = {"data": "../data", "run": "../run", "logs": "../log"}
        self.platform["http"] = {"listen": f"127.0.0.1:{free_port()}"}
        self.data, self.run, self.logs = (self.folder / n for n in ("data", "run", "log"))
        self.blueprint = json.loads((self.config / "strategies" / "ema_cross.json").read_text())
        for link in self.operation["strategy_links"]:
            link["blueprint"] = "strategies/ema_cross.json"
        self.world = next(iter(self.operation["worlds"].values()))

    def write_config(self):
        for name, value in (("platform.json", self.platform), ("operation.json", self.operation),
                            ("strategies/ema_cross.json", self.blueprint)):
            (self.config / name).write_text(json.dumps(copy.deepcopy(value), indent=2) + "\n")

    def spoor(self, *args, expect=0, timeout=60):
        done = subprocess.run([self.build / "spoor", "-C", self.config, *map(str, args)], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=timeout)
        if expect is not None and done.returncode != expect:
            raise AssertionError(f"spoor {args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
                                 f"\n{self.log_tails()}")
        return done

    def resume(self, *args):
        """Both steps: looks, then confirms what it saw."""
        seen = self.spoor("resume", *args, "--json", expect=4).stdout
        return self.spoor("resume", *args, "--confirm", json.loads(seen)["confirm"])

    def log_tails(self):
        parts = []
        for path in sorted(self.logs.glob("*.log")) if self.logs.exists() else []:
            parts.append(f"--- {path.name}\n" + "\n".join(path.read_text().splitlines()[-6:]))
        return "\n".join(parts)

    def status(self):
        """Instances by name; {} if no supervisor answers."""
        done = self.spoor("status", "--short", "--json", expect=None)
        try:
            answer = json.loads(done.stdout)
        except json.JSONDecodeError:
            return {}
        return {row["name"]: row for rows in answer.get("supervisors", []) for row in rows}

    def supervisor_pid(self):
        return self.status().get("supervisor", {}).get("pid")

    def await_that(self, what, check, seconds=30):
        """Polls a condition until it holds; never a fixed sleep."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = check()
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError(f"not within {seconds} s: {what}\n{self.log_tails()}")

    def kill_all(self):
        """For the end of a failed test: the supervisor first, so that nothing is restarted."""
        pids = [row.get("pid") for row in self.status().values()]  # its own row is the first
        for pid in pids:
            if not pid:
                continue
            try:
                exe = os.readlink(f"/proc/{pid}/exe")
                if str(self.build) in exe:
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.kill_all()

    # ---- what was left behind ----

    def journals(self):
        return sorted({path.parent.name for path in self.data.glob("*/*.jsonl")})

    def records(self, stream, kinds=None):
        """All records of complete batches, oldest first."""
        out, batch = [], []
        for path in sorted((self.data / stream).glob("*.jsonl")):
            for line in whole_lines(path.read_bytes()).split(b"\n"):
                if not line:
                    continue
                try:
                    record = json.loads(line)
                except json.JSONDecodeError:
                    continue  # a torn tail: the verifier judges it
                if "k" not in record:
                    continue
                batch.append(record)
                if record["m"] == 0:
                    out.extend(batch)
                    batch = []
        return [r for r in out if kinds is None or r["k"] in kinds]

    def sql(self, instance, name, query):
        with contextlib.closing(sqlite3.connect(self.data / instance / name)) as db:
            return db.execute(query).fetchall()


def check_books(system):
    """Fold of the execution journal == ledger == the venue's truth, to the last digit. Returns the
    folded fills by venue trade id."""
    fills = {}
    for record in system.records("execution", {"FILL"}):
        body = record["b"]
        key = (body["symbol"], body["venue_trade_id"])
        assert key not in fills, f"fill {key} booked twice"
        fills[key] = body
    ledger = {(s, t): (side, px, qty, fee) for s, t, side, px, qty, fee in system.sql(
        "execution", "ledger.db", "SELECT symbol, venue_trade_id, side, px, qty, fee FROM fills")}
    sides = {1: "BUY", 2: "SELL"}
    venue = {(s, t): (sides[side], px, qty, fee) for s, t, side, px, qty, fee in system.sql(
        "venue", "venue.db", "SELECT symbol, trade_no, side, px, qty, fee FROM fills")}
    folded = {k: (b["side"], e8(b["px"]), e8(b["qty"]), e8(b.get("fee", "0")))
              for k, b in fills.items()}
    assert folded == ledger, f"journal and ledger differ: {set(folded) ^ set(ledger)}"
    assert folded == venue, f"journal and venue differ: {set(folded) ^ set(venue)}"

    instruments = {i["symbol"]: i for i in system.world["instruments"]}
    balances = {a: e8(v) for a, v in system.world["venue"]["balances"].items()}
    for (symbol, _), (side, px, qty, fee) in folded.items():
        instrument = instruments[symbol]
        sign = 1 if side == "BUY" else -1
        balances[instrument["base"]] += sign * qty
        balances[instrument["quote"]] -= sign * px_times_qty(px, qty) + fee
    account = dict(system.sql("venue", "venue.db", "SELECT asset, total FROM balances"))
    assert balances == account, f"fold {balances}, paper account {account}"

    closed = system.records("execution", {"TRADE_CLOSED"})
    pnl = sum(e8(r["b"].get("realised_pnl", "0")) for r in closed)
    rows = system.sql("execution", "ledger.db", "SELECT sum(pnl) FROM trades WHERE closed > 0")
    assert (rows[0][0] or 0) == pnl, f"ledger pnl {rows[0][0]}, journal {pnl}"
    return folded


def check_orders(system):
    """No plan has two entries, no client order id was used twice, each plan has one answer."""
    entries, ids, answers = {}, set(), {}
    for record in system.records("execution"):
        body = record["b"] if "b" in record else {}
        if record["k"] == "ORDER_INTENT":
            assert body["client_order_id"] not in ids, f"{body['client_order_id']} used twice"
            ids.add(body["client_order_id"])
            if body["role"] == "ENTRY":
                entries[body["plan_id"]] = entries.get(body["plan_id"], 0) + 1
        if record["k"] in ("PLAN_ACCEPTED", "PLAN_REFUSED", "PLAN_EXPIRED"):
            answers[body["plan_id"]] = answers.get(body["plan_id"], 0) + 1
    assert all(n == 1 for n in entries.values()), f"entries per plan: {entries}"
    assert all(n == 1 for n in answers.values()), f"answers per plan: {answers}"
    twice = system.sql("venue", "venue.db", "SELECT client_order_id, count(*) FROM orders"
                       " GROUP BY 1 HAVING count(*) > 1")
    assert not twice, f"sent twice: {twice}"
    return entries, answers
