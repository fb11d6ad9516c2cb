"""From which number a source counts the fills of a prescription: learned from pairs that agree in all else.

NCPDP counts the first fill 0; some sources count it 1. A fill number is compared after taking the source's offset off.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.settings import LinkSettings

_ROUNDS = 10


@dataclass(frozen=True)
class FillOffsets:
    """Number of the first fill by source; a source that is not named counts from 0."""

    payers: Mapping[str, int] = field(default_factory=dict)
    entities: Mapping[str, int] = field(default_factory=dict)

    def of_payer(self) -> Column:
        return _looked_up(self.payers, ("payer_id",))

    def of_entity(self) -> Column:
        """The entity's own, or else its parent's."""
        return _looked_up(self.entities, ("entity_id", "parent_entity_id"))


def fill_steps(pairs: DataFrame) -> DataFrame:
    """How fill numbers of one prescription, day, product and quantity differ, by source: payer_id, parent_entity_id,
    fill_step, pairs. `pairs` with levels.
    """
    alike = (
        (F.col("levels.date_of_service") == "SAME")
        & (F.col("levels.product") == "NDC11")
        & (F.col("levels.quantity") == "EXACT")
    )
    return (
        pairs.where(alike & F.col("fill_step").isNotNull())
        .groupBy("payer_id", "parent_entity_id", "fill_step")
        .agg(F.count(F.lit(1)).alias("pairs"))
    )


def learn(steps: Iterable[tuple[str | None, str | None, int, int]], settings: LinkSettings) -> FillOffsets:
    """Offsets from rows of `fill_steps`; what the settings name is taken from there.

    A step is the entity's offset less the payer's. With the other side's offsets held, a source's offset is the one
    that most of its pairs ask for: payers first, who are few and large, then entities, until nothing changes.
    """
    known = [(p, e, step, pairs) for p, e, step, pairs in steps if p is not None and e is not None]
    payers: dict[str, int] = {}
    entities: dict[str, int] = {}
    for _ in range(_ROUNDS):
        before = dict(payers), dict(entities)
        payers = _agreed(((p, entities.get(e, 0) - step, n) for p, e, step, n in known), settings)
        entities = _agreed(((e, step + payers.get(p, 0), n) for p, e, step, n in known), settings)
        if (payers, entities) == before:
            break
    return FillOffsets(payers, entities)


def _agreed(votes: Iterable[tuple[str, int, int]], settings: LinkSettings) -> dict[str, int]:
    """Offset by source where enough pairs agree on one."""
    counted: dict[str, Counter[int]] = defaultdict(Counter)
    for source, offset, pairs in votes:
        counted[source][offset] += pairs
    agreed = dict(settings.fill_offsets)
    for source, offsets in sorted(counted.items()):
        offset, pairs = min(offsets.items(), key=lambda item: (-item[1], item[0]))
        is_clear = offsets.total() >= settings.offset_pairs and pairs >= settings.offset_share * offsets.total()
        # nobody counts from below 0: then it is the other side that counts from 1
        if source not in agreed and is_clear and offset > 0:
            agreed[source] = offset
    return agreed


def _looked_up(offsets: Mapping[str, int], columns: tuple[str, ...]) -> Column:
    if not offsets:
        return F.lit(0)
    entries = [F.lit(value) for item in sorted(offsets.items()) for value in item]
    table = F.create_map(*entries)
    return F.coalesce(*(F.try_element_at(table, F.col(column)) for column in columns), F.lit(0))
