"""The commands that read journals and those that act, over a history and without a running system.

usage: explain.py BUILD SOURCE
"""
import csv
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

BUILD, SOURCE = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
SPOOR = BUILD / "spoor"
HISTORY = BUILD / "test" / "explain_history"


def run(*args, code=0):
    done = subprocess.run([SPOOR, *map(str, args)], capture_output=True, text=True, timeout=30,
                          env={**os.environ, "COLUMNS": "100"})
    assert done.returncode == code, (
        f"{args}: exit {done.returncode}, wanted {code}\n{done.stdout}\n{done.stderr}")
    return done.stdout, done.stderr


def say(text):
    print(f"explain: {text}", flush=True)


def make(folder, how="whole"):
    folder.mkdir()
    subprocess.run([HISTORY, folder, how], check=True, timeout=30)
    return folder


def ids_in(data):
    out, _ = run("journal", "--data", data, "--json")
    return sorted(set(re.findall(r"\b(?:opp|thr|trd|sch|pln|ord|rec|cmd)_[0-9a-z]{26}\b", out)))


def check_why(data):
    ids = ids_in(data)
    kinds = {i[:3] for i in ids}
    assert kinds == {"opp", "thr", "trd", "sch", "pln", "ord", "rec", "cmd"}, kinds
    for whole in ids:
        out, _ = run("why", whole, "--data", data)
        chain = json.loads(run("why", whole, "--data", data, "--json")[0])
        assert chain["id"] == whole and chain["sections"], chain
        short = whole[:4] + whole[-6:]
        assert run("why", short, "--data", data)[0] == out
        assert run("why", whole[-6:], "--data", data)[0] == out
    say(f"why answers for {len(ids)} ids of {len(kinds)} kinds: whole, short, without prefix")

    out, _ = run("why", "last", "--data", data)
    assert "closed by OPERATOR" in out and "RESULT" in out, out
    out, _ = run("why", "last", "rejected", "--data", data)
    assert "REJECTED by threat volatility_spike (HIGH)" in out, out
    assert run("why", "--last-rejected", "--data", data)[0] == out
    order = json.loads(run("journal", "execution:3", "--data", data, "--json")[0])
    client = order["b"]["client_order_id"]
    assert order["b"]["order_id"][-6:] in run("why", client, "--data", data)[0]
    assert "OPENED BECAUSE" in run("why", "execution:3", "--data", data)[0]
    say("why answers for last, last rejected, a client order id and a record's place")


def check_mistakes(data):
    ids = ids_in(data)
    ends = [i[-1] for i in ids]
    common = next(e for e in ends if ends.count(e) > 1)
    _, err = run("why", common, "--data", data, code=64)
    assert f"is short for {ends.count(common)} ids" in err and "Which one?" in err, err
    _, err = run("why", "trd_zzzzzz", "--data", data, code=3)
    assert "searched" in err and "The newest: trd_" in err, err
    run("why", "--data", data, code=64)
    run("why", "last", "nonsense", "--data", data, code=64)
    _, err = run("why", "last", "--data", data / "nowhere", code=3)
    assert "spoor up" in err
    run("journal", "execution:0", "--data", data, code=64)
    run("journal", "execution:9999", "--data", data, code=3)
    run("journal", "--type", "NONSENSE", "--data", data, code=64)
    say("mistakes are named with what there is")


def check_trades(data):
    out, _ = run("trades", "--data", data)
    assert "sum of 2 closed, USDT" in out and "+19.83218466" in out, out
    rows = json.loads(run("trades", "--data", data, "--json")[0])
    assert [r["closed_by"] for r in rows] == ["TARGET", "OPERATOR"], rows
    assert all(r["adds_up"] for r in rows)
    assert len(run("trades", "--data", data, "--csv")[0].splitlines()) == 3
    assert run("trades", "--data", data, "--strategy", "other", "--json")[0] == "[]\n"
    say("trades add up: 26.48642016 - 6.65423550 = 19.83218466")


def check_planted_result(folder):
    data = make(folder, "wrong")
    trade = json.loads(run("trades", "--data", data, "--json", code=65)[0])[0]["trade_id"]
    out, err = run("why", trade, "--data", data, code=65)
    assert "DOES NOT ADD UP" in out and "26.48642017" in out and "do not add up" in err
    say("a result one unit off is found: exit code 65")


