"""Rules that rest on many rows, once more: slow and obvious, from the rule catalog's formulas and the thresholds.

Medians are exact; the scale is 1.4826 MAD, at least 5 % of the median and 0.01; fewer than 20 values tell nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from math import log
from statistics import median
from typing import Any

from tests.property.rules_reference.basics import (
    MEDICAID,
    Row,
    covers,
    first_day,
    guard,
    hit,
    quarter_number,
    quarter_of,
    read,
    words,
)
from tests.property.rules_reference.invoices import row_id

NOW = quarter_number("2026Q1")
MEASURES = {"TAB": "EA", "EA": "EA", "ML": "ML", "GM": "GM"}
OVERRIDES = {"03", "04", "05", "13"}


def judge(tables: dict[str, list[dict[str, str]]]) -> dict[str, dict[str, dict[str, Any]]]:
    """{row id: {rule id: what it says}}. R040 is said of each row in its time; it speaks where another rule does."""
    world = {name: read(rows) for name, rows in tables.items()}
    found: dict[str, list[Any]] = {}
    claims = world["rebate_claims"]
    _describe(world, claims)
    for row in claims:
        hits = [_quantity(claims, row), _payment(claims, row), _measure(world, claims, row), _fills(claims, row)]
        found[row["source_row_id"]] = [*hits, _bar_of_claim(row)]
    lines = _standing(world["invoices"])
    for row in lines:
        row["prescriptions"] = None if row["prescriptions"] is None else int(row["prescriptions"])
    for row in lines:
        if not row["suppressed"]:
            hits = [*_line(lines, row), _reimbursement(world, row, lines), _beyond_sales(world, lines, row)]
            found[row_id(row)] = [*hits, _bar_of_line(row)]
    return {name: {one["rule"]: one for one in hits if one is not None} for name, hits in found.items()}


def robust_z(value: float | None, peers: Iterable[float | None]) -> float | None:
    known = [one for one in peers if one is not None]
    if value is None or len(known) < 20:
        return None
    middle = median(known)
    spread = 1.4826 * median(abs(one - middle) for one in known)
    return (value - middle) / max(spread, abs(middle) * 0.05, 0.01)


def _far(value: float | None, low: float, high: float) -> bool:
    return value is not None and not low <= value <= high


def _ratio(part: Any, whole: Any) -> float | None:
    return None if part is None or whole in (None, 0) else float(part) / float(whole)


def _above(units: Any, usual: float | None) -> float | None:
    return None if usual is None else max(float(units) - usual, 0.0)


# --- claims ---


def _describe(world: dict[str, Any], claims: list[Row]) -> None:
    for row in claims:
        row["size"] = float(row["units"])
        row["per_day"] = _ratio(row["units"], row["days_supply"])
        wac = _price(world, row, quarter_of(row["date_of_service"]), "wac_unit")
        ours = _price(world, row, row["period"], "unit_rebate_amount")
        price = row["unit_rebate_amount"] if ours is None else ours
        row["paid_to_wac"] = None if wac is None else _ratio(row["amount_paid"], row["units"] * wac)
        row["rebate_to_paid"] = None if price is None else _ratio(row["units"] * price, row["amount_paid"])


def _price(world: dict[str, Any], row: Row, quarter: str, name: str) -> Decimal | None:
    rows = [one[name] for one in world["prices"] if (one["ndc"], one["period"]) == (row["ndc"], quarter)]
    return rows[0] if rows else None


def _peers(claims: list[Row], row: Row, name: str) -> list[float]:
    of_product = [one for one in claims if (one["ndc"], one["program"]) == (row["ndc"], row["program"])]
    return [one[name] for one in of_product if one[name] is not None]


def _usual(claims: list[Row], row: Row, name: str) -> float | None:
    known = _peers(claims, row, name)
    return median(known) if len(known) >= 20 else None


def _quantity(claims: list[Row], row: Row) -> dict[str, Any] | None:
    usual = _usual(claims, row, "size")
    if row["program"] == "MFP" or usual is None:
        return None
    ratio = row["size"] / usual
    if abs(robust_z(row["size"], _peers(claims, row, "size"))) <= 4 or not _far(ratio, 1 / 3, 3):
        return None
    if ratio < 1 and row["dispensing_status"] in ("P", "C"):
        return None
    per_day = _ratio(row["per_day"], _usual(claims, row, "per_day"))
    guards = [("LONGER_SUPPLY", guard(per_day is not None and not _far(per_day, 1 / 3, 3)), "SILENT")]
    code = "Q" if row["program"] in MEDICAID else "PBM"
    return hit("R035", "MEDIUM", code=code, units=_above(row["size"], usual), guards=guards)


def _payment(claims: list[Row], row: Row) -> dict[str, Any] | None:
    to_wac, rebate, others = row["paid_to_wac"], row["rebate_to_paid"], row["amount_third_party"]
    if row["program"] not in MEDICAID or rebate is None or rebate <= 1.5:
        return None
    if to_wac is not None and not _far(to_wac, 0.2, 3):
        return None
    is_340b = "20" in words(row["submission_clarification_codes"])
    guards = [
        ("THIRD_PARTY_PAYMENT", guard(None if others is None else others > 0), "SILENT"),
        ("340B_ACQUISITION_COST", guard(is_340b), "SILENT"),
        ("LIST_PRICE", guard(None if to_wac is None else False), "SILENT"),
    ]
    return hit("R036", "MEDIUM", code="R", units=_above(row["size"], _usual(claims, row, "size")), guards=guards)


def _measure(world: dict[str, Any], claims: list[Row], row: Row) -> dict[str, Any] | None:
    usual, day = _usual(claims, row, "size"), row["date_of_service"]
    of_product = [one for one in world["products"] if one["ndc"] == row["ndc"]]
    in_force = [one for one in of_product if covers(one, day, "valid_from", "valid_to")]
    if row["program"] not in MEDICAID or usual is None or not in_force:
        return None
    product, measure = in_force[0], row["unit_of_measure"]
    package = float(product["units_per_package"])
    factors = [package, 1 / package, 10, 0.1, 1000, 0.001]
    factor = min(factors, key=lambda one: abs(log(row["size"] / usual) - log(one)))
    if measure in (None, MEASURES[product["unit_type"]]) or abs(log(row["size"] / usual) - log(factor)) > 0.02:
        return None
    to_wac = row["paid_to_wac"]
    reverts = _far(to_wac, 0.2, 3) and not _far(to_wac * factor, 0.2, 3)
    others = [MEASURES[one["unit_type"]] for one in of_product if one is not product]
    guards = [
        ("KIT", guard(product["unit_type"] == "EA"), "WEAK"),
        ("UNIT_TYPE_CHANGED", guard(measure in others), "WEAK"),
        ("SNAPSHOT", guard(False), "SILENT"),
    ]
    units = max(row["size"] - row["size"] / factor, 0.0)
    return hit("R028", "STRONG" if reverts else "MEDIUM", code="D", units=units, guards=guards)


def _fills(claims: list[Row], row: Row) -> dict[str, Any] | None:
    """R039: less than half of the previous supply was used up, or two pharmacies within 60 days."""
    if row["patient_key"] is None:
        return None
    before = [
        ((row["date_of_service"] - one["date_of_service"]).days, one)
        for one in claims
        if (one["patient_key"], one["ndc"][:9]) == (row["patient_key"], row["ndc"][:9])
        and one["date_of_service"] < row["date_of_service"]
    ]
    pharmacies = {row["pharmacy_npi"]} | {one["pharmacy_npi"] for days, one in before if days <= 60}
    is_early = False
    if before and row["dispensing_status"] != "C":
        ago = min(days for days, _ in before)
        supply = max(one["days_supply"] or 0 for days, one in before if days == ago)
        is_early = ago <= 180 and supply > 0 and ago / supply < 0.5
    if not is_early and len(pharmacies) < 2:
        return None
    given = row["submission_clarification_codes"]
    explained = None if given is None else any(text.zfill(2) in OVERRIDES for text in words(given))
    code = "Q" if row["program"] in MEDICAID else "PBM"
    return hit("R039", "WEAK", code=code, guards=[("OVERRIDE", guard(explained), "SILENT")])


def _bar_of_claim(row: Row) -> dict[str, Any] | None:
    if row["program"] not in MEDICAID:
        return None
    return _bar(quarter_number(row["invoice_period"] or row["period"]) + 1, quarter_number(row["period"]))


def _bar(sent: int, covered: int) -> dict[str, Any] | None:
    """R040: from ten quarters after the invoice on; barred once more than twelve passed by both readings."""
    if NOW - sent < 10:
        return None
    is_in_time = NOW - sent <= 12 or NOW - covered <= 12
    return hit("R040", "CONTEXT", guards=[("IN_TIME", guard(is_in_time), "CONTEXT")])


# --- invoice lines ---


def _standing(lines: list[Row]) -> list[Row]:
    """Without what a new total of the same key replaced: totals, and differences that were received before it."""

    def key(one: Row) -> tuple[Any, ...]:
        kinds = one["rebate_type"] or "FEDERAL", one["source_kind"] or "INVOICE"
        return (*_total(one), one["state"], one["ndc"], *kinds)

    def received(one: Row) -> str:
        return str(one["received_date"] or one["postmark_date"] or "")

    stands = []
    for row in lines:
        new = [
            (received(one), one["invoice_number"] or "")
            for one in lines
            if key(one) == key(row)
            and one["line_kind"] == "PRIOR_REPLACEMENT"
            and one["units_reimbursed"] is not None
            and not one["suppressed"]
        ]
        if row["line_kind"] == "PRIOR_DELTA":
            is_replaced = received(row) != "" and any(received(row) < day for day, _ in new)
        elif row["line_kind"] == "PRIOR_REPLACEMENT":
            is_replaced = any((received(row), row["invoice_number"] or "") < one for one in new)
        else:
            is_replaced = bool(new)
        if not is_replaced:
            stands.append(row)
    return stands


def _is_total(row: Row) -> bool:
    return row["line_kind"] != "PRIOR_DELTA"


def _known(row: Row, name: str) -> float | None:
    """A number above zero that was not withheld, of a line that is a quarter's total."""
    number = row[name]
    return float(number) if number is not None and number > 0 and not row["suppressed"] and _is_total(row) else None


