#!/usr/bin/env python3
"""Damaged input: what the execution service says and how it exits, case by case.

usage: damage.py BUILD_DIR SOURCE_DIR
"""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

from system import System

SKIPPED = []


class Service:
    """One spoor-execution by itself; it needs nobody else to start and to be judged."""

    def __init__(self, system):
        self.process = subprocess.Popen(
            [system.build / "spoor-execution", "--config", system.config], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.lines, self.ready = [], threading.Event()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line)
            if " ready " in line:
                self.ready.set()
        self.ready.set()

    def text(self):
        return "".join(self.lines)

    def await_ready(self):
        assert self.ready.wait(20), self.text()
        assert self.process.poll() is None and " ready " in self.text(), self.text()
        return self

    def end(self, sig):
        self.process.send_signal(sig)
        return self.wait()

    def wait(self):
        code = self.process.wait(30)
        self.reader.join(10)
        return code


@contextlib.contextmanager
def fresh():
    folder = tempfile.mkdtemp(prefix="spoor-damage-")
    try:
        system = System(BUILD, SOURCE, folder)
        system.write_config()
        yield system
    finally:
        shutil.rmtree(folder)


def run_and_end(system, sig=signal.SIGKILL):
    service = Service(system).await_ready()
    service.end(sig)
    return service


def expect_refusal(system, code, *words):
    service = Service(system)
    got = service.wait()
    assert got == code, f"exit {got}, not {code}:\n{service.text()}"
    for word in words:
        assert word in service.text(), f"no {word!r} in:\n{service.text()}"


def segments(system):
    return sorted((system.data / "execution").glob("*.jsonl"))


def kinds(system):
    return [r["k"] for r in system.records("execution")]


def case_clean_stop_and_second_instance():
    with fresh() as system:
        first = Service(system).await_ready()
        expect_refusal(system, 75, "LOCKED", str(first.process.pid))
        assert first.end(signal.SIGTERM) == 0, first.text()
        again = Service(system).await_ready()
        assert again.end(signal.SIGINT) == 0
        assert kinds(system).count("STREAM_STARTED") == 2


def case_torn_tail():
    with fresh() as system:
        run_and_end(system)
        path = segments(system)[-1]
        with open(path, "ab") as f:
            f.write(b'{"c":"00000000","s":2,"e":1,"w":1,"m":0,"t":"2026-01')
        run_and_end(system)
        got = kinds(system)
        assert got == ["STREAM_STARTED", "STREAM_STARTED", "JOURNAL_TRUNCATED"], got
        assert list((system.data / "execution" / "quarantine").iterdir()), "nothing quarantined"


def case_flipped_byte_in_the_middle():
    with fresh() as system:
        for _ in range(3):
            run_and_end(system)
        path = segments(system)[0]
        lines = path.read_bytes().split(b"\n")
        lines[1] = lines[1].replace(b'"first_seq":1', b'"first_seq":7')
        path.write_bytes(b"\n".join(lines))
        expect_refusal(system, 65, "CORRUPT", path.name, "spoor journal verify")
        assert b'"first_seq":7' in path.read_bytes(), "the evidence was changed"


def case_repair():
    with fresh() as system:
        held = Service(system).await_ready()
        told = system.spoor("journal", "repair", "execution", "--yes", expect=75)
        assert "spoor down" in told.stderr, told.stderr
        held.end(signal.SIGTERM)
        for _ in range(3):
            run_and_end(system, signal.SIGTERM)
        assert "nothing to repair" in system.spoor("journal", "repair", "execution").stdout
        path = next(p for p in segments(system) if b'"s":3,' in p.read_bytes())
        bad = path.read_bytes().replace(b'"s":3,', b'"s":4,', 1)
        path.write_bytes(bad)
        expect_refusal(system, 65, "CORRUPT", path.name)
        told = system.spoor("journal", "verify", "execution", expect=65)
        assert "spoor journal repair execution" in told.stderr, told.stderr
        told = system.spoor("journal", "repair", "execution", expect=65)
        assert "records 1 to 2" in told.stdout and "from record 3 on" in told.stdout, told.stdout
        assert path.read_bytes() == bad, "a look changed something"
        told = system.spoor("journal", "repair", "execution", "--yes")
        assert "spoor start execution" in told.stdout, told.stdout
        kept = sorted((system.data / "execution" / "quarantine").glob("*-repair.torn"))
        assert len(kept) == 1 and bad[bad.index(b'"s":4,') - 16:] in kept[0].read_bytes(), kept
        assert (system.data / "execution" / "quarantine" / "ledger.db").exists()
        run_and_end(system, signal.SIGTERM)
        cut = next(r for r in system.records("execution", {"JOURNAL_TRUNCATED"}))
        assert cut["s"] == 4 and cut["b"]["first_seq"] == 3, cut
        assert cut["b"]["kept_in"] == f"quarantine/{kept[0].name}", cut
        system.spoor("journal", "verify", "execution")
        system.spoor("ledger", "verify")


