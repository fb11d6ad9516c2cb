"""Parquet types, codecs and Hive folders: each value is read as what was written, or refused with its name."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from engine.contracts.codes import Step
from engine.errors import InputError
from engine.runs import WorkFolder, WorkTable
from engine.runtime.abilities import abilities
from engine.sources import OpenedTable
from tests.unit.sources_folder import Folder, values

pytestmark = pytest.mark.both_engines

# A contract column, what is stored under it, and what must be read: the first value; the second row is NULL.
_UUID = uuid.UUID("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9")
_DAY = datetime(2025, 3, 9, 1, 2, 3)
TYPES = {
    "plan_id": (pa.array([b"P 1 ", None], pa.binary()), "P 1 "),
    "contract_id": (pa.array([b"C1\0\0", None], pa.binary(4)), "C1"),
    "source_file": (pa.array([b"C1  ", None], pa.binary(4)), "C1  "),
    "source_row_id": (pa.array([_UUID.bytes, None], pa.uuid()), str(_UUID)),
    "patient_key": (pa.array(["x", None], pa.large_string()), "x"),
    "prior_claim_id": (pa.array(["x", None]).dictionary_encode(), "x"),
    "claim_id": (pa.array(["é", None], pa.string_view()), "é"),
    "group_id": (pa.array(['{"a": 1}', None], pa.json_()), '{"a": 1}'),
    "rx_number": (pa.array([b"7", None], pa.large_binary()), "7"),
    "source_row_no": (pa.array([2**64 - 1, None], pa.uint64()), Decimal(2**64 - 1)),
    "claim_line": (pa.array([255, None], pa.uint8()), 255),
    "prior_claim_line": (pa.array([65_535, None], pa.uint16()), 65_535),
    "fill_number": (pa.array([2**32 - 1, None], pa.uint32()), 2**32 - 1),
    "days_supply": (pa.array([-128, None], pa.int8()), -128),
    "units": (pa.array([0.25, None], pa.float16()), 0.25),
    "hcpcs_units": (pa.array([0.1, None], pa.float64()), 0.1),
    "amount_paid": (pa.array([Decimal("-1.10"), None], pa.decimal128(38, 2)), Decimal("-1.10")),
    "unit_rebate_amount": (pa.array([Decimal("0.000001"), None], pa.decimal256(20, 6)), Decimal("0.000001")),
    "date_of_service": (pa.array([date(2025, 3, 9), None], pa.date32()), date(2025, 3, 9)),
    "paid_date": (pa.array([date(2025, 3, 9), None], pa.date64()), date(2025, 3, 9)),
    "received_at": (pa.array([_DAY.replace(tzinfo=UTC), None], pa.timestamp("ms", "America/New_York")), str(_DAY)),
    "period": (pa.array([time(13, 5), None], pa.time32("s")), "13:05:00.000000"),
    "invoice_period": (pa.array([time(13, 5, 0, 7), None], pa.time64("us")), "13:05:00.000007"),
    "invoice_number": (pa.array([None, None], pa.list_(pa.int32())), None),
    "state": (pa.nulls(2), None),
}
CODECS = ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]


@pytest.fixture
def folder(spark: SparkSession, tmp_path: Path) -> Folder:
    return Folder(spark, tmp_path)


def write(folder: Folder, name: str, columns: dict[str, Any], **options: Any) -> Path:
    file = folder.put(name, b"")
    pq.write_table(pa.table(columns), file, **options)
    return file


@pytest.fixture(scope="module")
def typed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Every type in every codec, in one folder: the values of each column, one row per codec and NULL."""
    folder = Folder(spark, tmp_path_factory.mktemp("types"))
    for number, codec in enumerate(CODECS):
        columns = {name: array for name, (array, _) in TYPES.items()}
        decimals = {"store_decimal_as_integer": number % 2 == 0}
        write(folder, f"rebate_claims/{codec}.parquet", columns, compression=codec, **decimals)
    rows = values(folder.table("rebate_claims"), *TYPES)
    return {name: [row[place] for row in rows] for place, name in enumerate(TYPES)}


