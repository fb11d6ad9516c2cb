"""Writes generated claim feeds, reference tables, labels and true links."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.tables import ENTITY_CLAIMS, PHARMACY_CLAIMS, REBATE_CLAIMS, TABLES
from engine.errors import OutputError, Problem
from engine.runtime.parquet import read_parquet, write_parquet
from engine.runtime.sharing import Shared, parallelism, share
from engine.runtime.storage import Storage, join
from engine.settings import SyntheticSettings
from synthetic import (
    balances,
    chunks,
    entity_claims,
    inflation,
    invoices,
    part_b,
    pharmacy_claims,
    rebate_claims,
    sales,
    settlements,
)
from synthetic.arrow import spark_schema
from synthetic.chunks import Maker
from synthetic.dispenses import Plan
from synthetic.labels import CLAIM_LABELS, LABEL_COLUMNS, LABELS
from synthetic.link_truth import LINK_TRUTH
from synthetic.link_truth import NAME as LINK_TRUTH_NAME
from synthetic.planning import planned_share
from synthetic.references import reference_tables
from synthetic.world import World, build_world

Generated = Callable[[T.StructType, Maker], DataFrame]

TASKS_PER_CORE = 4
UNFINISHED = "_unfinished"


def synthesize(
    spark: SparkSession, storage: Storage, settings: SyntheticSettings, claims: int, seed: int, output: str
) -> dict[str, int]:
    """Write feeds, reference tables, labels and true links for `claims` dispenses below `output`; rows per table.

    The same settings, number and seed give the same rows, however the work is divided. Raises OutputError where
    `output` is not empty, ConfigurationError if the rates leave too few ordinary dispenses.
    """
    planned_share(settings)
    _refuse_what_is_there(storage, output)
    plan = Plan(seed, claims, settings)
    world = build_world(seed)
    shared = share(spark, world)
    generated = partial(_generated, spark, shared, plan)
    unfinished = output.rstrip("/") + UNFINISHED
    storage.delete(unfinished)
    counts = {}
    for name, schema, maker in _FEEDS:
        counts[name] = _write(storage, generated(schema, maker), join(unfinished, name))
    plants_violations = settings.violation_rate > 0
    bought = _chargebacks(generated, shared, plants_violations)
    counts["chargebacks"] = _write(storage, bought, join(unfinished, "chargebacks"))
    invoiced = _invoices(generated, world, settings)
    lines = invoiced.lines
    of_claims = generated(spark_schema(TABLES[settlements.NAME], settlements.COLUMNS), chunks.settlement_rows)
    settled = of_claims.unionByName(spark.createDataFrame(invoiced.settlements, of_claims.schema).coalesce(1))
    counts[settlements.NAME] = _write(storage, settled, join(unfinished, settlements.NAME))
    sold, truth_of_sales = sales.build_sales(world, lines, plants_violations)
    reports, truth_of_reports = inflation.build_reports(world, _excluded_units(generated), plants_violations)
    of_sums = [
        invoiced.labels,
        truth_of_sales,
        truth_of_reports,
        *([_balance_labels(generated)] if plants_violations else []),
    ]
    summed = (("invoices", lines), (sales.NAME, sold), (inflation.NAME, reports))
    for name, rows in (*summed, *reference_tables(world)):
        _write_small(storage, rows, join(unfinished, f"{name}.parquet"))
        counts[name] = rows.num_rows
    of_policies = generated(LABELS, chunks.policy_label_rows)
    labels = generated(CLAIM_LABELS, chunks.label_rows)
    labels = labels.unionByName(of_policies, allowMissingColumns=True).persist(StorageLevel.DISK_ONLY)
    # in one chunk: Spark stops reading at an empty one
    labels_of_sums = spark.createDataFrame(pa.concat_tables(of_sums).combine_chunks(), LABELS).coalesce(1)
    for label, columns in LABEL_COLUMNS.items():
        rows = (
            labels.unionByName(labels_of_sums, allowMissingColumns=True)
            .where(F.col("label") == label.value)
            .select(*columns)
        )
        counts[label.value] = _write(storage, rows, join(unfinished, label.value))
    labels.unpersist()
    pairs = generated(LINK_TRUTH, chunks.link_truth_rows)
    counts[LINK_TRUTH_NAME] = _write(storage, pairs, join(unfinished, LINK_TRUTH_NAME))
    storage.delete(output)
    storage.rename(unfinished, output)
    return counts


def _refuse_what_is_there(storage: Storage, output: str) -> None:
    if storage.children(output) or (storage.exists(output) and not storage.is_folder(output)):
        raise OutputError(
            Problem("the output location is not empty", output, to_do="name another folder or empty this one")
        )


def _write(storage: Storage, frame: DataFrame, location: str) -> int:
    write_parquet(frame, storage, location)
    return read_parquet(frame.sparkSession, location, frame.schema).count()


def _write_small(storage: Storage, rows: pa.Table, location: str) -> None:
    with storage.local_file(location) as file:
        pq.write_table(rows, file)


def _invoices(generated: Generated, world: World, settings: SyntheticSettings) -> invoices.Invoices:
    """Invoice lines and their labels. The number of lines is limited by products, states and quarters, not by the
    number of claims.
    """
    parts = generated(_long_schema(invoices.PART_SCHEMA), chunks.invoice_part_rows)
    totals = parts.groupBy(*invoices.KEYS).agg(*(F.sum(name).alias(name) for name in invoices.SUMS))
    return invoices.build_invoices(world, totals.toArrow(), settings.violation_rate)


def _balance_labels(generated: Generated) -> pa.Table:
    """Labels of purchases compared with claims. The number of sums is limited by entities, drugs and quarters."""
    parts = generated(_long_schema(balances.PART_SCHEMA), chunks.balance_part_rows)
    sums = (F.sum(name).alias(name) for name in balances.SUMS)
    ends = (F.min(balances.FIRST).alias(balances.FIRST), F.max(balances.LAST).alias(balances.LAST))
    return balances.balance_labels(parts.groupBy(*balances.KEYS).agg(*sums, *ends).toArrow())


def _excluded_units(generated: Generated) -> pa.Table:
    """Units that reports of the Part D inflation rebate should exclude, by product."""
    parts = generated(_long_schema(inflation.PART_SCHEMA), chunks.inflation_part_rows)
    return parts.groupBy(inflation.KEY).agg(F.sum(inflation.SUM).alias(inflation.SUM)).toArrow()


def _generated(spark: SparkSession, world: Shared[World], plan: Plan, schema: T.StructType, maker: Maker) -> DataFrame:
    """One table's rows of all chunks. Chunks are spread over some tasks; each is made separately."""
    tasks = max(1, min(plan.chunks, TASKS_PER_CORE * parallelism(spark)))
    numbers = spark.range(0, plan.chunks, 1, numPartitions=tasks)
    return numbers.mapInArrow(partial(_make_chunks, world, plan, maker), schema)


