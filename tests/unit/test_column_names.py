"""What plans say of their columns is what the engine says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from engine.runtime.column_names import column_names, declare_columns
from engine.runtime.kinds import is_classic


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([(1, "x", 2.0)], "id int, Name string, amount double")


@pytest.fixture(scope="module")
def others(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([(1, "x", True)], "id int, name string, is_paid boolean")


FRAMES: dict[str, Callable[..., DataFrame]] = {
    "as it was made": lambda rows, _: rows,
    "names": lambda rows, _: rows.select("amount", F.col("id")),
    "aliases": lambda rows, _: rows.select(F.lit(1).alias("one"), (F.col("id") + 1).alias("next")),
    "a field of a struct": lambda rows, _: rows.select(F.struct("id", "amount").alias("s")).select("s.amount"),
    "all fields of a struct": lambda rows, _: rows.select("id", F.struct("Name", "amount").alias("s")).select(
        "s.*", "id"
    ),
    "all": lambda rows, _: rows.select("*", F.lit(1).alias("one")),
    "no alias": lambda rows, _: rows.select(F.col("id") + 1),
    "rows of an array of structs": lambda rows, _: rows.select("id", F.inline(F.array(F.struct("Name", "amount")))),
    "one more and one replaced": lambda rows, _: rows.withColumns({"AMOUNT": F.lit(1), "more": F.lit(2)}),
    "renamed in other letters": lambda rows, _: rows.withColumnsRenamed({"name": "label"}),
    "renamed": lambda rows, _: rows.withColumnsRenamed({"Name": "label", "absent": "x"}),
    "dropped": lambda rows, _: rows.drop("NAME", "absent"),
    "dropped by a column": lambda rows, _: rows.drop(F.col("id")),
    "filtered, sorted, limited": lambda rows, _: rows.where("id > 0").orderBy("id").limit(3).repartition(2).distinct(),
    "grouped": lambda rows, _: rows.groupBy("id").agg(F.count("*").alias("n"), F.max("amount")),
    "grouped, with aliases": lambda rows, _: rows.groupBy("Name").agg(F.count("*").alias("n")),
    "joined on a condition": lambda rows, others: rows.join(
        others.withColumnsRenamed({"id": "other", "name": "n"}), on=F.col("id") == F.col("other"), how="left"
    ),
    "joined on names": lambda rows, others: rows.join(others, on=["name", "id"], how="inner"),
    "joined on one name": lambda rows, others: rows.join(others.drop("name"), on="id", how="left"),
    "joined on a name in other letters": lambda rows, others: rows.join(others, on=["name"], how="left_semi"),
    "joined one-sided": lambda rows, others: rows.select("amount", "id").join(others, on=["id"], how="left_semi"),
    "joined one-sided on a condition": lambda rows, others: rows.alias("r").join(
        others.alias("o"), on=F.col("r.id") == F.col("o.id"), how="left_anti"
    ),
    "united": lambda rows, others: rows.select("id").union(others.select(F.col("id").alias("other"))),
    "broadcast": lambda rows, _: F.broadcast(rows.select("id")),
}


@pytest.mark.parametrize("case", FRAMES)
def test_names_are_those_that_the_engine_gives(rows: DataFrame, others: DataFrame, case: str) -> None:
    frame = FRAMES[case](rows, others)
    assert column_names(frame) == frame.columns


def test_declared_names_reach_what_is_made_of_the_rows(rows: DataFrame) -> None:
    declared = declare_columns(rows.select("*"), ["id", "Name", "amount"])
    further = declared.where("id > 0").withColumn("more", F.lit(1)).drop("amount")
    assert column_names(further) == ["id", "Name", "more"]


def test_the_engine_is_not_asked_where_the_plan_tells(
    spark: SparkSession, rows: DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_classic(spark):
        pytest.skip("Spark knows the columns of a frame in this process")

    def asked(*_: Any) -> None:
        raise AssertionError("the engine was asked")

    told = FRAMES["joined on a condition"](rows, rows.select("id", "Name")).select("amount", F.lit(1).alias("one"))
    monkeypatch.setattr(type(told), "columns", property(asked))
    assert column_names(told.withColumn("two", F.lit(2))) == ["amount", "one", "two"]
