"""How each payer and covered entity writes all its claims: how it counts fills, and whether it hashes Rx numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.settings import MessSettings
from synthetic.identifiers import generator
from synthetic.payers import BENEFIT_MANAGERS, CONTRACT_TERMS, MCO, MFP, PART_D_SPONSORS
from synthetic.places import STATES
from synthetic.world import World

PAYERS = len(STATES) + len(BENEFIT_MANAGERS) + len(PART_D_SPONSORS) + 1


@dataclass(frozen=True)
class Habits:
    """By payer (number of `payers_of`) and by entity; a child site has the habits of its parent."""

    first_fill_of_payer: np.ndarray
    first_fill_of_entity: np.ndarray
    hashes_alone: np.ndarray  # entities that hash Rx numbers that payers send unhashed
    hashes_with_payers: np.ndarray

    def never_links_by_rx(self, entity: np.ndarray) -> np.ndarray:
        """Whether the entity hashes Rx numbers that payers send plain; false without an entity."""
        return (entity >= 0) & self.hashes_alone[entity]

    def both_hash(self, entity: np.ndarray) -> np.ndarray:
        """Whether entity and payers hash Rx numbers in one scheme; false without an entity."""
        return (entity >= 0) & self.hashes_with_payers[entity]


def draw_habits(world: World, rates: MessSettings) -> Habits:
    """Draw habits at these rates; equal for every chunk of a world."""
    entities = world.entities
    order_of_payers = generator(world.seed, "payers_count_from_one").permutation(PAYERS)
    order_of_entities = generator(world.seed, "entities_count_from_one").permutation(entities.count)[entities.parent]
    order_of_hashing = generator(world.seed, "entities_hash").permutation(entities.count)[entities.parent]
    alone = order_of_hashing < round(rates.hashed_entity_rate * entities.count)
    hashed = order_of_hashing < round((rates.hashed_entity_rate + rates.both_hashed_rate) * entities.count)
    return Habits(
        first_fill_of_payer=(order_of_payers < round(rates.fill_offset_rate * PAYERS)).astype(np.int64),
        first_fill_of_entity=(order_of_entities < round(rates.fill_offset_rate * entities.count)).astype(np.int64),
        hashes_alone=alone,
        hashes_with_payers=hashed & ~alone,
    )


def payers_of(program: np.ndarray, state: np.ndarray, contract: np.ndarray) -> np.ndarray:
    """Number of the payer: states first, then those with contracts, the facilitator last."""
    with_contract = len(STATES) + contract // len(CONTRACT_TERMS)
    return np.where(program <= MCO, state, np.where(program == MFP, PAYERS - 1, with_contract))
