"""Reads the journals of an installation: records as they are appended, and exact decimals.

A journal is a folder of segments, JSON lines, see common/journal/journal.c. Only what a batch has
completed is returned: after a kill the writer takes an incomplete batch back.
"""
import json
import pathlib

SCALE = 8


def e8(text):
    """Decimal text as an integer in units of 1e-8. Exact, or ValueError."""
    text = str(text)
    negative = text.startswith("-")
    whole, _, fraction = text.lstrip("+-").partition(".")
    if len(fraction) > SCALE or not (whole + fraction).isdigit():
        raise ValueError(f"not a decimal of at most {SCALE} places: {text!r}")
    value = int(whole + fraction.ljust(SCALE, "0"))
    return -value if negative else value


def decimal(value, places=SCALE, sign=False):
    """1e-8 units as decimal text with thousands separators, rounded half away from zero."""
    step = 10 ** (SCALE - places)
    units = (abs(value) + step // 2) // step
    whole, fraction = divmod(units, 10 ** places)
    minus = "-" if value < 0 and units else "+" if sign else ""
    return f"{minus}{whole:,}" + (f".{fraction:0{places}d}" if places else "")


def average(amount, quantity):
    """amount / quantity in 1e-8 units, rounded half up; 0 for no quantity."""
    return (amount * 10 ** SCALE * 2 + quantity) // (2 * quantity) if quantity else 0


def short_id(text):
    """As the screens show it: prefix and last six characters."""
    return f"{text[:4]}{text[-6:]}" if len(text) > 10 else text


class Journal:
    """One journal, read from its beginning and followed from then on."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.records = []
        self.name = None
        self.offset = 0

    def segments(self):
        return sorted(path.name for path in self.folder.glob("[0-9]*.jsonl"))

    def poll(self):
        """Returns what is new."""
        before = len(self.records)
        names = self.segments()
        if self.name is None and names:
            self.name = names[0]
        while self.name is not None:
            self.read_segment()
            later = [name for name in names if name > self.name]
            if not later:
                break
            self.name, self.offset = later[0], 0
        return self.records[before:]

    def read_segment(self):
        try:
            with open(self.folder / self.name, "rb") as file:
                file.seek(self.offset)
                data = file.read().partition(b"\t")[0]  # a byte that is still to come
        except FileNotFoundError:
            return
        batch, consumed = [], 0
        for line in data.splitlines(keepends=True):
            consumed += len(line)
            try:
                fields = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                fields = None
            if fields is None:
                return
            if "k" in fields:
                batch.append(fields)
            if fields.get("m", 0) == 0:
                self.records += batch
                self.offset += consumed
                batch, consumed = [], 0

    def of(self, *kinds):
        return [record for record in self.records if record["k"] in kinds]


def find_gap(records):
    """The first sequence that is missing or double, or None."""
    expected = records[0]["s"] if records else 1
    for record in records:
        if record["s"] != expected:
            return expected
        expected += 1
    return None
