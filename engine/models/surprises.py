"""Measures of a row, its peers, and the surprise of each measure among the peers, on Spark.

Reference distributions come from the rows of the run (decision 3): the grid is computed from them, broadcast, and never
stored with a model. Rows that rules explain are not used as peers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.functions import arrow_udf

from engine.contracts.codes import Program, Subject
from engine.contracts.facts import CLAIM_MEASURES, INVOICE_MEASURES, surprise_name
from engine.models.peer_grid import Keys, Matrix, PeerGrid
from engine.runtime.expressions import divide
from engine.runtime.sharing import share
from engine.settings import PeerSettings

if TYPE_CHECKING:
    import pandas as pd

_STRATUM = ("ndc11", "program")
KEYS = (*_STRATUM, "ndc9", "drug_category")
# Levels of peers, finest first. Units are comparable within a package only: a large tube is eight small ones, and a
# milliliter is not a tablet. Prices per unit are comparable within a product; ratios and days across products.
OF_PACKAGE = (_STRATUM, ("ndc11",))
OF_PRODUCT = (*OF_PACKAGE, ("ndc9",))
OF_CATEGORY = (*OF_PRODUCT, ("drug_category",))
OF_PROGRAM = (("program",),)
# Measures that compare an invoice line with its own other quarters, by the number of these quarters.
OWN_QUARTERS_OF = {
    "f46_units_to_own_median": "own_past_quarters",
    "units_per_prescription_to_own_median": "own_quarters",
    "paid_per_unit_to_own_median": "own_quarters",
}
LEAST_QUARTERS = 3
# Payment within two weeks is never unusual, and R041 reports fee-for-service payments later than timely filing allows.
SOON_DAYS, TIMELY_DAYS = 14.0, 365
_SALT = "peers"
_HASH_STEPS = 1_000_000
_MEASURED = "measured_surprises"


@dataclass(frozen=True)
class Measure:
    """levels: levels of peers, finest first. least_scale: lower bound of the scale of the tails in ln x (the change at
    which the tail probability falls to 1/e), so small differences are never surprising, however similar the peers are.
    """

    levels: tuple[tuple[str, ...], ...]
    least_scale: float


MEASURES: dict[Subject, dict[str, Measure]] = {
    Subject.REBATE_CLAIM: dict(
        zip(
            CLAIM_MEASURES,
            (
                Measure(OF_PACKAGE, 0.35),
                Measure(OF_PACKAGE, 0.2),
                Measure(OF_PRODUCT, 0.1),
                Measure(OF_CATEGORY, 0.1),
                Measure(OF_CATEGORY, 0.5),
            ),
            strict=True,
        )
    ),
    Subject.INVOICE: dict(
        zip(
            INVOICE_MEASURES,
            (
                Measure(OF_PACKAGE, 0.2),
                Measure(OF_PRODUCT, 0.1),
                Measure(OF_PROGRAM, 0.1),
                Measure(OF_PROGRAM, 0.35),
                Measure(OF_PROGRAM, 0.2),
                Measure(OF_PROGRAM, 0.1),
            ),
            strict=True,
        )
    ),
}


def measure(name: str, subject: Subject) -> Column:
    """The measure of a row of the subject's facts as a double, NULL if it is unknown or not meaningful.

    Units of a part of a fill (partial, completion) are NULL, because only both parts together are a prescription. A
    comparison with own quarters needs three: of two quarters, each is equally far from their median. Payments are
    measured only for being late, and not if R041 reports them.
    """
    if subject is Subject.INVOICE:
        value = F.col(name).cast("double")
        quarters = OWN_QUARTERS_OF.get(name)
        return value if quarters is None else F.when(F.col(quarters) >= LEAST_QUARTERS, value)
    units = F.when(F.col("ndc_units") > 0, F.col("ndc_units").cast("double"))
    of_whole_fills = F.coalesce(F.col("dispensing_status"), F.lit("")).isin("P", "C")
    paid = F.col("amount_paid").cast("double") + F.coalesce(F.col("amount_third_party").cast("double"), F.lit(0.0))
    paid_per_unit = divide(F.when(paid > 0, paid), units)
    age = F.col("f44_claim_age_days")
    is_stated = (F.col("program") == F.lit(Program.MDRP_FFS.value)) & (age > F.lit(TIMELY_DAYS))
    return {
        "units_per_prescription": F.when(~of_whole_fills, units),
        "units_per_day": F.when(~of_whole_fills & (F.col("f25_units_per_day") > 0), F.col("f25_units_per_day")),
        "paid_per_unit": paid_per_unit,
        "paid_per_unit_to_wac": divide(paid_per_unit, F.col("price_wac")),
        "days_to_payment": F.when((age >= 0) & ~is_stated, F.greatest(age, F.lit(SOON_DAYS))),
    }[name]


def grid_of_peers(peers: DataFrame, measures: Sequence[str], subject: Subject, settings: PeerSettings) -> PeerGrid:
    """The reference distribution of each measure among `peers`, facts of the subject. Runs Spark jobs.

    At most about `sample_per_stratum` rows of each product and program are collected to the driver, selected by the
    hash of source_row_id and weighted, so counts of peers are those of all rows with a value.
    """
    rows = peers.select(
        "source_row_id", *KEYS, *(measure(name, subject).alias(f"of_{name}") for name in measures)
    ).where(F.col("ndc11").isNotNull())
    sizes = rows.groupBy(*KEYS).agg(
        F.count(F.lit(1)).alias("size"),
        *(F.count(F.when(F.col(f"of_{name}") > 0, 1)).alias(f"known_{name}") for name in measures),
    )
    same = [F.col(f"row.{key}").eqNullSafe(F.col(f"stratum.{key}")) for key in KEYS]
    place = F.pmod(F.xxhash64(F.lit(_SALT), F.col("source_row_id")), F.lit(_HASH_STEPS))
    sample = (
        rows.alias("row")
        .join(F.broadcast(sizes.alias("stratum")), on=same, how="inner")  # one size per stratum
        .where(place * F.col("size") < F.lit(settings.sample_per_stratum * _HASH_STEPS))
        .select("row.*", *(f"known_{name}" for name in measures))
    )
    table = sample.toArrow().sort_by("source_row_id")
    keys = [table.column(key).to_numpy() for key in KEYS]
    values = np.column_stack([table.column(f"of_{name}").to_numpy() for name in measures])
    known = np.column_stack([table.column(f"known_{name}").to_numpy() for name in measures]).astype(np.float64)
    described = MEASURES[subject]
    return PeerGrid.of(
        measures,
        KEYS,
        [described[name].levels for name in measures],
        [described[name].least_scale for name in measures],
        keys,
        values,
        _weights(keys, values, known),
        settings.minimum,
    )


def surprises_among(rows: pd.DataFrame, subject: Subject, settings: PeerSettings | None = None) -> pd.DataFrame:
    """The surprises of the rows of a pandas frame among each other, as a registered model reads them. A run computes
    the same on Spark; this is for rows that fit on one machine.

    `rows`: KEYS, None or NaN if unknown, and the subject's measures (CLAIM_MEASURES or INVOICE_MEASURES), NaN if
    `measure` is NULL. Rows without NDC-11 are not used as peers. Returns one column `<measure>_surprise` per measure,
    on the same index.
    """
    described = MEASURES[subject]
    keys = [np.array([key if isinstance(key, str) else None for key in rows[name]], dtype=object) for name in KEYS]
    values = rows[list(described)].to_numpy(dtype=np.float64)
    is_peer = rows["ndc11"].notna().to_numpy()
    grid = PeerGrid.of(
        list(described),
        KEYS,
        [described_measure.levels for described_measure in described.values()],
        [described_measure.least_scale for described_measure in described.values()],
        [key[is_peer] for key in keys],
        values[is_peer],
        (values[is_peer] > 0).astype(np.float64),
        (settings or PeerSettings()).minimum,
    )
    surprises = grid.surprises(values, grid.groups_of(list(zip(*keys, strict=True))))
    return type(rows)(surprises, index=rows.index, columns=[surprise_name(name) for name in described])


def _weights(keys: Sequence[Any], values: Matrix, known: Matrix) -> Matrix:
    """Number of rows with a value that each sampled row represents: rows of its stratum divided by sampled rows."""
    strata: dict[Keys, int] = {}
    number = np.array([strata.setdefault(key, len(strata)) for key in zip(*keys, strict=True)], dtype=np.int64)
    weights = np.zeros(values.shape)
    for column in range(values.shape[1]):
        is_known = (values[:, column] > 0).astype(np.float64)
        sampled = np.bincount(number, weights=is_known, minlength=len(strata))
        weights[:, column] = known[:, column] / np.maximum(sampled[number], 1.0) * is_known
    return weights


def with_surprises(facts: DataFrame, grid: PeerGrid, subject: Subject) -> DataFrame:
    """`facts` with the surprise of each measure, NULL if it has none, and `has_surprising_measure`: a measure is
    outside its peers' range. Lazy; the grid is broadcast.
    """
    names = [surprise_name(name) for name in grid.measures]
    fields = [T.StructField(name, T.DoubleType()) for name in names]
    fields.append(T.StructField("has_surprising_measure", T.BooleanType()))

    def judged(grid: PeerGrid, values: Matrix, groups: Any) -> list[pa.Array]:
        surprises = grid.surprises(values, groups)
        columns = [pa.array(column, from_pandas=True) for column in surprises.T]
        return [*columns, pa.array(grid.is_outside(values, groups).any(axis=1))]

    computed = _computed(facts, grid, subject, judged, T.StructType(fields))
    own = [*names, "has_surprising_measure"]
    with_struct = facts.withColumn(_MEASURED, computed)
    return with_struct.withColumns({name: F.col(f"{_MEASURED}.{name}") for name in own}).drop(_MEASURED)


def ranges_column(facts: DataFrame, grid: PeerGrid, subject: Subject) -> Column:
    """Struct of arrays by measure: value, low and high (the peers' range), peers, and the share of peers within the
    range; NULL if unknown.
    """
    numbers = T.ArrayType(T.DoubleType())
    kind = T.StructType([T.StructField(name, numbers) for name in ("value", "low", "high", "peers", "inside")])

    def described(grid: PeerGrid, values: Matrix, groups: Any) -> list[pa.Array]:
        return [_lists(of) for of in (values, *grid.ranges(groups))]

    return _computed(facts, grid, subject, described, kind)


def _computed(facts: DataFrame, grid: PeerGrid, subject: Subject, answer: Any, kind: T.StructType) -> Column:
    shared = share(facts.sparkSession, grid)
    names = [field.name for field in kind.fields]
    keys = len(KEYS)

    def answers(*columns: pa.Array) -> pa.Array:
        of_grid = shared.value
        groups = _groups(of_grid, columns[:keys])
        values = np.column_stack([column.to_numpy(zero_copy_only=False) for column in columns[keys:]])
        return pa.StructArray.from_arrays(answer(of_grid, values.astype(np.float64), groups), names=names)

    inputs = [F.col(key) for key in KEYS] + [measure(name, subject) for name in grid.measures]
    # Spark takes the kind of function from the annotations; its type stubs require it as an argument
    return arrow_udf(answers, kind)(*inputs)  # type: ignore[call-overload]


def _groups(grid: PeerGrid, keys: Sequence[pa.Array]) -> Any:
    """Peer groups, looked up once per distinct combination of keys, because a batch has few."""
    combined: dict[Keys, int] = {}
    columns = [column.to_pylist() for column in keys]
    number = [combined.setdefault(key, len(combined)) for key in zip(*columns, strict=True)]
    return grid.groups_of(list(combined))[np.array(number, dtype=np.int64)]


def _lists(rows: Matrix) -> pa.Array:
    ends = np.arange(0, rows.size + 1, rows.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(rows.ravel(), from_pandas=True))
