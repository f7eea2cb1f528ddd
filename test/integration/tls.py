#!/usr/bin/env python3
"""Who the venue is, is proven before anything is told to it.

The operation trades over TLS, through proxies for requests and for user data. While one of them
shows a certificate of an unknown authority, of another name, or of yesterday, not a byte reaches
it, and the reason is said; with a right one it trades. spoor-kill without --ca trusts the system's
authorities, which did not sign it. And who holds the key leaves no core file.

usage: tls.py BUILD_DIR SOURCE_DIR [--keep]
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

from chaos import configure
from system import System, free_port

KEY, SECRET = "tlskey0123456789", "tlssecret0123456789"
# What is wrong, and what is said then.
WRONG = {"stranger": "certificate", "name": "127.0.0.1", "expired": "expired"}


class Authority:
    """Makes certificates in its folder; the keys are EC, to be quick."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("ours", "theirs"):
            self.openssl("req", "-x509", *self.key(f"{name}.key"), "-out", f"{name}.pem",
                         "-days", "2", "-subj", f"/CN=authority {name}")
        self.certify("right", "ours", "IP:127.0.0.1", 2)
        self.certify("stranger", "theirs", "IP:127.0.0.1", 2)
        self.certify("name", "ours", "DNS:example.test", 2)
        self.certify("expired", "ours", "IP:127.0.0.1", -1)

    @staticmethod
    def key(path):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path]

    def openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def certify(self, name, by, whose, days):
        self.openssl("req", *self.key(f"{name}.key"), "-out", f"{name}.csr", "-subj", "/CN=venue")
        (self.folder / "names").write_text(f"subjectAltName={whose}\n")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.pem", "-CAkey",
                     f"{by}.key", "-CAcreateserial", "-days", str(days), "-extfile", "names",
                     "-out", f"{name}.pem")

    def context(self, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context


class Proxy:
    """TLS before the venue's port, with a certificate that can be changed. Counts, under that
    certificate, the connections over which nothing was told, and the bytes over the others."""

    def __init__(self, authority, target):
        self.authority, self.target = authority, target
        self.refused = self.bytes = 0
        self.show("right")
        self.open = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def show(self, name):
        """From the next connection on."""
        self.context, self.refused, self.bytes = self.authority.context(name), 0, 0

    def cut(self):
        """What is connected ends."""
        for sock in list(self.open):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(plain, self.context), daemon=True).start()

    def serve(self, plain, context):
        try:
            client = context.wrap_socket(plain, server_side=True)
        except OSError:
            self.refused += 1
            plain.close()
            return
        with client, socket.create_connection(("127.0.0.1", self.target)) as venue:
            self.open |= {client, venue}
            back = threading.Thread(target=self.copy, args=(venue, client), daemon=True)
            back.start()
            told = self.copy(client, venue)
            if context is self.context:  # a name is looked at behind the handshake
                self.bytes += told
                self.refused += told == 0
            back.join()
            self.open -= {client, venue}

    @staticmethod
    def copy(source, sink):
        told = 0
        try:
            while data := source.recv(65536):
                told += len(data)
                sink.sendall(data)
        except OSError:
            pass
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        return told


def write_secret(path, value, mode):
    path.touch(mode=0o600)
    path.write_text(json.dumps(value))
    path.chmod(mode)


def over_tls(system):
    """The proxies for requests and for user data."""
    port, secrets = free_port(), system.folder / "secrets"
    secrets.mkdir(mode=0o700)
    keys = {"api_key": KEY, "secret": SECRET}
    write_secret(secrets / "venue.json", {"keys": [keys]}, 0o600)
    write_secret(secrets / "key.json", keys, 0o400)
    authority = Authority(secrets)
    rest, user = Proxy(authority, port), Proxy(authority, port)
    system.world["venue"]["api"] = {"listen": f"127.0.0.1:{port}", "keys": "../secrets/venue.json"}
    system.world["venue"]["binance"] = {"rest": f"https://127.0.0.1:{rest.port}",
                                        "ws_api": f"wss://127.0.0.1:{user.port}",
                                        "key": "../secrets/key.json", "absence": "2s"}
    system.platform["tls"] = {"ca_file": "../secrets/ours.pem"}
    system.write_config()
    return rest, user


def log_of(system, service):
    return "\n".join(path.read_text() for path in system.logs.glob(f"{service}*"))