def _units(row: Row) -> float | None:
    return _known(row, "units_reimbursed")


def _per_prescription(row: Row) -> float | None:
    return _ratio(_units(row), _known(row, "prescriptions"))


def _paid_per_unit(row: Row) -> float | None:
    paid = _known(row, "total_amount")
    return _ratio(_known(row, "medicaid_amount") if paid is None else paid, _units(row))


def _own(lines: list[Row], row: Row, most: int | None = None) -> list[Row]:
    """The line's quarters: all, or its last ones up to its own."""

    def line(one: Row) -> tuple[Any, ...]:
        kinds = one["rebate_type"] or "FEDERAL", one["source_kind"] or "INVOICE"
        return (*(one[name] for name in ("program", "state", "ndc", "sub_program")), *kinds)

    own = [one for one in lines if line(one) == line(row)]
    if most is None:
        return own
    quarter = quarter_number(row["period"])
    return [one for one in own if 0 <= quarter - quarter_number(one["period"]) < most]


def _median(rows: list[Row], value: Callable[[Row], float | None]) -> float | None:
    known = [number for number in map(value, rows) if number is not None]
    return median(known) if known else None


def _growth(lines: list[Row], row: Row) -> float | None:
    """F46, kept with the line."""
    if "growth" not in row:
        row["growth"] = _ratio(_units(row), _median(_own(lines, row, 8), _units))
    return row["growth"]


