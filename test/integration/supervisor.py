#!/usr/bin/env python3
"""The real supervisor and command line over a fake service: order, restarts, giving up, stops, and
what happens when the supervisor itself is killed.

usage: supervisor.py BUILD_DIR SOURCE_DIR
"""
import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
SOURCE = pathlib.Path(sys.argv[2]).resolve()
DEADLINE = 20.0


class Operation:
    """A temporary copy of the demo's configuration, with the fake service under every name."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.config = self.folder / "config"
        shutil.copytree(SOURCE / "config" / "demo", self.config)
        platform = json.loads((self.config / "platform.json").read_text())
        platform["paths"] = {"data": "../data", "run": "../run", "logs": "../logs"}
        platform["log"]["rotate_at"] = "64 KiB"
        (self.config / "platform.json").write_text(json.dumps(platform, indent=2))
        self.data, self.run, self.logs = (self.folder / n for n in ("data", "run", "logs"))
        self.fake = self.folder / "fake"
        self.fake.mkdir()
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        for name in ("marketdata", "venue", "execution", "reconciliation", "strategy", "health"):
            (self.programs / f"spoor-{name}").symlink_to(BUILD / "test" / "fake_service")
        self.env = dict(os.environ, SPOOR_PROGRAM_DIR=str(self.programs), FAKE_DIR=str(self.fake))
        self.env.pop("SPOOR_NOTIFY_FD", None)

    def spoor(self, *args, expect=0):
        done = subprocess.run([BUILD / "spoor", "-C", self.config, *args], env=self.env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == expect, (args, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def behave(self, instance, how):
        (self.fake / instance).write_text(how + "\n")

    def order(self):
        path = self.fake / "order"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def forget_order(self):
        with contextlib.suppress(FileNotFoundError):
            (self.fake / "order").unlink()

    def end_strays(self):
        """After a failure: what outlived everything. Its command line names our folder."""
        for pid in {int(line[2]) for line in self.order()}:
            with contextlib.suppress(OSError):
                if str(self.folder).encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)

    def ask(self, command, name=None, sock="supervisor.sock"):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE)
            s.connect(str(self.run / sock))
            request = {"command": command}
            if name:
                request["name"] = name
            s.sendall(json.dumps(request, separators=(",", ":")).encode() + b"\n")
            answer = b""
            while chunk := s.recv(65536):
                answer += chunk
        return [json.loads(line) for line in answer.splitlines()]

    def status(self, sock="supervisor.sock"):
        return {row["name"]: row for row in self.ask("status", sock=sock)[1:]}

    def until(self, what, test, sock="supervisor.sock"):
        """Polls the control socket until test(rows) holds."""
        end = time.monotonic() + DEADLINE
        rows = None
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                rows = self.status(sock)
                if test(rows):
                    return rows
            select.select([], [], [], 0.02)
        raise AssertionError(f"{what}: {json.dumps(rows, indent=1)}")

    def verify(self, stream="supervisor"):
        done = subprocess.run([BUILD / "test" / "fake_service", "--verify", self.data / stream,
                               stream], text=True, stdout=subprocess.PIPE)
        assert done.returncode == 0, done.stdout
        return int(done.stdout)

    def kinds(self, stream="supervisor"):
        kinds = []
        for path in sorted((self.data / stream).iterdir()):
            for line in path.read_text(errors="replace").splitlines():
                with contextlib.suppress(ValueError, TypeError):
                    record = json.loads(line)
                    kinds.append((record.get("k"), record.get("b", {}).get("name")))
        return kinds


def gone(pid):
    """Waits for the end of a process that is not our child."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], DEADLINE)[0])
    finally:
        os.close(handle)


def all_ready(rows):
    return all(r["state"] == "READY" for n, r in rows.items() if not n.startswith("supervisor"))


def position(order, *words):
    return [line[: len(words)] for line in order].index(list(words))


