"""The real processes for the order-path test: execution of the test build (with failpoints, and
planted bugs) over the protocol of Binance Spot at spoor-venue's own port, which also makes the
faults. No supervisor: who dies, and how, is seen here.
"""
import copy
import json
import mmap
import os
import pathlib
import re
import struct
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
from system import System, free_port  # noqa: E402

EXECUTION = "test/planted/spoor-execution-planted"
TOKEN = "orderpathtoken012345"
API_KEY, SECRET = "orderpathkey0123456789", "orderpathsecret0123456789"
LINKS = ("one", "two", "three")
ROW = re.compile(r"^FAILPOINT(?:_KIND)?\((\w+),", re.MULTILINE)


class Failpoints:
    """The counters that execution shares with us (common/failpoint.h)."""

    def __init__(self, source, path):
        self.names = ROW.findall((source / "common" / "failpoints.def").read_text())
        self.path = path
        path.write_bytes(bytes(16 * len(self.names)))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)

    def close(self):
        self.map.close()

    def passed(self, name):
        return struct.unpack_from("<Q", self.map, 16 * self.names.index(name))[0]

    def arm(self, name, passages):
        """Kills at the passage that comes so many from now: 1 is the next."""
        at = 16 * self.names.index(name)
        struct.pack_into("<Q", self.map, at + 8, self.passed(name) + passages)

    def disarm(self):
        for i in range(len(self.names)):
            struct.pack_into("<Q", self.map, 16 * i + 8, 0)


def write_secret(path, text):
    path.touch(mode=0o600)
    path.write_text(text)


class Operation(System):
    """A context manager: it ends every process it started."""

    def __init__(self, build, source, folder, seed):
        super().__init__(build, source, folder)
        self.running, self.files = {}, []
        self.configure(seed)
        self.failpoints = Failpoints(self.source, self.folder / "failpoints")

    def configure(self, seed):
        """Several strategies that trade as often as they can."""
        port = free_port()
        secrets = self.folder / "secrets"
        secrets.mkdir(mode=0o700)
        keys = {"api_key": API_KEY, "secret": SECRET}
        write_secret(secrets / "venue.json", json.dumps({"keys": [keys]}))
        write_secret(secrets / "key.json", json.dumps(keys))
        (secrets / "key.json").chmod(0o400)
        write_secret(secrets / "token", TOKEN + "\n")
        self.rest = f"http://127.0.0.1:{port}"
        venue = self.world["venue"]
        venue["api"] = {"listen": f"127.0.0.1:{port}", "keys": "../secrets/venue.json",
                        "control": "../secrets/token"}
        venue["binance"] = {"rest": self.rest, "ws_api": f"ws://127.0.0.1:{port}",
                            "key": "../secrets/key.json", "absence": "1s"}
        venue["balances"] = {"USDT": "1000000", "BTC": "0"}
        self.world["feed"].update(source="generator", seed=seed, speed="60x")
        workers = {w["id"]: w for part in self.blueprint.values() if isinstance(part, list)
                   for w in part}
        self.blueprint["trigger"]["warm_up_bars"] = 4
        workers["ema_fast"]["params"]["period"] = 2
        workers["ema_slow"]["params"]["period"] = 3
        workers["cross"]["params"]["min_gap"] = "0.01 bps"
        workers["volatility"]["params"].update(window_bars=8, limit="50 bps")
        workers["exit"]["params"].update(stop="0.02%", target="0.02%")
        workers["size"]["params"]["risk"] = "0.0001%"
        workers["route"]["params"]["valid"] = "2s"
        link = self.operation["strategy_links"][0]
        self.operation["strategy_links"] = []
        for name in LINKS:
            other = copy.deepcopy(link)
            other.update(id=name, capital="300000 USDT")
            self.operation["strategy_links"].append(other)
        self.operation["risk"].update(
            order_value_max="300000 USDT", position_value_max="900000 USDT", open_orders_max=16,
            daily_loss_max="500000 USDT", drawdown_max="99%", price_collar="10%",
            data_age_max="10s")
        # What the venue did not tell is corrected without a person, whatever it is worth.
        self.operation["reconciliation"] = {"correct_items_max": 50,
                                            "correct_value_max": "1000000 USDT"}
        self.platform["journal"] = {"snapshot_every": "200ms"}
        self.write_config()

    # ---- processes ----

    def start(self, program, instance, **environment):
        file = open(self.folder / f"{instance}.txt", "ab")
        self.files.append(file)
        self.running[instance] = subprocess.Popen(
            [self.build / program, "--config", self.config, "--instance", instance],
            stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            env=dict(os.environ, **environment))

    def start_execution(self):
        self.start(EXECUTION, "execution", SPOOR_FAILPOINTS=str(self.failpoints.path))

    def begin(self):
        self.start("spoor-venue", "venue")
        self.start("spoor-marketdata", "marketdata")
        self.start_execution()
        self.start("spoor-reconciliation", "reconciliation")
        for link in LINKS:
            self.start("spoor-strategy", f"strategy.{link}")

    def end(self, instance, sig=None, seconds=30):
        process = self.running.pop(instance)
        if sig is not None:
            process.send_signal(sig)
        return process.wait(seconds)

    def __exit__(self, kind, error, trace):
        for process in self.running.values():
            process.kill()
            process.wait()
        for file in self.files:
            file.close()
        self.failpoints.close()

    # ---- the exchange's operator ----

    def ask(self, method, path, **params):
        request = urllib.request.Request(
            f"{self.rest}/spoor/v1/{path}?{urllib.parse.urlencode(params)}", method=method,
            headers={"Authorization": "Bearer " + TOKEN})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path} {params}: {error.read()!r}") from error

    def fault(self, kind, **params):
        return self.ask("POST", "faults", kind=kind, **params)

    def faults_hit(self):
        return all(fault["hits"] > 0 for fault in self.ask("GET", "faults"))

    def heal(self):
        self.ask("DELETE", "faults")

    def truth(self):
        """All orders and executions of the operation's account, and its balances."""
        whole, order, trade = {"orders": [], "fills": []}, 0, 0
        while True:
            part = self.ask("GET", "truth", after_order=order, after_trade=trade)
            for name in ("orders", "fills"):
                whole[name] += part[name]
            if not part["orders"] and not part["fills"]:
                return {**part, **whole}
            order = max([order] + [row["order_no"] for row in part["orders"]])
            trade = max([trade] + [row["trade_no"] for row in part["fills"]])
