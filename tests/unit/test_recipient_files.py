"""One recipient, one file: what each may see, column by column, by hand from the data contract (part 7, no. 20)."""

from __future__ import annotations

import csv
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from engine.contracts.findings import FINDINGS
from engine.contracts.forms import EVIDENCE_COLUMNS, EVIDENCE_ROWS
from engine.contracts.prepared import PREPARED_ENTITY_CLAIMS, PREPARED_REBATE_CLAIMS
from engine.exports import RECIPIENT_COLUMNS, write_recipient_files
from engine.findings import DECISIONS_TO_DISPUTE, evidence_rows, final_lines, inquiry_drafts
from engine.rules import dispute_codes
from engine.runtime.storage import storage_of
from tests.unit.exports_rows import finding, frame_of

CODES = dispute_codes("conf/reference")
TEXTS = {code.code: code.text for code in CODES}
DISPENSE = {"pharmacy_npi", "rx_number", "fill_number", "date_of_service"}
PRODUCT = {"labeler_code", "product_code", "package_code", "product_name"}
OWN_LINE = {"program", "sub_program", "rebate_type", "period", "invoice_number", "claim_id", "claim_line"}
DISPUTE = {"units_invoiced", "units_disputed", "dispute_code", "code_text", "other_codes", "documents"}
# A state sees its own claims; of the entity's claim its 340B id; of another payer that it invoiced the dispense. A PBM
# sees its own lines; of the entity's claim 340B id and match tier. An entity sees pharmacy, Rx number, fill, date, NDC.
MAY_SEE = {
    "STATE": OWN_LINE | PRODUCT | DISPENSE | DISPUTE | {"record_id", "entity_id", "invoiced_elsewhere"},
    "PBM": OWN_LINE | PRODUCT | DISPENSE | DISPUTE | {"entity_id", "match_tier"},
    "ENTITY": DISPENSE | {"ndc"},
    "FACILITATOR": DISPENSE
    | {"ndc", "period", "claim_id", "claim_line", "units_invoiced", "units_disputed", "justification_code"},
}
# Prices, dollars, scores, p-values, contributions, other rows, other payers, who decided: with nobody.
NOBODY = [
    "unit_price_used",
    "amount_at_issue",
    "price_source",
    "match_score",
    "match_ambiguous",
    "anomaly_score",
    "anomaly_p_value",
    "reasons",
    "contribution",
    "priority",
    "related_source_row_ids",
    "reference_rows",
    "narrative",
    "explanation",
    "payer_id",
    "source_row_id",
    "finding_id",
    "decided_by",
    "decided_on",
    "decision",
    "rules",
    "evidence",
    "unit_rebate_amount",
    "ceiling_unit",
    "mfp_unit",
    "wac_unit",
    "patient_key",
]
SECRET = {
    "unit_price_used": Decimal("98.765432"),
    "amount_at_issue": Decimal("8765.43"),
    "anomaly_score": 0.7654321,
    "anomaly_p_value": 0.0012345,
    "match_score": 0.9182736,
    "narrative": "SECRET narrative",
    "source_row_id": "SECRET-ROW",
    "priority": 4321.5,
    "related": "SECRET-OTHER",
    "reference_rows": [{"table": "prices", "key": "SECRET-PRICE", "start": None, "end": None, "snapshot_date": None}],
}
BASE = {
    "subject": "REBATE_CLAIM",
    "evidence": "STRONG",
    "dispute_code": "M",
    "codes": [{"code": "M", "kind": "DISPUTE", "document": None}],
    "route": "STATE",
    "state": "KY",
    "payer_id": "KY",
    "entity_id": "DSH180012",
    "match_tier": "T1",
    "units_at_issue": Decimal("30.000"),
    "units_in_dispute": None,
    "ndc_units": Decimal("30.000"),
    "ndc11": "00002143380",
    "labeler_code": "00002",
    "claim_id": "0025226000123",
    "rx_number_raw": "0007654321",
    "date_of_service": date(2025, 8, 14),
    "changed_since_decision": [],
}
ROWS: dict[str, Any] = {
    "state": {},
    "elsewhere": {"rules": [{"rule_id": "R057", "code": "M", "message": "also COMMERCIAL of PBM-SECRET"}]},
    "pbm": {"route": "PBM", "payer_id": "PBM/A", "dispute_code": "PBM"},
    "entity": {"route": "ENTITY", "subject": "ENTITY_CLAIM", "dispute_code": None, "payer_id": None},
    "mfp": {"route": "FACILITATOR", "payer_id": "MTF", "dispute_code": "MRA"},
    "invoice": {"subject": "INVOICE", "claim_id": None},
    "weak": {"evidence": "WEAK"},
}