def test_order(op):
    text = op.spoor("up")
    assert "ready   after" in text, text
    rows = op.status()
    assert rows["supervisor"]["state"] == "RUNNING"
    assert all_ready(rows) and len(rows) == 7, rows
    order = op.order()
    for before, after in (("marketdata", "venue"), ("venue", "execution"),
                          ("execution", "reconciliation"), ("execution", "strategy.ema")):
        assert position(order, "ready", before) < position(order, "start", after), (before, after)
    assert "already runs" in op.spoor("up")
    second = subprocess.run([BUILD / "spoor-supervisor", "--config", op.config], env=op.env,
                            stderr=subprocess.PIPE, text=True, timeout=DEADLINE)
    assert second.returncode == 75, second
    assert f"pid {rows['supervisor']['pid']}" in second.stderr, second.stderr
    assert "hello from execution" in (op.logs / "execution.log").read_text()
    text = op.spoor("status", "--short")
    assert "execution" in text and "READY" in text
    assert len(json.loads(op.spoor("status", "--short", "--json"))["supervisors"][0]) == 7
    return "levels start in order, a second supervisor is refused with 75, logs are captured"


def test_restart_after_kill(op):
    before = op.status()["execution"]["pid"]
    began = time.monotonic()
    os.kill(before, signal.SIGKILL)
    rows = op.until("restart", lambda r: r["execution"]["state"] == "READY"
                    and r["execution"].get("pid") != before)
    took = time.monotonic() - began
    assert rows["execution"]["restarts"] == 1 and rows["execution"]["signal"] == 9, rows
    assert all(r.get("restarts", 0) == 0 for n, r in rows.items() if n != "execution"), rows
    text = op.spoor("restart", "venue")
    assert "ready after" in text, text
    op.spoor("stop", "health")
    assert op.status()["health"]["state"] == "STOPPED"
    op.spoor("start", "health")
    assert op.status()["health"]["state"] == "READY"
    assert "there are:" in op.spoor("stop", "nothing", expect=64)
    return f"kill -9 answered after {took * 1000:.0f} ms, the rest ran on; commands work"


def test_bad_requests(op):
    for line in (b"\n", b"{}\n", b"nonsense\n", b'{"command":"dance"}\n', b"x" * 600,
                 b'{"command":"stop","name":"nobody"}\n'):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE)
            s.connect(str(op.run / "supervisor.sock"))
            s.sendall(line)
            answer = json.loads(s.recv(65536).splitlines()[0])
            assert not answer.get("ok") and answer["text"], (line, answer)
    idle = []
    for _ in range(20):  # more than there is room for: the rest is turned away, nobody is harmed
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(op.run / "supervisor.sock"))
        idle.append(s)
    for s in idle:
        s.close()
    op.until("recovers", all_ready)
    assert oct((op.run / "supervisor.sock").stat().st_mode)[-3:] == "600"
    return "bad requests and idle clients are answered or turned away"


def test_stop_order(op):
    op.forget_order()
    op.spoor("down")
    order = op.order()
    assert sum(line[0] == "STOP=operation" for line in order) == 6, order
    for first, then in (("reconciliation", "execution"), ("strategy.ema", "execution"),
                        ("execution", "venue"), ("venue", "marketdata")):
        assert position(order, "end", first) < position(order, "STOP=operation", then), first
    assert not (op.run / "supervisor.sock").exists()
    op.spoor("status", expect=3)
    assert "Nothing runs" in op.spoor("down")
    records = op.verify()
    kinds = op.kinds()
    assert ("CHILD_STOPPED", "marketdata") in kinds and ("CHILD_EXITED", "execution") in kinds
    return f"reverse order, journal of {records} records verifies"


