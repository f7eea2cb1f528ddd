"""Writes the first inputs of the fuzz targets: sound ones from the golden files and the demo's
configuration, and bad ones that are known to be hard.

usage: make_corpus.py ROOT

What a fuzzing run finds beyond them stays out of the tree; an input that found a defect is added by
hand under the name of what it is.
"""
import gzip
import pathlib
import sys

HEADER_BYTES = 320


def crc32c(data, crc=0):
    crc ^= 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def golden(root):
    """(DTO, frame, line) of every DTO."""
    name = frame = None
    for line in (root / "test/golden/dto.txt").read_text().splitlines():
        if line.startswith("dto "):
            name = line[4:]
        elif line.startswith(" wire "):
            frame = bytes.fromhex(line[6:])
        elif line.startswith(" json "):
            yield name, frame, line[6:].encode()


def wire(root):
    for name, frame, _ in golden(root):
        yield name, frame
    head = b"md\0"
    trade = next(frame for name, frame, _ in golden(root) if name == "trade")
    name, record = trade[:trade.index(0) + 1], trade[trade.index(0) + 1:]
    unknown = bytes.fromhex("97010103036390" "90")
    yield "batch_of_three", name + 3 * record
    yield "batch_with_unknown_kind", name + record + unknown + record
    yield "batch_of_bound", head + b"\x01" * 512
    yield "bad_batch_past_bound", head + b"\x01" * 513
    yield "bad_batch_cut", name + 2 * record + record[:-3]
    yield "bad_empty", b""
    yield "bad_name_only", head
    yield "bad_array_claims_4_g", head + bytes.fromhex("ddffffffff")
    yield "bad_array_claims_256_m", head + bytes.fromhex("dd10000000")
    yield "bad_str_claims_4_g", head + bytes.fromhex("97010101010a90dbffffffff")
    yield "bad_bin_claims_2_g", head + bytes.fromhex("97010101010a90c680000000")
    yield "bad_sign_extended", bytes.fromhex("ffffffffff61")
    yield "bad_nested", head + b"\x91" * 64
    yield "bad_map_float_ext", head + bytes.fromhex("9701cb3ff0000000000000810102c70105ff")


def json(root):
    for name, _, line in golden(root):
        yield name, line
    line = next(line for name, _, line in golden(root) if name == "cursor")
    yield "bad_cut", line[:-5]
    yield "bad_number", line.replace(b'"inputs":', b'"inputs":99999999999999999999999')
    yield "bad_twice", line.replace(b'"b":{', b'"b":{"inputs":1,')
    yield "bad_escape", line.replace(b'"inputs"', b'"\\ud800inputs"')
    yield "bad_trailing", line + b" x"
    yield "spaced", line.replace(b'"b":{', b'"b": { ').replace(b'}}', b' } }')


SEGMENT = ('{"c":"00000000","segment":{"format":1,"installation":"testbench","stream":"execution",'
           '"world":"paper","build":"0.0.0","epoch":7,"first_seq":%d,"prev":"00000000"}}\n')
RECORD = ('{"c":"00000000","s":%d,"e":7,"w":%d,"m":%d,"t":"2026-11-22T19:00:00.000002000Z",'
          '"k":"CURSOR","b":{"inputs":%d}}\n')
SEAL = '{"c":"00000000","seal":{"epoch":7,"count":%d,"last_seq":%d}}\n'
STAMPED, AS_IT_IS, STAMPED_NOTED = b"1", b"0", b"3"


