"""Duplicates and early refills once more: slow, obvious, in plain Python."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


def duplicates(rows: list[dict[str, Any]], most: int) -> dict[str, tuple[str, str, list[str], int, int]]:
    """{row id: (rule, nearest earlier row, the `most` nearest earlier rows, their number, units at issue)}."""
    found = {}
    left = _left(rows)
    asked = [row for row in rows if left[row["source_row_id"]] > 0]
    for row in asked:
        earlier = [other for other in asked if _repeats(row, other) and _arrival(other) < _arrival(row)]
        if earlier:
            nearest = max(earlier, key=lambda other: (*_likeness(row, other), _arrival(other)))
            others = sorted(earlier, key=_arrival, reverse=True)
            ids = [nearest["source_row_id"], *(other["source_row_id"] for other in others if other is not nearest)]
            found[row["source_row_id"]] = (
                _rule(row, nearest),
                nearest["source_row_id"],
                ids[:most],
                len(earlier),
                left[row["source_row_id"]],
            )
    return found


def _left(rows: list[dict[str, Any]]) -> dict[str, int]:
    """{row id: units that no later row takes back}, each row below zero taking back from the last one before it."""
    left: dict[str, int] = {}
    before: list[dict[str, Any]] = []
    for row in sorted(rows, key=_arrival):
        units = int(row["ndc_units"])
        left[row["source_row_id"]] = max(units, 0)
        for other in reversed(before):
            if units < 0 and _claimed(row) == _claimed(other):
                taken = min(left[other["source_row_id"]], -units)
                left[other["source_row_id"]] -= taken
                units += taken
        before.append(row)
    return left


def _claimed(row: dict[str, Any]) -> tuple[Any, ...]:
    return (_key(row), row["program"], _asking(row), row["contract_id"])


def _asking(row: dict[str, Any]) -> str:
    return (row["state"] or row["payer_id"]) if _of_medicaid(row) else row["payer_id"]


def _of_medicaid(row: dict[str, Any]) -> bool:
    return row["program"] in ("MDRP_FFS", "MDRP_MCO")


def _likeness(row: dict[str, Any], other: dict[str, Any]) -> tuple[int, int, int]:
    """How well payer, program and period agree, each counting for nothing where the one before it differs."""
    payer = _asking(row) == _asking(other)
    program = payer and row["program"] == other["program"]
    return payer, program, program and row["period"] == other["period"]


def _arrival(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["received_at"] or _LONG_AGO, row["source_row_id"])


def _repeats(row: dict[str, Any], other: dict[str, Any]) -> bool:
    key = _key(row)
    if key is None or key != _key(other):
        return False
    contracts = {row["contract_id"], other["contract_id"]}
    if _asking(row) == _asking(other) and None not in contracts and len(contracts) == 2:
        return False
    return {row["dispensing_status"], other["dispensing_status"]} != {"P", "C"}


def _key(row: dict[str, Any]) -> tuple[Any, ...] | None:
    if row["program"] == "MFP":
        return None
    never_null: tuple[Any, ...]
    key: tuple[Any, ...]
    compared = (_of_medicaid(row), row["rebate_type"] or ("FEDERAL" if _of_medicaid(row) else "BASE"))
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


def _rule(row: dict[str, Any], nearest: dict[str, Any]) -> str:
    if _asking(row) != _asking(nearest):
        return "R018"
    if row["program"] != nearest["program"]:
        return "R017"
    return "R019" if row["period"] != nearest["period"] else "R016"


def early_refills(rows: list[dict[str, Any]]) -> dict[str, float]:
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
