"""Made-up identifiers and the Arrow columns they travel in, against plain Python."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from synthetic import arrow
from synthetic.calendar import LAST_DAY, QUARTER_STARTS, QUARTERS, quarter_end, quarter_of
from synthetic.identifiers import generator, mixed, ncpdp_ids, npis, scattered
from synthetic.world import build_world


def luhn_is_valid(digits: str) -> bool:
    """Luhn's check written digit by digit."""
    total = 0
    for place, letter in enumerate(reversed(digits)):
        value = int(letter)
        if place % 2 == 1:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def test_npis_carry_the_check_digit_of_the_80840_prefix() -> None:
    assert npis(np.array([23_456_789])) == ["1234567893"]
    made = npis(np.arange(0, 10**8, 1_234_567))
    assert all(len(npi) == 10 and npi[0] == "1" and luhn_is_valid("80840" + npi) for npi in made)


def test_ncpdp_ids_have_a_state_prefix_and_a_check_digit() -> None:
    made = ncpdp_ids(np.array([5, 45, 33]), np.array([1234, 0, 9876]))
    for text, start in zip(made, ("051234", "450000", "339876"), strict=True):
        d = [int(letter) for letter in text]
        assert text.startswith(start)
        assert d[6] == (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10


@pytest.mark.parametrize("seed", range(20))
def test_identifiers_of_a_world_are_distinct(seed: int) -> None:
    world = build_world(seed)
    for made in (
        world.pharmacies.npi + world.pharmacies.prescribers + [npi for npi in world.pharmacies.old_npi if npi],
        [ncpdp for ncpdp in world.pharmacies.ncpdp if ncpdp],
        world.pharmacies.medicaid_number,
        world.entities.id,
        world.products.ndc,
        [contract.id for contract in world.payers.contracts],
    ):
        assert len(set(made)) == len(made)
    assert all(len(ndc) == 11 and ndc.isdigit() for ndc in world.products.ndc)


def test_scattered_numbers_do_not_repeat_before_the_modulus() -> None:
    assert sorted(scattered(10**4, 10**4, generator(1, "x")).tolist()) == list(range(10**4))


def test_streams_differ_by_seed_name_and_number_and_repeat_otherwise() -> None:
    def first(*of: int | str) -> float:
        return generator(*of).random()

    assert first(1, "a", 0) == first(1, "a", 0)
    assert len({first(1, "a", 0), first(2, "a", 0), first(1, "b", 0), first(1, "a", 1)}) == 4


def test_mixed_keys_are_distinct() -> None:
    assert len(set(mixed(np.arange(100_000), 7).tolist())) == 100_000


def test_quarters_end_the_day_before_the_next_begins() -> None:
    first = date(1970, 1, 1)
    assert [str(first + timedelta(days=int(day))) for day in QUARTER_STARTS] == [
        "2025-01-01", "2025-04-01", "2025-07-01", "2025-10-01", "2026-01-01", "2026-04-01", "2026-07-01",
    ]  # fmt: skip
    index = np.arange(len(QUARTERS))
    assert (quarter_of(QUARTER_STARTS[:-1]) == index).all()
    assert (quarter_of(quarter_end(index)) == index).all()
    assert quarter_end(index)[-1] == LAST_DAY


def test_columns_hold_exactly_what_they_are_given() -> None:
    numbers = np.array([0, 1_234_567, -5, 10**14])
    valid = np.array([True, True, True, False])
    assert arrow.decimals(numbers, arrow.UNITS, valid).to_pylist() == [
        Decimal("0.000"), Decimal("1234.567"), Decimal("-0.005"), None,
    ]  # fmt: skip
    assert arrow.dates(np.array([0, 20_089]), np.array([False, True])).to_pylist() == [None, date(2025, 1, 1)]
    assert arrow.timestamps(np.array([1_500_000])).to_pylist() == [datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)]
    assert arrow.padded(np.array([7, 12_345]), 5).to_pylist() == ["00007", "12345"]
    assert arrow.chosen(["a", "b"], np.array([1, -1, 0])).to_pylist() == ["b", None, "a"]
    assert arrow.either(np.array([True, False]), pa.array(["x", "y"]), None).to_pylist() == ["x", None]
    keys = np.array([0, 255, 2**64 - 1], dtype=np.uint64)
    assert arrow.hexadecimal(keys).to_pylist() == [f"{key:016x}" for key in keys.tolist()]