def journal(root):
    real = (root / "test/golden/journal.jsonl").read_bytes()
    yield "golden", AS_IT_IS + real
    yield "golden_stamped", STAMPED + real
    yield "golden_noted", STAMPED_NOTED + real
    yield "torn", AS_IT_IS + real[:-30]
    yield "damaged", AS_IT_IS + real.replace(b'"inputs":3', b'"inputs":4')
    first = SEGMENT % 1 + "".join(RECORD % (i, 0, 0, i) for i in range(1, 4)) + SEAL % (3, 3)
    second = SEGMENT % 4 + RECORD % (4, 3, 1, 4) + RECORD % (5, 3, 0, 5)
    yield "two_segments", STAMPED + (first + second).encode()
    yield "two_without_seal", STAMPED + (first.rsplit('{"c"', 1)[0] + second).encode()
    yield "gap", STAMPED + (first + second.replace('"s":4', '"s":5')).encode()
    yield "batch_open", STAMPED + (SEGMENT % 1 + RECORD % (1, 0, 2, 1)).encode()
    yield "batch_31", STAMPED + (SEGMENT % 1 + RECORD % (1, 0, 31, 1)
                                 + RECORD % (2, 0, 31, 1)).encode()
    yield "batch_beyond_bound", STAMPED + (SEGMENT % 1 + RECORD % (1, 0, 32, 1)).encode()
    last = 2 ** 53 - 2
    yield "last_sequences", STAMPED + (SEGMENT % last + RECORD % (last, 0, 0, 1)
                                       + RECORD % (last + 1, 0, 0, 1)).encode()
    # It does not begin with record 1: unexplained, and as retention leaves it.
    yield "begin_vanished", STAMPED + second.encode()
    for name, begin in (("begin_trimmed", 4), ("last_sequences_trimmed", last)):
        text = RECORD % (begin + 1, 0, 0, 77)
        text = text.replace('"CURSOR"', '"JOURNAL_TRIMMED"')
        text = text.replace('"inputs":77', f'"first_seq":{begin}')
        yield name, STAMPED + (SEGMENT % begin + RECORD % (begin, 0, 0, 1) + text).encode()
    yield "last_room", STAMPED + (SEGMENT % (2 ** 52 - 1)).encode()
    yield "seal_counts_all", STAMPED + (SEGMENT % 1 + SEAL % (2 ** 53 - 1, 2 ** 53 - 1)).encode()
    yield "seal_of_later_epoch", STAMPED + (first + second + SEAL % (2, 5)).replace(
        'seal":{"epoch":7,"count":2', 'seal":{"epoch":4294967294,"count":2').encode()
    yield "newer_format", STAMPED + (SEGMENT % 1).replace('format":1', 'format":2').encode()
    yield "no_end", STAMPED + (SEGMENT % 1).encode()[:-1]
    yield "long_line", STAMPED + (SEGMENT % 1).encode() + b'{"c":"' + b"0" * 34000
    yield "empty_file", STAMPED + b"\n"


def segment(_root):
    for name, how in (("index", b"\x04"), ("index_stamped", b"\x05"), ("zip", b"\x06"),
                      ("zip_stamped", b"\x07")):
        yield name, how
        yield name + "_changed", how + bytes.fromhex("0000ff" "009801" "00a7aa" "02ff00" "0a1007")
        yield name + "_counts", how + b"".join(bytes([0, at, 0xff]) for at in range(96, 156))
    yield "no_index", b"\x00"
    yield "no_zip", b"\x02"
    yield "zip_only_facts", b"\x03" + bytes.fromhex("502a4d1828000000") + b"spoorseg" + b"\0" * 32


def snapshot(generation, payload, prev=0, name="execution"):
    payload = payload.encode()
    header = (f'{{"h":{{"fmt":"st1","name":"{name}","inst":"testbench","gen":"{generation:020d}",'
              f'"epoch":"0000000007","seq":"00000000000000001234","len":"{len(payload):010d}",'
              f'"hcrc":"00000000","dcrc":"{crc32c(payload):08x}","prev":"{prev:08x}"}},')
    header = header.ljust(HEADER_BYTES - 4).encode() + b'"d":'
    header = header.replace(b'"hcrc":"00000000"', b'"hcrc":"%08x"' % crc32c(header))
    return header + payload + b"}\n", crc32c(payload)


def state(_root):
    mark = b"%%\n"
    one, crc_one = snapshot(1, '{"a":1}')
    two, crc_two = snapshot(2, '{"a":2}', crc_one)
    three, _ = snapshot(3, '{"a":3}', crc_two)
    other, _ = snapshot(3, '{"a":3}', 1)
    foreign, _ = snapshot(2, '{"a":2}', crc_one, "venue")
    huge, _ = snapshot(2 ** 64 - 1, "{}", crc_one)
    yield "none", AS_IT_IS
    yield "first", AS_IT_IS + one
    yield "current_and_backup", AS_IT_IS + two + mark + one
    yield "pending", AS_IT_IS + two + mark + one + mark + three
    yield "pending_of_another", AS_IT_IS + two + mark + one + mark + other
    yield "only_backup", AS_IT_IS + mark + one
    yield "only_pending", AS_IT_IS + mark + mark + one
    yield "damaged", AS_IT_IS + two[:-5] + mark + one
    yield "all_damaged", AS_IT_IS + two[:-5] + mark + one[:-1] + mark + three[:200]
    yield "foreign", AS_IT_IS + foreign
    yield "highest_generation", STAMPED + huge + mark + one
    yield "stamped", STAMPED + two + mark + one + mark + three
    yield "newer_format", STAMPED + two.replace(b"st1", b"st2")


