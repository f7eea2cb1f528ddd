"""The practice exchange with its market, without any trader of ours: spoor-marketdata and
spoor-venue over a temporary configuration, for clients that were written for the real one."""
import base64
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))
import system as spoor_system  # noqa: E402

KEY, SECRET = "conformance-key", "conformance-secret"
SECOND_KEY, SECOND_SECRET = "second-key", "second-secret"
# An Ed25519 key that everybody knows: the first test vector of RFC 8032, as RFC 8410 writes keys.
ED_KEY = "ed25519-key"
ED_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
ED_POINT = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
ED_PUBLIC = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + ED_POINT).decode()
ED_PRIVATE = ("-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(
    bytes.fromhex("302e020100300506032b657004220420") + ED_SEED).decode() +
    "\n-----END PRIVATE KEY-----\n")
TOKEN = "conformance-control-token"


class Exchange:
    """A context manager: `base` is its address, "http://127.0.0.1:PORT"."""

    def __init__(self, build, source, folder):
        self.system = spoor_system.System(build, source, folder)
        self.port = spoor_system.free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.processes = []
        keys = self.system.config / "venue_keys.json"
        keys.write_text(json.dumps({"keys": [
            {"api_key": KEY, "secret": SECRET},
            {"api_key": ED_KEY, "public_key": ED_PUBLIC},
            {"api_key": SECOND_KEY, "secret": SECOND_SECRET, "account": "second",
             "balances": {"USDT": "500"}}]}))
        keys.chmod(0o400)
        token = self.system.config / "venue_control.token"
        token.write_text(TOKEN + "\n")
        token.chmod(0o400)
        venue = self.system.world["venue"]
        venue["api"] = {"listen": f"127.0.0.1:{self.port}", "keys": "venue_keys.json",
                        "control": "venue_control.token"}
        venue["balances"] = {"USDT": "10000", "BTC": "1"}
        self.system.world["feed"]["speed"] = "20x"
        self.system.write_config()

    def __enter__(self):
        self.processes = [self.start(p) for p in ("spoor-marketdata", "spoor-venue")]
        self.await_that("a market", lambda: len(
            self.get("klines?symbol=BTCUSDT&interval=1s")) > 5)
        return self

    def __exit__(self, kind, error, trace):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if error is not None:
            for path in self.system.folder.glob("*.log"):
                print(f"--- {path.name}\n" + "\n".join(path.read_text().splitlines()[-8:]))

    def start(self, program):
        env = {k: v for k, v in os.environ.items() if k != "SPOOR_NOTIFY_FD"}
        with open(self.system.folder / f"{program}.log", "a") as log:
            return subprocess.Popen([self.system.build / program, "--config", self.system.config],
                                    env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill_venue(self):
        self.processes[1].kill()
        self.processes[1].wait()

    def start_venue(self):
        self.processes[1] = self.start("spoor-venue")
        self.await_that("the exchange", lambda: self.get("ping") == {})

    def get(self, path):
        """A public request without any client's library."""
        with urllib.request.urlopen(f"{self.base}/api/v3/{path}", timeout=5) as answer:
            return json.load(answer)

    def control(self, method, path, **params):
        """What the operator of the exchange asks for."""
        request = urllib.request.Request(
            f"{self.base}/spoor/v1/{path}?{urllib.parse.urlencode(params)}", method=method,
            headers={"Authorization": "Bearer " + TOKEN})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def fault(self, kind, **params):
        return self.control("POST", "faults", kind=kind, **params)["id"]

    def act(self, what, **params):
        return self.control("POST", "act", what=what, **params)

    def truth(self):
        """All orders and executions, by page, with the newest balances."""
        whole = self.control("GET", "truth")
        page = whole
        while len(page["orders"]) == 1000 or len(page["fills"]) == 1000:
            page = self.control("GET", "truth", after_order=whole["orders"][-1]["order_no"],
                                after_trade=(whole["fills"] or [{"trade_no": 0}])[-1]["trade_no"])
            whole["orders"] += page["orders"]
            whole["fills"] += page["fills"]
            whole["balances"] = page["balances"]
        return whole

    def await_that(self, what, check, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                value = check()
            except (OSError, urllib.error.URLError):
                value = None
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError(f"not within {seconds} s: {what}")
