#!/usr/bin/env python3
"""Each rule of history.py finds what it is there for, and nothing in a history without a fault."""
import copy
import unittest

import history

COID = "sp1entry"


def record(seq, kind, body, epoch=1, durable=None, **more):
    return {"s": seq, "e": epoch, "w": seq - 1 if durable is None else durable, "m": 0, "k": kind,
            "b": body, **more}


def intent(seq, name, role="ENTRY", side="BUY", qty="2", trade="trd_1", **more):
    return record(seq, "ORDER_INTENT", {
        "order_id": "ord_" + name, "client_order_id": "sp1" + name, "plan_id": "pln_1",
        "trade_id": trade, "role": role, "side": side, "qty": qty}, **more)


def of(seq, kind, name, **more):
    body = {"order_id": "ord_" + name, "client_order_id": "sp1" + name, "trade_id": "trd_1"}
    extra = {k: more.pop(k) for k in ("epoch", "durable") if k in more}
    return record(seq, kind, body | more, **extra)


def fill(seq, name, number, side="BUY", px="100", qty="2", fee="0.1"):
    return of(seq, "FILL", name, symbol="BTCUSDT", venue_trade_id=number, side=side, px=px,
              qty=qty, fee=fee, fee_asset="USDT")


def told(number, name, side="BUY", px="100", qty="2", fee="0.1"):
    return {"symbol": "BTCUSDT", "trade_no": number, "client_order_id": "sp1" + name, "side": side,
            "px": px, "qty": qty, "fee": fee, "fee_asset": "USDT"}


def good():
    """A trade that is opened, sold after a try whose outcome was in doubt, and flattened."""
    journal = [
        record(1, "STREAM_STARTED", {}),
        intent(2, "entry"), of(3, "ORDER_SENT", "entry"), of(4, "ORDER_ACK", "entry"),
        fill(5, "entry", 1), record(6, "TRADE_OPENED", {"trade_id": "trd_1"}),
        intent(7, "exit", "EXIT", "SELL"), of(8, "ORDER_SENT", "exit"),
        record(9, "STREAM_STARTED", {}, epoch=2),
        of(10, "ORDER_UNKNOWN", "exit", epoch=2), of(11, "ORDER_ABSENT_PROVEN", "exit", epoch=2),
        record(12, "OPERATOR_COMMAND", {"command": "FLATTEN", "scope": "all"}, epoch=2),
        record(13, "TRADING_HALTED", {"scope": "all", "reason": "operator"}, epoch=2),
        intent(14, "again", "EXIT", "SELL", epoch=2),
        of(15, "ORDER_SENT", "again", epoch=2),
        fill(16, "again", 2, "SELL", "110"),
        record(17, "TRADE_CLOSED", {"trade_id": "trd_1"}, epoch=2),
    ]
    for late in journal[15:]:
        late["e"] = 2
    truth = {
        "orders": [{"client_order_id": "sp1entry", "status": "FILLED"},
                   {"client_order_id": "sp1again", "status": "FILLED"}],
        "fills": [told(1, "entry"), told(2, "again", "SELL", "110")],
        "balances": [{"account": "main", "asset": "BTC", "total": "0"},
                     {"account": "main", "asset": "USDT", "total": "1019.8"}],
    }
    others = [{"k": "CURSOR", "b": {}, "in": "execution/2:17", "by": ["execution/1:5"]}]
    return history.History(journal, others, truth, {"BTC": 0, "USDT": 1000 * history.UNIT})


def changed(change):
    """The good history, its parts changed, made anew."""
    h = copy.deepcopy(good())
    change(h)
    return history.History(h.journal, h.others, h.truth, h.begin)


def without(seq):
    return lambda h: h.journal.remove(next(r for r in h.journal if r["s"] == seq))


def at(seq, **values):
    def change(h):
        found = next(r for r in h.journal if r["s"] == seq)
        for name, value in values.items():
            if name in found:
                found[name] = value
            else:
                found["b"][name] = value
    return change


def added(*records):
    return lambda h: h.journal.extend(records)


# Rule, what is wrong, how it is made, a word of what is then said.
CASES = (
    (history.h1, lambda h: h.truth["orders"].append({"client_order_id": "x", "status": "FILLED"}),
     "has 0 intents"),
    (history.h1, at(3, w=1), "before its intent was durable"),
    (history.h1, without(2), "without an intent"),
    (history.h2, added(intent(18, "entry", epoch=2)), "2 intents"),
    (history.h2, added(of(18, "ORDER_SENT", "entry", epoch=2)), "sent twice by the journal"),
    (history.h2, lambda h: h.truth["orders"].append(dict(h.truth["orders"][0])),
     "taken twice by the venue"),
    (history.h2, added(of(18, "ORDER_REJECTED", "exit", reason="-2010: Duplicate order sent.")),
     "saw it twice"),
    (history.h3, at(17, e=1), "of epoch 1 after 2"),
    (history.h3, at(15, client_order_id="sp1exit"), "of epoch 1 was sent by epoch 2"),
    (history.h4, added(fill(18, "again", 2, "SELL", "110")), "booked twice"),
    (history.h4, without(16), "is not booked"),
    (history.h4, added(fill(18, "again", 3, "SELL", "110")), "knows nothing of it"),
    (history.h4, at(16, px="111"), "the venue says"),
    (history.h4, at(13, reason="execution 7 cannot be of order sp1entry: not booked"),
     "halted, because"),
    (history.h5, lambda h: h.others.append({"in": "execution/2:18"}), "was heard"),
    (history.h5, lambda h: h.others.append({"by": ["execution/1:17"]}), "was heard"),
    (history.h6, without(11), "was in doubt"),
    (history.h7, added(intent(18, "late"), of(19, "ORDER_SENT", "late")), "while trading was"),
    (history.h8, at(16, fee="0.2"), "balances are"),
    (history.h8, lambda h: h.truth["balances"][1].update(total="1019.79999999"), "balances are"),
    (history.h8, lambda h: h.truth["orders"].append({"client_order_id": "sp1exit",
                                                     "status": "FILLED"}), "the venue took it"),
    (history.h8, lambda h: h.truth["orders"][1].update(status="NEW"), "open by the journal"),
    (history.h8, added(intent(18, "late")), "open by the journal"),
    (history.h9, added(fill(18, "entry", 3)), "beyond its quantity"),
    (history.h9, at(16, qty="3"), "sold more than it held"),
    (history.h9, added(intent(18, "more"), fill(19, "more", 3)), "were asked for"),
    (history.h10, without(4), "follows"),
    (history.h10, at(9, e=1), "a start of epoch 1 after 1"),
    (history.h11, without(11), "never found out"),
    (history.h12, added(of(18, "ORDER_REJECTED", "exit", reason="HTTP 429, -1015: Too many new"
                           " orders.")), "-1015"),
    (history.h13, without(12), "does not end with a flatten"),
    (history.h13, without(17), "still open after"),
    (history.h13, lambda h: h.truth["orders"][0].update(status="NEW"), "still open after"),
)


class TestHistory(unittest.TestCase):
    def test_history_nothing_is_wrong_with_a_good_one(self):
        self.assertEqual(history.violations(good()), [])

    def test_history_every_rule_finds_what_it_is_for(self):
        for rule, change, word in CASES:
            with self.subTest(rule=rule.__name__, word=word):
                found = list(rule(changed(change)))
                self.assertTrue(any(word in text for text in found), found)

    def test_history_every_rule_has_a_case(self):
        self.assertEqual({case[0] for case in CASES}, set(history.RULES))


if __name__ == "__main__":
    unittest.main()
