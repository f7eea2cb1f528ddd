"""A client of our own for the practice exchange: bytes as they are told, HTTP and WebSockets."""
import hashlib
import hmac
import json
import os
import socket
import struct
import time
import urllib.parse

from exchange import KEY, SECRET

LIMIT_S = 10


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)


def read_to_end(sock):
    """What comes until the other side ends the connection."""
    got = b""
    try:
        while piece := sock.recv(65536):
            got += piece
    except ConnectionResetError:
        pass
    return got


def raw(port, data):
    """The whole answer to bytes of which the last request asks to close, or is refused."""
    with connect(port) as sock:
        try:
            sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return read_to_end(sock)


def http(port, method, path, query="", body=b"", headers=()):
    """Status and JSON of one request."""
    target = path + ("?" + query if query else "")
    head = [f"{method} {target} HTTP/1.1", "Host: h", "Connection: close", *headers]
    if body:
        head.append(f"Content-Length: {len(body)}")
    got = raw(port, "\r\n".join(head).encode() + b"\r\n\r\n" + body)
    head, _, body = got.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body) if body else None


def sign(payload, secret=SECRET):
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def signed_query(secret=SECRET, **params):
    params.setdefault("timestamp", int(time.time() * 1000))
    query = urllib.parse.urlencode(params)
    return f"{query}&signature={sign(query, secret)}"


def signed(port, method, path, key=KEY, secret=SECRET, **params):
    return http(port, method, "/api/v3/" + path, signed_query(secret, **params),
                headers=(f"X-MBX-APIKEY: {key}",))


def method_of(method, **params):
    """A signed request over a WebSocket."""
    params |= {"apiKey": KEY, "timestamp": int(time.time() * 1000)}
    text = "&".join(f"{k}={params[k]}" for k in sorted(params))
    return json.dumps({"id": 1, "method": method, "params": params | {"signature": sign(text)}})


def frame(data, opcode=1, final=True, masked=True):
    if isinstance(data, str):
        data = data.encode()
    head = bytes([(0x80 if final else 0) | opcode])
    bit = 0x80 if masked else 0
    if len(data) < 126:
        head += bytes([bit | len(data)])
    elif len(data) < 65536:
        head += struct.pack(">BH", bit | 126, len(data))
    else:
        head += struct.pack(">BQ", bit | 127, len(data))
    if not masked:
        return head + data
    mask = os.urandom(4)
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data))


def upgrade(path):
    return (f"GET {path} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ).encode()


class WebSocket:
    def __init__(self, port, path, behind=b""):
        self.sock = connect(port)
        self.sock.sendall(upgrade(path) + behind)
        self.read = self.sock.makefile("rb")
        assert self.read.readline().split()[1] == b"101"
        while self.read.readline() != b"\r\n":
            pass

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.read.close()
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def hear(self):
        """Opcode and payload of one frame; None at the end."""
        try:
            head = self.read.read(2)
            if len(head) < 2:
                return None
            size = head[1] & 127
            if size == 126:
                size, = struct.unpack(">H", self.read.read(2))
            elif size == 127:
                size, = struct.unpack(">Q", self.read.read(8))
            return head[0] & 15, self.read.read(size)
        except ConnectionResetError:
            return None

    def text(self):
        """The next text, whatever it is."""
        while True:
            heard = self.hear()
            assert heard is not None, "the connection has ended"
            if heard[0] == 1:
                return json.loads(heard[1])

    def answer(self):
        """The next text that is no event of a stream or of the account."""
        while True:
            message = self.text()
            if "e" not in message and "event" not in message and "lastUpdateId" not in message:
                return message

    def ends(self):
        while self.hear() is not None:
            pass
