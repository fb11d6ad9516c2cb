"""How well two descriptions of a pharmacy agree: log2 weights, one thing at a time.

A description is a dict with `names` (of `name` and `carriers`, the number of places of the area that carry it),
`store_number`, `house_number`, `street`, `suite`, `city`, `state`, `zip5` and `phone10`, as place_description makes
them. What is missing on either side says nothing.
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


def agreement(one: Description, other: Description, settings: PharmacyIdentitySettings) -> tuple[float, list[str]]:
    """Log2 odds that both are the same place, and which of name, store_number, address, phone and zip agreed."""
    score, fields = settings.prior, []
    for field, weight in _compared(one, other, settings):
        score += weight
        if weight > 0 and field is not None:
            fields.append(field)
    return score, fields


def confidence(score: float) -> float:
    """The probability that log2 odds stand for."""
    return min(_MOST, round(1 / (1 + 2.0**-score), 4))


def log2_odds(probability: float) -> float:
    return math.log2(probability / (1 - probability))


def _compared(
    one: Description, other: Description, settings: PharmacyIdentitySettings
) -> Iterator[tuple[str | None, float]]:
    """Weight of each thing compared, and the name under which it is told if the weight speaks for the same place."""
    weights = settings.weights
    name = name_weight(one["names"], other["names"], settings)
    yield "name", name
    if name > 0 and _both(one, other, "store_number"):
        same = one["store_number"] == other["store_number"]
        yield "store_number", weights.store_number if same else weights.store_number_differs
    yield "address", address_weight(one, other, settings)
    if _both(one, other, "phone10"):
        yield "phone", weights.phone if one["phone10"] == other["phone10"] else weights.phone_differs
    if _both(one, other, "zip5"):
        if one["zip5"] == other["zip5"]:
            yield "zip", weights.zip
        else:
            yield None, weights.zip_near if _is_near(one, other) else weights.zip_differs


def name_weight(ones: list[dict[str, Any]], others: list[dict[str, Any]], settings: PharmacyIdentitySettings) -> float:
    """Of the best pair of names; a name that many places carry says less."""
    if not ones or not others:
        return 0.0
    weights, best = settings.weights, settings.weights.name_differs
    for one in ones:
        for other in others:
            likeness = JaroWinkler.similarity(one["name"], other["name"])
            if likeness >= settings.name_near:
                carriers = max(one["carriers"], other["carriers"])
                weight = max(weights.chain_name, weights.name - math.log2(carriers))
                best = max(best, weight if likeness >= settings.name_agrees else min(weight, weights.name_near))
    return best


def address_weight(one: Description, other: Description, settings: PharmacyIdentitySettings) -> float:
    """House number, street and suite; one house number on two streets may be one corner, and says nothing."""
    if not _both(one, other, "house_number"):
        return 0.0
    weights = settings.weights
    if one["house_number"] != other["house_number"]:
        return weights.house_number_differs
    if not is_same_street(one["street"], other["street"], settings.street_agrees):
        return 0.0
    suite_differs = _both(one, other, "suite") and one["suite"] != other["suite"]
    return weights.address + (weights.suite_differs if suite_differs else 0.0)


def is_same_street(one: str | None, other: str | None, least: float) -> bool:
    """Word by word, whatever the order; a direction may be missing but not be another one."""
    if not one or not other:
        return False
    directions, others = (_DIRECTIONS.intersection(street.split()) for street in (one, other))
    if directions and others and directions != others:
        return False
    return fuzz.token_set_ratio(one, other) >= 100 * least


def _is_near(one: Description, other: Description) -> bool:
    same_city = _both(one, other, "city") and _both(one, other, "state") and _place(one) == _place(other)
    return one["zip5"][:3] == other["zip5"][:3] or same_city


def _place(description: Description) -> tuple[str, str]:
    return description["city"], description["state"]


def _both(one: Description, other: Description, part: str) -> bool:
    return bool(one[part]) and bool(other[part])