def check_journal(folder):
    data = make(folder)
    out, _ = run("journal", "execution:3", "--data", data)
    assert "ORDER_INTENT" in out and "client_order_id" in out, out
    out, _ = run("journal", "--type", "FILL", "--since", "18:30:00", "--data", data)
    assert len(out.splitlines()) == 2, out
    assert "whole" in run("journal", "verify", "--data", data)[0]

    execution = data / "execution" / "00000000000000000001.jsonl"
    whole = execution.read_bytes()
    execution.write_bytes(whole[:-9])
    assert "unfinished tail" in run("journal", "verify", "execution", "--data", data)[0]
    run("why", "last", "--data", data)
    execution.write_bytes(whole)

    strategy = data / "strategy.ema" / "00000000000000000001.jsonl"
    damaged = bytearray(strategy.read_bytes())
    damaged[1500] ^= 1
    strategy.write_bytes(damaged)
    _, err = run("journal", "verify", "--data", data, code=65)
    assert "strategy.ema" in err and re.search(r"(offset|byte) \d+", err), err
    _, err = run("why", "last", "--data", data)
    assert "strategy.ema is read only up to its damage" in err, err
    say("journal verify names file and offset; a torn tail is none of it")

    follower = subprocess.Popen([SPOOR, "journal", "execution", "-f", "--data", data],
                                stdout=subprocess.PIPE, text=True)
    try:
        for line in follower.stdout:  # all there is comes first
            if "news is out" in line and "TRADING_RESUMED" in line:
                break
        subprocess.run([HISTORY, data, "more"], check=True, timeout=30)
        assert any("appended while somebody follows" in line for line in follower.stdout)
    finally:
        follower.kill()
        follower.wait()
    say("journal -f shows what is appended")


