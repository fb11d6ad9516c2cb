"""The position of every unit of one product: the arithmetic of the unit ledger, which books settlements in sequence.

An account has the invoice lines, claim lines and events (settlements and decisions) of one program, payer, rebate type,
product and period. Events are booked in the order of their days, and within a day in the order PAID, decision,
DISPUTED, RELEASED, credit, so the position that comes first in the contract's order is booked last and prevails. Pure
Python without Spark.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from engine.contracts.positions import Position

NONE = Decimal(0)


class Effect(StrEnum):
    """The effect of an event on units. WRITTEN_OFF releases units as RELEASED does: the manufacturer pays."""

    PAID = "PAID"
    DECIDED = "DECIDED"
    DISPUTED = "DISPUTED"
    RELEASED = "RELEASED"
    STATE_CREDIT = "STATE_CREDIT"
    ENTITY_REPAID = "ENTITY_REPAID"


class NotBooked(StrEnum):
    """Why units of a settlement or claim could not be booked in the ledger; reported, never fatal."""

    SETTLED_BEYOND_INVOICE = "SETTLED_BEYOND_INVOICE"
    RELEASED_WITHOUT_DISPUTE = "RELEASED_WITHOUT_DISPUTE"
    NEGATIVE_CLAIM_UNITS = "NEGATIVE_CLAIM_UNITS"


@dataclass(frozen=True)
class InvoiceLine:
    """The combined invoice lines of one sub-program.

    total: current units; None if the line states none, which then covers its claims only. gross: units before PRIOR
    lines reduced them, never below the total or zero. has_detail: the state sent claims of the program and period.
    """

    sub_program: str | None
    total: Decimal | None
    gross: Decimal
    invoice_number: str | None = None
    line_kind: str | None = None
    has_detail: bool = False


@dataclass(frozen=True)
class ClaimLine:
    """A live claim line. units: the sum of its rows, negative if they are credits; unconverted: rows without units."""

    claim_id: str
    claim_line: int
    plan_id: str | None
    sub_program: str | None
    state: str | None
    units: Decimal
    unconverted: int = 0

    @property
    def order(self) -> tuple[str, str, int]:
        """Sort key: the order of the claim key within an account, an unknown plan first."""
        return (self.plan_id or "", self.claim_id, self.claim_line)


@dataclass(frozen=True)
class Event:
    """A settlement, or a person's decision DISPUTE. Without claim_id it applies to a complete invoice line."""

    day: date
    effect: Effect
    units: Decimal
    event_id: str
    code: str | None = None
    finding_id: str | None = None
    claim_id: str | None = None
    claim_line: int | None = None
    plan_id: str | None = None
    sub_program: str | None = None

    @property
    def order(self) -> tuple[date, int, int, str]:
        """Sort key: by day, then effect, then how precisely the event names its claim, then id."""
        closeness = 2 if self.claim_id is None else 1 if self.claim_line is None else 0
        return (self.day, _PLACE_IN_DAY[self.effect], closeness, self.event_id)


@dataclass(frozen=True)
class Entry:
    """Units of one claim line (None: of no claim) in one position, or units that could not be booked.

    is_decided: disputed by a decision that no settlement has confirmed yet. is_repaid: credited by the entity, so the
    manufacturer still owes the state the rebate.
    """

    position: str
    units: Decimal
    line: InvoiceLine | None
    claim: ClaimLine | None = None
    code: str | None = None
    finding_id: str | None = None
    is_decided: bool = False
    is_repaid: bool = False


_PLACE_IN_DAY = {
    Effect.PAID: 0,
    Effect.DECIDED: 1,
    Effect.DISPUTED: 2,
    Effect.RELEASED: 3,
    Effect.STATE_CREDIT: 4,
    Effect.ENTITY_REPAID: 4,
}


class _Status(StrEnum):
    """The current status of a unit.

    DECIDED: held as DISPUTED by a decision that no settlement has confirmed yet. TAKEN_OUT: credited by a PRIOR_...
    line, so the unit is no longer on the invoice.
    """

    FREE = "FREE"
    PAID = "PAID"
    DECIDED = "DECIDED"
    DISPUTED = "DISPUTED"
    RELEASED = "RELEASED"
    CREDITED = "CREDITED"
    TAKEN_OUT = "TAKEN_OUT"