def _make_chunks(
    world: Shared[World], plan: Plan, maker: Maker, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for chunk in batch.column("id").to_pylist():
            yield maker(world.value, plan, chunk)


def _chargebacks(generated: Generated, world: Shared[World], plants_violations: bool) -> DataFrame:
    """Chargebacks for the summed purchases of each entity, product and quarter."""
    purchases = generated(_long_schema(entity_claims.PURCHASE_SCHEMA), chunks.purchase_rows)
    totals = purchases.groupBy(*entity_claims.PURCHASE_KEYS).agg(F.sum("units").alias("units"))
    schema = spark_schema(TABLES["chargebacks"], entity_claims.CHARGEBACK_COLUMNS)
    return totals.mapInArrow(partial(_make_chargebacks, world, plants_violations), schema)


def _make_chargebacks(
    world: Shared[World], plants_violations: bool, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        times = balances.times_bought(world.value, batch, plants_violations)
        yield entity_claims.chargeback_batch(world.value, batch, times)


def _long_schema(schema: pa.Schema) -> T.StructType:
    return T.StructType([T.StructField(name, T.LongType()) for name in schema.names])


_FEEDS = (
    (REBATE_CLAIMS.name, spark_schema(REBATE_CLAIMS, rebate_claims.COLUMNS), chunks.rebate_claim_rows),
    (PHARMACY_CLAIMS.name, spark_schema(PHARMACY_CLAIMS, pharmacy_claims.COLUMNS), chunks.pharmacy_claim_rows),
    (ENTITY_CLAIMS.name, spark_schema(ENTITY_CLAIMS, entity_claims.COLUMNS), chunks.entity_claim_rows),
    (part_b.NAME, spark_schema(TABLES[part_b.NAME], part_b.COLUMNS), chunks.part_b_rows),
)
