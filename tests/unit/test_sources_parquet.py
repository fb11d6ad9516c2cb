"""Parquet as pandas, pyarrow and others write it, read without loss and without surprise."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.errors.exceptions.connect import SparkConnectException
from pyspark.sql import SparkSession

from engine.contracts.codes import Step
from engine.errors import InputError
from engine.runs import WorkFolder, WorkTable
from engine.sources import translate_read_error
from tests.unit.sources_folder import INVOICE_CSV, Folder, kinds, values

pytestmark = pytest.mark.both_engines


@pytest.fixture
def folder(spark: SparkSession, tmp_path: Path) -> Folder:
    return Folder(spark, tmp_path)


def write(folder: Folder, name: str, columns: dict[str, Any], **options: Any) -> None:
    pq.write_table(pa.table(columns), folder.put(name, b""), **options)


def test_what_pandas_writes(folder: Folder) -> None:
    before_1970 = "1969-12-31 23:59:59.999999999"
    frame = pd.DataFrame(
        {
            "source_row_id": ["a", "b"],
            "program": pd.Categorical(["PARTD", "MFP"]),
            "received_at": pd.to_datetime(["2025-07-01 12:34:56.123456789", before_1970]),
            "date_of_service": pd.to_datetime(["2025-06-30", None]),
            "paid_date": [date(2025, 7, 1), None],
            "units": [12.345, np.nan],
            "days_supply": pd.array([30, None], dtype="Int64"),
            "amount_paid": [Decimal("1.10"), None],
            "ndc": pd.array(["00002143380", None], dtype="string[pyarrow]"),
            "patient_key": [None, None],
        }
    )
    frame.to_parquet(folder.put("rebate_claims/one.parquet", b""))
    opened = folder.table("rebate_claims")
    told = values(
        opened,
        *("source_row_id", "program", "received_at", "date_of_service", "paid_date"),
        *("units", "days_supply", "amount_paid", "ndc", "patient_key"),
    )
    assert told == [
        (
            *("a", "PARTD", "2025-07-01 12:34:56.123456", "2025-06-30 00:00:00", date(2025, 7, 1)),
            *(12.345, 30, Decimal("1.10"), "00002143380", None),
        ),
        ("b", "MFP", "1969-12-31 23:59:59.999999", *[None] * 7),
    ]
    assert kinds(opened)["received_at"] == "timestamp"
    assert kinds(opened)["patient_key"] == "string"
    assert opened.columns == set(frame.columns)


def test_large_strings_zoned_nanoseconds_and_times_without_zone(folder: Folder) -> None:
    write(
        folder,
        "invoices.parquet",
        {
            "ndc": pa.array(["1"], pa.large_string()),
            "program": pa.array(["MDRP_FFS"]).dictionary_encode(),
            "postmark_date": pa.array([1_000], pa.timestamp("ns", "America/New_York")),
            "received_date": pa.array([1_000], pa.timestamp("us")),
        },
    )
    opened = folder.table("invoices")
    assert kinds(opened)["postmark_date"] == kinds(opened)["received_date"] == "timestamp"
    cast = opened.rows.selectExpr("ndc", "program", "unix_micros(postmark_date)", "unix_micros(received_date)")
    assert [tuple(row) for row in cast.collect()] == [("1", "MDRP_FFS", 1, 1_000)]


def test_files_that_disagree_on_types_are_read_as_what_they_hold(folder: Folder) -> None:
    """One column each: empty in one file, of another type, of another width, spelled otherwise, missing."""
    write(
        folder,
        "invoices/a.parquet",
        {
            "ndc": ["00002143380"],
            "product_name": pa.nulls(1),
            "invoice_number": pa.array([None], pa.float64()),
            "prescriptions": pa.array([11], pa.int32()),
            "units_reimbursed": [10.5],
            "postmark_date": [date(2025, 1, 1)],
            "suppressed": [True],
            "rebate_amount": pa.array([Decimal("1.5")], pa.decimal128(9, 1)),
            "state": ["AK"],
            "period": ["2025Q1"],
        },
    )
    write(
        folder,
        "invoices/b.parquet",
        {
            "ndc": ["00003000001"],
            "product_name": ["X"],
            "invoice_number": ["I-1"],
            "prescriptions": pa.array([12], pa.int64()),
            "units_reimbursed": ["1000.250"],
            "postmark_date": pa.array([datetime(2025, 1, 2, 3)], pa.timestamp("ns")),
            "suppressed": ["false"],
            "rebate_amount": pa.array([Decimal("2.25")], pa.decimal128(9, 2)),
            "STATE ": ["NY"],
            "received_date": ["2025-04-01"],
            "period": ["2025Q2"],
        },
    )
    opened = folder.table("invoices")
    told = values(
        opened,
        *("ndc", "product_name", "invoice_number", "prescriptions", "units_reimbursed"),
        *("postmark_date", "suppressed", "rebate_amount", "state", "received_date"),
    )
    assert told == [
        ("00002143380", None, None, 11, "10.5", "2025-01-01 00:00:00", "true", Decimal("1.50"), "AK", None),
        (
            "00003000001",
            "X",
            "I-1",
            12,
            "1000.250",
            "2025-01-02 03:00:00",
            "false",
            Decimal("2.25"),
            "NY",
            "2025-04-01",
        ),
    ]


@pytest.mark.parametrize(
    "ndcs",
    [
        {"a": [2143380], "b": ["00002143380"]},
        {"a": [2143380], "b": pa.array([2143381], pa.int32())},
        {"a": [2143380.0], "b": pa.nulls(1)},
        {"a": pa.array([Decimal(2143380)], pa.decimal128(11, 0)), "b": pa.array(["00002143380"]).dictionary_encode()},
    ],
    ids=["integer and text", "integers", "float", "decimal"],
)
def test_an_identifier_that_is_a_number_in_any_file_stops_the_run(folder: Folder, ndcs: dict[str, Any]) -> None:
    for name, ndc in ndcs.items():
        write(folder, f"invoices/{name}.parquet", {"ndc": ndc, "state": ["AK"]})
    message = folder.refusal()
    assert "identifiers of table invoices are numbers in a file" in message
    assert f"{folder.path}/invoices/a.parquet" in message
    assert "found:    ndc (" in message


@pytest.mark.parametrize("statistics", [True, False])
def test_an_identifier_without_any_value_is_an_empty_column(folder: Folder, statistics: bool) -> None:
    empty = {
        "nan": pa.array([float("nan")]),
        "null": pa.array([None], pa.float64()),
        "int": pa.array([None], pa.int32()),
    }
    for name, numbers in empty.items():
        write(
            folder,
            f"invoices/{name}.parquet",
            {"ndc": ["00002143380"], "invoice_number": numbers},
            write_statistics=statistics,
        )
    opened = folder.table("invoices")
    assert kinds(opened)["invoice_number"] == "string"
    assert values(opened, "invoice_number") == [(None,)] * 3


def test_npis_may_be_numbers_in_some_files(folder: Folder) -> None:
    write(folder, "pharmacies/a.parquet", {"npi": pa.array([1234567893.0])})
    write(folder, "pharmacies/b.parquet", {"npi": pa.array([1245319599])})
    write(folder, "pharmacies/c.parquet", {"npi": ["1003000126"]})
    folder.put("invoices.csv", INVOICE_CSV)
    assert values(folder.table("pharmacies"), "npi") == [("1003000126",), ("1234567893",), ("1245319599",)]


def test_columns_nobody_asks_for_may_be_anything(folder: Folder) -> None:
    write(
        folder,
        "invoices.parquet",
        {
            "ndc": ["1"],
            "half": pa.array(np.array([1.0], dtype=np.float16)),
            "clock": pa.array([1], pa.time64("ns")),
            "tags": [["a"]],
            "Note": ["x"],
            "note": ["y"],
        },
    )
    opened = folder.table("invoices")
    assert values(opened, "ndc") == [("1",)]
    assert opened.unknown_columns == ("half", "clock", "tags", "Note")


def test_columns_that_cannot_be_taken_are_named(folder: Folder) -> None:
    write(folder, "invoices.parquet", {"ndc": ["1"], "NDC": ["2"]})
    write(folder, "labelers.parquet", {"labeler_code": ["1"], "owner": [["a", "b"]]})
    write(folder, "prices.parquet", {"ndc": ["1"], "wac_unit": pa.array([Decimal(1)], pa.decimal256(50, 2))})
    told = folder.refusal()
    assert "table invoices has columns of one name more than once" in told
    assert "column owner of table labelers contains lists or structures" in told
    assert "column wac_unit of table prices has a type that cannot be read" in told
    assert "Decimal(precision=50, scale=2)" in told


def test_partition_folders_are_columns_of_text(folder: Folder) -> None:
    write(folder, "rebate_claims/state=06/program=MFP/x.parquet", {"claim_id": ["a"]})
    write(folder, "rebate_claims/state=12/program=MFP/x.parquet", {"claim_id": ["b"]})
    opened = folder.table("rebate_claims")
    assert values(opened, "claim_id", "state", "program") == [("a", "06", "MFP"), ("b", "12", "MFP")]


def test_folders_that_are_no_partitions_or_another_format_are_refused(folder: Folder) -> None:
    write(folder, "invoices/2025/x.parquet", {"ndc": ["1"]})
    write(folder, "labelers/x.parquet", {"labeler_code": ["1"]})
    folder.put("labelers/_delta_log/0.json", b"{}")
    told = folder.refusal()
    assert "contains folders that are not its partitions" in told
    assert "2025/x.parquet" in told
    assert "set input.tables.labelers.format: delta" in told


def test_names_with_letters_that_spark_reads_as_patterns(folder: Folder) -> None:
    write(folder, "in[1]/a{b}*/x y%20?.parquet", {"ndc": ["1"]})
    folder.path = folder.path / "in[1]"
    opened = folder.table("invoices", {"path": "a{b}*"})
    assert values(opened, "ndc") == [("1",)]


def test_every_file_with_a_damaged_footer_is_named(folder: Folder) -> None:
    whole = folder.put("invoices/0.parquet", b"")
    pq.write_table(pa.table({"ndc": ["1"]}), whole)
    for number in range(1, 8):
        folder.put(f"invoices/{number}.parquet", whole.read_bytes()[:-5])
    told = folder.refusal()
    assert told.count("no footer at its end") == 5
    assert "invoices/1.parquet" in told
    assert "invoices/0.parquet" not in told
    assert "2 more files of table invoices too" in told


@pytest.mark.parametrize("compression", ["snappy", "zstd"])
def test_a_damaged_page_is_told_with_its_file_when_it_is_read(
    folder: Folder, spark: SparkSession, compression: str
) -> None:
    file = with_damaged_page(folder, compression)
    rows = folder.table("invoices").rows
    with pytest.raises(InputError) as raised:
        WorkFolder(spark, folder.storage, str(folder.path / "work"), resume=False).write(
            WorkTable("rows", Step.PREPARE, "row", rows.schema), rows
        )
    assert "an input file cannot be read" in str(raised.value)
    assert str(file) in str(raised.value)
    with pytest.raises(Exception) as failed:  # noqa: PT011 - whatever Spark raises
        rows.collect()
    translated = translate_read_error(failed.value)
    assert translated is not None
    assert "invoices.parquet" in str(translated)


def test_a_damaged_file_of_an_earlier_input_is_not_blamed(folder: Folder, spark: SparkSession, tmp_path: Path) -> None:
    """One process may run several jobs, in a notebook for instance."""
    with_damaged_page(folder, "snappy")
    assert folder.table("invoices")
    later = Folder(spark, tmp_path / "later")
    pq.write_table(pa.table({"ndc": ["1"]}), later.put("invoices.parquet", b""))
    assert later.table("invoices").rows.count() == 1
    assert translate_read_error(SparkConnectException("Parquet error: EOF")) is None


def with_damaged_page(folder: Folder, compression: str) -> Path:
    """A Parquet file whose footer is whole."""
    file = folder.put("invoices.parquet", b"")
    pq.write_table(pa.table({"ndc": [f"{n:011d}" for n in range(5000)]}), file, compression=compression)
    content = bytearray(file.read_bytes())
    content[4:4000] = b"\xff" * 3996
    file.write_bytes(content)
    return file


def test_other_failures_are_not_the_inputs_fault(spark: SparkSession) -> None:
    with pytest.raises(Exception) as failed:  # noqa: PT011 - whatever Spark raises
        spark.sql("select 1 / 0").collect()
    assert translate_read_error(failed.value) is None
    with pytest.raises(Exception) as failed:  # noqa: PT011
        spark.sql("select nothing").collect()
    assert translate_read_error(failed.value) is None
    assert translate_read_error(ValueError("x")) is None
