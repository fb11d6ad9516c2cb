"""The arithmetic of ROSI and PQAS (CMS-304, CMS-304a): the columns of one line from units, prices and payments.

Letters are the form's own columns. Pure Python without Spark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

ZERO = Decimal(0)
_CENT = Decimal("0.01")
# Adjustments that follow from the invoice and the manufacturer's own price; others come from findings.
URA_REVISED, URA_CALCULATED, AGREED, CHANGED_BY_STATE = "A", "B", "C", "H"


@dataclass(frozen=True)
class Prior:
    """The figures last reported to the state for a line: units paid and in dispute, and US dollars paid."""

    units_paid: Decimal = ZERO
    units_disputed: Decimal = ZERO
    amount_paid: Decimal = ZERO


@dataclass(frozen=True)
class LineFacts:
    """The input of a form line. Units are NDC billing units, prices US dollars per unit; None is unknown.

    units_invoiced: ROSI: of the current invoice; PQAS: of the first invoice. units_now: including all corrections by
    the state. units_credited: the part of units_now that the state's credits removed. units_repaid: repaid by entities;
    the manufacturer owes the state their rebate and does not dispute them. units_disputed: to date. ura_stated: the
    state's; ura_original and ura_current: the manufacturer's, of the first and of the latest snapshot.
    """

    units_invoiced: Decimal
    units_now: Decimal
    units_credited: Decimal = ZERO
    units_repaid: Decimal = ZERO
    units_disputed: Decimal = ZERO
    ura_stated: Decimal | None = None
    ura_original: Decimal | None = None
    ura_current: Decimal | None = None
    amount_stated: Decimal | None = None
    prior: Prior = Prior()
    adjustment_codes: Sequence[str] = ()
    dispute_codes: Sequence[str] = ()

    @property
    def most_on_rosi(self) -> Decimal:
        """Units that ROSI can dispute: on the invoice, not removed since, not credited and not repaid."""
        return max(min(self.units_invoiced, self.units_now) - self.units_credited - self.units_repaid, ZERO)

    @property
    def most_on_pqas(self) -> Decimal:
        """Units that PQAS can dispute: invoiced to date, not credited and not repaid."""
        return max(self.units_now - self.units_credited - self.units_repaid, ZERO)


def rosi_line(facts: LineFacts, fills_other_amounts: bool = False) -> dict[str, Any]:
    """Columns D to O. I = F + G - H; O = I x coalesce(E, D). L, M and N are empty unless `fills_other_amounts`."""
    adjusted = _adjusted_ura(facts)
    price = facts.ura_stated if adjusted is None else adjusted
    units_adjusted = facts.units_now - facts.units_credited - facts.units_invoiced
    units_paid = facts.units_invoiced + units_adjusted - facts.units_disputed
    paid = _dollars(units_paid, price)
    line: dict[str, Any] = {
        "ura": facts.ura_stated,
        "adjusted_ura": adjusted,
        "units_invoiced": facts.units_invoiced,
        "units_adjusted": units_adjusted,
        "units_disputed": facts.units_disputed,
        "units_paid": units_paid,
        "adjustment_codes": _joined(_adjustments(facts, facts.ura_stated, adjusted)),
        "dispute_codes": _joined(facts.dispute_codes),
        "amount_invoiced": None,
        "amount_corrected": None,
        "amount_withheld": None,
        "amount_paid": paid,
    }
    if fills_other_amounts and paid is not None:
        invoiced = _invoiced(facts, facts.ura_stated)
        withheld = _dollars(facts.units_disputed, price)
        if invoiced is not None and withheld is not None:
            line |= {"amount_invoiced": invoiced, "amount_withheld": withheld}
            line["amount_corrected"] = paid - invoiced + withheld
    return line


def pqas_line(facts: LineFacts, fills_other_amounts: bool = False) -> dict[str, Any]:
    """Columns D to R. G = I + K; O = I x E; P = O - N. L and M are empty unless `fills_other_amounts`."""
    original = facts.ura_stated if facts.ura_original is None else facts.ura_original
    current = original if facts.ura_current is None else facts.ura_current
    units_now = facts.units_now - facts.units_credited
    units_paid = units_now - facts.units_disputed
    paid = _dollars(units_paid, current)
    is_revised = current is not None and current != original
    fills = fills_other_amounts
    return {
        "original_ura": original,
        "current_ura": current,
        "original_units": facts.units_invoiced,
        "current_units": units_now,
        "prior_units_paid": facts.prior.units_paid,
        "units_paid": units_paid,
        "prior_units_disputed": facts.prior.units_disputed,
        "units_disputed": facts.units_disputed,
        "original_amount": _invoiced(facts, original) if fills else None,
        "revised_amount": _dollars(units_now, current) if fills else None,
        "prior_amount_paid": facts.prior.amount_paid,
        "amount_paid": paid,
        "amount_this_time": None if paid is None else paid - facts.prior.amount_paid,
        "adjustment_codes": _joined(_adjustments(facts, original, current if is_revised else None)),
        "dispute_codes": _joined(facts.dispute_codes),
    }


def is_changed(line: Mapping[str, Any]) -> bool:
    """Of a PQAS line: units moved since the last submission, or the price did and with it what is paid."""
    moved = line["units_paid"] != line["prior_units_paid"] or line["units_disputed"] != line["prior_units_disputed"]
    is_revised = line["current_ura"] != line["original_ura"]
    return moved or (is_revised and bool(line["amount_this_time"]))


def rosi_problems(line: Mapping[str, Any], facts: LineFacts) -> list[str]:
    """Identities of a finished ROSI line that do not hold, in words."""
    f, g, h, i = (line[n] for n in ("units_invoiced", "units_adjusted", "units_disputed", "units_paid"))
    price = line["ura"] if line["adjusted_ura"] is None else line["adjusted_ura"]
    return [
        *_unless(i == f + g - h, f"I = F + G - H: {i} is not {f} + {g} - {h}"),
        *_common(h, i, facts, facts.most_on_rosi),
        *_priced(i, line["amount_paid"], price),
    ]


def pqas_problems(line: Mapping[str, Any], facts: LineFacts) -> list[str]:
    """Identities of a finished PQAS line that do not hold, in words."""
    g, i, k = (line[name] for name in ("current_units", "units_paid", "units_disputed"))
    n, o, p = (line[name] for name in ("prior_amount_paid", "amount_paid", "amount_this_time"))
    return [
        *_unless(g == i + k, f"G = I + K: {g} is not {i} + {k}"),
        *_common(k, i, facts, facts.most_on_pqas),
        *_priced(i, o, line["current_ura"]),
        *_unless(o is None or p == o - n, f"P = O - N: {p} is not {o} - {n}"),
    ]


def _common(disputed: Decimal, paid: Decimal, facts: LineFacts, most: Decimal) -> list[str]:
    settled = facts.units_credited + facts.units_repaid
    if not ZERO <= disputed <= most:
        return [
            f"units in dispute: {disputed} are more than the {most} that are invoiced and not settled ({settled} are)"
        ]
    return _unless(paid >= ZERO, f"units paid: {paid} is below zero")


def _priced(units: Decimal, amount: Decimal | None, price: Decimal | None) -> list[str]:
    if amount is None:
        return [] if units == ZERO else ["no rebate amount per unit is known, on the invoice or in prices"]
    expected = _dollars(units, price)
    return _unless(amount == expected, f"O is units paid x rebate amount per unit: {amount} is not {expected}")


def _unless(holds: bool, problem: str) -> list[str]:
    return [] if holds else [problem]


def _adjusted_ura(facts: LineFacts) -> Decimal | None:
    """Our own amount per unit if it is another than the state's."""
    return None if facts.ura_current == facts.ura_stated else facts.ura_current


def _adjustments(facts: LineFacts, before: Decimal | None, adjusted: Decimal | None) -> list[str]:
    # a finding on a claim may state them where the line's own amount is ours
    codes = [code for code in facts.adjustment_codes if code not in (URA_REVISED, URA_CALCULATED)]
    if adjusted is not None:
        codes.append(URA_REVISED if before else URA_CALCULATED)
    if facts.units_credited:
        codes.append(AGREED)
    if facts.units_now != facts.units_invoiced:
        codes.append(CHANGED_BY_STATE)
    return sorted(set(codes))


def _invoiced(facts: LineFacts, ura: Decimal | None) -> Decimal | None:
    return _dollars(facts.units_invoiced, ura) if facts.amount_stated is None else facts.amount_stated


def _dollars(units: Decimal, price: Decimal | None) -> Decimal | None:
    return None if price is None else (units * price).quantize(_CENT, ROUND_HALF_UP)


def _joined(codes: Sequence[str]) -> str | None:
    return ", ".join(dict.fromkeys(codes)) or None
