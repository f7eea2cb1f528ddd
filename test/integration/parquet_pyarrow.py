"""Another implementation reads our Parquet files: values, types, exact decimals, checksums, size,
and what our own reader says of a span of time.

usage: parquet_pyarrow.py SAMPLE_PROGRAM

Ends with 77 (skipped) if pyarrow is not there; scripts/setup --test installs it into .venv.
"""
import decimal
import pathlib
import subprocess
import sys
import tempfile

try:
    import pyarrow
    import pyarrow.compute
    import pyarrow.parquet
except ImportError as missing:
    print(f"SKIPPED: {missing}; run scripts/setup --test, which makes .venv with pyarrow")
    sys.exit(77)

ROWS = 120_000
START_NS = 1786000000123456789
E8 = pyarrow.decimal128(18, 8)
TIME = pyarrow.timestamp("ns", tz="UTC")
U32, U64, I64 = pyarrow.uint32(), pyarrow.uint64(), pyarrow.int64()
TEXT, BOOL = pyarrow.string(), pyarrow.bool_()
PLACE = [("time", TIME), ("epoch", U32), ("seq", U64)]
LEVEL = [("side", TEXT), ("px", E8), ("qty", E8), ("received_ns", I64)]


def price(n):
    return 6183763000000 + n * 7919 % 100003


def quantity(n):
    return 1 + n * 104729 % 1000000007


def place(n):
    return (START_NS + n * 1000001, 3, n + 1)


def trades(rows):
    for n in range(rows):
        yield place(n) + (2**64 - 1 - n, price(n), quantity(n), "BUY" if n % 3 else "SELL", n * 11)


def quotes(rows):
    for n in range(rows):
        yield place(n) + (n * 2, price(n), 0, price(n) + 1, 10**18 - 1, n * 11)


def bars(rows):
    for n in range(rows):
        p = price(n)
        yield place(n) + (10**9, START_NS - 1, p, p + 5, p - 5, p + 2, quantity(n),
                          2**32 - 1 - n, n * 11)


def levels(n, bids, asks):
    for side, count in (("BUY", bids), ("SELL", asks)):
        for i in range(count):
            yield (side, price(n) + i, n % 2, n * 11)
    if bids + asks == 0:
        yield ("", 0, 0, n * 11)


def deltas(rows):
    for n in range(rows):
        for level in levels(n, n % 4, n % 3):
            yield place(n) + (n, n + 1, n % 5 == 0) + level


