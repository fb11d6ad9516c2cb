"""Which tables a run finds, where, and what it says when one is not there."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from engine.errors import InputError
from engine.runtime.storage import storage_of
from engine.settings import Settings
from engine.sources import open_tables
from tests.unit.sources_folder import INVOICE_CSV, Folder, values

pytestmark = pytest.mark.both_engines


@pytest.fixture
def folder(spark: SparkSession, tmp_path: Path) -> Folder:
    return Folder(spark, tmp_path)


def test_tables_are_found_by_name_as_folder_or_file(folder: Folder) -> None:
    pd.DataFrame({"npi": ["1234567893"]}).to_parquet(folder.put("pharmacies/part-0.parquet", b""))
    folder.put("pharmacies/_SUCCESS", b"")
    pd.DataFrame({"labeler_code": ["00002"]}).to_parquet(folder.put("labelers.parquet", b""))
    folder.put("invoices.csv", INVOICE_CSV)
    folder.put("outcomes.json", b'{"finding_id": "f"}\n')
    folder.put("notes.txt", b"no table")
    opened = folder.open()
    assert list(opened) == ["invoices", "pharmacies", "labelers", "outcomes"]
    assert values(opened["pharmacies"], "npi") == [("1234567893",)]
    assert opened["labelers"].location == f"{folder.path}/labelers.parquet"
    assert not opened["labelers"].complete


def test_patterns_and_notes_of_the_sender(folder: Folder) -> None:
    """Parquet, JSON lines and another Spark format; CSV in test_sources_text.py."""
    for name in ("a", "b"):
        for where in ("cld[1] #/{}.parquet", "whole/{}.parquet"):
            pd.DataFrame({"ndc": [name]}).to_parquet(folder.put(where.format(name), b""))
        folder.put(f"json/{name} 50%.jsonl", f'{{"LABELER-CODE": "{name}"}}\n'.encode())
    folder.put("cld[1] #/README.txt", b"x")
    folder.put("whole/README.txt", b"x")
    folder.put("invoices.csv", INVOICE_CSV)
    folder.put("pharmacy_claim.csv", b"x")
    reports = []
    settings = {
        "rebate_claims": {"path": "cld[1] #/*.parquet"},
        "entity_claims": {"path": "whole"},
        "labelers": {"path": "json/* 50%.jsonl"},
    }
    values_of = Settings.model_validate(
        {"input": {"root": str(folder.path), "tables": settings}, "reference_folder": "no"}
    )
    opened = open_tables(folder.spark, folder.storage, values_of, reports.append)
    assert values(opened["rebate_claims"], "ndc") == values(opened["entity_claims"], "ndc") == [("a",), ("b",)]
    assert values(opened["labelers"], "labeler_code") == [("a",), ("b",)]
    assert str(reports[0]) == "4 tables: rebate_claims, entity_claims, invoices, labelers"
    assert [file.name for file in reports[0].unread] == [
        "cld[1] #/README.txt",
        "pharmacy_claim.csv",
        "whole/README.txt",
    ]


def test_without_any_feed_there_is_nothing_to_judge(folder: Folder) -> None:
    folder.put("prices.csv", b"ndc,period\n")
    told = folder.refusal()
    assert all(name in told for name in ("rebate_claims", "entity_claims", "invoices", "prices.csv", str(folder.path)))


def test_a_folder_that_is_not_there(spark: SparkSession, tmp_path: Path) -> None:
    settings = Settings.model_validate({"input": {"root": str(tmp_path / "nowhere")}})
    with pytest.raises(InputError, match="input folder does not exist"):
        open_tables(spark, storage_of(spark), settings)


def test_a_scheme_that_no_file_system_serves(spark: SparkSession) -> None:
    settings = Settings.model_validate({"input": {"root": "nosuch://bucket/in"}})
    with pytest.raises(InputError, match="No FileSystem for scheme"):
        open_tables(spark, storage_of(spark), settings)


def test_a_uri_of_hadoops_file_systems(folder: Folder, spark: SparkSession) -> None:
    folder.put("invoices.csv", INVOICE_CSV)
    settings = Settings.model_validate({"input": {"root": folder.path.as_uri()}, "reference_folder": "none"})
    opened = open_tables(spark, folder.storage, settings)
    assert values(opened["invoices"], "ndc", "period") == [("00002143380", "2025Q3")]


def test_everything_wrong_is_told_at_once(folder: Folder) -> None:
    folder.put("invoices.csv", INVOICE_CSV)
    folder.put("invoices/part-0.parquet", b"whatever")
    folder.put("labelers.parquet", b"no Parquet at all")
    folder.put("pharmacies/_SUCCESS", b"")
    told = folder.refusal(
        {
            "prices": {"path": "nowhere.csv"},
            "products": {"path": "labelers.parquet", "columns": {"ncd": "NDC"}},
            "decisions": {"path": "invoices.csv", "columns": {"finding_id": "FINDING"}},
            "market_prices": {"path": "invoices.csv", "adapter": "sdud"},
            "covered_entities": {"path": "invoices.csv", "adapter": "opais_entities", "columns": {"name": "x"}},
            "medicaid_exclusions": {"path": "export.json", "adapter": "opais_json"},
        }
    )
    for part in (
        "table invoices exists more than once",
        "invoices, invoices.csv",
        "labelers.parquet",
        "is not a Parquet file",
        "the folder of table pharmacies contains no file",
        "table prices does not exist",
        "nowhere.csv",
        "the contract has no column ncd in table products",
        "did you mean ndc?",
        "the input of table decisions has no column FINDING",
        "adapter sdud does not supply table market_prices",
        "table covered_entities has both an adapter and column names",
        "adapter opais_json needs the option quarter",
    ):
        assert part in told, part
    assert "Traceback" not in told


def test_a_configured_table_wins_over_one_found_by_name_and_may_rename_columns(folder: Folder) -> None:
    folder.put("invoices.csv", INVOICE_CSV)
    folder.put("theirs/lines.csv", b"PGM,ST,NDC_CODE,ndc,Q,note\nMDRP_MCO,NY,1,2,2024Q1,x\n")
    columns = {"program": "pgm", "state": "ST", "ndc": "NDC_CODE", "period": "Q"}
    opened = folder.table("invoices", {"path": "theirs/lines.csv", "columns": columns, "complete": True})
    assert values(opened, "program", "state", "ndc", "period") == [("MDRP_MCO", "NY", "1", "2024Q1")]
    assert opened.columns == {"program", "state", "ndc", "period"}
    assert opened.unknown_columns == ("ndc", "note")
    assert opened.complete


def test_settings_without_a_place_hold_for_the_table_that_is_found_by_name(folder: Folder) -> None:
    folder.put("INVOICES.csv", b"PGM;state;ndc;period\nMDRP_FFS;AK;00002143380;2025Q3\n")
    described = {"columns": {"program": "PGM"}, "options": {"sep": ";"}, "complete": True}
    opened = folder.table("invoices", described)
    assert values(opened, "program", "state", "period") == [("MDRP_FFS", "AK", "2025Q3")]
    assert opened.complete
    told = folder.refusal({"invoices": described, "labelers": {"dates": "MM/dd/yyyy"}})
    assert "table labelers does not exist" in told
    assert "set input.tables.labelers.path" in told


def test_an_absolute_path_needs_no_folder(folder: Folder, spark: SparkSession, tmp_path: Path) -> None:
    file = folder.put("x/lines.csv", INVOICE_CSV)
    settings = Settings.model_validate(
        {"input": {"tables": {"invoices": {"path": str(file)}}}, "reference_folder": str(tmp_path)}
    )
    assert list(open_tables(spark, folder.storage, settings)) == ["invoices"]


@pytest.mark.spark_only("the embedded engine reads no ORC")
def test_any_format_that_the_session_reads(folder: Folder, spark: SparkSession) -> None:
    folder.put("invoices.csv", INVOICE_CSV)
    spark.createDataFrame([("00002", "Lilly")], "labeler_code string, owner string").write.orc(
        str(folder.path / "labelers_orc")
    )
    opened = folder.table("labelers", {"path": "labelers_orc", "format": "orc"})
    assert values(opened, "labeler_code", "owner") == [("00002", "Lilly")]
    told = folder.refusal(
        {
            "labelers": {"path": "labelers_orc", "format": "nosuchformat"},
            "prices": {"path": "nowhere", "format": "orc"},
            "products": {"path": "notes.bin"},
        }
    )
    assert "nosuchformat" in told
    assert "table prices cannot be opened" in told
    assert "table products does not exist" in told


def test_the_shipped_340b_identifiers_are_taken_unless_the_input_has_its_own(folder: Folder) -> None:
    folder.put("invoices.csv", INVOICE_CSV)
    folder.put("reference/identifiers_340b.csv", b"state,program,claim_type,field,value\n,,,SCC,20\n")
    reference = str(folder.path / "reference")
    shipped = folder.open(reference_folder=reference)["identifiers_340b"]
    assert values(shipped, "state", "field", "value") == [(None, "SCC", "20")]
    folder.put("identifiers_340b.csv", b"field,value\nBOC,08\n")
    own = folder.open(reference_folder=reference)["identifiers_340b"]
    assert values(own, "field", "value") == [("BOC", "08")]


def test_the_fingerprint_follows_the_content_and_not_the_place(folder: Folder) -> None:
    folder.put("invoices.csv", INVOICE_CSV)
    first = folder.table("invoices").fingerprint
    folder.put("elsewhere/invoices.csv", INVOICE_CSV)
    moved = folder.table("invoices", {"path": "elsewhere/invoices.csv"}).fingerprint
    folder.put("invoices.csv", INVOICE_CSV.replace(b"AK", b"AL"))
    changed = folder.table("invoices").fingerprint
    assert first == moved
    assert first != changed
    assert len(first) == 64


def test_a_table_without_any_known_column_is_opened_for_the_contract_to_judge(folder: Folder) -> None:
    folder.put("invoices.csv", b"a,b\n1,2\n")
    pd.DataFrame({"x": [1]}).to_parquet(folder.put("prices.parquet", b""))
    folder.put("products.json", b'{"y": 1}\n')
    opened = folder.open()
    assert [opened[name].columns for name in ("invoices", "prices", "products")] == [frozenset()] * 3
    assert [opened[name].unknown_columns for name in opened] == [("a", "b"), ("y",), ("x",)]
    assert [table.rows.columns for table in opened.values()] == [[], [], []]


def test_the_shipped_policies_of_states_are_taken_unless_the_input_has_its_own(folder: Folder) -> None:
    folder.put("invoices.csv", INVOICE_CSV)
    folder.put("reference/state_340b_policies.csv", b"state,method\nTX,CLAIM_FLAG\n")
    reference = str(folder.path / "reference")
    shipped = folder.open(reference_folder=reference)["state_340b_policies"]
    assert values(shipped, "state", "method") == [("TX", "CLAIM_FLAG")]
    folder.put("state_340b_policies.csv", b"state,method\nGA,MEF\n")
    own = folder.open(reference_folder=reference)["state_340b_policies"]
    assert values(own, "state", "method") == [("GA", "MEF")]
