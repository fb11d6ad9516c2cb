"""Writing the tables through Spark: same rows however the work is divided, in the contract's layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine.contracts.tables import TABLES
from engine.errors import ConfigurationError, OutputError
from engine.runtime.sharing import share
from engine.runtime.storage import Storage, storage_of
from engine.settings import SyntheticSettings
from synthetic import chunks, feeds, synthesize
from synthetic.balances import PART_SCHEMA, balance_labels, times_bought
from synthetic.dispenses import Plan
from synthetic.entity_claims import PURCHASE_SCHEMA, chargeback_batch
from synthetic.inflation import KEY, SUM, build_reports
from synthetic.invoices import KEYS, build_invoices
from synthetic.kinds import Label
from synthetic.labels import LABEL_COLUMNS
from synthetic.link_truth import NAME as LINK_TRUTH_NAME
from synthetic.sales import build_sales
from synthetic.world import build_world

SEED, CLAIMS = 5, 3_000
SETTINGS = SyntheticSettings(dispenses_per_chunk=700)


@pytest.fixture(scope="module")
def storage(spark: SparkSession) -> Storage:
    return storage_of(spark)


@pytest.fixture(scope="module")
def written(
    spark: SparkSession, storage: Storage, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, int]]:
    """Location and counts of one small run."""
    location = tmp_path_factory.mktemp("synthetic")
    return location, synthesize(spark, storage, SETTINGS, CLAIMS, SEED, str(location))


def rows_of(table: pa.Table) -> Counter[Any]:
    return Counter(tuple(map(str, row.values())) for row in table.to_pylist())


def read(spark: SparkSession, location: Path, name: str) -> pa.Table:
    folder, file = location / name, location / f"{name}.parquet"
    return spark.read.parquet(str(folder if folder.is_dir() else file)).toArrow()


def made(maker: Callable[..., Any]) -> pa.Table:
    """The rows as plain Python makes them, chunk by chunk."""
    plan, world = Plan(SEED, CLAIMS, SETTINGS), build_world(SEED)
    return pa.Table.from_batches([maker(world, plan, chunk) for chunk in range(plan.chunks)])


def test_every_table_is_written_in_the_contract_layout(
    spark: SparkSession, written: tuple[Path, dict[str, int]]
) -> None:
    location, counts = written
    labels = {label.value for label in LABEL_COLUMNS} | {LINK_TRUTH_NAME}
    assert labels <= set(counts)
    assert set(counts) - labels <= set(TABLES)
    assert {"rebate_claims", "pharmacy_claims", "entity_claims", "invoices", "prices", "chargebacks"} <= set(counts)
    for name, count in counts.items():
        table = read(spark, location, name)
        assert table.num_rows == count
        # groups need more claims than these to have a month that stands out
        assert count > 0 or name == Label.GROUP, name
        if name in TABLES:
            expected = {c.name: c.kind.spark_type for c in TABLES[name].columns}
            folder = location / name
            schema = spark.read.parquet(str(folder if folder.is_dir() else location / f"{name}.parquet")).schema
            assert {field.name: field.dataType for field in schema} == {
                field.name: expected[field.name] for field in schema
            }


def test_what_spark_writes_is_what_the_chunks_hold(spark: SparkSession, written: tuple[Path, dict[str, int]]) -> None:
    location, _ = written
    for name, maker in (
        ("rebate_claims", chunks.rebate_claim_rows),
        ("pharmacy_claims", chunks.pharmacy_claim_rows),
        ("entity_claims", chunks.entity_claim_rows),
        ("part_b_lines", chunks.part_b_rows),
        (LINK_TRUTH_NAME, chunks.link_truth_rows),
    ):
        assert rows_of(read(spark, location, name)) == rows_of(made(maker)), name


def test_sums_over_chunks_are_the_same_in_spark(spark: SparkSession, written: tuple[Path, dict[str, int]]) -> None:
    location, _ = written
    world = build_world(SEED)
    parts = made(chunks.invoice_part_rows)
    totals = parts.group_by(list(KEYS)).aggregate([(name, "sum") for name in parts.column_names[len(KEYS) :]])
    invoiced = build_invoices(world, totals.rename_columns(parts.column_names), SETTINGS.violation_rate)
    lines, truth = invoiced.lines, invoiced.labels
    assert rows_of(read(spark, location, "invoices")) == rows_of(lines)
    sold, truth_of_sales = build_sales(world, lines, plants_violations=True)
    assert rows_of(read(spark, location, "sales")) == rows_of(sold)
    parts = made(chunks.inflation_part_rows)
    claimed = parts.group_by(KEY).aggregate([(SUM, "sum")]).rename_columns(parts.column_names)
    reports, truth_of_reports = build_reports(world, claimed, plants_violations=True)
    assert rows_of(read(spark, location, "inflation_reports")) == rows_of(reports)
    parts = made(chunks.balance_part_rows)
    how = {"bought": "sum", "claimed": "sum", "first_day": "min", "last": "max"}
    balances = parts.group_by(PART_SCHEMA.names[:3]).aggregate([*how.items()]).rename_columns(PART_SCHEMA.names)
    labels = pa.concat_tables(
        [
            *(made(chunks.label_rows), made(chunks.policy_label_rows)),
            *(truth, truth_of_sales, truth_of_reports, balance_labels(balances)),
        ],
        promote_options="default",
    )
    of_claims = made(chunks.settlement_rows)
    assert rows_of(read(spark, location, "settlements")) == rows_of(of_claims) + rows_of(invoiced.settlements)
    for label, columns in LABEL_COLUMNS.items():
        expected = labels.filter(pc.equal(labels["label"], label.value)).select(columns)
        assert rows_of(read(spark, location, label.value)) == rows_of(expected), label

    bought = made(chunks.purchase_rows)
    sums = bought.group_by(PURCHASE_SCHEMA.names[:-1]).aggregate([("units", "sum")])
    sums = sums.rename_columns(PURCHASE_SCHEMA.names).combine_chunks().to_batches()[0]
    assert rows_of(read(spark, location, "chargebacks")) == rows_of(
        pa.Table.from_batches([chargeback_batch(world, sums, times_bought(world, sums, True))])
    )


def test_the_number_of_tasks_changes_nothing(
    spark: SparkSession, written: tuple[Path, dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    location, _ = written
    world = share(spark, build_world(SEED))
    plan = Plan(SEED, CLAIMS, SETTINGS)
    name, schema, maker = feeds._FEEDS[2]
    monkeypatch.setattr(feeds, "TASKS_PER_CORE", 1)
    monkeypatch.setattr(feeds, "parallelism", lambda _: 2)
    frame = feeds._generated(spark, world, plan, schema, maker)
    assert frame.select(F.spark_partition_id()).distinct().count() == 2
    assert rows_of(frame.toArrow()) == rows_of(read(spark, location, name))


def test_a_folder_with_something_in_it_is_refused(
    spark: SparkSession, storage: Storage, written: tuple[Path, dict[str, int]]
) -> None:
    location, _ = written
    before = sorted(path.name for path in location.iterdir())
    with pytest.raises(OutputError, match="not empty"):
        synthesize(spark, storage, SETTINGS, 10, SEED, str(location))
    assert sorted(path.name for path in location.iterdir()) == before


def test_rates_that_leave_nothing_ordinary_are_refused(spark: SparkSession, storage: Storage, tmp_path: Path) -> None:
    greedy = SyntheticSettings(violation_rate=0.02, look_alike_rate=0.02)
    with pytest.raises(ConfigurationError, match="too few ordinary"):
        synthesize(spark, storage, greedy, 10, SEED, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_the_smallest_run_works(spark: SparkSession, storage: Storage, tmp_path: Path) -> None:
    nothing_planned = SyntheticSettings(violation_rate=0, look_alike_rate=0, combination_rate=0)
    counts = synthesize(spark, storage, nothing_planned, 1, 1, str(tmp_path / "out"))
    assert counts["rebate_claims"] + counts["entity_claims"] == 1
    assert counts["truth"] == 0
