"""The work folder: written once, read back in the declared schema, taken up again after a stop."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Step
from engine.errors import InternalError, OutputError
from engine.runs import WorkFolder, WorkTable, WorkTables
from engine.runtime.storage import storage_of

pytestmark = pytest.mark.both_engines

RULES = T.ArrayType(T.StructType([T.StructField("rule_id", T.StringType())]))
SCHEMA = T.StructType(
    [
        T.StructField("id", T.StringType()),
        T.StructField("units", T.DecimalType(15, 3)),
        T.StructField("rules", RULES),
    ]
)


def table(name: str, schema: T.StructType = SCHEMA) -> WorkTable:
    return WorkTable(name, Step.FACTS, "id", schema)


@pytest.fixture
def rows(spark: SparkSession) -> DataFrame:
    return spark.sql(
        "select string(id) id, decimal(id) / 4 units, array(struct('R001' rule_id)) rules from range(10)"
    ).to(SCHEMA)


def test_rows_come_back_in_their_schema(spark: SparkSession, rows: DataFrame, tmp_path: Path) -> None:
    work = WorkFolder(spark, storage_of(spark), str(tmp_path / "work"), resume=False)
    back = work.write(table("conformed/claims"), rows, partitions=3)
    assert back.schema.simpleString() == rows.schema.simpleString()
    assert all(field.nullable for field in back.schema)
    assert sorted(back.collect()) == sorted(rows.collect())
    assert len(list((tmp_path / "work" / "conformed" / "claims").glob("*.parquet"))) == 3
    assert work.path(table("conformed/claims")) == f"{tmp_path}/work/conformed/claims"
    assert work.rows(table("conformed/claims")) == 10
    again = work.write(table("conformed/claims"), rows.limit(1))
    assert again.count() == work.rows(table("conformed/claims")) == 1
    assert not work.is_done(table("conformed/claims")), "without resume nothing counts as done"


def test_what_is_whole_is_read_and_what_is_not_is_written_anew(
    spark: SparkSession, rows: DataFrame, tmp_path: Path
) -> None:
    first = WorkFolder(spark, storage_of(spark), str(tmp_path), resume=False)
    first.write(table("whole"), rows)
    first.write(table("half"), rows)
    (tmp_path / "half" / "_SUCCESS").unlink()
    first.write(table("older", rows.drop("rules").schema), rows.drop("rules"))

    fails_if_computed = rows.withColumn("id", F.raise_error(F.lit("computed again")).cast("string"))
    resumed = WorkFolder(spark, storage_of(spark), str(tmp_path), resume=True)
    assert [resumed.is_done(table(name)) for name in ("whole", "half", "none")] == [True, False, False]
    assert resumed.write(table("whole"), fails_if_computed).count() == 10
    assert resumed.write(table("half"), rows.limit(2)).count() == 2
    assert resumed.write(table("older"), rows).columns == ["id", "units", "rules"]
    with pytest.raises(Exception, match="computed again"):
        resumed.write(table("none"), fails_if_computed)


@pytest.mark.parametrize("damage", ["removed", "cut short", "added"])
def test_a_result_whose_files_changed_is_computed_again(
    spark: SparkSession, rows: DataFrame, tmp_path: Path, damage: str
) -> None:
    WorkFolder(spark, storage_of(spark), str(tmp_path), resume=False).write(table("facts"), rows)
    part = next((tmp_path / "facts").glob("*.parquet"))
    if damage == "removed":
        part.unlink()
    elif damage == "cut short":
        part.write_bytes(part.read_bytes()[:-1])
    else:
        (tmp_path / "facts" / "part-9.parquet").write_bytes(part.read_bytes())
    resumed = WorkFolder(spark, storage_of(spark), str(tmp_path), resume=True)
    assert not resumed.is_done(table("facts"))
    assert resumed.write(table("facts"), rows).count() == resumed.rows(table("facts")) == 10


@pytest.mark.parametrize("damage", ["a file", "everything"])
def test_results_that_were_changed_meanwhile_are_noticed_before_they_are_used_up(
    spark: SparkSession, rows: DataFrame, tmp_path: Path, damage: str
) -> None:
    work = WorkFolder(spark, storage_of(spark), str(tmp_path / ".r1.work"), resume=False)
    work.write(table("peers/claims"), rows)
    work.write(table("facts"), rows.limit(0))
    work.check()
    if damage == "everything":
        shutil.rmtree(tmp_path / ".r1.work")
    else:
        next((tmp_path / ".r1.work" / "peers" / "claims").glob("*.parquet")).unlink()
    with pytest.raises(OutputError, match=r"changed or removed(.|\n)*files of peers/claims differ"):
        work.check()


def test_an_empty_result_has_its_columns(spark: SparkSession, rows: DataFrame, tmp_path: Path) -> None:
    work = WorkFolder(spark, storage_of(spark), str(tmp_path), resume=False)
    back = work.write(table("none"), rows.where("id = 'x'"))
    assert (back.count(), work.rows(table("none")), back.columns) == (0, 0, rows.columns)
    assert (tmp_path / "none" / "_SUCCESS").exists()
    assert WorkFolder(spark, storage_of(spark), str(tmp_path), resume=True).is_done(table("none"))


def test_a_result_that_is_taken_over_keeps_its_count(spark: SparkSession, rows: DataFrame, tmp_path: Path) -> None:
    WorkFolder(spark, storage_of(spark), str(tmp_path), resume=False).write(table("facts"), rows)
    resumed = WorkFolder(spark, storage_of(spark), str(tmp_path), resume=True)
    resumed.write(table("facts"), rows)
    assert resumed.rows(table("facts")) == 10


def test_a_result_of_another_origin_is_written_again(spark: SparkSession, rows: DataFrame, tmp_path: Path) -> None:
    def folder(run: str, resume: bool = True) -> WorkFolder:
        work = WorkFolder(spark, storage_of(spark), str(tmp_path), resume)
        work.origin = {"run": run}
        return work

    folder("a", resume=False).write(table("scores"), rows, model="claims/1")
    assert folder("a").is_done(table("scores"), "claims/1")
    assert not folder("a").is_done(table("scores"), "claims/2")
    assert not folder("a").is_done(table("scores"))
    assert not folder("b").is_done(table("scores"), "claims/1")
    assert folder("a").write(table("scores"), rows.limit(1), model="claims/2").count() == 1
    assert folder("a").is_done(table("scores"), "claims/2")


def test_rows_of_another_schema_than_declared_are_no_finished_result(
    spark: SparkSession, rows: DataFrame, tmp_path: Path
) -> None:
    work = WorkFolder(spark, storage_of(spark), str(tmp_path), resume=False)
    other = rows.drop("rules").withColumn("units", F.col("units").cast("double"))
    with pytest.raises(InternalError) as refused:
        work.write(table("facts"), other)
    assert str(refused.value) == (
        "facts has other columns than it declares: units double instead of "
        "rules array<struct<rule_id:string>>, units decimal(15,3)"
    )
    assert not WorkFolder(spark, storage_of(spark), str(tmp_path), resume=True).is_done(table("facts"))
    wider = F.col("units").cast("decimal(16,3)").alias("units")
    assert work.write(table("facts"), rows.select("rules", wider, "id")).columns == ["rules", "units", "id"]


def test_tables_of_one_kind_have_a_schema_each() -> None:
    kinds = {"claims": SCHEMA, "invoices": T.StructType([SCHEMA["id"]])}
    facts = WorkTables("facts", "table", Step.FACTS, "id", kinds.__getitem__, reads=("conformed",))
    assert (facts.name, facts.of("claims").name) == ("facts/<table>", "facts/claims")
    assert facts.of("invoices") == WorkTable("facts/invoices", Step.FACTS, "id", kinds["invoices"], ("conformed",))