def test_give_up(op):
    op.behave("health", "exit 78")
    op.behave("strategy.ema", "crash")
    text = op.spoor("up", "--policy", "budget=3,backoff_min=10ms,cooldown_min=100ms,opens_max=2",
                    expect=70)
    assert "health" in text and "exit code 78" in text or "as told" in text, text
    rows = op.until("given up", lambda r: r["strategy.ema"]["state"] == "GIVEN_UP")
    assert rows["health"]["state"] == "GIVEN_UP" and rows["health"].get("restarts", 0) == 0, rows
    assert rows["health"]["exit_code"] == 78 and rows["strategy.ema"]["signal"] == 6, rows
    assert rows["strategy.ema"]["restarts"] == 2, rows  # budget, then one probe
    assert rows["execution"]["state"] == "READY", rows
    op.behave("strategy.ema", "ready")
    op.spoor("start", "strategy.ema")
    kinds = op.kinds()
    assert ("CHILD_GIVEN_UP", "health") in kinds and ("CHILD_BACKOFF", "strategy.ema") in kinds
    op.spoor("down")
    op.behave("health", "ready")
    return "78 is not restarted, a crasher is given up over its budget, a person restarts it"


def test_stuck(op):
    op.behave("venue", "hang")
    op.behave("marketdata", "fork")
    op.spoor("up", "--policy", "stuck_after=300ms,end_timeout=300ms")
    op.behave("venue", "ready")
    rows = op.until("hung child replaced", lambda r: r["venue"].get("restarts") == 1
                    and r["venue"]["state"] == "READY")
    stopped = rows["execution"]["pid"]
    os.kill(stopped, signal.SIGSTOP)
    op.until("stopped child replaced", lambda r: r["execution"]["state"] == "READY"
             and r["execution"]["pid"] != stopped)
    assert "child_hangs" in (op.logs / "supervisor.log").read_text()
    grandchild = int([line for line in op.order() if line[0] == "grandchild"][-1][2])
    os.kill(op.status()["marketdata"]["pid"], signal.SIGKILL)
    assert gone(grandchild)
    op.behave("marketdata", "ready")
    op.until("recovers", all_ready)
    op.spoor("down")
    return "a hung and a SIGSTOPped child are dumped, ended, replaced; with their children"


def test_logs_and_memory(op):
    op.behave("health", "chatty")
    op.spoor("up")
    op.behave("health", "ready")
    pid = op.status()["supervisor"]["pid"]
    op.spoor("stop", "health")
    files = sorted(op.logs.glob("health.log*"))
    assert len(files) >= 6 and all(f.stat().st_size <= 65536 for f in files), files
    lines = sum(f.read_text().count("line ") for f in files)
    assert lines == 4000, lines
    usage = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    private = sum(int(line.split()[1]) for line in usage if line.startswith("Private_"))
    op.spoor("down")
    return f"4000 lines in {len(files)} rotated logs, none lost; supervisor {private} KiB private"


