"""The number from which each source counts fills of a prescription, estimated from pairs that agree otherwise.

NCPDP counts the first fill 0; some sources count it 1. Fill numbers are compared after subtracting the source's offset.
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
# Columns that `fill_steps` reads.
COMPARED = ("payer_id", "parent_entity_id", "days", "product", "quantity", "fill_step")

# (payer, entity, step, pairs) and (source, offset, pairs that support it)
Step = tuple[str, str, int, int]
Vote = tuple[str, int, int]


@dataclass(frozen=True)
class FillOffsets:
    """Number of the first fill by source; a source that is not listed counts from 0."""

    payers: Mapping[str, int] = field(default_factory=dict)
    entities: Mapping[str, int] = field(default_factory=dict)

    def with_shift(self, pairs: DataFrame) -> DataFrame:
        """`pairs` with fill_shift: the offset of the entity (else of its parent) minus the payer's."""
        rows = pairs
        for column, offsets in (
            ("payer_id", self.payers),
            ("entity_id", self.entities),
            ("parent_entity_id", self.entities),
        ):
            names = f"offset_of_{column}", f"{column}_offset"
            table = pairs.sparkSession.createDataFrame(sorted(offsets.items()), f"{names[0]} string, {names[1]} int")
            rows = rows.join(F.broadcast(table), on=F.col(column) == F.col(names[0]), how="left").drop(names[0])
        entity_offset = F.coalesce("entity_id_offset", "parent_entity_id_offset", F.lit(0))
        shift = entity_offset - F.coalesce("payer_id_offset", F.lit(0))
        return rows.select(*column_names(pairs), shift.alias("fill_shift"))


def fill_steps(pairs: DataFrame) -> DataFrame:
    """How fill numbers of one prescription, day, product and quantity differ, by source: payer_id, parent_entity_id,
    fill_step, pairs. `pairs`: compared.
    """
    otherwise_equal = (F.col("days") == 0) & (F.col("product") == "NDC11") & (F.col("quantity") == "EXACT")
    return (
        pairs.where(otherwise_equal & F.col("fill_step").isNotNull())
        .groupBy("payer_id", "parent_entity_id", "fill_step")
        .agg(F.count(F.lit(1)).alias("pairs"))
    )


def learn(steps: Iterable[tuple[str | None, str | None, int, int]], settings: LinkSettings) -> FillOffsets:
    """Estimate offsets from rows of `fill_steps`; offsets in the settings take precedence.

    A step is the entity's offset minus the payer's. Alternates until nothing changes: with the other side's offsets
    fixed, a source's offset is the one that most of its pairs support; payers first, because they are few and large,
    then entities. Offsets supported by too few pairs, or too small a share of them, are dropped at the end.
    """
    usable_steps = [(p, e, step, pairs) for p, e, step, pairs in steps if p is not None and e is not None]
    payers: dict[str, int] = {}
    entities: dict[str, int] = {}
    for _ in range(_ROUNDS):
        before = payers, entities
        payers = _agreed(_of_payers(usable_steps, entities), settings, least_pairs=1, least_share=0)
        entities = _agreed(_of_entities(usable_steps, payers), settings, least_pairs=1, least_share=0)
        if (payers, entities) == before:
            break
    least = settings.offset_pairs, settings.offset_share
    return FillOffsets(
        _agreed(_of_payers(usable_steps, entities), settings, *least),
        _agreed(_of_entities(usable_steps, payers), settings, *least),
    )


def _of_payers(steps: list[Step], entities: Mapping[str, int]) -> Iterator[Vote]:
    return ((payer, entities.get(entity, 0) - step, pairs) for payer, entity, step, pairs in steps)


def _of_entities(steps: list[Step], payers: Mapping[str, int]) -> Iterator[Vote]:
    return ((entity, step + payers.get(payer, 0), pairs) for payer, entity, step, pairs in steps)


def _agreed(votes: Iterable[Vote], settings: LinkSettings, least_pairs: int, least_share: float) -> dict[str, int]:
    """Offset by source, if enough pairs agree on one above 0."""
    counted: dict[str, Counter[int]] = defaultdict(Counter)
    for source, offset, pairs in votes:
        counted[source][offset] += pairs
    agreed = dict(settings.fill_offsets)
    for source, offsets in sorted(counted.items()):
        offset, pairs = min(offsets.items(), key=lambda item: (-item[1], item[0]))
        is_clear = offsets.total() >= least_pairs and pairs >= least_share * offsets.total()
        # no source counts from below 0: a negative offset means that the other side counts from 1
        if source not in agreed and is_clear and offset > 0:
            agreed[source] = offset
    return agreed
