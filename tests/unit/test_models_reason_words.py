"""Reasons in words."""

from __future__ import annotations

from typing import Any

import pytest

from engine.models.reason_words import reason_in_words


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            ("paid_per_unit", 0.42, 6.1, 9.8, 897, 0.995),
            "paid per unit $0.4200, where 99 % of 897 comparable claims have $6.10 to $9.80",
        ),
        (
            ("units_per_prescription", 12000.0, 28.0, 90.5, 1200, 1.0),
            "units per prescription 12,000, where 100 % of 1,200 comparable claims have 28 to 90.5",
        ),
        (
            ("units_per_day", 0.00012, 0.5, 1.0, None, None),
            "units per day of supply 0.00012, where nearly all of comparable claims have 0.5 to 1",
        ),
        (("days_to_payment", 366.0, None, None, 30, 0.9), "days from service to payment 366"),
        (
            ("days_to_payment", 76.0, 0.4316, 75.74, 82, 0.98),
            "days from service to payment 76, where 98 % of 82 comparable claims have 1 to 75",
        ),
        (
            ("paid_per_unit_to_wac", 0.28851, 0.81784, 1.3, 228, 0.975),
            "paid per unit, as a multiple of WAC, 0.289, where 97 % of 228 comparable claims have 0.818 to 1.3",
        ),
    ],
)
def test_a_reason_in_words(reason: tuple[Any, ...], words: str) -> None:
    assert reason_in_words("comparable claims", *reason) == words
