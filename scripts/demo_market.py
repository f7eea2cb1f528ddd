"""What the market does, seen from outside: a subscriber of a market-data stream (docs/bus.md).

Keeps only the newest message, so that it costs next to nothing: the stream's sequence says how many
there were, each message its market time, trades and quotes a price.
"""
import ctypes
import ctypes.util
import datetime

ZMQ_SUB, ZMQ_DONTWAIT = 2, 1
ZMQ_SUBSCRIBE, ZMQ_LINGER, ZMQ_CONFLATE = 6, 17, 54
TRADE, QUOTE = 10, 11
FRAME_MAX = 16 * 1024


class Market:
    def __init__(self, run_dir, stream):
        self.clock, self.messages, self.price = "", 0, None
        self.prefix = stream.encode() + b"\0"
        self.zmq = ctypes.CDLL(ctypes.util.find_library("zmq") or "libzmq.so.5")
        self.zmq.zmq_ctx_new.restype = self.zmq.zmq_socket.restype = ctypes.c_void_p
        self.zmq.zmq_socket.argtypes = [ctypes.c_void_p, ctypes.c_int]
        self.zmq.zmq_connect.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        self.zmq.zmq_setsockopt.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p,
                                            ctypes.c_size_t]
        self.zmq.zmq_recv.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t,
                                      ctypes.c_int]
        self.buffer = ctypes.create_string_buffer(FRAME_MAX)
        self.socket = self.zmq.zmq_socket(self.zmq.zmq_ctx_new(), ZMQ_SUB)
        for option, value in ((ZMQ_CONFLATE, 1), (ZMQ_LINGER, 0)):
            number = ctypes.c_int(value)
            self.zmq.zmq_setsockopt(self.socket, option, ctypes.byref(number), 4)
        self.zmq.zmq_setsockopt(self.socket, ZMQ_SUBSCRIBE, self.prefix, len(self.prefix))
        if self.zmq.zmq_connect(self.socket, f"ipc://{run_dir}/marketdata.pub".encode()) != 0:
            raise OSError(f"cannot connect to {run_dir}/marketdata.pub")

    def poll(self):
        size = self.zmq.zmq_recv(self.socket, self.buffer, FRAME_MAX, ZMQ_DONTWAIT)
        if size <= len(self.prefix):
            return
        fields = Msgpack(self.buffer.raw[len(self.prefix):size]).read()
        _version, _epoch, self.messages, time, kind, _by, body = fields
        self.clock = datetime.datetime.fromtimestamp(time // 10 ** 9, datetime.timezone.utc
                                                     ).strftime("%H:%M:%S")
        if kind == TRADE:
            self.price = body[1]
        elif kind == QUOTE:
            self.price = body[1]  # the bid: what a long position would bring


class Msgpack:
    """As much of msgpack as the bus uses."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, count, signed=False):
        return int.from_bytes(self.take(count), "big", signed=signed)

    def read(self):
        tag = self.number(1)
        if tag < 0x80:
            return tag
        if tag >= 0xE0:
            return tag - 0x100
        if tag & 0xF0 == 0x90:
            return [self.read() for _ in range(tag & 0x0F)]
        if tag & 0xE0 == 0xA0:
            return self.take(tag & 0x1F)
        if tag in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[tag]
        if 0xCC <= tag <= 0xCF:
            return self.number(1 << (tag - 0xCC))
        if 0xD0 <= tag <= 0xD3:
            return self.number(1 << (tag - 0xD0), signed=True)
        if tag in (0xC4, 0xD9):
            return self.take(self.number(1))
        if tag in (0xC5, 0xDA):
            return self.take(self.number(2))
        if tag == 0xDC:
            return [self.read() for _ in range(self.number(2))]
        raise ValueError(f"unexpected msgpack tag {tag:#x}")