def text_of(value):
    """A JSON value as a cell of the table says it."""
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return " ".join(value)
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def check_filters(data):
    lines = [json.loads(line) for line in run("journal", "--data", data, "--json")[0].splitlines()]
    fills = run("journal", "--kind", "FILL", "--data", data)[0]
    assert fills == run("journal", "--type", "FILL", "--data", data)[0]
    assert len(fills.splitlines()) == sum(r["k"] == "FILL" for r in lines)
    intent = next(r for r in lines if r["k"] == "ORDER_INTENT")
    cause = intent["by"][0]
    want = [r for r in lines if cause in r.get("by", []) or r.get("in") == cause]
    for text in (cause, re.sub("/[0-9]+:", ":", cause)):
        out, _ = run("journal", "--cause", text, "--data", data, "--json")
        assert [json.loads(line) for line in out.splitlines()] == want and want, out
    run("journal", "--cause", "nonsense", "--data", data, code=64)

    trade = intent["b"]["trade_id"]
    want = [r for r in lines if trade in json.dumps(r["b"])]
    for text in (trade, trade[-6:]):
        out, _ = run("journal", "dump", "--id", text, "--data", data)
        got = [json.loads(line) for line in out.splitlines()]
        assert [(r["s"], r["k"]) for r in got] == [(r["s"], r["k"]) for r in want] and got, out
    def found(*filters):
        return [json.loads(line) for line in
                run("journal", *filters, "--data", data, "--json")[0].splitlines()]
    times = sorted({r["t"] for r in lines})
    early, late = times[len(times) // 3], times[2 * len(times) // 3]
    assert found("--since", early) == [r for r in lines if r["t"] >= early]
    assert found("--until", late) == [r for r in lines if r["t"] < late]
    assert found("--since", early, "--until", late, "--kind", "FILL") == [
        r for r in lines if early <= r["t"] < late and r["k"] == "FILL"]
    link = intent["b"]["strategy_link_id"]
    got = found("--strategy", link)
    assert intent in got and all(r["b"].get("strategy_link_id", link) == link for r in got)
    assert [r for r in lines if r["b"].get("strategy_link_id") == link and r not in got] == []
    assert not [r for r in found("--strategy", "nobody") if "strategy_link_id" in r["b"]]
    run("journal", "--since", "nonsense", "--data", data, code=64)

    out, _ = run("journal", "dump", "execution", "--data", data)
    segment = (data / "execution" / "00000000000000000001.jsonl").read_text()
    assert out == segment.rstrip("\t") and out.endswith("}\n")
    say("records are found by kind, cause, time, strategy and id, short or whole")


def check_export(data):
    lines = [json.loads(line) for line in run("journal", "--data", data, "--json")[0].splitlines()]
    out, _ = run("journal", "export", "--csv", "--data", data)
    rows = list(csv.DictReader(io.StringIO(out, newline=""), strict=True))
    assert [(r["record_stream"], int(r["record_sequence"])) for r in rows] == \
        [(r["stream"], r["s"]) for r in lines]
    for row, record in zip(rows, lines):
        assert json.loads(row["body"]) == record["b"], row
        assert row["record_causes"].split() == record.get("by", [])
        assert row["record_time"] == record["t"]
        assert row["record_consumed"] == record.get("in", "") and row["record_kind"] == record["k"]
        assert row["trade_id"] == record["b"].get("trade_id", "")
    for kind in sorted({r["k"] for r in lines}):
        out, _ = run("journal", "export", "--csv", "--kind", kind, "--data", data)
        assert out.replace("\r\n", "").count("\r") == 0
        rows = list(csv.DictReader(io.StringIO(out, newline=""), strict=True))
        of_kind = [r for r in lines if r["k"] == kind]
        assert len(rows) == len(of_kind)
        for row, record in zip(rows, of_kind):
            cells = {name: text for name, text in list(row.items())[7:] if text}
            assert cells == {name: text_of(v) for name, v in record["b"].items()}, (cells, record)
    run("journal", "export", "--data", data, code=64)
    say(f"the table says what {len(lines)} records say, to the last digit")


def check_stat(data):
    lines = run("journal", "dump", "execution", "--data", data)[0].splitlines()
    records = [json.loads(line) for line in lines if '"k":' in line]
    stat = json.loads(run("journal", "stat", "execution", "--data", data, "--json")[0])
    assert stat["records"] == len(records) == sum(stat["kinds"].values()), stat
    assert stat["kinds"]["FILL"] == sum(r["k"] == "FILL" for r in records)
    assert [s["last_seq"] for s in stat["segments"]][-1] == records[-1]["s"], stat
    assert stat["bytes"] == sum(len(line.encode()) + 1 for line in lines), stat
    assert "FILL" in run("journal", "stat", "--data", data)[0]
    say("stat counts what is there")


def check_control(folder):
    config = folder / "config" / "demo"
    shutil.copytree(SOURCE / "config" / "demo", config)
    dirs = {"data": "../../data", "run": "../../run", "logs": "../../log"}
    platform = json.loads((config / "platform.json").read_text())
    platform["paths"] = dirs
    (config / "platform.json").write_text(json.dumps(platform))
    halt = folder / "data" / "execution" / "HALT"

    out, _ = run("-C", config, "halt", "--scope", "strategy.ema", "--reason", "a\nb")
    assert "honoured at its start" in out and halt.read_text() == "strategy.ema\na b\n"
    run("-C", config, "halt", "--scope", "all", "--reason", "more")
    assert halt.read_text() == "all\nmore\n"
    run("-C", config, "halt", "--scope", "strategy.ema", "--reason", "less")
    assert halt.read_text().startswith("all\n"), "a waiting halt must not be weakened"
    run("-C", config, "resume")
    assert not halt.exists()
    run("-C", config, "resume", code=3)
    run("-C", config, "flatten", code=3)
    run("-C", config, "reconcile", code=3)
    run("-C", config, "health", code=3)
    _, err = run("-C", config, "halt", "--scope", "strategy.none", code=64)
    assert "strategy.ema" in err
    _, err = run("-C", config, "tap", "md.paper.NONE", code=64)
    assert "md." in err
    say("without execution a halt waits in a file, is never weakened, and can be taken back")


def main():
    with tempfile.TemporaryDirectory(prefix="spoor-explain-") as name:
        folder = pathlib.Path(name)
        data = make(folder / "whole")
        check_why(data)
        check_mistakes(data)
        check_trades(data)
        check_filters(data)
        check_export(data)
        check_stat(data)
        check_planted_result(folder / "wrong")
        check_journal(folder / "journal")
        (folder / "control").mkdir()
        check_control(folder / "control")


main()
