"""Adds up a finished run of the demo from what lies on the disk, with exact integers.

Every figure is computed from the journals, the ledger or the practice exchange's own file, and what
should be equal is compared to the last digit. Problems are collected, never hidden.
"""
import collections
import sqlite3

from journals import Journal, average, decimal, e8, find_gap, short_id

VENUE_STATE_FILLED = 8  # orders in a state below it are live (proto/enums.h, ORDER_STATE)


def clock(record_time):
    return record_time[11:19]


class Summary:
    def __init__(self, data_dir, start_balances, places):
        self.data_dir = data_dir
        self.start = start_balances  # {"USDT": 1e-8 units}
        self.places = places  # decimals of price and quantity
        self.problems = []
        folders = sorted(path for path in data_dir.iterdir()
                         if path.is_dir() and any(path.glob("[0-9]*.jsonl")))
        self.journals = {path.name: Journal(path) for path in folders}
        for journal in self.journals.values():
            journal.poll()
        self.strategies = [j for name, j in self.journals.items() if name.startswith("strategy.")]

    def expect(self, holds, text):
        if not holds:
            self.problems.append(text)
        return holds

    def of(self, service, *kinds):
        journal = self.journals.get(service)
        return [record["b"] for record in journal.of(*kinds)] if journal else []

    def trades(self):
        return self.of("execution", "TRADE_CLOSED")

    # ---- Money ----

    def ledger_pnl(self):
        """Sum of the ledger's trades, and of its links."""
        path = self.data_dir / "execution" / "ledger.db"
        if not self.expect(path.exists(), f"{path} is missing"):
            return None, None
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            trades = db.execute("SELECT coalesce(sum(pnl), 0) FROM trades").fetchone()[0]
            links = db.execute("SELECT coalesce(sum(realised_pnl), 0), coalesce(sum(position), 0)"
                               " FROM links").fetchone()
        finally:
            db.close()
        self.expect(trades == links[0],
                    f"ledger: trades {decimal(trades)}, links {decimal(links[0])}")
        return trades, links[1]

    def venue(self, question):
        path = self.data_dir / "venue" / "venue.db"
        if not self.expect(path.exists(), f"{path} is missing"):
            return []
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return db.execute(question).fetchall()
        finally:
            db.close()

    def check_money(self):
        total = 0
        for trade in self.trades():
            net = e8(trade["sold"]) - e8(trade["bought"]) - e8(trade.get("fees", "0"))
            self.expect(net == e8(trade["realised_pnl"]),
                        f"{trade['trade_id']}: sold - bought - fees is {decimal(net)},"
                        f" its record says {trade['realised_pnl']}")
            total += net
        ledger, position = self.ledger_pnl()
        balances = dict(self.venue("SELECT asset, total FROM balances"))
        account = balances.get("USDT", 0) - self.start.get("USDT", 0)
        held = {asset: amount for asset, amount in balances.items()
                if asset != "USDT" and amount != self.start.get(asset, 0)}
        equal = [self.expect(total == ledger, f"sum of trades {decimal(total)}, ledger"
                             f" {decimal(ledger or 0)}"),
                 self.expect(total == account, f"sum of trades {decimal(total)}, paper account"
                             f" {decimal(account)}"),
                 self.expect(not held and position == 0, f"not flat at the end: venue {held},"
                             f" ledger {position}")]
        return total, all(equal)

    def closed_by(self, trade):
        """"target", "stop"; the command's own name where a command closed it."""
        for command in self.of("execution", "OPERATOR_COMMAND"):
            if trade.get("command_id") == command["command_id"]:
                return command["command"].lower()
        return trade["cause"].lower()

    # ---- Orders ----

    def check_orders(self):
        """Returns (plans that opened, entries sent)."""
        intents = self.of("execution", "ORDER_INTENT")
        sent = collections.Counter(r["order_id"] for r in self.of("execution", "ORDER_SENT"))
        entries = collections.Counter(i["plan_id"] for i in intents
                                      if i["role"] == "ENTRY" and i.get("plan_id"))
        at_venue = self.venue("SELECT client_order_id, count(*) FROM orders GROUP BY 1")
        for order_id, count in sent.items():
            self.expect(count == 1, f"{order_id} was sent {count} times")
        for plan_id, count in entries.items():
            self.expect(count == 1, f"{plan_id} has {count} entry orders")
        for client_order_id, count in at_venue:
            self.expect(count == 1, f"the venue has {client_order_id} {count} times")
        known = {i["client_order_id"] for i in intents}
        for client_order_id, _ in at_venue:
            self.expect(client_order_id in known, f"the venue has {client_order_id}, we do not")
        for trade in self.of("execution", "TRADE_OPENED"):
            self.expect(any(trade["trade_id"] == t["trade_id"] for t in self.trades()),
                        f"{trade['trade_id']} was opened and never closed")
        live = self.venue(f"SELECT client_order_id FROM orders WHERE state < {VENUE_STATE_FILLED}")
        self.expect(not live, f"orders still open at the venue: {live}")
        return len(entries), sum(entries.values())

    def latencies_ns(self):
        """Tick received to entry sent, of orders that a tick caused."""
        entries = {i["order_id"] for i in self.of("execution", "ORDER_INTENT")
                   if i["role"] == "ENTRY"}
        return sorted(ns(r["since_tick"]) for r in self.of("execution", "ORDER_SENT")
                      if r["order_id"] in entries and r.get("since_tick"))

    # ---- Lines ----

    def print_trades(self):
        price, quantity = self.places
        print(f"{'trade':<11} {'opened':<9} {'closed':<9} {'size':>9}  {'bought':>10} "
              f"{'sold':>11}  {'closed by':<9} {'net USDT':>14}")
        for t in self.trades():
            size = e8(t["qty"])
            bought, sold = (average(e8(t[key]), size) for key in ("bought", "sold"))
            print(f"{short_id(t['trade_id']):<11} {clock(t['opened']):<9} {clock(t['closed']):<9} "
                  f"{decimal(size, quantity):>9}  {decimal(bought, price):>10}"
                  f" {decimal(sold, price):>11}  {self.closed_by(t):<9} "
                  f"{decimal(e8(t['realised_pnl']), sign=True):>14}")
        total, equal = self.check_money()
        words = "sum of trades = ledger = paper account" if equal else "DOES NOT ADD UP, see below"
        print(f"PnL         {words:<58} {decimal(total, sign=True):>14}"[:200])

    def rejected_by(self):
        """{"volatility_spike": 3, "already_long": 1}, the names that spoor why gives"""
        threats = {r["b"]["threat_id"]: r["b"]["threat_type"].lower()
                   for j in self.journals.values() for r in j.of("THREAT_DETECTED")}
        found = collections.Counter()
        for journal in self.strategies:
            for record in journal.of("OPPORTUNITY_REJECTED"):
                ids = record["b"].get("threat_ids") or []
                cause = str(record["b"].get("reason", "?")).split(":")[0]
                found[threats.get(ids[0], cause) if ids else cause] += 1
        return found

    def print_books(self, verify):
        records = sum(len(j.records) for j in self.journals.values())
        for name, journal in self.journals.items():
            gap = find_gap(journal.records)
            self.expect(gap is None, f"journal {name}: gap at {gap}")
        self.expect(verify.returncode == 0, f"spoor journal verify: {verify.stdout}{verify.stderr}")
        plans, entries = self.check_orders()
        print(f"nothing lost      {records:,} records in {len(self.journals)} journals, no gap; "
              f"{plural(plans, 'plan')}, {plural(entries, 'entry', 'entries')}, none sent twice")

        results = self.of("reconciliation", "RECONCILIATION_RESULT")
        triggers = collections.Counter(r["trigger"].lower() for r in results)
        differences = sum(int(r.get("discrepancies_found", 0)) for r in results)
        unclean = [r["reconciliation_id"] for r in results if not r.get("clean")]
        self.expect(results, "the books were never reconciled")
        self.expect(not unclean, f"reconciliations that were not clean: {unclean}")
        words = ", ".join(f"{name} {count}" for name, count in triggers.items())
        print(f"books             reconciled {plural(len(results), 'time')} ({words}): "
              f"{plural(differences, 'difference')}")

        detected = sum(len(j.of("OPPORTUNITY_DETECTED")) for j in self.strategies)
        taken = sum(len(j.of("OPPORTUNITY_ACCEPTED")) for j in self.strategies)
        why = self.rejected_by()
        words = ", ".join(f"{name} {count}" for name, count in why.most_common())
        self.expect(detected == taken + sum(why.values()),
                    f"{detected} opportunities, {taken} taken, {sum(why.values())} rejected")
        print(f"opportunities     {detected}: {taken} taken, {sum(why.values())} rejected"
              + (f" ({words})" if words else ""))

    def print_latency(self):
        found = self.latencies_ns()
        if not found:
            print("tick -> order out no entry was sent")
            return
        entries = plural(len(found), "entry", "entries")
        print(f"tick -> order out p50 {found[len(found) // 2] / 1e6:.2f} ms, max"
              f" {found[-1] / 1e6:.2f} ms ({entries}, intent on disk first)")


def plural(count, one, many=None):
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def ns(text):
    """A duration as the journal writes it: "350us", "2s"."""
    text = str(text)
    for unit, factor in (("ns", 1), ("us", 10 ** 3), ("ms", 10 ** 6), ("s", 10 ** 9),
                         ("m", 60 * 10 ** 9)):
        if text.endswith(unit):
            return int(text[:-len(unit)]) * factor
    raise ValueError(f"not a duration: {text!r}")
