"""From which number a source counts the fills of a prescription: learned from pairs that agree in all else.

NCPDP counts the first fill 0; some sources count it 1. A fill number is compared after taking the source's offset off.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.runtime.column_names import column_names
from engine.settings import LinkSettings

_ROUNDS = 10
# What `fill_steps` reads of pairs.
COMPARED = ("payer_id", "parent_entity_id", "days", "product", "quantity", "fill_step")

# Payer, entity, step, pairs; and source, offset, pairs that ask for it.
Step = tuple[str, str, int, int]
Vote = tuple[str, int, int]


@dataclass(frozen=True)
class FillOffsets:
    """Number of the first fill by source; a source that is not named counts from 0."""

    payers: Mapping[str, int] = field(default_factory=dict)
    entities: Mapping[str, int] = field(default_factory=dict)

    def with_shift(self, pairs: DataFrame) -> DataFrame:
        """`pairs` with fill_shift: the entity's offset, its own or else its parent's, less the payer's."""
        rows = pairs
        for column, offsets in (
            ("payer_id", self.payers),
            ("entity_id", self.entities),
            ("parent_entity_id", self.entities),
        ):
            names = f"offset_of_{column}", f"{column}_offset"
            table = pairs.sparkSession.createDataFrame(sorted(offsets.items()), f"{names[0]} string, {names[1]} int")
            rows = rows.join(F.broadcast(table), on=F.col(column) == F.col(names[0]), how="left").drop(names[0])
        entitys = F.coalesce("entity_id_offset", "parent_entity_id_offset", F.lit(0))
        shift = entitys - F.coalesce("payer_id_offset", F.lit(0))
        return rows.select(*column_names(pairs), shift.alias("fill_shift"))


def fill_steps(pairs: DataFrame) -> DataFrame:
    """How fill numbers of one prescription, day, product and quantity differ, by source: payer_id, parent_entity_id,
    fill_step, pairs. `pairs`: compared.
    """
    alike = (F.col("days") == 0) & (F.col("product") == "NDC11") & (F.col("quantity") == "EXACT")
    return (
        pairs.where(alike & F.col("fill_step").isNotNull())
        .groupBy("payer_id", "parent_entity_id", "fill_step")
        .agg(F.count(F.lit(1)).alias("pairs"))
    )


def learn(steps: Iterable[tuple[str | None, str | None, int, int]], settings: LinkSettings) -> FillOffsets:
    """Offsets from rows of `fill_steps`; what the settings name is taken from there.

    A step is the entity's offset less the payer's. With the other side's offsets held, a source's offset is the one
    that most of its pairs ask for: payers first, who are few and large, then entities, until nothing changes. What few
    pairs or few of them ask for is let go in the end.
    """
    known = [(p, e, step, pairs) for p, e, step, pairs in steps if p is not None and e is not None]
    payers: dict[str, int] = {}
    entities: dict[str, int] = {}
    for _ in range(_ROUNDS):
        before = payers, entities
        payers = _agreed(_of_payers(known, entities), settings, least_pairs=1, least_share=0)
        entities = _agreed(_of_entities(known, payers), settings, least_pairs=1, least_share=0)
        if (payers, entities) == before:
            break
    least = settings.offset_pairs, settings.offset_share
    return FillOffsets(
        _agreed(_of_payers(known, entities), settings, *least), _agreed(_of_entities(known, payers), settings, *least)
    )


def _of_payers(steps: list[Step], entities: Mapping[str, int]) -> Iterator[Vote]:
    return ((payer, entities.get(entity, 0) - step, pairs) for payer, entity, step, pairs in steps)


def _of_entities(steps: list[Step], payers: Mapping[str, int]) -> Iterator[Vote]:
    return ((entity, step + payers.get(payer, 0), pairs) for payer, entity, step, pairs in steps)


def _agreed(votes: Iterable[Vote], settings: LinkSettings, least_pairs: int, least_share: float) -> dict[str, int]:
    """Offset by source where enough pairs agree on one, and on more than none."""
    counted: dict[str, Counter[int]] = defaultdict(Counter)
    for source, offset, pairs in votes:
        counted[source][offset] += pairs
    agreed = dict(settings.fill_offsets)
    for source, offsets in sorted(counted.items()):
        offset, pairs = min(offsets.items(), key=lambda item: (-item[1], item[0]))
        is_clear = offsets.total() >= least_pairs and pairs >= least_share * offsets.total()
        # nobody counts from below 0: then it is the other side that counts from 1
        if source not in agreed and is_clear and offset > 0:
            agreed[source] = offset
    return agreed
