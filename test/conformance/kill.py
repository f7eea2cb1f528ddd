#!/usr/bin/env python3
"""spoor kill against the practice exchange, by itself and through a proxy that loses requests and
answers: open orders cancelled, what is held sold but what it is told to keep, no id twice; and a
key file that others may read is refused, the key seen nowhere.

usage: kill.py BUILD_DIR SOURCE_DIR
"""
import hashlib
import hmac
import http.client
import http.server
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from decimal import Decimal

from exchange import KEY, SECRET, Exchange

BUILD, SOURCE = sys.argv[1:3]


def signed(port, method, path, **params):
    query = urllib.parse.urlencode({**params, "timestamp": int(time.time() * 1000)})
    mac = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, f"/api/v3/{path}?{query}&signature={mac}",
                       headers={"X-MBX-APIKEY": KEY})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body


class Proxy(http.server.ThreadingHTTPServer):
    """Loses the first request and the first two answers to orders, and each third other answer."""
    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), Handler)
        self.target, self.sales, self.count, self.ids = port, 0, 0, []
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def stop(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def forward(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=10)
        connection.request(self.command, self.path,
                           headers={"X-MBX-APIKEY": self.headers["X-MBX-APIKEY"]})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def serve(self):
        server = self.server
        sale = self.command == "POST"
        server.sales += sale
        server.count += 1
        if sale:
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            server.ids += query["newClientOrderId"]
        if sale and server.sales == 1:
            return  # the request is lost
        status, body = self.forward()
        if sale and server.sales in (2, 3) or not sale and server.count % 3 == 0:
            return  # the answer is lost
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = serve


def held(port):
    _, account = signed(port, "GET", "account")
    row = next(r for r in account["balances"] if r["asset"] == "BTC")
    return Decimal(row["free"]), Decimal(row["locked"])


def kill(exchange, *args, expect=0, text=None):
    result = subprocess.run([exchange.system.build / "spoor", "-C", exchange.system.config, "kill",
                             "--key", exchange.key, *args], input=text, capture_output=True,
                            text=True, timeout=120)
    assert result.returncode == expect, (result.returncode, result.stdout, result.stderr)
    assert SECRET not in result.stdout + result.stderr
    return result.stdout + result.stderr


def rest_some(exchange):
    """Orders that rest, and something that is held."""
    price = Decimal(exchange.get("ticker/price?symbol=BTCUSDT")["price"])
    for part in ("0.9", "0.8"):
        status, body = signed(exchange.port, "POST", "order", symbol="BTCUSDT", side="BUY",
                              type="LIMIT", timeInForce="GTC", quantity="0.001",
                              price=f"{price * Decimal(part):.2f}")
        assert status == 200, body
    status, body = signed(exchange.port, "POST", "order", symbol="BTCUSDT", side="SELL",
                          type="LIMIT", timeInForce="GTC", quantity="0.25",
                          price=f"{price * Decimal('1.2'):.2f}")
    assert status == 200, body


def check_flat(exchange, keep):
    status, orders = signed(exchange.port, "GET", "openOrders", symbol="BTCUSDT")
    assert status == 200 and orders == [], orders
    free, locked = held(exchange.port)
    assert locked == 0 and keep <= free < keep + Decimal("0.0002"), (free, locked)


def main():
    with tempfile.TemporaryDirectory(prefix="spoor-kill-") as folder, \
            Exchange(BUILD, SOURCE, folder) as exchange:
        exchange.key = exchange.system.folder / "kill_key.json"
        exchange.key.write_text(json.dumps({"api_key": KEY, "secret": SECRET}))
        exchange.key.chmod(0o444)
        rest_some(exchange)
        assert "chmod 400" in kill(exchange, "--yes", expect=78)
        exchange.key.chmod(0o400)
        assert "nothing was done" in kill(exchange, expect=64, text="no\n")
        assert len(signed(exchange.port, "GET", "openOrders", symbol="BTCUSDT")[1]) == 3
        assert "loopback" in kill(exchange, "--url", "http://example.com", "--yes", expect=64)
        print("ok  neither a lax key file, nor a doubt, nor a plain-text venue")

        out = kill(exchange, "--symbol", "BTCUSDT:0.6", text="kill\n")
        assert "3 orders cancelled" in out and "flat" in out, out
        check_flat(exchange, Decimal("0.6"))
        print("ok  three orders cancelled, all sold but what is kept")

        rest_some(exchange)
        proxy = Proxy(exchange.port)
        try:
            out = kill(exchange, "--yes", "--url", f"http://127.0.0.1:{proxy.server_port}")
        finally:
            proxy.stop()
        assert len(set(proxy.ids)) == len(proxy.ids) >= 2, proxy.ids
        check_flat(exchange, Decimal(0))
        print(f"ok  flat through a proxy that lost every third answer: {len(proxy.ids)} sales "
              f"tried, {proxy.count} requests")
        kill(exchange, "--yes")  # nothing to do is flat, too


if __name__ == "__main__":
    main()
