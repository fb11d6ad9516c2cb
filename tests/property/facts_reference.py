"""Duplicates and early refills once more: slow, obvious, in plain Python."""

from __future__ import annotations

from datetime import UTC, datetime

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


def duplicates(rows: list[dict], most: int) -> dict[str, tuple[str, str, list[str], int, int]]:
    """{row id: (rule, nearest earlier row, the `most` nearest earlier rows, their number, units at issue)}."""
    found = {}
    left = _left(rows)
    asked = [row for row in rows if left[row["source_row_id"]] > 0]
    for row in asked:
        earlier = [other for other in asked if _repeats(row, other) and _arrival(other) < _arrival(row)]
        if earlier:
            nearest = max(earlier, key=_arrival)
            found[row["source_row_id"]] = (
                _rule(row, nearest),
                nearest["source_row_id"],
                [other["source_row_id"] for other in sorted(earlier, key=_arrival, reverse=True)][:most],
                len(earlier),
                left[row["source_row_id"]],
            )
    return found


def _left(rows: list[dict]) -> dict[str, int]:
    """{row id: units that no row takes back}: what lines below zero take back is taken from the last line first."""
    left = {}
    for row in rows:
        part = [other for other in rows if _part(other) == _part(row)]
        to_take = -sum(min(int(other["ndc_units"]), 0) for other in part)
        for other in sorted(part, key=_arrival, reverse=True):
            units = max(int(other["ndc_units"]), 0)
            taken = min(units, to_take)
            left[other["source_row_id"]], to_take = units - taken, to_take - taken
    return left


def _part(row: dict) -> tuple:
    return (_key(row), row["program"], row["state"] or row["payer_id"], row["period"])


def _arrival(row: dict) -> tuple:
    return (row["received_at"] or _LONG_AGO, row["source_row_id"])


def _repeats(row: dict, other: dict) -> bool:
    key = _key(row)
    if key is None or key != _key(other):
        return False
    return {row["dispensing_status"], other["dispensing_status"]} != {"P", "C"}


def _key(row: dict) -> tuple | None:
    if row["program"] not in ("MDRP_FFS", "MDRP_MCO"):
        return None
    compared = (row["rebate_type"], row["contract_id"])
    if row["claim_type"] == "RX":
        never_null = (row["pharmacy_key"], row["script_key"], row["date_of_service"], row["ndc11"])
        key = ("RX", *never_null, row["fill_number"], *compared)
    else:
        never_null = (
            row["pharmacy_key"],
            row["script_key"],
            row["claim_line"],
            row["date_of_service"],
            row["hcpcs_code"],
            row["ndc11"],
        )
        key = ("MEDICAL", *never_null, *compared)
    return None if None in never_null else key


def _rule(row: dict, nearest: dict) -> str:
    if (row["state"] or row["payer_id"]) != (nearest["state"] or nearest["payer_id"]):
        return "R018"
    if row["program"] != nearest["program"]:
        return "R017"
    return "R019" if row["period"] != nearest["period"] else "R016"


def early_refills(rows: list[dict]) -> dict[str, float]:
    """{row id: days since the previous fill / its days supply}, where that is known."""
    ratios = {}
    for row in rows:
        if row["patient_key"] is None or row["dispensing_status"] == "C":
            continue
        previous = [
            other
            for other in rows
            if other["patient_key"] == row["patient_key"]
            and other["ndc9"] == row["ndc9"]
            and other["date_of_service"] < row["date_of_service"]
        ]
        if previous:
            day = max(other["date_of_service"] for other in previous)
            supply = max((other["days_supply"] or 0) for other in previous if other["date_of_service"] == day)
            days = (row["date_of_service"] - day).days
            if days <= 180 and supply > 0:
                ratios[row["source_row_id"]] = days / supply
    return ratios
