"""Features that the input allows, and why the others are off."""

from __future__ import annotations

from engine.contracts.needs import is_available
from engine.contracts.tables import SUBJECT_FEEDS
from engine.facts import (
    diversion,
    duplicates,
    entities,
    entity_claims,
    exclusions,
    identifiers_340b,
    invoices,
    lineage,
    links,
    patients,
    payers,
    payments,
    pharmacies,
    prescribers,
    prices,
    products,
    providers,
    purchases,
    quantities,
    reviews,
    sales,
)
from engine.facts.feature import Feature

_FAMILIES = (
    *(links, identifiers_340b, exclusions, entities, pharmacies, prescribers, prices, quantities, products),
    *(
        duplicates,
        lineage,
        payments,
        patients,
        invoices,
        sales,
        reviews,
        purchases,
        payers,
        providers,
        entity_claims,
        diversion,
    ),
)
FEATURES: tuple[Feature, ...] = tuple(
    sorted((feature for family in _FAMILIES for feature in family.FEATURES), key=lambda feature: feature.id)
)
NOT_BUILT = tuple(sorted((*pharmacies.NOT_BUILT, *providers.NOT_BUILT), key=lambda feature: feature.id))


def off_features(available: frozenset[str]) -> dict[str, str]:
    """The features that are off: feature, and why it is NULL in every row.

    `available`: "table" and "table.column" for everything that the input contains.
    """
    missing: dict[str, list[set[str]]] = {}
    for feature in FEATURES:
        needs = (SUBJECT_FEEDS[feature.subject], *feature.needs)
        lacking = {need.replace("|", " or ") for need in needs if not is_available(need, available)}
        missing.setdefault(feature.column, []).append(lacking)
    # A column that several features share is off if all of them are off.
    return {
        column: "missing: " + ", ".join(sorted(set.union(*lacking)))
        for column, lacking in missing.items()
        if all(lacking)
    }