def config(root):
    names = ("platform.json", "operation.json", "strategies/ema_cross.json")
    for index, name in enumerate(names):
        text = (root / "config/demo" / name).read_bytes()
        stem = name.rsplit("/", 1)[-1].removesuffix(".json")
        yield stem, bytes([index]) + text
        yield "cut_" + stem, bytes([index]) + text[:len(text) // 2]
    yield "recording", b"\x01" + (root / "config/recording/operation.json").read_bytes()
    for name, text in (("big_number", b'{"a":9007199254740993}'), ("infinite", b'{"a":1e999}'),
                       ("trailing", b"{} x"), ("twice", b'{"a":1,"a":2}'),
                       ("zeros", b'{"a":01,"b":1.}'), ("deep", b"[" * 70),
                       ("nul", b'{"a\\u0000":1}'), ("surrogate", b'["\\ud800"]'),
                       ("utf8", b'["\xc0\xaf\xed\xa0\x80"]'), ("bom", b"\xef\xbb\xbf{}"),
                       ("many_values", b"[" + b"0," * 300 + b"0]"), ("empty", b"")):
        yield name, b"\x01" + text
    # As dense as is allowed, 100 values and one more for each 10 bytes; and one more.
    size = 16000
    values = range(100 + size // 10 - 2)
    dense = {"dense_list": b"1," * len(values), "dense_lists": b"[]," * len(values),
             "dense_texts": b'"",' * len(values), "too_dense": b"1," * (len(values) + 1)}
    for name, text in dense.items():
        yield name, b"\x01" + (b"[" + text).ljust(size - 2) + b"0]"
    members = b"".join(b'"%03x":0,' % value for value in values)
    yield "dense_object", b"\x01" + (b"{" + members).ljust(size - 7) + b'"z":[]}'


def control(_root):
    yield "status", b"\xff" + b'{"command":"status"}\n'
    yield "start_slowly", b"\x00" + b'{"command":"start","name":"execution"}\n'
    yield "two_lines", b"\x0f" + b'{"command":"down"}\n{"command":"status"}\n'
    yield "no_end", b"\x3f" + b'{"command":"' + b"a" * 600
    yield "no_end_in_hundreds", b"\x63" + b'{"command":"' + b"a" * 600
    yield "unknown", b"\x3f" + b'{"command":"status","sudo":true}\n'
    yield "child", (b"\xffREADY=1 EPOCH=7\nPROGRESS=12345\nPHASE=RECONCILE\nSTATUS=all is well\n"
                    b"STOPPING=1\n")
    yield "child_odd", (b"\xffREADY=1 EPOCH=99999999999999999999\nPHASE=" + b"P" * 300
                        + b"\nSTATUS=\xff\xfe\x01\nREADY=1 XEPOCH=1 EPOCH=-1\nSTATUS=\n")


TRADE = (b'{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000",'
         b'"q":"0.02000000","T":1723161255342,"m":true,"M":true}')
QUOTE = b'{"u":7,"s":"BTCUSDT","b":"1.5","B":"2","a":"1.6","A":"0.00000000"}'
DELTA = (b'{"e":"depthUpdate","E":1723161255400,"s":"BTCUSDT","U":3,"u":4,"b":[["1.50","0"]],'
         b'"a":[["1.6","2"],["1.7","3"]]}')
DEPTH = b'{"lastUpdateId":2,"bids":[["1.50","1"]],"asks":[["1.60","1"]]}'


def feed(_root):
    yield "trade", TRADE
    yield "quote", QUOTE
    yield "delta", DELTA
    yield "depth", DEPTH
    yield "combined", b'{"stream":"btcusdt@trade","data":' + TRADE + b"}"
    yield "bad_number", TRADE.replace(b"61837.63000000", b"92233720368.54775808")
    yield "bad_digits", TRADE.replace(b"0.02000000", b"0.020000001")
    yield "bad_cut", DELTA[:-20]
    yield "bad_negative", DELTA.replace(b"1.50", b"-1.5")
    yield "bad_other", TRADE.replace(b'"trade"', b'"kline"')
    yield "unknown_keys", QUOTE.replace(b'{"u"', b'{"x":null,"y":[],"z":-1.5e3,"u"')


def recording(_root):
    lines = b"".join(b"%d " % (1723161255342000000 + i) + body + b"\n"
                     for i, body in enumerate((DEPTH, DELTA, TRADE, QUOTE)))
    yield "plain", lines
    yield "gzip", gzip.compress(lines, mtime=0)
    yield "gzip_cut", gzip.compress(lines, mtime=0)[:-12]
    yield "gzip_zeros", gzip.compress(b"\n" * 4096, mtime=0)
    yield "bad_stamp", b"99999999999999999999 " + TRADE + b"\n-1 " + TRADE + b"\nx\n"
    yield "no_end", lines[:-1]
    yield "symbol_no_text", lines.replace(b"BTCUSDT", b"BTC\xff\xc0T")
    yield "time_back", lines + lines.replace(b"1723161255", b"1623161255")


def frame(opcode, text, final=True, masked=True):
    """A frame of a WebSocket's client."""
    size = (bytes([len(text) | 0x80 * masked]) if len(text) < 126
            else bytes([126 | 0x80 * masked]) + len(text).to_bytes(2, "big"))
    mask = b"\x01\x02\x03\x04"
    body = bytes(b ^ mask[i % 4] for i, b in enumerate(text)) if masked else text
    return bytes([opcode | 0x80 * final]) + size + mask * masked + body


def http(_root):
    get = b"GET /api/v3/time?a=1&b=%%2F HTTP/1.1\r\nHost: 127.0.0.1:1\r\n%s\r\n"
    post = b"POST /api/v3/order HTTP/1.1\r\nHost: h\r\n%s\r\n%s"
    shake = get % (b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
    chunked = b"Transfer-Encoding: chunked\r\n"
    yield "get", b"\xff" + get % b""
    yield "get_slowly", b"\x00" + get % b"X-MBX-APIKEY: key\r\nAccept: */*\r\n"
    yield "two", b"\x3f" + get % b"" + get % b"Connection: close\r\n"
    yield "post", b"\x0f" + post % (b"Content-Length: 21\r\n", b"symbol=BTCUSDT&side=B")
    pieces = b"5\r\nsymbo\r\n3;x=y\r\nl=B\r\n0\r\nA: b\r\n\r\n"
    yield "post_chunked", b"\x07" + post % (chunked, pieces)
    yield "post_too_long", b"\xff" + post % (b"Content-Length: 99999\r\n", b"x")
    yield "post_twice", b"\xff" + post % (b"Content-Length: 1\r\nContent-Length: 2\r\n", b"xy")
    yield "post_both", b"\xff" + post % (chunked + b"Content-Length: 1\r\n", b"1\r\nx\r\n0\r\n\r\n")
    yield "put_old", b"\xff" + b"PUT /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    yield "head", b"\xff" + b"HEAD / HTTP/1.1\r\n\r\n" + b"DELETE /y HTTP/1.1\r\nH:\r\n\r\n"
    yield "target_too_long", b"\xff" + b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n"
    yield "headers_too_many", b"\xff" + get % (b"A: b\r\n" * 60)
    yield "header_too_long", b"\xff" + get % (b"A: " + b"b" * 9000 + b"\r\n")
    yield "nul", b"\xff" + get % b"A: b\x00c\r\n"
    yield "folded", b"\xff" + get % b"A: b\r\n c\r\n"
    yield "garbage", b"\xff" + bytes(range(256))
    yield "socket", b"\x1f" + shake + frame(1, b'{"id":1}') + frame(9, b"p") + frame(8, b"\x03\xe8")
    yield "socket_parts", b"\x01" + shake + frame(1, b"a", False) + frame(9, b"") + frame(0, b"b")
    yield "socket_long", b"\xff" + shake + frame(1, b"x" * 4000) + frame(1, b"x" * 5000)
    yield "socket_plain", b"\xff" + shake + frame(1, b"not masked", masked=False)
    yield "socket_claims", b"\xff" + shake + b"\x81\xff" + b"\x7f" + b"\xff" * 7 + b"1234"
    yield "socket_pings", b"\xff" + shake + frame(9, b"") * 200
    yield "socket_no_utf8", b"\xff" + shake + frame(1, b"\xc0\xaf")
    yield "upgrade_h2c", b"\xff" + get % b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + get % b""


def main():
    root = pathlib.Path(sys.argv[1])
    for target in (wire, json, journal, segment, state, config, control, feed, recording, http):
        folder = root / "test/fuzz/corpus" / target.__name__
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in target(root):
            (folder / name).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