def is_connected(system):
    return system.records("execution", {"VENUE_CONNECTED", "VENUE_DISCONNECTED"})[-1][
        "k"] == "VENUE_CONNECTED"


def closed_trades(system):
    return len(system.records("execution", {"TRADE_CLOSED"}))


def check_refused(system, rest, user):
    """One proxy after the other is somebody else: it is told nothing."""
    for proxy, what in ((rest, "requests"), (user, "user data")):
        for wrong, says in WRONG.items():
            before = len(log_of(system, "execution"))
            proxy.show(wrong)
            proxy.cut()
            system.await_that(f"{wrong} is refused {what}", lambda p=proxy: p.refused >= 2)
            assert proxy.bytes == 0, f"{proxy.bytes} bytes were told to {wrong}"
            system.await_that(f"the log says why {wrong} is refused",
                              lambda s=says, b=before: s in log_of(system, "execution")[b:])
            proxy.show("right")
            system.await_that(f"it is connected after {wrong}", lambda: is_connected(system))
        trades = closed_trades(system)
        system.await_that("it trades", lambda n=trades: closed_trades(system) > n, 60)
        print(f"ok  {what}: not a byte to {', '.join(WRONG)}; it trades with the right one")


def check_kill(system, rest):
    """The separate program, too."""
    args = [system.build / "spoor-kill", "--url", f"https://127.0.0.1:{rest.port}", "--key",
            system.folder / "secrets" / "key.json", "--symbol", "BTCUSDT", "--yes"]

    def kill(*more):
        done = subprocess.run([*args, *more], text=True, stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        return done.returncode, done.stdout

    rest.show("right")
    code, text = kill()
    assert code != 0 and "certificate" in text and rest.bytes == 0, f"{code}: {text}"
    rest.show("name")
    code, text = kill("--ca", system.folder / "secrets" / "ours.pem")
    assert code != 0 and "127.0.0.1" in text and rest.bytes == 0, f"{code}: {text}"
    rest.show("right")
    code, text = kill("--ca", system.folder / "secrets" / "ours.pem")
    assert code == 0 and rest.bytes > 0, f"{code}: {text}"
    print("ok  spoor-kill tells nothing to a stranger, and is flat with the right one")


def check_ca_file(system):
    """A wrong file never starts; without one the system's authorities count."""
    for path, says in (("../secrets/none.pem", "No such file"),
                       ("../secrets/key.json", "holds no certificate")):
        system.platform["tls"] = {"ca_file": path}
        system.write_config()
        done = subprocess.run([system.build / "spoor-execution", "--config", system.config],
                              text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=30, check=False)
        assert done.returncode == 78 and says in done.stdout, f"{done.returncode}: {done.stdout}"
    print("ok  a ca_file that is missing, or holds no certificate, is exit 78")


def is_dumped(args):
    """Whether the process leaves a core file when it is aborted, where any may."""
    import resource
    folder = pathlib.Path(tempfile.mkdtemp(prefix="spoor-core-"))
    try:
        process = subprocess.Popen(
            args, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)))
        yield process
        process.send_signal(signal.SIGABRT)
        _, status = os.waitpid(process.pid, 0)
        process.returncode = 0
        process.stdout.close()
        yield os.WCOREDUMP(status)
    finally:
        shutil.rmtree(folder)


def check_core_file(system):
    """Who holds the key leaves no core file, where another process does."""
    other = is_dumped(["sleep", "60"])
    next(other)
    if not next(other):
        print("-   this machine makes no core files at all: not looked at")
        return
    core = is_dumped([system.build / "spoor-execution", "--config", system.config])
    process = next(core)
    for line in process.stdout:  # the key is read before the service is ready
        if b" ready " in line:
            break
    assert next(core) is False, "execution left a core file with the key in it"
    print("ok  execution leaves no core file, where sleep does")


def main():
    keep = "--keep" in sys.argv[3:]
    folder = tempfile.mkdtemp(prefix="spoor-tls-")
    try:
        with System(sys.argv[1], sys.argv[2], folder) as system:
            configure(system, None)
            rest, user = over_tls(system)
            system.spoor("up", timeout=90)
            system.await_that("a trade over TLS", lambda: closed_trades(system) > 0, 60)
            check_refused(system, rest, user)
            check_kill(system, rest)
            system.spoor("down", timeout=60)
            check_core_file(system)
            check_ca_file(system)
    finally:
        if keep:
            print(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