def _of_product(lines: list[Row], row: Row) -> list[Row]:
    return [one for one in lines if (one["ndc"], one["program"]) == (row["ndc"], row["program"])]


def _line(lines: list[Row], row: Row) -> Iterator[Any]:
    if not _is_total(row) or (row["units_reimbursed"] or 0) <= 0:
        return
    each, usual = _per_prescription(row), _median(_own(lines, row), _per_prescription)
    z = robust_z(each, [_per_prescription(one) for one in _of_product(lines, row)])
    if _far(_ratio(each, usual), 0.1, 10) or _far(z, -4, 4):
        yield hit("R035", "MEDIUM", code="Q", units=_above(_units(row), usual * row["prescriptions"]))
    growth = _growth(lines, row)
    of_program = [_growth(lines, one) for one in lines if one["program"] == row["program"]]
    z = robust_z(growth and log(growth), [one and log(one) for one in of_program if one])
    past = {one["period"] for one in _own(lines, row, 8) if _units(one) is not None}
    if z is not None and z > 4 and growth > 3 and len(past) >= 4:
        units = _units(row) - _median(_own(lines, row, 8), _units)
        yield hit("R037", "WEAK", code="S", units=units)


def _reimbursement(world: dict[str, Any], row: Row, lines: list[Row]) -> dict[str, Any] | None:
    each, usual = _paid_per_unit(row), _median(_own(lines, row), _paid_per_unit)
    day = first_day(row["period"])
    prices = [
        float(one["price_per_unit"])
        for one in world["market_prices"]
        if one["ndc"] == row["ndc"] and one["effective_date"] <= str(day) < str(one["end_date"])
    ]
    market = prices[0] if prices else None
    is_off_market = _far(_ratio(each, market), 0.02, 50)
    z = robust_z(each, [_paid_per_unit(one) for one in _of_product(lines, row)])
    if not _is_total(row) or not (is_off_market or _far(z, -4, 4)):
        return None
    guards = [("MARKET_PRICE", guard(None if market is None else False), "SILENT")]
    units = _units(row) * max(1 - each / (market if is_off_market else usual), 0.0)
    return hit("R036", "MEDIUM", code="R", units=units, guards=guards)