def snapshots(rows):
    for n in range(rows // 100):
        for level in levels(n, 64, 1):
            yield place(n) + (n + 1, n, n % 5 == 0) + level


KINDS = {
    "trade": (trades, [("trade_id", U64), ("px", E8), ("qty", E8), ("taker_side", TEXT),
                       ("received_ns", I64)]),
    "quote": (quotes, [("update_id", U64), ("bid_px", E8), ("bid_qty", E8), ("ask_px", E8),
                       ("ask_qty", E8), ("received_ns", I64)]),
    "bar": (bars, [("interval_ns", I64), ("opened", TIME), ("open", E8), ("high", E8),
                   ("low", E8), ("close", E8), ("volume", E8), ("trade_count", U32),
                   ("received_ns", I64)]),
    "book_delta": (deltas, [("first_update_id", U64), ("last_update_id", U64),
                            ("more", BOOL)] + LEVEL),
    "book_snapshot": (snapshots, [("last_update_id", U64), ("part", U32), ("more", BOOL)] + LEVEL),
}


def expect(holds, what):
    if not holds:
        print(f"FAILED: {what}")
        sys.exit(1)


def as_integers(column):
    """The stored integers of a column: 1e-8 units, nanoseconds, or the values themselves."""
    if column.type == E8:
        context = decimal.Context(prec=40)
        return [int(v.scaleb(8, context)) for v in column.to_pylist()]
    if column.type == TIME:
        return column.cast(pyarrow.int64()).to_pylist()
    return column.to_pylist()


def check_file_metadata(path, columns):
    file = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
    expect(file.schema_arrow.equals(pyarrow.schema(columns_schema(columns))),
           f"{path}: schema\n{file.schema_arrow}")
    low = high = None
    for g in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(g)
        expect(group.num_rows <= 16384, f"{path}: {group.num_rows} rows in a group")
        for c in range(len(columns)):
            chunk = group.column(c)
            expect(chunk.compression == "ZSTD" and chunk.encodings == ("PLAIN",),
                   f"{path}: {chunk.compression} {chunk.encodings}")
        times = group.column(0).statistics
        expect(times is not None and times.has_min_max, f"{path}: no range of time")
        low = times.min_raw if low is None else min(low, times.min_raw)
        high = times.max_raw if high is None else max(high, times.max_raw)
    return file.read(), low, high


def columns_schema(columns):
    return [pyarrow.field(name, kind, nullable=False) for name, kind in columns]


def check_kind(folder, kind):
    make, own = KINDS[kind]
    columns = PLACE + own
    paths = sorted((folder / "market/paper/BTCUSDT" / kind).iterdir())
    expected = list(make(ROWS))
    expect(all(p.suffix == ".parquet" for p in paths), f"{kind}: leftovers in {paths}")
    expect(len(paths) >= 1 + len(expected) // 100_300, f"{kind}: only {len(paths)} files")
    tables = []
    for path in paths:
        table, low, high = check_file_metadata(path, columns)
        times = pyarrow.compute.min_max(table["time"].cast(I64)).as_py()
        expect((low, high) == (times["min"], times["max"]), f"{path}: {low} {high} {times}")
        tables.append(table)
    table = pyarrow.concat_tables(tables).combine_chunks()
    expect(table.num_rows == len(expected), f"{kind}: {table.num_rows} of {len(expected)} rows")
    for i, (name, _) in enumerate(columns):
        got, want = as_integers(table[name]), [row[i] for row in expected]
        if got != want:
            at = next(k for k in range(len(want)) if got[k] != want[k])
            expect(False, f"{kind}.{name}, row {at}: {got[at]} is not {want[at]}")
    return table, sum(p.stat().st_size for p in paths), len(paths)


def size_by_pyarrow(folder, table):
    """The same rows and settings, so that the difference is the container's, not the codec's."""
    path = folder / "other.parquet"
    pyarrow.parquet.write_table(table, path, compression="zstd", compression_level=3,
                                use_dictionary=False, row_group_size=16384,
                                data_page_size=1 << 20, store_decimal_as_integer=True,
                                version="2.6")
    return path.stat().st_size


def check_ranges(folder, kind, table):
    """What our reader gives of a span is what pyarrow filters out of all the files."""
    times = as_integers(table["time"])
    low, high = times[0], times[-1]
    first_end = low + (high - low) * 5 // 6
    for begin, end in ((low - 5, high + 5), (first_end - 10**9, first_end + 5 * 10**9),
                       (low + 77, low + 78), (low, low), (high, high + 1)):
        done = subprocess.run([sys.argv[1], folder, kind, str(begin), str(end)], check=True,
                              timeout=60, stdout=subprocess.PIPE, text=True)
        ours = done.stdout.splitlines()
        rows = [i for i, t in enumerate(times) if begin <= t < end]
        theirs = table.slice(rows[0], len(rows)) if rows else table.slice(0, 0)
        cells = [as_integers(theirs[name]) for name in theirs.column_names]
        want = [",".join(str(int(v) if isinstance(v, bool) else v) for v in row)
                for row in zip(*cells)]
        expect(ours == want, f"{kind} in [{begin}, {end}): {len(ours)} rows, pyarrow {len(want)}")


def check_damage(folder):
    """pyarrow sees our page checksums: one flipped byte and it refuses."""
    path = next((folder / "market/paper/BTCUSDT/trade").iterdir())
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    try:
        pyarrow.parquet.read_table(path, page_checksum_verification=True)
    except OSError as error:
        expect("CRC" in str(error), f"flipped byte: {error}")
        return
    expect(False, "pyarrow read a page with a flipped byte")


def main():
    with tempfile.TemporaryDirectory(prefix="spoor-parquet-") as name:
        folder = pathlib.Path(name)
        subprocess.run([sys.argv[1], folder, str(ROWS)], check=True, timeout=60)
        for kind in KINDS:
            table, size, files = check_kind(folder, kind)
            other = size_by_pyarrow(folder, table)
            print(f"{kind}: {table.num_rows} rows in {files} files, {size} bytes; "
                  f"pyarrow {pyarrow.__version__} writes {other}")
            expect(size <= other * 1.1, f"{kind}: more than 1.1 times as large")
            check_ranges(folder, kind, table)
            if kind == "trade":
                first = table["px"][0].as_py()
                expect(first == decimal.Decimal("61837.63000000"), f"first price {first}")
        check_damage(folder)
    print("pyarrow reads every value, type and decimal as written, the rows of a span as "
          "our reader, and sees a flipped byte")


main()