_POSITIONS = {
    _Status.PAID: Position.PAID,
    _Status.DECIDED: Position.DISPUTED,
    _Status.DISPUTED: Position.DISPUTED,
    _Status.RELEASED: Position.RELEASED,
    _Status.CREDITED: Position.CREDITED,
}
_BECOMES = {
    Effect.PAID: _Status.PAID,
    Effect.DECIDED: _Status.DECIDED,
    Effect.DISPUTED: _Status.DISPUTED,
    Effect.RELEASED: _Status.RELEASED,
    Effect.STATE_CREDIT: _Status.CREDITED,
    Effect.ENTITY_REPAID: _Status.CREDITED,
}
_CREDITS = (_Status.PAID, _Status.DISPUTED, _Status.DECIDED, _Status.RELEASED, _Status.FREE)
# The statuses from which an event takes units, in this order.
_TAKES = {
    _Status.PAID: (_Status.FREE, _Status.RELEASED, _Status.DISPUTED, _Status.DECIDED, _Status.CREDITED),
    _Status.DECIDED: (_Status.FREE, _Status.PAID, _Status.RELEASED),
    _Status.DISPUTED: (_Status.DECIDED, _Status.FREE, _Status.PAID, _Status.RELEASED, _Status.CREDITED),
    _Status.RELEASED: (_Status.DISPUTED, _Status.DECIDED),
    _Status.CREDITED: _CREDITS,
    _Status.TAKEN_OUT: (_Status.FREE, *_CREDITS[:-1]),
}
# Statuses that occupy units of the invoice for a named claim. A settlement of the complete line that held those units
# moves to other units.
_MOVES_ON = (_Status.PAID, _Status.DECIDED, _Status.DISPUTED, _Status.TAKEN_OUT)
# A settlement confirms a decision, which then holds no other units.
_ENDS = ((_Status.DISPUTED, _Status.DECIDED), *((status, _Status.FREE) for status in _MOVES_ON))
# If a total was lowered, units beyond it lose their position in this order: a state first removes what was disputed.
_GIVES_UP = (_Status.DECIDED, _Status.DISPUTED, _Status.RELEASED, _Status.PAID, _Status.CREDITED)
_IN_DISPUTE = (_Status.DECIDED, _Status.DISPUTED)
_SUB_PROGRAMS = ("XIX", "EXPANSION")


@dataclass(frozen=True)
class _Mark:
    """The state that units share; is_named: by an event that names their claim; is_repaid: credited by the entity."""

    status: _Status
    is_named: bool
    code: str | None
    finding_id: str | None
    is_repaid: bool = False


_FREE = _Mark(_Status.FREE, False, None, None)


