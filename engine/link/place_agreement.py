"""Match weights (log2) for two descriptions of a pharmacy, field by field.

A description is a dict with `names` (of `name` and `carriers`, the number of places in the area with that name),
`store_number`, `house_number`, `street`, `suite`, `city`, `state`, `zip5` and `phone10`, as made by place_description.
A field that is missing on either side is no evidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from rapidfuzz import fuzz
from rapidfuzz.distance import JaroWinkler

from engine.settings import PharmacyIdentitySettings

Description = Mapping[str, Any]
_DIRECTIONS = frozenset(("N", "S", "E", "W", "NE", "NW", "SE", "SW"))
_MOST = 0.9999  # only the source itself is certain


def agreement(left: Description, right: Description, settings: PharmacyIdentitySettings) -> tuple[float, list[str]]:
    """Log2 odds that both are the same place, and which of name, store_number, address, phone and zip agreed."""
    score, fields = settings.prior, []
    for field, weight in _compared(left, right, settings):
        score += weight
        if weight > 0 and field is not None:
            fields.append(field)
    return score, fields


def confidence(score: float) -> float:
    """Convert log2 odds to a probability."""
    return min(_MOST, round(1 / (1 + 2.0**-score), 4))


def log2_odds(probability: float) -> float:
    """The odds of a probability strictly between 0 and 1, in base 2."""
    return math.log2(probability / (1 - probability))


def _compared(
    left: Description, right: Description, settings: PharmacyIdentitySettings
) -> Iterator[tuple[str | None, float]]:
    """Weight of each comparison, and the field name to report if the weight is positive."""
    weights = settings.weights
    name = name_weight(left["names"], right["names"], settings)
    yield "name", name
    if name > 0 and _both(left, right, "store_number"):
        same = left["store_number"] == right["store_number"]
        yield "store_number", weights.store_number if same else weights.store_number_differs
    yield "address", address_weight(left, right, settings)
    if _both(left, right, "phone10"):
        yield "phone", weights.phone if left["phone10"] == right["phone10"] else weights.phone_differs
    if _both(left, right, "zip5"):
        if left["zip5"] == right["zip5"]:
            yield "zip", weights.zip
        else:
            yield None, weights.zip_near if _is_near(left, right) else weights.zip_differs


def name_weight(
    left_names: list[dict[str, Any]], right_names: list[dict[str, Any]], settings: PharmacyIdentitySettings
) -> float:
    """Weight of the best pair of names; a name that many places share weighs less."""
    if not left_names or not right_names:
        return 0.0
    weights, best = settings.weights, settings.weights.name_differs
    for left in left_names:
        for right in right_names:
            similarity = JaroWinkler.similarity(left["name"], right["name"])
            if similarity >= settings.name_near:
                carriers = max(left["carriers"], right["carriers"])
                weight = max(weights.chain_name, weights.name - math.log2(carriers))
                best = max(best, weight if similarity >= settings.name_agrees else min(weight, weights.name_near))
    return best


def address_weight(left: Description, right: Description, settings: PharmacyIdentitySettings) -> float:
    """Weight of house number, street and suite. The same house number on two streets may be a corner building: no
    evidence.
    """
    if not _both(left, right, "house_number"):
        return 0.0
    weights = settings.weights
    if left["house_number"] != right["house_number"]:
        return weights.house_number_differs
    if not is_same_street(left["street"], right["street"], settings.street_agrees):
        return 0.0
    suite_differs = _both(left, right, "suite") and left["suite"] != right["suite"]
    return weights.address + (weights.suite_differs if suite_differs else 0.0)


def is_same_street(left: str | None, right: str | None, least: float) -> bool:
    """Compare word by word in any order; a direction may be missing but must not differ."""
    if not left or not right:
        return False
    directions = [_DIRECTIONS.intersection(street.split()) for street in (left, right)]
    if all(directions) and directions[0] != directions[1]:
        return False
    return fuzz.token_set_ratio(left, right) >= 100 * least


def _is_near(left: Description, right: Description) -> bool:
    same_city = _both(left, right, "city") and _both(left, right, "state") and _place(left) == _place(right)
    return left["zip5"][:3] == right["zip5"][:3] or same_city


def _place(description: Description) -> tuple[str, str]:
    return description["city"], description["state"]


def _both(left: Description, right: Description, part: str) -> bool:
    return bool(left[part]) and bool(right[part])