def found(rows: dict[str, dict[str, Any]] = ROWS) -> list[dict[str, Any]]:
    secret = {name: value for name, value in SECRET.items() if name in FINDINGS.names}
    return [
        finding(number) | secret | BASE | row | {"finding_id": name} for number, (name, row) in enumerate(rows.items())
    ]


def files(
    spark: SparkSession, folder: Path, unmasked: tuple[str, ...] = ()
) -> dict[str, tuple[list[str], list[dict[str, Any]]]]:
    lines = final_lines(
        frame_of(spark, found()).drop("decided_on"),
        spark.createDataFrame(
            [(name, "DISPUTE", datetime(2026, 6, 1), "Ann SECRET", None) for name in ROWS], DECISIONS_TO_DISPUTE
        ),
        spark.createDataFrame([], "finding_id string"),
        CODES,
        date(2026, 6, 30),
        has_mfp_code=True,
    )
    written = write_recipient_files(lines, TEXTS, storage_of(spark), folder.as_uri(), unmasked, "J7")
    read = {}
    for name, count in written.items():
        with (folder / name).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == count
        read[name.split("-")[0]] = (list(rows[0]), rows)
    return read


@pytest.fixture(scope="module")
def read(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[list[str], list[dict[str, str]]]]:
    return files(spark, tmp_path_factory.mktemp("final"))


def test_each_kind_of_recipient_has_one_list() -> None:
    assert set(RECIPIENT_COLUMNS) == set(MAY_SEE)


@pytest.mark.parametrize("route", MAY_SEE)
def test_a_file_has_the_columns_that_its_recipient_may_see_and_no_others(
    read: dict[str, tuple[list[str], list[dict[str, str]]]], route: str
) -> None:
    columns, _ = read[route.lower()]
    assert set(columns) == MAY_SEE[route]
    assert len(columns) == len(set(columns))


@pytest.mark.parametrize("column", NOBODY)
def test_nobody_sees(column: str) -> None:
    assert [route for route, columns in RECIPIENT_COLUMNS.items() if column in columns] == []


def test_no_secret_value_is_in_any_file(spark: SparkSession, tmp_path: Path) -> None:
    files(spark, tmp_path, unmasked=("KY", "PBM/A", "DSH180012", "MTF"))
    text = "".join(path.read_text(encoding="utf-8-sig") for path in tmp_path.iterdir())
    for secret in ("SECRET", "98.76", "8765", "0.765", "0.0012", "0.918", "4321.5"):
        assert secret not in text
    assert "0007654321" in text  # what is allowed is there


def test_of_another_payer_a_state_sees_only_that_it_invoiced_the_dispense(
    read: dict[str, tuple[list[str], list[dict[str, str]]]],
) -> None:
    _, rows = read["state"]
    assert sorted(row["invoiced_elsewhere"] for row in rows) == ["", "yes"]


def test_findings_on_invoice_lines_are_on_the_form_alone(
    read: dict[str, tuple[list[str], list[dict[str, str]]]],
) -> None:
    _, rows = read["state"]
    assert len(rows) == 2


def test_an_inquiry_names_the_dispense(read: dict[str, tuple[list[str], list[dict[str, str]]]]) -> None:
    assert read["entity"][1] == [
        {
            "pharmacy_npi": "\t1234567893",
            "rx_number": "******4321",
            "fill_number": read["entity"][1][0]["fill_number"],
            "date_of_service": "2025-08-14",
            "ndc": "\t00002143380",
        }
    ]


