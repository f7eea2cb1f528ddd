#!/usr/bin/env python3
"""What `persistence` of platform.json names is what runs: market data is recorded or is not, and
what would lose orders is refused, all of it at once.

usage: persistors.py BUILD_DIR SOURCE_DIR
"""
import re
import shutil
import sys
import tempfile
import urllib.request

from chaos import configure, settle
from system import System


class Operation(System):
    def metric(self, name):
        url = f"http://{self.platform['http']['listen']}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=5) as page:
                text = page.read().decode()
        except OSError:
            return 0
        found = re.search(rf'^{name}{{[^}}]*}} (\d+)', text, re.M)
        return int(found[1]) if found else 0


def with_persistence(system, **kinds):
    system.platform["persistence"] = kinds
    system.world["feed"]["record"] = True
    system.write_config()


def refusals(system):
    with_persistence(system, state="memory", journal="memory", data="csv")
    for command in (["check"], ["up"]):
        done = system.spoor(*command, expect=78)
        told = done.stdout + done.stderr
        assert "persistence.data" in told and "parquet" in told, told
    with_persistence(system, state="memory", journal="memory")
    done = system.spoor("check", expect=78)
    told = done.stdout + done.stderr
    for key, instead in (("state", "json"), ("journal", "json-lines")):
        assert f"persistence.{key}: in memory nothing survives" in told, told
        assert f'"{instead}"' in told, told
    assert not system.data.exists() or not list(system.data.glob("*/*.jsonl")), "something started"


def recorded(system, kind):
    """Runs until enough was given to the persistor; the files that it left."""
    with_persistence(system, state="json", journal="json-lines", data=kind)
    warned = system.spoor("check").stdout
    assert ("persistence.data" in warned) == (kind == "none"), warned
    system.spoor("up", timeout=90)
    settle(system)
    name = "spoor_recorder_rows_lost" if kind == "none" else "spoor_recorder_rows"
    system.await_that(f"{name} to grow", lambda: system.metric(name) > 200)
    system.spoor("down")
    assert system.records("execution", {"STREAM_STARTED"}), "no journal"
    return list((system.data / "market").rglob("*.parquet"))


def main():
    folder = tempfile.mkdtemp(prefix="spoor-persistors-")
    try:
        with Operation(sys.argv[1], sys.argv[2], folder) as system:
            configure(system, None)
            refusals(system)
            print("ok  unknown kinds are named, memory is refused for a paper world")
            files = recorded(system, "none")
            assert not files, files
            print("ok  none: nothing is recorded, the rest runs")
            files = recorded(system, "parquet")
            assert {path.parent.name for path in files} >= {"trade", "bar"}, files
            print(f"ok  parquet: {len(files)} files")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
