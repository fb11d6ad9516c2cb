"""Identifiers as the senders of claims write them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from synthetic import arrow
from synthetic.dispenses import Dispenses, Plan
from synthetic.identifiers import mixed
from synthetic.mess import Side
from synthetic.payers import COMMERCIAL, MCO
from synthetic.world import World

RX_BASE = 1_000_000
RX_RANGE = 9_000_000
RX_WIDTH = 12
HASH_SCHEME = "shared-salt-1"
_BINS = 90
_MEDICAID_BINS, _COMMERCIAL_BINS, PART_D_BINS = (range(first, first + _BINS) for first in (610_000, 3_800, 4_300))
JUNK = ("0", "12", "999", "NONE")  # under four digits: not usable as a key


def rx_digits(world: World, plan: Plan, d: Dispenses) -> np.ndarray:
    """Prescription numbers: unique at their pharmacy, reused by others."""
    modulus = max(RX_RANGE, plan.claims)
    offset = (mixed(d.pharmacy, world.seed) % np.uint64(modulus)).astype(np.int64)
    return RX_BASE + (d.script + offset) % modulus


def rx_texts(digits: np.ndarray, is_padded: np.ndarray) -> pa.Array:
    """Rx numbers as text, some filled with zeros."""
    return arrow.either(is_padded, arrow.padded(digits, RX_WIDTH), arrow.plain(digits))


def prescription(
    world: World, digits: np.ndarray, side: Side, at: np.ndarray, is_rx: np.ndarray
) -> dict[str, pa.Array]:
    """Prescription and fill number of the dispenses `at`, as a side writes them; NULL for medical claims."""
    rows, hashed = len(at), side.is_hashed[at] & is_rx
    fill = arrow.joined(arrow.constant("-", rows), arrow.padded(np.maximum(side.fill[at], 0), 2))
    suffix = arrow.either(side.is_suffixed[at], fill, arrow.constant("", rows))
    number = arrow.joined(rx_texts(digits[at], side.is_padded[at]), suffix)
    sent = arrow.either(side.is_junk[at], arrow.chosen(list(JUNK), digits[at] % len(JUNK)), number)
    return {
        "rx_number": arrow.either(is_rx & ~hashed, sent, None),
        "rx_number_hash": arrow.either(hashed, arrow.hexadecimal(mixed(digits[at], world.seed)), None),
        "hash_scheme": arrow.either(hashed, arrow.constant(HASH_SCHEME, rows), None),
        "fill_number": arrow.integers(side.fill[at], side.fill_is_stated[at] & is_rx),
    }


def pharmacy_npis(world: World, side: Side, at: np.ndarray) -> pa.Array:
    """The NPI that a side uses for the pharmacy, former or current."""
    pharmacies, pharmacy = world.pharmacies, side.pharmacy[at]
    old, present = arrow.chosen(pharmacies.old_npi, pharmacy), arrow.chosen(pharmacies.npi, pharmacy)
    return arrow.either(side.has_old_npi[at], old, present)


def ndc_texts(world: World, product: np.ndarray, is_hyphenated: np.ndarray) -> pa.Array:
    """Eleven digits, or with hyphens."""
    products = world.products
    return arrow.either(is_hyphenated, arrow.chosen(products.hyphenated, product), arrow.chosen(products.ndc, product))


def bin_numbers(program: np.ndarray, contract: np.ndarray, state: np.ndarray, plan: np.ndarray) -> np.ndarray:
    """The BIN of the payer's processor, the same for pharmacy, entity and payer; `plan`: of managed care."""
    number = (contract * 7 + state * 3 + np.where(program == MCO, np.maximum(plan, 0), -1) + 8) % _BINS
    first = np.select(
        [program <= MCO, program == COMMERCIAL], [_MEDICAID_BINS.start, _COMMERCIAL_BINS.start], PART_D_BINS.start
    )
    return first + number


def hcpcs_codes(numbers: np.ndarray) -> pa.Array:
    """J codes of numbers; a negative number counts as 0."""
    return arrow.joined(arrow.constant("J", len(numbers)), arrow.padded(np.maximum(numbers, 0), 4))
