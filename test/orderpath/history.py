"""Judges a history: what execution's journal says, what the other journals refer to, and what the
exchange knows. Shares no code with what it judges; each rule is a function that yields what is
wrong, and test_history.py shows for each that it can.

The rules are named as in the specification of the order protocol: H1 an order has one intent, and
that was durable before it was sent; H2 sent at most once; H3 nothing by who was superseded; H4 each
execution booked once, none invented; H5 what others have heard is still there; H6 no second try
while the first is in doubt; H7 a halt holds; H8 the books are the venue's; H9 never more than was
asked for; H10 numbers without a gap; H11 no doubt remains; H12 no refusal for asking too often; H13
after a kill everything is cancelled and sold.
"""
import re

UNIT = 10**8
REF = re.compile(r"^execution/(\d+):(\d+)$")
ENDED = {"ORDER_REJECTED", "ORDER_CANCELED", "ORDER_EXPIRED", "ORDER_ABSENT_PROVEN",
         "SEND_SUPPRESSED"}
RESOLVES = ENDED | {"ORDER_ACK", "FILL"}
TOO_OFTEN = ("-1003", "-1015", "HTTP 429", "HTTP 418")


def e8(text):
    """Exact decimal text to units of 1e-8."""
    sign = -1 if text.startswith("-") else 1
    whole, _, part = text.lstrip("-").partition(".")
    assert len(part) <= 8, text
    return sign * (int(whole) * UNIT + int(part.ljust(8, "0") or "0"))


