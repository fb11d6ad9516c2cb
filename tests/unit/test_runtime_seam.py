"""What engine.runtime offers has the same meaning on every engine."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.runtime.abilities import without_backtracking
from engine.runtime.kinds import is_classic
from engine.runtime.parquet import read_parquet, write_parquet
from engine.runtime.paths import reader_path
from engine.runtime.sharing import parallelism, share
from engine.runtime.storage import Storage, StorageError, storage_of

ODD_NAMES = ["a b", "x[1]", "50%", "%20", "#1", "{a,b}", "é", "a?b", "a*", "c\\d", "e:f"]


@pytest.mark.parametrize("name", [name for name in ODD_NAMES if name != "#1"])
def test_a_folder_of_any_name_is_written_and_read_as_itself(spark: SparkSession, tmp_path: Path, name: str) -> None:
    if ":" in name and is_classic(spark):
        pytest.skip("Hadoop's paths have no colon")
    storage, folder = storage_of(spark), str(tmp_path / name)
    write_parquet(spark.range(5), storage, folder)
    write_parquet(spark.range(7), storage, folder)
    schema = T.StructType([T.StructField("id", T.LongType())])
    assert read_parquet(spark, folder, schema).count() == 7
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "_SUCCESS").exists()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_of_any_name_is_read_alone(spark: SparkSession, tmp_path: Path, name: str) -> None:
    if ":" in name and is_classic(spark):
        pytest.skip("Hadoop's paths have no colon")
    for number, one in enumerate((name, "other")):
        pq.write_table(pa.table({"id": [number]}), tmp_path / f"{one}.parquet")
    (listed,) = [file for file in storage_of(spark).files(str(tmp_path)) if file.name == f"{name}.parquet"]
    for location in (listed.uri, f"{tmp_path}/{name}.parquet"):
        assert spark.read.schema("id bigint").parquet(reader_path(spark, location)).collect() == [(0,)]


def test_functions_on_executors_see_a_shared_object(spark: SparkSession) -> None:
    shared = share(spark, {"factor": 3})

    def times(batches: Any) -> Iterator[Any]:
        for batch in batches:
            yield pa.RecordBatch.from_pydict({"id": [shared.value["factor"] * one for one in batch["id"].to_pylist()]})

    rows = spark.range(4).mapInArrow(times, "id bigint")
    assert sorted(row["id"] for row in rows.collect()) == [0, 3, 6, 9]
    assert parallelism(spark) >= 1


def test_on_the_embedded_engine_a_shared_object_is_not_copied() -> None:
    from engine.runtime.sharing import _InProcess

    value = object()
    assert pickle.loads(pickle.dumps(_InProcess(value))).value is value


def test_possessive_patterns_match_the_same_texts(spark: SparkSession) -> None:
    pattern = without_backtracking(spark, '^"[^"]*+(?:""[^"]*+)*+"\\z')
    texts = ['"a"', '"a""b"', '"a"b"', '""', '"', 'a"b"', '"a"""']
    rows = spark.createDataFrame([(text,) for text in texts], "text string")
    found = {row["text"] for row in rows.where(F.col("text").rlike(pattern)).collect()}
    assert found == {'"a"', '"a""b"', '""', '"a"""'}


def test_a_storage_without_a_remote_serves_local_paths_alone(tmp_path: Path) -> None:
    storage = Storage()
    storage.write_text(str(tmp_path / "x"), "y")
    assert storage.read_bytes(f"file://{tmp_path}/x") == b"y"
    with pytest.raises(StorageError, match="not a local path: hdfs:///x"):
        storage.exists("hdfs:///x")