@pytest.mark.parametrize("name", TYPES)
def test_each_type_in_each_codec(typed: dict[str, list[Any]], name: str) -> None:
    _, expected = TYPES[name]
    received = [value for value in typed[name] if value is not None]
    assert received == [expected] * (len(CODECS) if expected is not None else 0)
    assert len(typed[name]) == 2 * len(CODECS)


def test_int96_timestamps(folder: Folder) -> None:
    moments = {"postmark_date": pa.array([_DAY]), "ndc": ["1"]}
    write(folder, "invoices.parquet", moments, use_deprecated_int96_timestamps=True)
    assert values(folder.table("invoices"), "postmark_date") == [("2025-03-09 01:02:03",)]


def test_a_codec_that_nothing_reads_is_named_with_its_file(folder: Folder) -> None:
    file = write(folder, "invoices.parquet", {"ndc": ["1"]}, compression="snappy")
    # the footer's column metadata: path "ndc", then the codec as a zigzag integer (1 snappy, 3 LZO)
    content = file.read_bytes()
    assert content.count(b"\x18\x03ndc\x15\x02") == 1
    file.write_bytes(content.replace(b"\x18\x03ndc\x15\x02", b"\x18\x03ndc\x15\x06"))
    message = folder.refusal()
    assert "found:    LZO" in message
    assert str(file) in message


def test_bytes_that_are_no_text_stop_the_run_with_their_column(folder: Folder, spark: SparkSession) -> None:
    write(folder, "invoices.parquet", {"ndc": [b"1", b"\xff\xfe"], "state": [b"AK", b"AK"]})
    opened = folder.table("invoices")
    if abilities(spark).reads_every_parquet_type:  # others read the columns of a table together
        assert values(opened, "state") == [("AK",), ("AK",)]
    with pytest.raises(InputError, match="column ndc of table invoices has bytes that are not UTF-8 text"):
        written(spark, folder, opened)


# the embedded engine reads the first codec itself; the second is read in Python
@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_text_that_is_not_utf8_stops_the_run_with_its_column(folder: Folder, spark: SparkSession, codec: str) -> None:
    stored = pa.array([b"AK", b"\xff\xfe"], pa.binary())
    state = pa.StringArray.from_buffers(2, *stored.buffers()[1:])
    write(folder, "invoices.parquet", {"ndc": ["1", "2"], "state": state}, compression=codec)
    opened = folder.table("invoices")
    with pytest.raises(InputError, match=r"column state.* has bytes that are not UTF-8 text"):
        written(spark, folder, opened)


def written(spark: SparkSession, folder: Folder, opened: OpenedTable) -> None:
    work = WorkFolder(spark, folder.storage, str(folder.path / "work"), resume=False)
    work.write(WorkTable("rows", Step.PREPARE, "row", opened.rows.schema), opened.rows)


@pytest.mark.parametrize(
    ("theirs", "kind", "expected"),
    [
        ((pa.array([1], pa.int32()), pa.array([2**40])), "bigint", [1, 2**40]),
        ((pa.array([1], pa.int32()), pa.array([0.5])), "double", [1.0, 0.5]),
        ((pa.array([2**53 + 1]), pa.array([0.5])), "string", ["9007199254740993", "0.5"]),
        ((pa.array([5.0]), pa.array(["1,5"])), "string", ["5", "1,5"]),
        (
            (pa.array([1]), pa.array([Decimal("0.5")], pa.decimal128(9, 1))),
            "decimal(20,1)",
            [Decimal(1), Decimal("0.5")],
        ),
        (
            (pa.array([Decimal("1")], pa.decimal128(38, 0)), pa.array([Decimal("0.50")], pa.decimal128(9, 2))),
            "string",
            ["1", "0.50"],
        ),
        ((pa.array([1], pa.uint64()), pa.array([-1], pa.int64())), "decimal(20,0)", [Decimal(1), Decimal(-1)]),
        ((pa.array([None], pa.bool_()), pa.array([0.5])), "double", [None, 0.5]),
    ],
    ids=["integers", "small integer", "large integer", "text", "decimals", "too wide", "unsigned", "nothing but nulls"],
)
def test_files_of_other_types_are_read_as_the_widest(
    folder: Folder, theirs: tuple[Any, Any], kind: str, expected: list[Any]
) -> None:
    for number, amounts in enumerate(theirs):
        write(folder, f"invoices/{number}.parquet", {"ndc": [str(number)], "total_amount": amounts})
    opened = folder.table("invoices")
    assert dict(opened.rows.dtypes)["total_amount"] == kind
    assert [amount for _, amount in values(opened, "ndc", "total_amount")] == expected


