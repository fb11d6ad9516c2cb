"""JSON lines: types as the values say, numbers to the last digit, nothing silently NULL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from engine.sources.file_formats.jsonlines import kinds_of_object
from tests.unit.sources_folder import INVOICE_CSV, Folder, kinds, values

pytestmark = pytest.mark.both_engines


@pytest.fixture
def folder(spark: SparkSession, tmp_path: Path) -> Folder:
    folder = Folder(spark, tmp_path)
    folder.put("labelers.csv", b"labeler_code\n00001\n")
    return folder


def test_values_arrive_as_they_were_written(folder: Folder) -> None:
    lines = (
        '\ufeff{"ndc": "00002143380", "units_reimbursed": 12.345, "suppressed": true, "state": "06", "period": "x"}',
        "",
        '{"ndc": "00003000001", "units_reimbursed": 10000000000000.10, "suppressed": null, "prescriptions": 7}',
        '{"ndc": "3", "units_reimbursed": "1e-3", "product_name": "Zo\\u00eb\\n\\"x\\"", "extra": {"a": [1]}}',
    )
    folder.put("invoices.json", "\n".join(lines).encode())
    opened = folder.table("invoices")
    told = values(opened, "ndc", "units_reimbursed", "suppressed", "state", "prescriptions", "product_name")
    assert told == [
        ("00002143380", "12.345", True, "06", None, None),
        ("00003000001", "10000000000000.10", None, None, "7", None),
        ("3", "1e-3", None, None, None, 'Zoë\n"x"'),
    ]
    assert opened.unknown_columns == ("extra",)
    assert kinds(opened)["suppressed"] == "boolean"


def test_an_identifier_that_is_a_number_is_seen_as_one(folder: Folder) -> None:
    folder.put("invoices.json", b'{"ndc": 2143380, "invoice_number": null}\n{"ndc": null}\n')
    opened = folder.table("invoices")
    assert kinds(opened) == {"ndc": "double", "invoice_number": "string"}


def test_an_identifier_that_is_a_number_in_some_lines_stops_the_run(folder: Folder) -> None:
    folder.put("invoices.json", b'{"ndc": "00002143380"}\n{"ndc": 2143380}\n')
    told = folder.refusal()
    assert "table invoices has identifiers that are numbers in some lines" in told
    assert "found:    ndc" in told


def test_npis_may_be_numbers_in_some_lines(folder: Folder) -> None:
    folder.put("invoices.csv", INVOICE_CSV)
    folder.put("pharmacies.json", b'{"npi": 1234567893}\n{"npi": "1245319599"}\n')
    folder.put("entity_npis.json", b'{"entity_id": "E1", "npi": 1234567893.0}\n')
    opened = folder.open()
    assert values(opened["pharmacies"], "npi") == [("1234567893",), ("1245319599",)]
    assert values(opened["entity_npis"], "npi") == [("1234567893.0",)]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b'{"ndc": "1"}\n{"ndc": "2"\n', "1 line that is not one JSON object"),
        (b'{"ndc": "1"}\n[{"ndc": "2"}]\n7\n', "2 lines that are not one JSON object"),
        (json.dumps([{"ndc": "1"}], indent=1).encode(), "lines that are not one JSON object"),
        (b'{"ndc": "1", "ndc": "2"}\n', "1 line that is not one JSON object"),
        (b"", "no line: the file is empty"),
        (b'{"ndc": "1"}\n{"ndc": "\xff"}\n', "bytes that are not UTF-8 in 1 line"),
    ],
)
def test_lines_that_cannot_be_read_are_told_with_their_file(folder: Folder, content: bytes, found: str) -> None:
    folder.put("invoices.json", content)
    told = folder.refusal()
    assert f"{folder.path}/invoices.json" in told
    assert found in told


def test_keys_that_differ_in_case_only(folder: Folder) -> None:
    folder.put("invoices.json", b'{"ndc": "1"}\n{"NDC": "2"}\n')
    assert "table invoices has columns of one name more than once" in folder.refusal()
    folder.put("invoices.json", b'{"NDC": "2", "Period": "2025Q1"}\n')
    assert values(folder.table("invoices"), "ndc", "period") == [("2", "2025Q1")]


def test_nested_values_are_refused(folder: Folder) -> None:
    folder.put("invoices.json", b'{"ndc": "1", "product_name": ["a"]}\n')
    assert "table invoices has columns of lists or structures" in folder.refusal()


def test_a_json_document_with_sparks_own_reader(folder: Folder) -> None:
    folder.put("invoices.csv", INVOICE_CSV)
    folder.put("outcomes.json", json.dumps([{"finding_id": "f1"}, {"finding_id": "f2"}], indent=1).encode())
    opened = folder.table("outcomes", {"path": "outcomes.json", "options": {"multiLine": "true"}})
    assert values(opened, "finding_id") == [("f1",), ("f2",)]


def test_sparks_description_of_an_object_is_taken_apart() -> None:
    assert kinds_of_object("OBJECT<>") == {}
    assert kinds_of_object("VOID") == {}
    assert kinds_of_object("OBJECT<`a``b, c: <`: DECIMAL(5,3), d: OBJECT<e: STRING, f: VOID>, `g h`: BIGINT>") == {
        "a`b, c: <": "DECIMAL(5,3)",
        "d": "OBJECT<e: STRING, f: VOID>",
        "g h": "BIGINT",
    }
