"""Values as the contract reads them, days and quarters, and what a rule makes of its guards."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

MEDICAID = ("MDRP_FFS", "MDRP_MCO")
CONTRACTS = ("COMMERCIAL", "PARTD")
NUMBERS = {
    *("units", "amount_paid", "amount_third_party", "unit_rebate_amount", "rebate_amount", "hcpcs_units", "quantity"),
    *("units_per_package", "ndc_units_per_hcpcs_unit", "wac_unit", "ceiling_unit", "mfp_unit", "packages"),
    *("units_reimbursed", "total_amount", "medicaid_amount", "non_medicaid_amount"),
}
WHOLE = {"claim_line", "prior_claim_line", "fill_number", "days_supply", "days", "dispute_days"}
DAYS = {
    *("date_of_service", "paid_date", "market_date", "termination_date", "reactivation_date", "begin_date", "end_date"),
    *("valid_from", "valid_to", "invoice_date", "settled_on", "participating_start", "postmark_date", "received_date"),
}
TIMES = {"received_at", "submitted_at", "transaction_at"}
TRUTHS = {"is_340b", "excludes_340b", "orphan", "suppressed", "contract_pharmacy_carved_out"}
# Placeholders that mean no bound, in columns that begin or end something.
BOUNDS = DAYS - {"date_of_service", "paid_date", "invoice_date", "settled_on", "postmark_date", "received_date"}
NO_BOUND = {date(1, 1, 1), date(1753, 1, 1), date(1900, 1, 1), date(9999, 12, 31)}


class Row(dict[str, Any]):
    """A row of a table; columns that it lacks are None."""

    def __missing__(self, key: Any) -> Any:
        return None


def read(rows: list[dict[str, str]]) -> list[Row]:
    return [Row({name: value(name, text) for name, text in row.items()}) for row in rows]


def value(name: str, text: str) -> Any:
    if name in NUMBERS:
        return Decimal(text)
    if name in WHOLE:
        return int(text)
    if name in TIMES:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    if name in TRUTHS:
        return text == "true"
    if name == "snapshot_date":
        return date.fromisoformat(text)
    if name in DAYS:
        day = date.fromisoformat(text)
        return None if name in BOUNDS and day in NO_BOUND else day
    if name == "ndc":
        return ndc11(text)
    if name in ("cod_status", "basis_of_cost"):
        return text.zfill(2)
    return text


def ndc11(text: str) -> str:
    parts = text.split("-")
    return text if len(parts) == 1 else "".join(part.zfill(size) for part, size in zip(parts, (5, 4, 2), strict=True))


def rx_key(text: str | None) -> str | None:
    """What prescription numbers are compared by."""
    if text is None:
        return None
    number = re.fullmatch(r"0*(\d{4,12})", text.strip())
    return number[1] if number else text.strip().upper()


def words(text: str | None) -> list[str]:
    return [] if text is None else text.split("|")


def quarter_of(day: date | None) -> str | None:
    return None if day is None else f"{day.year}Q{(day.month + 2) // 3}"


def quarter_number(quarter: str) -> int:
    return 4 * int(quarter[:4]) + int(quarter[5])


def first_day(quarter: str) -> date:
    return date(int(quarter[:4]), 3 * int(quarter[5]) - 2, 1)


def last_day(quarter: str) -> date:
    return first_day(quarter_name(quarter_number(quarter) + 1)) - timedelta(days=1)


def quarter_name(number: int) -> str:
    return f"{(number - 1) // 4}Q{(number - 1) % 4 + 1}"


def covers(row: Row, day: date, begin: str = "begin_date", end: str = "end_date") -> bool:
    """Whether an interval [begin, end) and the row's validity hold on a day."""
    spans = ((row[begin], row[end]), (row["valid_from"], row["valid_to"]))
    return all((start is None or start <= day) and (stop is None or day < stop) for start, stop in spans)


def cents(number: Decimal) -> Decimal:
    return number.quantize(Decimal("0.01"), ROUND_HALF_UP)


def thousandths(number: Decimal) -> Decimal:
    return number.quantize(Decimal("0.001"), ROUND_HALF_UP)


def npi_is_valid(npi: str) -> bool:
    if not re.fullmatch(r"[12]\d{9}", npi):
        return False
    digits = [int(digit) for digit in "80840" + npi][::-1]
    total = sum(digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(digits))
    return total % 10 == 0


PASSED, FAILED, UNCHECKED = "PASSED", "FAILED", "UNCHECKED"
LADDER = ["STRONG", "MEDIUM", "WEAK", "CONTEXT"]


def guard(failed: bool | None) -> str:
    """The state of a guard: its innocent explanation holds, does not, or is not known."""
    return UNCHECKED if failed is None else FAILED if failed else PASSED


def hit(rule: str, evidence: str, *, guards: Any = (), **said: Any) -> dict[str, Any] | None:
    """What a rule says of a row; None where a failed guard keeps it silent.

    guards: (name, state, what FAILED does: SILENT or the class it leaves at most).
    """
    if any(state == FAILED and effect == "SILENT" for _, state, effect in guards):
        return None
    for _, state, effect in guards:
        if state == FAILED and LADDER.index(effect) > LADDER.index(evidence):
            evidence = effect
    if any(state == UNCHECKED for _, state, _ in guards) and evidence in ("STRONG", "MEDIUM"):
        evidence = LADDER[LADDER.index(evidence) + 1]
    states = {name: state for name, state, _ in guards}
    return {"rule": rule, "evidence": evidence, "guards": states, "code": None, "units": None, "amount": None} | said