def test_nested_columns_are_ignored_unless_the_contract_names_them(folder: Folder) -> None:
    extra = {"tags": [["a"]], "place": [{"city": "x"}], "place.zip": ["y"]}
    write(folder, "invoices.parquet", {"ndc": ["1"], **extra})
    opened = folder.table("invoices")
    assert values(opened, "ndc") == [("1",)]
    assert opened.unknown_columns == ("tags", "place", "place.zip")
    write(folder, "invoices.parquet", {"ndc": [["1"]]})
    assert "column ndc of table invoices contains lists or structures" in folder.refusal()


class TestHiveFolders:
    def test_equal_values_in_folder_and_file_are_one_column(self, folder: Folder) -> None:
        """With and without statistics, as text, number, date and bytes; the folder's text is what is read."""
        days = pa.array([date(2025, 1, 2)])
        of_files = {
            "state=06": {"state": pa.array([6, 6])},
            "state=AK": {"state": ["AK", "AK "]},
            "state=AL": {"state": ["AL", None]},
            "state=NY": {"state": [b"NY", b"NY"]},
            "state=__HIVE_DEFAULT_PARTITION__": {"state": pa.array([None, None], pa.string())},
            "state=a%2Fb": {"state": ["a/b", "a/b"]},
            "state=%C3%A9": {"state": ["é", "é"]},
        }
        for number, (name, column) in enumerate(of_files.items()):
            columns = {"ndc": [f"{number}a", f"{number}b"], "postmark_date": pa.concat_arrays([days, days]), **column}
            path = f"invoices/{name}/postmark_date=2025-01-02/x.parquet"
            write(folder, path, columns, write_statistics=number % 2 == 0)
        read = values(folder.table("invoices"), "ndc", "state", "postmark_date")
        states = ["06", "AK", "AL", "NY", None, "a/b", "é"]
        assert read == [
            (f"{number}{row}", state, "2025-01-02") for number, state in enumerate(states) for row in ("a", "b")
        ]

    @pytest.mark.parametrize("statistics", [True, False])
    @pytest.mark.parametrize("states", [["AK", "NY"], [None, "NY"], ["NY", "NY"], [1, 1]])
    def test_other_values_in_the_file_stop_the_run(self, folder: Folder, states: list[Any], statistics: bool) -> None:
        write(folder, "invoices/state=NY/x.parquet", {"ndc": ["1"]})
        write(folder, "invoices/state=AK/x.parquet", {"ndc": ["1", "2"], "state": states}, write_statistics=statistics)
        message = folder.refusal()
        assert "column state of table invoices has one value in the folder's name and another in the file" in message
        assert "folder state=AK/" in message
        assert f"{folder.path}/invoices/state=AK/x.parquet" in message

    def test_a_folder_without_a_value_is_refused(self, folder: Folder) -> None:
        write(folder, "invoices/state=/x.parquet", {"ndc": ["1"]})
        assert "contains folders that are not its partitions" in folder.refusal()

    def test_partitions_of_a_file_that_is_rewritten(self, folder: Folder) -> None:
        write(folder, "invoices/state=06/x.parquet", {"ndc": ["1"]}, compression="brotli")
        write(folder, "invoices/state=07/x.parquet", {"ndc": ["2"]})
        assert values(folder.table("invoices"), "ndc", "state") == [("1", "06"), ("2", "07")]