def _beyond_sales(world: dict[str, Any], lines: list[Row], row: Row) -> dict[str, Any] | None:
    """R034: lines of one state, product and kind of rebate, programs and sub-programs together, over four quarters.

    A difference adds to the total of its program, sub-program and period, with its sign. The excess is shared over the
    lines above zero: first over the totals, in proportion to what is left of each, then over the lines of the total.
    """
    if row["units_reimbursed"] is None or row["units_reimbursed"] <= 0:
        return None

    def asked_alike(one: Row) -> tuple[Any, ...]:
        return one["state"], one["ndc"], one["rebate_type"] or "FEDERAL", one["source_kind"] or "INVOICE"

    def recent(one: Row) -> bool:
        return 0 <= quarter_number(row["period"]) - quarter_number(one["period"]) < 4

    totals: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for one in lines:
        if asked_alike(one) == asked_alike(row) and recent(one) and one["units_reimbursed"] and not one["suppressed"]:
            totals[_total(one)].append(float(one["units_reimbursed"]))
    invoiced = sum(sum(units) for units in totals.values())
    own = totals[_total(row)]
    own_total = max(sum(own), 0.0) * float(row["units_reimbursed"]) / sum(max(units, 0.0) for units in own)
    sold = [
        float(one["units"])
        for one in world["sales"]
        if (one["state"], one["ndc"]) == (row["state"], row["ndc"]) and recent(one)
    ]
    if not sold or sum(sold) == 0 or invoiced / sum(sold) <= 1.2 or invoiced - sum(sold) <= 100 or own_total == 0:
        return None
    left = sum(max(sum(units), 0.0) for units in totals.values())
    units = min((invoiced - sum(sold)) * own_total / left, float(row["units_reimbursed"]))
    return hit("R034", "MEDIUM", code="P", units=units)


def _total(row: Row) -> tuple[Any, ...]:
    return row["program"], row["sub_program"], row["period"]


def _bar_of_line(row: Row) -> dict[str, Any] | None:
    if row["source_kind"] == "SDUD":
        return None
    posted = row["postmark_date"] or row["received_date"]
    covered = quarter_number(row["period"])
    return _bar(quarter_number(quarter_of(posted)) if posted else covered + 1, covered)
