"""The entities that claims refer to: products, pharmacies, covered entities, payers. One world per seed."""

from __future__ import annotations

from dataclasses import dataclass

from synthetic.payers import Payers, build_payers
from synthetic.places import LOCAL_STATES, STATES, Entities, Pharmacies, build_places
from synthetic.products import Products, build_products


@dataclass(frozen=True)
class World:
    """The data that all chunks share: products, places and payers of a seed."""

    seed: int
    products: Products
    pharmacies: Pharmacies
    entities: Entities
    payers: Payers


def build_world(seed: int) -> World:
    """Build the world of a seed; it does not depend on the number of claims."""
    pharmacies, entities = build_places(seed)
    return World(seed, build_products(seed, LOCAL_STATES, len(STATES)), pharmacies, entities, build_payers())