def case_begin_vanished():
    """Nobody asked for it: refused until it is put back, or accepted and a snapshot stands in."""
    with fresh() as system:
        for _ in range(3):
            run_and_end(system, signal.SIGTERM)
        first, second = segments(system)[:2]
        lost = int(second.name[:20]) - 1
        aside = system.data / "aside"
        first.rename(aside)
        said = f"records 1 to {lost} were deleted"
        expect_refusal(system, 65, "CORRUPT", "no JOURNAL_TRIMMED", said, "spoor journal repair")
        assert said in system.spoor("journal", "verify", "execution", expect=65).stderr
        shown = system.spoor("journal", "execution", expect=65)
        assert said in shown.stderr and f"{lost + 1}" in shown.stdout, shown
        told = system.spoor("journal", "repair", "execution", expect=65)
        assert f"lost    records 1 to {lost}" in told.stdout and "goes    nothing" in told.stdout
        told = system.spoor("journal", "repair", "execution", "--yes")
        assert f"begins with record {lost + 1}" in told.stdout, told.stdout
        system.spoor("journal", "verify", "execution")
        expect_refusal(system, 65, "no sound snapshot")
        aside.rename(first)
        run_and_end(system, signal.SIGTERM)
        system.spoor("journal", "verify", "execution")


def case_full_output():
    """What cannot be written out is no success."""
    with fresh() as system:
        run_and_end(system)
        for words in (("dump",), ("export", "--csv"), ("stat",)):
            with open("/dev/full", "w") as full:
                command = [system.build / "spoor", "-C", system.config, "journal", *words]
                done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=full,
                                      stderr=subprocess.PIPE, text=True, timeout=60)
            assert done.returncode == 74, (words, done.returncode)
            assert "could not be written out" in done.stderr, done.stderr


def case_missing_state():
    with fresh() as system:
        for _ in range(3):
            run_and_end(system, signal.SIGTERM)
        for path in segments(system):
            path.unlink()
        expect_refusal(system, 65, "the ledger has seen")


def case_foreign_journal():
    with fresh() as system:
        run_and_end(system)
        system.platform["installation"] = "another"
        system.write_config()
        expect_refusal(system, 70, "another", "demo")


def case_unknown_key_and_wrong_type():
    with fresh() as system:
        path = system.config / "operation.json"
        text = path.read_text().replace('"order_value_max"', '"order_value_mx"')
        path.write_text(text)
        line = next(i for i, l in enumerate(text.splitlines(), 1) if "order_value_mx" in l)
        expect_refusal(system, 78, f"operation.json:{line}", "order_value_mx", "order_value_max")
        system.operation["risk"]["open_orders_max"] = "four"
        system.write_config()
        expect_refusal(system, 78, "operation.json:", "open_orders_max")
        assert not system.data.exists(), "a wrong configuration touched the data"


def case_port_in_use():
    with fresh() as system, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        system.platform["http"] = {"listen": f"127.0.0.1:{port}"}
        system.write_config()
        try:
            done = system.spoor("up", expect=70)
            assert "5 of 6 services" in done.stderr, done.stderr  # the rest was waited for
            assert f"port {port}" in done.stderr and "http.listen" in done.stderr, done.stderr
            other.close()
            system.spoor("start", "health")
            system.spoor("down")
        finally:
            system.kill_all()


def fill(path):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(fd, b"x" * 4096)
    os.close(fd)