def test_identifiers_keep_their_leading_zeros_in_excel(read: dict[str, tuple[list[str], list[dict[str, str]]]]) -> None:
    _, rows = read["state"]
    assert {row["labeler_code"] for row in rows} == {"\t00002"}
    assert {row["claim_id"] for row in rows} == {"\t0025226000123"}


def test_mfp_lines_carry_the_configured_justification(read: dict[str, tuple[list[str], list[dict[str, str]]]]) -> None:
    assert read["facilitator"][1][0]["justification_code"] == "J7"


def test_rx_numbers_are_whole_for_the_recipients_of_the_setting_alone(spark: SparkSession, tmp_path: Path) -> None:
    unmasked = files(spark, tmp_path, unmasked=("DSH180012",))
    assert unmasked["entity"][1][0]["rx_number"] == "\t0007654321"
    assert {row["rx_number"] for row in unmasked["state"][1]} == {"******4321"}


def test_drafts_go_to_entities_and_the_facilitator_alone(spark: SparkSession, tmp_path: Path) -> None:
    rows = {
        **ROWS,
        "dismissed": ROWS["entity"] | {"is_dismissed": True},
        "medium": ROWS["mfp"] | {"evidence": "MEDIUM"},
    }
    drafts = inquiry_drafts(frame_of(spark, found(rows)))
    assert sorted(row["finding_id"] for row in drafts.collect()) == ["entity", "mfp"]
    written = write_recipient_files(drafts, TEXTS, storage_of(spark), tmp_path.as_uri(), prefix="DRAFT-")
    assert written == {"DRAFT-entity-DSH180012.csv": 1, "DRAFT-facilitator-MTF.csv": 1}


EVIDENCE_MAY_HAVE = DISPENSE | {
    *("role", "record_id", "product", "claim_id", "claim_line", "units", "dispute_code", "other_codes", "documents"),
    *("entity_id", "reference"),
}


def test_the_evidence_sheet_has_what_a_state_may_see() -> None:
    # of its own claims all; of the entity's claim 340B id, pharmacy, Rx number, fill, date, NDC and quantity
    assert set(EVIDENCE_COLUMNS) == EVIDENCE_MAY_HAVE
    assert set(EVIDENCE_ROWS.names) - {"finding_id", "ndc11"} <= EVIDENCE_MAY_HAVE


def test_evidence_holds_the_states_own_lines_and_the_entitys_claim(spark: SparkSession) -> None:
    def naming(rule: str, *rows: str) -> list[dict[str, Any]]:
        return [{"rule_id": rule, "related_source_row_ids": list(rows)}]

    findings = {
        "twice": BASE | {"rules": naming("R016", "own", "other state")},
        "two states": BASE | {"rules": naming("R018", "other state")},
        "340B": BASE | {"rules": naming("R003", "of entity", "own")},
        "another payer": BASE | {"rules": naming("R057", "own")},
        "to a PBM": BASE | {"route": "PBM", "rules": naming("R016", "own")},
        "weak": BASE | {"evidence": "WEAK", "rules": naming("R016", "own")},
    }
    claims = [
        dict.fromkeys(PREPARED_REBATE_CLAIMS.names) | {"source_row_id": name, "state": state, "claim_id": name}
        for name, state in (("own", "KY"), ("other state", "GA"), ("of entity", "KY"))
    ]
    reported = dict.fromkeys(PREPARED_ENTITY_CLAIMS.names) | {"source_row_id": "of entity", "entity_id": "DSH1"}
    rows = evidence_rows(
        frame_of(spark, [finding(n) | row | {"finding_id": name} for n, (name, row) in enumerate(findings.items())]),
        rows_of(spark, claims, PREPARED_REBATE_CLAIMS),
        rows_of(spark, [reported], PREPARED_ENTITY_CLAIMS),
    )
    found = sorted((row["finding_id"], row["role"], row["claim_id"], row["entity_id"]) for row in rows.collect())
    assert found == [
        ("340B", "Claim of the covered entity", None, "DSH1"),
        ("twice", "Other claim line", "own", None),
    ]


def rows_of(spark: SparkSession, rows: list[dict[str, Any]], schema: StructType) -> DataFrame:
    return spark.createDataFrame([tuple(row[name] for name in schema.names) for row in rows], schema)
