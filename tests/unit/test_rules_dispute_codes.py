"""The code table that ships, and mistakes in a user's own."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from engine.contracts.tables import TABLES
from engine.errors import ConfigurationError
from engine.rules import DISPUTE_CODES, dispute_codes, parse_dispute_codes

REFERENCE = Path(__file__).parents[2] / "conf" / "reference"
HEADER = ",".join(DISPUTE_CODES.names)


def test_the_shipped_table_is_that_of_the_forms() -> None:
    codes = dispute_codes(str(REFERENCE))
    by_kind = {kind: {code.code for code in codes if code.kind == kind} for kind in ("ADJUSTMENT", "DISPUTE")}
    assert by_kind["ADJUSTMENT"] == set("ABCDEFGHIY")
    assert by_kind["DISPUTE"] == set("DEFJKLMNOPQRSTUVWX") | {"PBM", "MRA"}
    assert {code.code for code in codes if not code.verified} == set("TVW")
    papers = {code.code for code in codes if code.document_required}
    assert papers == set("FGKNPRSUX") | {"PBM", "MRA"}
    assert all(code.document for code in codes if code.document_required)
    assert {code.code for code in codes if code.needs_companion} == {"R"}


def test_the_table_becomes_rows_of_its_schema(spark: SparkSession) -> None:
    codes = dispute_codes(str(REFERENCE))
    rows = spark.createDataFrame(codes, DISPUTE_CODES)
    assert rows.where("code = 'N' and document_required and valid_from = '2021-07-01'").count() == 1


def test_every_mistake_at_once() -> None:
    lines = (
        "X,DISPUTES,false,,maybe,text,2021-7-1,,true",
        ",DISPUTE,,,false,,,,true",
        "M,DISPUTE,false,,false,t,,,true",
        "M,DISPUTE,false,,false,t,,,true",
    )
    content = "\n".join((HEADER, *lines))
    with pytest.raises(ConfigurationError) as caught:
        parse_dispute_codes(content, "codes.csv")
    found = [str(problem).replace("\n", " ") for problem in caught.value.problems]
    for words in (
        "kind cannot be read   where:    codes.csv, line 2",
        "needs_companion cannot be read",
        "valid_from cannot be read",
        "code is missing   where:    codes.csv, line 3",
        "document_required is missing",
        "text is missing",
        "occurs twice   where:    codes.csv, line 5",
    ):
        assert any(words in problem for problem in found), (words, found)
    assert len(found) == 7


def test_missing_columns_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="verified"):
        parse_dispute_codes("code,kind\nX,DISPUTE\n", "codes.csv")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        dispute_codes(str(tmp_path))


@pytest.mark.parametrize("name", ["identifiers_340b", "state_340b_policies"])
def test_the_shipped_tables_of_states_are_tables_of_the_contract(name: str) -> None:
    table = TABLES[name]
    with (REFERENCE / f"{name}.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) <= set(table.column_names)
    for row in rows:
        assert row["source"]
        for column in table.columns:
            value = row.get(column.name) or None
            assert value or not column.required, (row, column.name)
            assert column.codes is None or value is None or value.upper() in column.codes, (row, column.name)
    keys = [tuple(row.get(part) for part in table.key) for row in rows]
    assert len(set(keys)) == len(keys)


def test_the_shipped_identifiers_are_those_of_the_sources() -> None:
    with (REFERENCE / "identifiers_340b.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    everywhere = {(row["field"], row["value"], row["confidence"]) for row in rows if not row["state"]}
    assert everywhere == {("SCC", "20", "high"), ("BOC", "08", "high")}
    assert len({row["state"] for row in rows if row["state"]}) == 14
    of_texas = {(row["program"], row["value"], row["begin_date"]) for row in rows if row["state"] == "TX"}
    assert {("MDRP_FFS", "U8", "2015-09-01"), ("MDRP_MCO", "U8", "2015-09-01")} <= of_texas
    assert "UC" not in {row["value"] for row in rows}, "in Maine it marks what is not 340B"