@contextlib.contextmanager
def small_disk(system, size):
    """The data in a file system of its own; None where that cannot be."""
    system.data.mkdir(mode=0o700)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs",
                              system.data], stderr=subprocess.PIPE, text=True)
    if mounted.returncode != 0:
        SKIPPED.append("full disk: needs root and a small tmpfs: " + mounted.stderr.strip())
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", system.data], check=True)


def fill_up_to(system, left):
    """Leaves `left` bytes free."""
    space = os.statvfs(system.data)
    with open(system.data / "filler", "ab") as file:
        file.write(b"x" * (space.f_bavail * space.f_frsize - left))


def states(system):
    return [(r["k"], r["b"]["cause"]) for r in
            system.records("execution", {"TRADING_HALTED", "TRADING_RESUMED"})]


def case_disk_reserve():
    """Below the reserve trading is reduce only, and says so; it comes back by itself."""
    with fresh() as system, small_disk(system, "8m") as is_small:
        if not is_small:
            return
        system.platform["disk"] = {"warn_below": "3 MiB", "warn_below_part": "0%",
                                   "reduce_only_below": "2 MiB", "ballast": "64 KiB"}
        system.write_config()
        service = Service(system).await_ready()
        try:
            assert (system.data / "execution" / "ballast").stat().st_size == 64 << 10
            fill_up_to(system, 1 << 20)
            system.await_that("the halt", lambda: states(system) == [("TRADING_HALTED", "STORAGE")])
            assert "level=reserve" in service.text(), service.text()
            told = system.spoor("resume", "--scope", "disk", expect=None)
            assert told.returncode != 0 and "no scope" in told.stderr, told
            told = system.resume().stdout  # lifts nothing that space has to lift
            service.process.kill()
            service.wait()
            service = Service(system).await_ready()
            assert len(states(system)) == 2, states(system)
            (system.data / "filler").unlink()
            system.await_that("the end of it", lambda: states(system)[-1] ==
                              ("TRADING_RESUMED", "STORAGE"))
            assert len(states(system)) == 3, states(system)
            service.end(signal.SIGTERM)
        finally:
            service.process.kill()
            service.process.wait()


def case_full_disk():
    with fresh() as system, small_disk(system, "2m") as is_small:
        if not is_small:
            return
        system.platform["disk"] = {"warn_below": "256 KiB", "reduce_only_below": "64 KiB",
                                   "ballast": "16 KiB"}
        system.write_config()
        service = Service(system).await_ready()
        try:
            fill(system.data / "filler")
            system.await_that("reduce only", lambda: ("TRADING_HALTED", "STORAGE") in
                              states(system))
            # An operator's command must be written before it acts: soon it cannot be. What the
            # journal wrote ahead (256 KiB) has room for some, and so has the ballast; the ledger
            # fails first, which ends nothing.
            told = []
            for _ in range(2000):
                done = system.spoor("halt", "--reason", "full disk", expect=None)
                if done.returncode != 0:
                    break
                told += re.findall(r"cmd_(\w+)", done.stdout)
            code = service.wait()
            assert code == 74, f"exit {code}: {service.text()} {done.stdout}{done.stderr}"
            assert "STORAGE" in service.text() and "No space" in service.text() or \
                "ENOSPC" in service.text() or "errno=28" in service.text(), service.text()
            assert not (system.data / "execution" / "ballast").exists()
            (system.data / "filler").unlink()
            run_and_end(system, signal.SIGTERM)
            kept = [r["b"]["command_id"] for r in system.records("execution", {"OPERATOR_COMMAND"})]
            for end in told:
                assert any(k.endswith(end) for k in kept), f"{end} acknowledged, kept are {kept}"
        finally:
            service.process.kill()
            service.process.wait()


def main():
    cases = [case_clean_stop_and_second_instance, case_torn_tail, case_flipped_byte_in_the_middle,
             case_repair, case_begin_vanished, case_full_output,
             case_missing_state, case_foreign_journal, case_unknown_key_and_wrong_type,
             case_port_in_use, case_disk_reserve, case_full_disk]
    for case in cases:
        case()
        print(f"ok  {case.__name__[5:].replace('_', ' ')}")
    for text in SKIPPED:
        print(f"SKIP  {text}")


if __name__ == "__main__":
    BUILD, SOURCE = sys.argv[1], sys.argv[2]
    main()