def value(px, qty):
    """Rounded half away from zero."""
    return (px * qty + UNIT // 2) // UNIT


class History:
    """journal: execution's records, oldest first. others: records of the other services. truth:
    the exchange's answer, see docs/venue.md. begin: balances at the start, by asset, in 1e-8."""

    def __init__(self, journal, others, truth, begin):
        self.journal, self.others, self.truth, self.begin = journal, others, truth, begin
        self.intents = {}
        for record in journal:
            if record["k"] == "ORDER_INTENT":
                self.intents.setdefault(record["b"]["client_order_id"], []).append(record)

    def intent(self, client_order_id):
        found = self.intents.get(client_order_id)
        return found[0] if found else None

    def kinds(self, *kinds):
        return (r for r in self.journal if r["k"] in kinds)

    def ends(self):
        """Order ids that have ended: said so, or filled to the last unit."""
        ended, filled = set(), {}
        for record in self.journal:
            body = record["b"]
            if record["k"] in ENDED:
                ended.add(body["order_id"])
            if record["k"] == "FILL":
                filled[body["order_id"]] = filled.get(body["order_id"], 0) + e8(body["qty"])
        for records in self.intents.values():
            body = records[0]["b"]
            if filled.get(body["order_id"], 0) >= e8(body["qty"]):
                ended.add(body["order_id"])
        return ended


def h1(history):
    """Each order at the venue has exactly one intent, which was durable before it was sent."""
    for order in history.truth["orders"]:
        count = len(history.intents.get(order["client_order_id"], []))
        if count != 1:
            yield f"{order['client_order_id']} at the venue has {count} intents"
    for sent in history.kinds("ORDER_SENT"):
        intent = history.intent(sent["b"]["client_order_id"])
        if intent is None or intent["s"] > sent["s"]:
            yield f"{sent['b']['client_order_id']} was sent without an intent"
        elif sent["w"] < intent["s"]:
            yield f"{sent['b']['client_order_id']} was sent before its intent was durable"


def h2(history):
    """A client order id is sent at most once, for ever."""
    for client_order_id, records in history.intents.items():
        if len(records) > 1:
            yield f"{client_order_id} stands for {len(records)} intents"
    seen = set()
    for sent in history.kinds("ORDER_SENT"):
        if sent["b"]["client_order_id"] in seen:
            yield f"{sent['b']['client_order_id']} was sent twice by the journal"
        seen.add(sent["b"]["client_order_id"])
    seen = set()
    for order in history.truth["orders"]:
        if order["client_order_id"] in seen:
            yield f"{order['client_order_id']} was taken twice by the venue"
        seen.add(order["client_order_id"])
    for record in history.journal:
        if "Duplicate order" in record["b"].get("reason", ""):
            yield f"{record['b']['client_order_id']}: the venue saw it twice"


def h3(history):
    """Nothing is sent by who was superseded: epochs never go back, and an order is sent by the
    epoch that wrote its intent."""
    highest = 0
    for record in history.journal:
        if record["e"] < highest:
            yield f"record {record['s']} is of epoch {record['e']} after {highest}"
        highest = max(highest, record["e"])
        if record["k"] == "ORDER_SENT":
            intent = history.intent(record["b"]["client_order_id"])
            if intent is not None and intent["e"] != record["e"]:
                yield (f"{record['b']['client_order_id']} of epoch {intent['e']} was sent by epoch"
                       f" {record['e']}")


def facts_of_fill(body):
    return (body["client_order_id"], body["side"], e8(body["px"]), e8(body["qty"]),
            e8(body.get("fee", "0")), body.get("fee_asset", ""))


def h4(history):
    """Each execution of the venue is booked exactly once, none is invented."""
    booked = {}
    for record in history.kinds("FILL"):
        key = (record["b"]["symbol"], record["b"]["venue_trade_id"])
        if key in booked:
            yield f"execution {key} is booked twice"
        booked[key] = facts_of_fill(record["b"])
    for record in history.kinds("TRADING_HALTED"):
        if record["b"].get("reason", "").startswith("execution "):
            yield f"halted, because {record['b']['reason']}"
    truth = {(f["symbol"], f["trade_no"]): facts_of_fill(f) for f in history.truth["fills"]}
    for key in sorted(truth.keys() - booked.keys()):
        yield f"execution {key} of the venue is not booked"
    for key in sorted(booked.keys() - truth.keys()):
        yield f"execution {key} is booked, the venue knows nothing of it"
    for key in sorted(truth.keys() & booked.keys()):
        if truth[key] != booked[key]:
            yield f"execution {key} is booked as {booked[key]}, the venue says {truth[key]}"


def h5(history):
    """What another service has heard of execution is still in its journal."""
    kept = {(r["e"], r["s"]) for r in history.journal}
    for record in history.others:
        for ref in [record.get("in", ""), *record.get("by", [])]:
            match = REF.match(ref)
            if match and (int(match[1]), int(match[2])) not in kept:
                yield f"{ref} was heard, and is not in the journal"


def h6(history):
    """While an order is in doubt nothing takes its place."""
    doubt = {}
    for record in history.journal:
        body = record["b"]
        if record["k"] == "ORDER_UNKNOWN":
            intent = history.intent(body["client_order_id"])["b"]
            doubt[body["order_id"]] = (intent["trade_id"], intent["role"])
        elif record["k"] in RESOLVES:
            doubt.pop(body["order_id"], None)
        elif record["k"] == "ORDER_INTENT" and (body["trade_id"], body["role"]) in doubt.values():
            yield (f"{body['client_order_id']} was begun while an order of the same part of"
                   f" {body['trade_id']} was in doubt")


def h7(history):
    """After a halt of everything no entry is sent until the resume."""
    halted = False
    for record in history.journal:
        body = record["b"]
        if record["k"] in ("TRADING_HALTED", "TRADING_RESUMED") and body.get("scope") == "all":
            halted = record["k"] == "TRADING_HALTED"
        if record["k"] == "ORDER_SENT" and halted:
            intent = history.intent(body["client_order_id"])
            if intent is not None and intent["b"]["role"] == "ENTRY":
                yield f"entry {body['client_order_id']} was sent while trading was halted"


def h8(history):
    """At rest balances and open orders are the venue's, to the last unit."""
    balances = dict(history.begin)
    for record in history.kinds("FILL"):
        body = record["b"]
        side, px, qty = body["side"], e8(body["px"]), e8(body["qty"])
        sign = 1 if side == "BUY" else -1
        balances["BTC"] += sign * qty
        balances["USDT"] -= sign * value(px, qty)
        if e8(body.get("fee", "0")):
            balances[body["fee_asset"]] -= e8(body["fee"])
    truth = {b["asset"]: e8(b["total"]) for b in history.truth["balances"]
             if b["account"] == "main"}
    if balances != truth:
        yield f"balances are {balances} by the journal, {truth} by the venue"
    refused = {r["b"]["client_order_id"]: r["k"] for r in history.kinds(
        "ORDER_REJECTED", "ORDER_ABSENT_PROVEN", "SEND_SUPPRESSED")}
    for order in history.truth["orders"]:
        kind = refused.get(order["client_order_id"])
        if kind and order["status"] != "REJECTED":
            yield f"{order['client_order_id']} is {kind} by the journal, and the venue took it"
    ended = history.ends()
    live = {r[0]["b"]["client_order_id"] for r in history.intents.values()
            if r[0]["b"]["order_id"] not in ended}
    there = {o["client_order_id"] for o in history.truth["orders"]
             if o["status"] in ("NEW", "PARTIALLY_FILLED")}
    if live != there:
        yield f"open by the journal, not at the venue or the other way: {sorted(live ^ there)}"


def h9(history):
    """Never more than was asked for: of an order, of a plan, of a position."""
    filled, held = {}, {}
    by_order = {r[0]["b"]["order_id"]: r[0]["b"] for r in history.intents.values()}
    for record in history.kinds("FILL"):
        body = record["b"]
        qty = e8(body["qty"])
        filled[body["order_id"]] = filled.get(body["order_id"], 0) + qty
        held[body["trade_id"]] = (held.get(body["trade_id"], 0)
                                  + (qty if body["side"] == "BUY" else -qty))
        if held[body["trade_id"]] < 0:
            yield f"{body['trade_id']} sold more than it held at record {record['s']}"
    entered = {}
    for order_id, qty in filled.items():
        intent = by_order.get(order_id)
        if intent is None:
            yield f"{order_id} was filled and has no intent"
            continue
        if qty > e8(intent["qty"]):
            yield f"{order_id} was filled beyond its quantity"
        if intent["role"] == "ENTRY":
            of_plan = entered.setdefault(intent["plan_id"], [0, 0])
            of_plan[0] += qty
            of_plan[1] = max(of_plan[1], e8(intent["qty"]))
    for plan_id, (qty, asked) in entered.items():
        if qty > asked:
            yield f"{plan_id} bought {qty}, {asked} were asked for"


def h10(history):
    """Sequences have no gap and no repetition across restarts; each start has a higher epoch."""
    last, epoch = None, 0
    for record in history.journal:
        if last is not None and record["s"] != last + 1:
            yield f"record {record['s']} follows {last}"
        last = record["s"]
        if record["k"] == "STREAM_STARTED":
            if record["e"] <= epoch:
                yield f"a start of epoch {record['e']} after {epoch}"
            epoch = record["e"]


def h11(history):
    """No order is left in doubt."""
    doubt = {}
    for record in history.journal:
        if record["k"] == "ORDER_UNKNOWN":
            doubt[record["b"]["order_id"]] = record["b"]["client_order_id"]
        elif record["k"] in RESOLVES:
            doubt.pop(record["b"]["order_id"], None)
    for client_order_id in doubt.values():
        yield f"the outcome of {client_order_id} was never found out"


def h12(history):
    """The venue never refuses an order for coming too often (those it was told to are excepted by
    who makes the history: they are in doubt, or not sent, never refused)."""
    for record in history.kinds("ORDER_REJECTED"):
        if any(code in record["b"].get("reason", "") for code in TOO_OFTEN):
            yield f"{record['b']['client_order_id']}: {record['b']['reason']}"


def h13(history):
    """After the flatten that ends the history every trade is closed and no order is open."""
    flattened = [r["s"] for r in history.kinds("OPERATOR_COMMAND")
                 if r["b"].get("command") == "FLATTEN"]
    if not flattened:
        yield "the history does not end with a flatten"
        return
    opened = {r["b"]["trade_id"] for r in history.kinds("TRADE_OPENED")}
    closed = {r["b"]["trade_id"] for r in history.kinds("TRADE_CLOSED")}
    for trade_id in sorted(opened - closed):
        yield f"{trade_id} is still open after the flatten"
    for order in history.truth["orders"]:
        if order["status"] in ("NEW", "PARTIALLY_FILLED"):
            yield f"{order['client_order_id']} is still open after the flatten"


RULES = (h1, h2, h3, h4, h5, h6, h7, h8, h9, h10, h11, h12, h13)
# What has to hold at any moment, not only at rest.
ALWAYS = (h2, h3, h6, h7, h9, h10, h12)


def violations(history, rules=RULES):
    return [f"{rule.__name__.upper()}: {what}" for rule in rules for what in rule(history)]
