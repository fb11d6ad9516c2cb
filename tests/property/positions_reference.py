"""The unit ledger read unit by unit: each unit is an object with a history, and every sentence is a loop over units."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Any

FREE, PAID, DECIDED, DISPUTED = "free", "paid", "decided", "disputed"
RELEASED, CREDITED, OUT = "released", "credited", "out"
MOVES_ON, GIVES_UP = (PAID, DECIDED, DISPUTED, OUT), (DECIDED, DISPUTED, RELEASED, PAID, CREDITED)
NAMES = {PAID: "PAID", DECIDED: "DISPUTED", DISPUTED: "DISPUTED", RELEASED: "RELEASED", CREDITED: "CREDITED"}
KINDS = {"PAID": PAID, "decided": DECIDED, "DISPUTED": DISPUTED, "RELEASED": RELEASED, "WRITTEN_OFF": RELEASED}
KINDS |= {"STATE_CREDIT": CREDITED, "ENTITY_REPAID": CREDITED}
# What each kind takes first, then next.
WISHES = {
    PAID: [FREE, RELEASED, DISPUTED, DECIDED, CREDITED],
    DECIDED: [FREE, PAID, RELEASED],
    DISPUTED: [DECIDED, FREE, PAID, RELEASED, CREDITED],
    RELEASED: [DISPUTED, DECIDED],
    CREDITED: [PAID, DISPUTED, DECIDED, RELEASED, FREE],
    OUT: [FREE, PAID, DISPUTED, DECIDED, RELEASED],
}
IN_DAY = ["PAID", "decided", "DISPUTED", "RELEASED", "WRITTEN_OFF", "STATE_CREDIT", "ENTITY_REPAID"]
SAME_PLACE = {"WRITTEN_OFF": "RELEASED", "ENTITY_REPAID": "STATE_CREDIT"}


@dataclass(eq=False)
class Unit:
    line: str | None
    claim: tuple[Any, ...] | None
    history: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def status(self) -> str:
        return self.history[-1][0] if self.history else FREE

    @property
    def is_named(self) -> bool:
        return bool(self.history) and self.history[-1][1]

    @property
    def code(self) -> str:
        return self.history[-1][2] if self.history else ""

    def happens(self, status: str, is_named: bool, code: str) -> None:
        if status == PAID:
            code = ""
        elif self.status not in (FREE, PAID):
            code = self.code or code
        self.history.append((status, is_named, code))


def place(sub: str | None) -> tuple[Any, ...]:
    return (["XIX", "EXPANSION"].index(sub) if sub in ("XIX", "EXPANSION") else 2 if sub else -1, sub or "")


def totals_of(invoices: list[dict[str, Any]]) -> dict[str | None, tuple[int, int]]:
    """By sub-program: units now, and units before PRIOR lines took some out."""
    totals = {}
    for sub in {one["sub_program"] for one in invoices}:
        last = {}
        for one in invoices:
            if one["sub_program"] != sub:
                continue
            arrival = (one["received_date"] or date.min, one["invoice_number"] or "")
            if one["line_kind"] not in last or arrival > last[one["line_kind"]][0]:
                last[one["line_kind"]] = (arrival, int(one["units_reimbursed"]))
        now = last.get("PRIOR_REPLACEMENT", last.get("CURRENT", (None, 0)))[1]
        if "PRIOR_DELTA" in last:
            is_later = "PRIOR_REPLACEMENT" not in last or (
                date.min in (last["PRIOR_DELTA"][0][0], last["PRIOR_REPLACEMENT"][0][0])
                or last["PRIOR_DELTA"][0][0] >= last["PRIOR_REPLACEMENT"][0][0]
            )
            now += last["PRIOR_DELTA"][1] if is_later else 0
        totals[sub] = (now, max(now, last.get("CURRENT", (None, 0))[1], 0))
    return totals


def units_of(claims: list[dict[str, Any]], totals: dict[str, Any]) -> list[Unit]:
    """All units, claims in the order of their key; those of a claim without a sub-program fill the lines in order."""
    sizes: Counter[Any] = Counter()
    for one in claims:
        sizes[(one["claim_id"], one["claim_line"], one["sub_program"] or "")] += int(one["ndc_units"])
    order = sorted(sizes)
    for claim in order:
        while sizes[claim] < 0:
            sizes[claim] += 1
            own = [one for one in reversed(order) if one[0] == claim[0] and sizes[one] > 0]
            others = [one for one in reversed(order) if one[0] != claim[0] and sizes[one] > 0]
            if own or others:
                sizes[(own or others)[0]] -= 1
    units = []
    room = {sub: gross for sub, (_, gross) in totals.items()}
    waiting = []
    for claim in order:
        for _ in range(sizes[claim]):
            sub = claim[2] or None
            if sub is None and totals and None not in totals:
                waiting.append(claim)
                continue
            line = sub if sub in totals or None not in totals else None
            room[line] = room.get(line, 0) - 1
            units.append(Unit(line, claim))
    for claim in waiting:
        open_lines = [sub for sub in sorted(totals, key=place) if room[sub] > 0]
        line = (open_lines or sorted(totals, key=place))[0]
        room[line] -= 1
        units.append(Unit(line, claim))
    units.sort(key=lambda unit: (place(unit.line), unit.claim))
    for sub, (_, gross) in totals.items():
        claimed = sum(unit.line == sub for unit in units)
        units += [Unit(sub, None) for _ in range(gross - claimed)]
    return units


class Account:
    def __init__(
        self, invoices: list[dict[str, Any]], claims: list[dict[str, Any]], events: list[dict[str, Any]]
    ) -> None:
        self.totals = totals_of(invoices)
        self.units = units_of(claims, self.totals)
        self.to_take_out = {sub: gross - max(now, 0) for sub, (now, gross) in self.totals.items()}
        self.excused: Counter[Any] = Counter()
        self.beyond: Counter[Any] = Counter()
        for event in sorted(events, key=self.order):
            self.book(event)

    @staticmethod
    def order(event: dict[str, Any]) -> tuple[Any, ...]:
        closeness = 2 if event["claim_id"] is None else 1 if event["claim_line"] is None else 0
        in_day = IN_DAY.index(SAME_PLACE.get(event["kind"], event["kind"]))
        return (event["day"], in_day, closeness, event["order"])

    def gross(self, line: str | None) -> int:
        return self.totals.get(line, (0, 0))[1]

    def has_room(self, line: str | None) -> bool:
        return sum(unit.line == line and unit.status != FREE for unit in self.units) < self.gross(line)

    def lines(self) -> list[str | None]:
        return sorted({unit.line for unit in self.units} | set(self.totals), key=place)

    def meant(self, event: dict[str, Any]) -> list[Unit]:
        def is_meant(unit: Unit) -> bool:
            if unit.claim is None or event["claim_id"] != unit.claim[0]:
                return False
            return event["claim_line"] in (None, unit.claim[1]) and (
                event["sub_program"] is None or unit.claim[2] in ("", event["sub_program"])
            )

        return [unit for unit in self.units if is_meant(unit)]

    def in_order(self, units: list[Unit], is_named: bool) -> list[Unit]:
        def at(unit: Unit) -> tuple[Any, ...]:
            if is_named:
                return (unit.claim[1], place(unit.line), unit.claim)
            return (place(unit.line), unit.claim is None, unit.claim or ())

        return sorted(units, key=at)

    def book(self, event: dict[str, Any]) -> None:
        status, left = KINDS[event["kind"]], event["units"]
        units = self.in_order(self.meant(event), True)
        is_named = bool(units)
        if not is_named:
            own = [line for line in self.lines() if line == event["sub_program"]] or [None]
            lines = self.lines() if event["sub_program"] is None else own
            lines = [line for line in lines if line in self.lines()]
            units = [u for u in self.units if u.line in lines and (event["claim_id"] is None or u.claim is None)]
            units = self.in_order(units, False)
        if status == DECIDED:
            left -= sum(u.status in (DECIDED, DISPUTED) and (is_named or not u.is_named) for u in units)
        if event["kind"] == "STATE_CREDIT":
            lines = sorted({u.line for u in units}, key=place) if is_named else lines
            for line in lines:
                of_line = [unit for unit in units if unit.line == line]
                while left > 0 and self.to_take_out.get(line, 0) > 0:
                    if is_named and not self.take(of_line, OUT, event, True):
                        break
                    self.excused[line] += not is_named
                    self.to_take_out[line] -= 1
                    left -= 1
        while left > 0 and self.take(units, status, event, is_named):
            left -= 1
        if left > 0 and status != DECIDED:
            self.beyond["RELEASED_WITHOUT_DISPUTE" if status == RELEASED else "SETTLED_BEYOND_INVOICE"] += 1

    def take(self, units: list[Unit], status: str, event: dict[str, Any], is_named: bool) -> bool:
        """One unit more of the event; False if there is none."""
        for wish in WISHES[status]:
            for named_before in (False, True):
                fits = [u for u in units if u.status == wish and u.is_named == named_before]
                fits = [u for u in fits if wish != FREE or self.has_room(u.line)]
                if not fits:
                    continue
                # within the first slot, by code
                first = fits[0]
                unit = min((u for u in fits if (u.line, u.claim) == (first.line, first.claim)), key=lambda u: u.code)
                before = unit.history[-1] if unit.history else None
                unit.happens(status, is_named, event["code"])
                moves = is_named and before is not None and not named_before and status in MOVES_ON
                if moves and (status, wish) != (DISPUTED, DECIDED):
                    self.elsewhere(unit.line, before)
                return True
        return is_named and self.swap(units, status, event)

    def elsewhere(self, line: str | None, before: tuple[Any, ...]) -> None:
        """What a settlement of the whole line did to a unit that is now named happens to a free one."""
        free = [u for u in self.units if u.line == line and u.status == FREE]
        if free and self.has_room(line):
            self.in_order(free, False)[0].history.append(before)

    def swap(self, units: list[Unit], status: str, event: dict[str, Any]) -> bool:
        """The invoice has no unit left: the named claim takes the place of one that a settlement of the line covers."""
        for unit in units:
            if unit.status != FREE:
                continue
            for wish in WISHES[status]:
                others = [u for u in self.units if u.line == unit.line and u.status == wish != FREE and not u.is_named]
                others = [u for u in others if u.claim != unit.claim]
                if others:
                    last = self.in_order(others, False)[-1]
                    same = [u for u in others if u.claim == last.claim]
                    other = min(same, key=lambda u: u.code)
                    unit.history = [*other.history]
                    other.history.clear()
                    unit.happens(status, True, event["code"])
                    return True
        return False

    def positions(self) -> Counter[Any]:
        """Units by sub-program, claim, position and code."""
        found: Counter[Any] = Counter()
        for line in self.lines():
            units = [unit for unit in self.units if unit.line == line]
            total = max(self.totals.get(line, (0, 0))[0], 0)
            lost = 0
            while sum(u.status in NAMES for u in units) > total:
                wish = next(
                    s for s in (DECIDED, DISPUTED, RELEASED, PAID, CREDITED) if any(u.status == s for u in units)
                )
                fits = [u for u in units if u.status == wish]
                last = self.in_order(fits, False)[-1]
                same = [u for u in fits if u.claim == last.claim]
                min(same, key=lambda u: (u.is_named, u.code)).history.clear()
                lost += wish != DECIDED
            if lost > self.excused[line]:
                self.beyond["SETTLED_BEYOND_INVOICE"] += 1
            left = total - sum(u.status in NAMES for u in units)
            for unit in self.in_order(units, False):
                if unit.status in NAMES:
                    position = NAMES[unit.status]
                elif unit.status == FREE and left > 0:
                    left -= 1
                    position = "PAYABLE" if unit.claim else "NOT_IN_CLD"
                elif unit.claim:
                    position = "IN_CLD_NOT_INVOICED"
                else:
                    continue
                code = unit.code if unit.status in NAMES else ""
                claim = unit.claim and unit.claim[:2]
                found[(line, claim, position, code)] += 1
        return found
