"""What the report shows beyond one run's findings: dollars submitted and recovered, precision, volumes, names."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import Subject
from engine.intervals import quarter_of
from engine.runtime.expressions import union_all
from engine.settings import ReportSettings

_Z_95 = 1.959964
_BASELINE_QUARTERS = 4


@dataclass
class Amounts:
    """Units and US dollars of findings of one subject that were submitted, and that counterparties credited.

    unpriced: submitted lines without a price, so with unknown dollars; answers: credits that state an amount.
    """

    lines: int = 0
    units: Decimal = Decimal(0)
    submitted: Decimal = Decimal(0)
    unpriced: int = 0
    answers: int = 0
    credited_units: Decimal = Decimal(0)
    recovered: Decimal = Decimal(0)


class Precision(NamedTuple):
    """How many of the `judged` findings that a rule determined were right, according to one `source`."""

    rule_id: str
    source: str
    right: int
    judged: int

    @property
    def share(self) -> float:
        """Part that was right, 0 to 1."""
        return self.right / self.judged

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% Wilson score interval."""
        n, z = self.judged, _Z_95
        middle = self.share + z * z / (2 * n)
        width = z * math.sqrt(self.share * (1 - self.share) / n + z * z / (4 * n * n))
        scale = 1 + z * z / n
        return max(0.0, (middle - width) / scale), min(1.0, (middle + width) / scale)


ANSWERED, SAMPLED = "counterparties' answers", "random sample"


class Volume(NamedTuple):
    """Rows of one source of a feed in its latest complete quarter, and the mean of up to four quarters before."""

    feed: str
    source: str
    period: str
    rows: int
    usual: float

    @property
    def change(self) -> float:
        """Growth over the usual number of rows: 0.1 means 10 % more."""
        return self.rows / self.usual - 1


@dataclass(frozen=True)
class Overview:
    """amounts: by subject; None for answers to complete cases and to findings of deleted runs. names: of covered
    entities and pharmacies by id. volumes: those that changed by more than the settings allow.
    """

    amounts: Mapping[Subject | None, Amounts] = field(default_factory=dict)
    precision: Sequence[Precision] = ()
    volumes: Sequence[Volume] = ()
    sources_compared: int = 0
    names: Mapping[str, str] = field(default_factory=dict)


def row_counts(
    claims: DataFrame | None, entity_claims: DataFrame | None, invoices: DataFrame | None
) -> list[tuple[str, str, str, int]]:
    """Numbers of live rows by feed, source and quarter, in one job.

    The quarter is the period covered for claims and invoice lines, and the quarter of service for 340B claims.
    """
    parts = []
    if claims is not None:
        source = F.concat_ws(" ", "program", "payer_id")
        parts.append(_counted(claims, "rebate_claims", source, F.col("period")))
    if entity_claims is not None:
        parts.append(_counted(entity_claims, "entity_claims", F.col("entity_id"), quarter_of(F.col("date_of_service"))))
    if invoices is not None:
        parts.append(_counted(invoices, "invoices", F.concat_ws(" ", "program", "state"), F.col("period")))
    if not parts:
        return []
    rows = union_all(parts).collect()
    return sorted((row["feed"], row["source"], row["quarter"], row["n"]) for row in rows)


def _counted(rows: DataFrame, feed: str, source: Column, quarter: Column) -> DataFrame:
    narrow = rows.select(F.lit(feed).alias("feed"), source.alias("source"), quarter.alias("quarter"))
    narrow = narrow.where(F.col("source").isNotNull() & F.col("quarter").isNotNull())
    return narrow.groupBy("feed", "source", "quarter").agg(F.count(F.lit(1)).alias("n"))


def volumes(
    counts: Iterable[tuple[str, str, str, int]], as_of: date, settings: ReportSettings
) -> tuple[list[Volume], int]:
    """Sources whose latest complete quarter has more or fewer rows than before, and how many sources were compared.

    A quarter is complete when another has passed since its end; until then claims still arrive. A source that sent
    nothing in that quarter counts as 0. Sources with fewer rows than `least_rows` a quarter are not compared.
    Largest change in rows first.
    """
    latest = _quarter_number(as_of) - 2
    by_source: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for feed, source, quarter, rows in counts:
        by_source[feed, source][_number(quarter)] = rows
    changed, compared = [], 0
    for (feed, source), of_source in by_source.items():
        before = [of_source[q] for q in range(latest - _BASELINE_QUARTERS, latest) if q in of_source]
        usual = sum(before) / len(before) if before else 0.0
        if usual < settings.least_rows:
            continue
        compared += 1
        volume = Volume(feed, source, f"{latest // 4}Q{latest % 4 + 1}", of_source.get(latest, 0), usual)
        if abs(volume.change) > settings.volume_change:
            changed.append(volume)
    return sorted(changed, key=lambda v: (-abs(v.rows - v.usual), v.feed, v.source)), compared


def _quarter_number(day: date) -> int:
    return day.year * 4 + (day.month - 1) // 3


def _number(quarter: str) -> int:
    return int(quarter[:4]) * 4 + int(quarter[5:]) - 1