def test_supervisor_killed(op):
    op.forget_order()
    op.behave("venue", "deaf")
    op.behave("marketdata", "blind")
    op.spoor("up")
    rows = op.status()
    pids = {n: r["pid"] for n, r in rows.items()}
    began = time.monotonic()
    os.kill(pids["supervisor"], signal.SIGKILL)
    for name, pid in pids.items():
        if name != "venue":
            assert gone(pid), name
    took = time.monotonic() - began
    assert took < 2.0, took
    os.kill(pids["venue"], 0)  # it ignores everything: the sweep is for this one
    op.behave("venue", "ready")
    op.behave("marketdata", "ready")
    sweeper = subprocess.Popen([BUILD / "spoor", "-C", op.config, "up"], env=op.env, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # TERM is ignored and the sweep's patience is long, so help it along here.
    end = time.monotonic() + DEADLINE
    while "orphan_found" not in (op.logs / "supervisor.log").read_text():
        assert time.monotonic() < end
        select.select([], [], [], 0.02)
    os.kill(pids["venue"], signal.SIGKILL)
    text, _ = sweeper.communicate(timeout=60)
    assert sweeper.returncode == 0, text
    rows = op.status()
    assert all_ready(rows) and rows["supervisor"]["epoch"] > 1, rows
    op.spoor("down")
    op.verify()
    return f"children ended {took * 1000:.0f} ms after kill -9 of the supervisor; the next sweeps"


def test_crash_loop_across_supervisors(op):
    """A crash loop is stopped although the supervisor is killed within it, again and again."""
    op.behave("strategy.ema", "crash")
    policy = "budget=9,backoff_min=100ms,cooldown_min=600s,opens_max=2"
    restarts, lives, row = -1, 0, {}
    while row.get("state") != "OPEN":
        lives += 1
        up = subprocess.Popen([BUILD / "spoor", "-C", op.config, "up", "--policy", policy],
                              env=op.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Its signal is remembered over supervisors: that it waits shows that this one saw it die.
        rows = op.until("one more death", lambda r: "strategy.ema" in r and
                        (r["strategy.ema"]["state"] == "OPEN" or
                         (r["strategy.ema"]["state"] == "BACKOFF" and
                          r["strategy.ema"].get("restarts", 0) > restarts)))
        row = rows["strategy.ema"]
        restarts = max(restarts, row.get("restarts", 0))
        os.kill(rows["supervisor"]["pid"], signal.SIGKILL)
        assert gone(rows["supervisor"]["pid"])
        up.wait(DEADLINE)
    assert 2 <= lives <= 10, lives  # each saw a death at least, and the tenth is over the budget
    op.spoor("up", "--policy", policy, expect=70)
    after = op.status()["strategy.ema"]
    assert after["state"] == "OPEN" and after["restarts"] == row["restarts"], (row, after)
    op.spoor("down")  # in order: the next start is a person's and begins anew
    op.behave("strategy.ema", "ready")
    op.spoor("up")
    assert op.status()["strategy.ema"].get("restarts", 0) == 0, op.status()
    op.spoor("down")
    return f"a crash loop is stopped over {lives} supervisors, {restarts} restarts counted"


def test_only(op):
    out = open(op.folder / "only.out", "w+")
    one = subprocess.Popen([BUILD / "spoor-supervisor", "--config", op.config, "--only",
                            "execution"], env=op.env, stdout=out, stderr=subprocess.DEVNULL)
    rows = op.until("one service", lambda r: r["execution"]["state"] == "READY",
                    "supervisor.execution.sock")
    assert len(rows) == 2, rows
    assert "ready after" in op.spoor("restart", "execution")
    one.send_signal(signal.SIGTERM)
    assert one.wait(DEADLINE) == 0
    out.seek(0)
    assert "hello from execution" in out.read()
    assert ["STOP=service", "execution"] in [line[:2] for line in op.order()]
    op.behave("execution", "exit 65")
    code = subprocess.run([BUILD / "spoor-supervisor", "--config", op.config, "--only",
                           "execution"], env=op.env, stdout=out, stderr=subprocess.DEVNULL,
                          timeout=DEADLINE).returncode
    assert code == 65, code
    op.behave("execution", "ready")
    out.close()
    return "one service under --only: own socket, output passed on, its fatal code is the exit code"


def test_bad_configuration(op):
    path = op.config / "operation.json"
    good = path.read_text()
    path.write_text(good.replace('"operation"', '"operatoin"', 1))
    text = op.spoor("up", expect=78)
    assert "operation.json" in text and "operatoin" in text, text
    path.write_text(good)
    (op.programs / "spoor-health").unlink()
    text = op.spoor("up", expect=70)
    assert "there is no program" in text, text
    op.spoor("down")
    return "a wrong configuration starts nothing; a missing program is named"


def main():
    tests = [test_order, test_restart_after_kill, test_bad_requests, test_stop_order, test_give_up,
             test_stuck, test_logs_and_memory, test_supervisor_killed,
             test_crash_loop_across_supervisors, test_only, test_bad_configuration]
    with tempfile.TemporaryDirectory(prefix="spoor-") as folder:
        op = Operation(folder)
        try:
            for test in tests:
                print(f"{test.__name__}: {test(op)}", flush=True)
        except BaseException:
            for log in ("supervisor.log",):
                with contextlib.suppress(OSError):
                    sys.stderr.write((op.logs / log).read_text()[-6000:])
            raise
        finally:
            subprocess.run([BUILD / "spoor", "-C", op.config, "down"], env=op.env,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            op.end_strays()


main()
