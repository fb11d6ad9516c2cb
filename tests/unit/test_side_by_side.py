"""A rebate claim and a 340B claim field by field."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from engine.exports import side_by_side

REBATE = {
    "pharmacy_npi": "1003000126",
    "pharmacy_key": "1003000126",
    "rx_number_raw": "0001234567",
    "rx_key": "1234567",
    "date_of_service": date(2026, 2, 10),
    "units": Decimal("30.000"),
    "ndc_units": Decimal("30.000"),
    "amount_paid": Decimal("12.50"),
    "source_row_id": "R1",
}
CLAIM_340B = {
    "pharmacy_npi": "1003000126",
    "pharmacy_key": "1003000126",
    "rx_number_raw": "1234567",
    "rx_key": "1234567",
    "date_of_service": date(2026, 2, 11),
    "quantity": Decimal("90.000"),
    "is_340b": True,
    "source_row_id": "E1",
}


def compared(rebate: dict[str, Any], claim_340b: dict[str, Any] | None) -> dict[str, tuple[Any, ...]]:
    return {row.label: (row.rebate, row.claim_340b, row.differs) for row in side_by_side(rebate, claim_340b)}


def test_values_of_both_sides_stand_side_by_side_and_differences_are_marked() -> None:
    rows = compared(REBATE, CLAIM_340B)
    assert rows["Pharmacy NPI"] == ("1003000126", "1003000126", False)
    assert rows["Date of service"] == ("2026-02-10", "2026-02-11", True)
    assert rows["Quantity as received"] == ("30", "90", True)


def test_what_is_compared_is_normalized_and_row_ids_never_differ() -> None:
    rows = compared(REBATE, CLAIM_340B)
    assert rows["Rx number"] == ("0001234567", "1234567", False)
    assert rows["Source row"] == ("R1", "E1", False)


def test_a_value_that_one_side_lacks_is_no_difference_and_one_that_both_lack_no_row() -> None:
    rows = compared(REBATE, CLAIM_340B)
    assert rows["Amount paid ($)"] == ("12.5", None, False)
    assert rows["Marked as 340B"] == (None, "yes", False)
    assert "BIN" not in rows
    assert compared(REBATE, None)["Date of service"] == ("2026-02-10", None, False)