@dataclass
class _Slot:
    """Units, by mark, of a claim line on an invoice line, or of no claim. They add up to the slot's size."""

    claim: ClaimLine | None
    units: dict[_Mark, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def move(self, units: Decimal, old: _Mark, new: _Mark) -> None:
        self.units[old] -= units
        self.units[new] += units
        if self.units[old] == NONE:
            del self.units[old]

    def of(self, *statuses: _Status) -> Decimal:
        return sum((units for mark, units in self.units.items() if mark.status in statuses), NONE)


@dataclass
class _Line:
    """An invoice line while events are booked. slots: in the order of the claim key, units without a claim last."""

    invoice: InvoiceLine
    slots: list[_Slot]
    is_alone: bool
    booked: Decimal = NONE
    still_taken_out: Decimal = NONE
    credited_elsewhere: Decimal = NONE

    @property
    def unbooked(self) -> Decimal:
        """Units of the invoice line without a position."""
        return self.invoice.gross - self.booked

    def take(self, slot: _Slot, units: Decimal, old: _Mark, new: _Mark) -> None:
        slot.move(units, old, new)
        if old.status is _Status.FREE:
            self.booked += units

    def give_up(self, slot: _Slot, units: Decimal, old: _Mark) -> None:
        slot.move(units, old, _FREE)
        self.booked -= units


def post(
    lines: Sequence[InvoiceLine], claims: Sequence[ClaimLine], events: Iterable[Event], is_invoiced: bool
) -> list[Entry]:
    """The entries of one account: all positive units, in no particular order.

    Args:
        lines: at most one per sub-program.
        claims: live claim lines, each (plan, claim, line, sub-program) once.
        events: up to the day of the ledger.
        is_invoiced: an invoice of the account's program, payer, period and rebate type is known, so claims on none of
            its lines are not invoiced. If not, only claims are covered.
    """
    entries: list[Entry] = []
    claims, lost = _net(claims)
    if lost:
        entries.append(Entry(NotBooked.NEGATIVE_CLAIM_UNITS, lost, None))
    book = _opened(lines, claims, is_invoiced)
    by_claim: dict[str, list[tuple[_Line, _Slot]]] = defaultdict(list)
    for line in book:
        for slot in line.slots:
            if slot.claim is not None:
                by_claim[slot.claim.claim_id].append((line, slot))
    for event in sorted(events, key=lambda event: event.order):
        of_claim = by_claim.get(event.claim_id, []) if event.claim_id is not None else []
        left = _book(book, event, [pair for pair in of_claim if _names(event, pair[1].claim)])
        if left > 0 and event.effect is not Effect.DECIDED:
            is_freeing = event.effect is Effect.RELEASED
            reason = NotBooked.RELEASED_WITHOUT_DISPUTE if is_freeing else NotBooked.SETTLED_BEYOND_INVOICE
            entries.append(Entry(reason, left, None))
    for line in book:
        entries += _closed(line)
    return entries


def _net(claims: Sequence[ClaimLine]) -> tuple[list[ClaimLine], Decimal]:
    """Claim lines after negative ones are applied, and the negative units that could not be applied.

    Lines with positive units, or with rows that have no units, remain. A negative line reverses units of its own claim
    first, then of the others, each from the last line on.
    """
    in_order = sorted(claims, key=lambda claim: (*claim.order, claim.sub_program or ""))
    units = [max(claim.units, NONE) for claim in in_order]
    lost = NONE
    for credit in (claim for claim in in_order if claim.units < 0):
        left = -credit.units
        own = [place for place, claim in enumerate(in_order) if claim.claim_id == credit.claim_id]
        others = [place for place, claim in enumerate(in_order) if claim.claim_id != credit.claim_id]
        for place in (*reversed(own), *reversed(others)):
            part = min(left, units[place])
            units[place] -= part
            left -= part
        lost += left
    kept = [
        ClaimLine(
            claim.claim_id, claim.claim_line, claim.plan_id, claim.sub_program, claim.state, left, claim.unconverted
        )
        for claim, left in zip(in_order, units, strict=True)
        if left > 0 or claim.unconverted
    ]
    return kept, lost


def _opened(lines: Sequence[InvoiceLine], claims: Sequence[ClaimLine], is_invoiced: bool) -> list[_Line]:
    """The lines with their claims, all units free, in the order in which a missing sub-program is allotted."""
    stated = {line.sub_program: line for line in lines}
    parts = sorted(_assigned(stated, claims), key=lambda part: (*part[1].order, part[1].sub_program or ""))
    for sub_program in {sub_program for sub_program, _, _ in parts} - stated.keys():
        stated[sub_program] = InvoiceLine(sub_program, NONE if is_invoiced else None, NONE)
    book = []
    for sub_program in sorted(stated, key=_sub_program_order):
        invoice = stated[sub_program]
        slots = []
        for own, claim, units in parts:
            if own == sub_program:
                slots.append(_Slot(claim))
                if units:
                    slots[-1].units[_FREE] = units
        of_claims = sum((slot.of(_Status.FREE) for slot in slots), NONE)
        is_alone = invoice.total is None
        if is_alone:
            invoice = InvoiceLine(
                sub_program, of_claims, of_claims, invoice.invoice_number, invoice.line_kind, invoice.has_detail
            )
        without_claim = _Slot(None)
        if invoice.gross > of_claims:
            without_claim.units[_FREE] = invoice.gross - of_claims
        total = max(invoice.total or NONE, NONE)
        book.append(_Line(invoice, [*slots, without_claim], is_alone, still_taken_out=invoice.gross - total))
    return book


def _assigned(
    stated: dict[str | None, InvoiceLine], claims: Sequence[ClaimLine]
) -> Iterator[tuple[str | None, ClaimLine, Decimal]]:
    """Sub-program of the invoice line, claim line and units.

    A claim is on the line of its own sub-program, else on the line without one, else on a line of its own. A claim
    without a sub-program is allotted to the lines up to their units, and any remainder to the first line.
    """
    room = {sub_program: line.gross for sub_program, line in stated.items()}
    unnamed = []
    for claim in claims:
        if claim.sub_program is None and None not in stated and stated:
            unnamed.append(claim)
            continue
        own = claim.sub_program if claim.sub_program in stated or None not in stated else None
        yield own, claim, claim.units
        room[own] = room.get(own, NONE) - claim.units
    in_order = sorted(stated, key=_sub_program_order)
    for claim in unnamed:
        left = claim.units
        parts = dict.fromkeys(in_order, NONE)
        for sub_program in in_order:
            part = max(min(left, room[sub_program]), NONE)
            parts[sub_program] += part
            room[sub_program] -= part
            left -= part
        parts[in_order[0]] += left
        for place, (sub_program, part) in enumerate(parts.items()):
            if part > 0 or (place == 0 and claim.units == 0):
                yield sub_program, claim, part


def _sub_program_order(sub_program: str | None) -> tuple[int, str]:
    if sub_program is None:
        return (-1, "")
    place = _SUB_PROGRAMS.index(sub_program) if sub_program in _SUB_PROGRAMS else len(_SUB_PROGRAMS)
    return (place, sub_program)


def _book(book: Sequence[_Line], event: Event, named: list[tuple[_Line, _Slot]]) -> Decimal:
    """Book an event; return the units that could not be booked. `named`: the live claim lines that it names, if any.

    A settlement of a claim applies to the claim's lines in the order of their numbers.
    """
    named.sort(key=lambda pair: (pair[1].claim.claim_line, pair[1].claim.plan_id or "") if pair[1].claim else (0, ""))
    status = _BECOMES[event.effect]
    left = event.units
    if named:
        if status is _Status.DECIDED:
            left -= sum((slot.of(*_IN_DISPUTE) for _, slot in named), NONE)
        if event.effect is Effect.STATE_CREDIT:
            for line in _once(line for line, _ in named):
                own = [pair for pair in named if pair[0] is line]
                part = min(left, line.still_taken_out)
                done = part - _take(own, event, _Status.TAKEN_OUT, part, is_named=True)
                line.still_taken_out -= done
                left -= done
        return max(_take(named, event, status, left, is_named=True), NONE)
    meant = _lines_of(book, event)
    # The units of a claim that is not live are among those without a claim.
    slots = [(line, slot) for line in meant for slot in line.slots if event.claim_id is None or slot.claim is None]
    if status is _Status.DECIDED:
        left -= sum((_in_dispute_unnamed(slot) for _, slot in slots), NONE)
    if event.effect is Effect.STATE_CREDIT:
        for line in meant:
            part = min(left, line.still_taken_out)
            line.still_taken_out -= part
            line.credited_elsewhere += part
            left -= part
    return max(_take(slots, event, status, left, is_named=False), NONE)


def _names(event: Event, claim: ClaimLine | None) -> bool:
    if claim is None:
        return False
    is_plan = event.effect is not Effect.DECIDED or claim.plan_id == event.plan_id
    is_sub_program = event.sub_program is None or claim.sub_program in (None, event.sub_program)
    return is_plan and is_sub_program and event.claim_line in (None, claim.claim_line)


def _once(lines: Iterable[_Line]) -> list[_Line]:
    return list({id(line): line for line in lines}.values())


def _lines_of(book: Sequence[_Line], event: Event) -> list[_Line]:
    """The lines of the event's sub-program, else the line without one; all lines if the event has no sub-program."""
    if event.sub_program is None:
        return list(book)
    own = [line for line in book if line.invoice.sub_program == event.sub_program]
    return own or [line for line in book if line.invoice.sub_program is None]


def _in_dispute_unnamed(slot: _Slot) -> Decimal:
    marks = slot.units.items()
    return sum((units for mark, units in marks if mark.status in _IN_DISPUTE and not mark.is_named), NONE)


def _take(
    slots: Sequence[tuple[_Line, _Slot]], event: Event, status: _Status, units: Decimal, is_named: bool
) -> Decimal:
    """Move up to `units` of the slots to a status; return the units that remain.

    Units are taken in the order of _TAKES, unnamed units before named ones, then in the order of the slots.
    """
    left = units
    for taken in _TAKES[status]:
        for of_named in (False, True):
            for line, slot in slots:
                if left <= 0:
                    return left
                for mark in _marks(slot, taken, of_named):
                    part = min(left, slot.units.get(mark, NONE))
                    if taken is _Status.FREE:
                        part = min(part, line.unbooked)
                    if part <= 0:
                        continue
                    line.take(slot, part, mark, _marked(event, status, mark, is_named))
                    left -= part
                    if is_named and not of_named and (status, taken) not in _ENDS and status in _MOVES_ON:
                        _move_on(line, mark, part)
    if is_named:
        for line, slot in slots:
            left -= _swap(line, slot, event, status, left)
    return left


def _marks(slot: _Slot, status: _Status, is_named: bool) -> list[_Mark]:
    """The slot's marks of a status, in an order that does not depend on the history of bookings."""
    marks = [mark for mark in slot.units if mark.status is status and mark.is_named == is_named]
    return sorted(marks, key=lambda mark: (mark.code or "", mark.finding_id or "", mark.is_repaid))


def _marked(event: Event, status: _Status, before: _Mark, is_named: bool) -> _Mark:
    """The mark after an event.

    A unit is disputed under its first code, which it keeps together with its finding until it is paid.
    """
    if status is _Status.PAID:
        return _Mark(status, is_named, None, None)
    keeps = before.status not in (_Status.FREE, _Status.PAID)
    code = (before.code if keeps else None) or event.code
    finding_id = (before.finding_id if keeps else None) or event.finding_id
    return _Mark(status, is_named, code, finding_id, event.effect is Effect.ENTITY_REPAID)


def _move_on(line: _Line, mark: _Mark, units: Decimal) -> None:
    """Move a settlement of the complete line from units that were taken to units that are still free."""
    for slot in line.slots:
        if units <= 0 or line.unbooked <= 0:
            return
        part = min(units, slot.units.get(_FREE, NONE), line.unbooked)
        if part > 0:
            line.take(slot, part, _FREE, mark)
            units -= part


def _swap(line: _Line, slot: _Slot, event: Event, status: _Status, units: Decimal) -> Decimal:
    """Book free units of a named claim if all units of the invoice have a position; return the units booked.

    Settlements of the complete line give up as many units elsewhere.
    """
    done = NONE
    for taken in _TAKES[status]:
        for other in reversed(line.slots):
            if taken is _Status.FREE or other is slot:
                continue
            for mark in _marks(other, taken, is_named=False):
                part = min(units - done, slot.units.get(_FREE, NONE), other.units.get(mark, NONE))
                if part > 0:
                    line.give_up(other, part, mark)
                    line.take(slot, part, _FREE, _marked(event, status, mark, is_named=True))
                    done += part
    return done


def _closed(line: _Line) -> Iterator[Entry]:
    """The line's entries: positions first, then free units up to the total, then claimed units beyond it."""
    invoice = line.invoice
    total = max(invoice.total or NONE, NONE)
    excess = sum((slot.of(*_POSITIONS) for slot in line.slots), NONE) - total
    beyond = NONE
    for status in _GIVES_UP:
        for slot in reversed(line.slots):
            for mark in (*_marks(slot, status, False), *_marks(slot, status, True)):
                part = min(excess, slot.units.get(mark, NONE))
                if part > 0:
                    line.give_up(slot, part, mark)
                    excess -= part
                    beyond += part if status is not _Status.DECIDED else NONE
    beyond -= line.credited_elsewhere
    if beyond > 0:
        yield Entry(NotBooked.SETTLED_BEYOND_INVOICE, beyond, invoice)
    left = total - sum((slot.of(*_POSITIONS) for slot in line.slots), NONE)
    is_unexplained = not line.is_alone and invoice.has_detail
    is_unexplained = is_unexplained and not any(slot.claim and slot.claim.unconverted for slot in line.slots)
    for slot in line.slots:
        for mark, units in slot.units.items():
            if mark.status in _POSITIONS:
                position = _POSITIONS[mark.status]
                is_decided = mark.status is _Status.DECIDED
                yield Entry(
                    position, units, invoice, slot.claim, mark.code, mark.finding_id, is_decided, mark.is_repaid
                )
        free = min(left, slot.of(_Status.FREE))
        left -= free
        if free > 0:
            is_absent = slot.claim is None and is_unexplained
            yield Entry(Position.NOT_IN_CLD if is_absent else Position.PAYABLE, free, invoice, slot.claim)
        not_invoiced = slot.of(_Status.FREE, _Status.TAKEN_OUT) - free
        if slot.claim is not None and not_invoiced > 0:
            yield Entry(Position.IN_CLD_NOT_INVOICED, not_invoiced, invoice, slot.claim)
