"""One spoor-health over a temporary configuration: its pages, its limits, a port in use.

usage: health_http.py BUILD_DIR SOURCE_DIR
"""
import http.client
import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

BUILD, SOURCE = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
LIMIT_S = 15


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configure(folder, listen):
    shutil.copytree(SOURCE / "config", folder / "config", dirs_exist_ok=True)
    path = folder / "config/demo/platform.json"
    platform = json.loads(path.read_text())
    platform["paths"] = {"data": str(folder / "d"), "run": str(folder / "r"),
                         "logs": str(folder / "l")}
    platform["http"] = {"listen": listen}
    path.write_text(json.dumps(platform))
    return folder / "config/demo"


def start(config):
    env = {k: v for k, v in os.environ.items() if k != "SPOOR_NOTIFY_FD"}
    return subprocess.Popen([BUILD / "spoor-health", "--config", config], env=env,
                            stderr=subprocess.PIPE, text=True)


def ask(port, method, path, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, body


def wait_for(what, condition):
    """The server offers no event to wait for, so it is asked until it answers as wanted."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise SystemExit(f"not within {LIMIT_S} s: {what}")


def expect(what, condition, seen=""):
    if not condition:
        raise SystemExit(f"FAILED: {what} {seen}")
    print(f"ok: {what}")


def check_pages(port):
    wait_for("live", lambda: ask(port, "GET", "/healthz")[0] == 200)
    status, headers, body = ask(port, "GET", "/healthz")
    expect("/healthz is 200 ok", (status, body) == (200, "ok\n"), (status, body))
    status, _, body = ask(port, "GET", "/readyz")
    expect("/readyz is 503 and names what is missing",
           status == 503 and "execution (never heard)" in body, (status, body))
    status, headers, body = ask(port, "GET", "/health")
    health = json.loads(body)
    fields = {"event_bus_alive", "strategies_running", "last_tick_timestamp",
              "cache_memory_usage", "validation_errors_last_hour"}
    expect("/health has the specification's fields", status == 200 and fields <= health.keys())
    expect("/health is JSON", headers["content-type"] == "application/json")
    expect("the bus echoes, nothing trades", health["event_bus_alive"] is True
           and health["trading"] == "STOPPED" and health["ready"] is False, health)
    wait_for("its own metrics", lambda: "spoor_loop_rounds{" in ask(port, "GET", "/metrics")[2])
    status, headers, body = ask(port, "GET", "/metrics")
    expect("/metrics is Prometheus text",
           status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4"))
    helps = [line.split()[2] for line in body.splitlines() if line.startswith("# HELP ")]
    expect("each family once", len(helps) == len(set(helps)) > 5, helps)
    expect("services are labelled", 'spoor_service_up{service="health"} 1' in body
           and 'spoor_service_up{service="execution"} 0' in body)


def check_limits(port):
    expect("an unknown page is 404", ask(port, "GET", "/nope")[0] == 404)
    expect("no path leads to a file", ask(port, "GET", "/../etc/passwd")[0] in (403, 404))
    for method in ("POST", "PUT", "DELETE", "HEAD"):
        status = ask(port, method, "/health")[0]
        expect(f"{method} is refused", status == 405, status)
    try:
        status = ask(port, "GET", "/healthz", {"X-Long": "x" * 20000})[0]
    except (OSError, http.client.HTTPException):
        status = 0
    expect("20 kB of headers are refused", status != 200, status)
    expect("it still answers", ask(port, "GET", "/healthz")[0] == 200)


def check_connections(port):
    """Idle connections fill the server, are cut off after its limit, and it answers again."""
    idle = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(60)]
    began = time.monotonic()
    time.sleep(0.5)  # less than the limit: whoever is closed by now was one too many
    at_once = len(select.select(idle, [], [], 0)[0])
    expect("at most 32 connections are kept", at_once >= len(idle) - 32, at_once)
    closed = 0
    for connection in idle:
        try:
            closed += connection.recv(1) == b""
        except ConnectionResetError:
            closed += 1
        connection.close()
    took = time.monotonic() - began
    expect("60 idle connections are closed by the server", closed == 60, closed)
    expect("within the time limit", took < 5, took)
    wait_for("an answer afterwards", lambda: ask(port, "GET", "/healthz")[0] == 200)
    expect("it answers afterwards", True)


def check_port_in_use(folder, port):
    other = pathlib.Path(tempfile.mkdtemp(prefix="spoor-health-"))
    try:
        twin = start(configure(other, f"127.0.0.1:{port}"))
        text = twin.communicate(timeout=LIMIT_S)[1]
        expect("a port in use ends with 78", twin.returncode == 78, (twin.returncode, text))
        expect("and names the port and what to do",
               f"port {port}" in text and "http.listen" in text, text)
        twin = start(configure(other, f"0.0.0.0:{port}"))
        text = twin.communicate(timeout=LIMIT_S)[1]
        expect("an address beyond loopback ends with 78", twin.returncode == 78, text)
    finally:
        shutil.rmtree(other)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="spoor-health-"))
    port = free_port()
    server = start(configure(folder, f"127.0.0.1:{port}"))
    try:
        check_pages(port)
        check_limits(port)
        check_connections(port)
        check_port_in_use(folder, port)
        server.terminate()
        server.communicate(timeout=LIMIT_S)
        expect("it ends in order", server.returncode == 0, server.returncode)
    finally:
        if server.poll() is None:
            server.kill()
            print(server.communicate()[1])
        shutil.rmtree(folder)


main()
