"""Totals, Parquet, JSON and the dispute lines' CSV."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine.contracts.findings import DISPUTE_LINES, FINDINGS
from engine.errors import OutputError
from engine.exports import (
    add_up,
    batches,
    plain,
    write_disputes_detail,
    write_findings,
    write_json,
    write_quarantine,
    write_rows,
)
from engine.exports.plain_text import LONGEST_CELL, safe_text
from engine.exports.totals import Sum
from engine.runtime.storage import storage_of
from tests.unit.exports_rows import finding, findings, frame_of, line, lines_of


def test_totals_are_those_of_a_slow_sum(spark: SparkSession) -> None:
    rows = [finding(number) for number in range(80)]
    rows[3] |= {"amount_at_issue": Decimal("-1.50"), "state": None, "payer_id": None, "labeler_code": None}
    rows[4] |= {"payer_id": "PBM1", "product_name": None}
    of_entity = dict.fromkeys(("program", "payer_id", "state", "period"))
    rows[5] |= {"subject": "ENTITY_CLAIM", **of_entity}
    rows[6] |= {"subject": "INVOICE", "amount_at_issue": None}
    rows[7] |= {"is_dismissed": True, "priority": 1e9}
    totals = add_up(frame_of(spark, rows).repartition(4))

    expected: dict[tuple[Any, ...], Any] = defaultdict(lambda: [0, 0, Decimal(0), Decimal(0)])
    for row in rows:
        other = "340B claims" if row["subject"] == "ENTITY_CLAIM" else "unknown"
        subject = row["subject"]
        values = [("all", ""), ("evidence", row["evidence"]), ("action", row["action"])]
        values += [("payer", row["payer_id"] or row["state"] or other), ("period", row["period"] or other)]
        values += [("program", row["program"] or other)]
        values += [("standing", "DISMISSED" if row.get("is_dismissed") else "OPEN")]
        values += [("labeler", row["labeler_code"] or "unknown"), ("product", row["ndc11"])]
        values += [("rule", hit["rule_id"]) for hit in row["rules"]]
        values += [("state", row["state"] or "unknown"), ("entity", row["entity_id"] or "unknown")]
        values += [("pharmacy", row["pharmacy_npi"] or "unknown")]
        day = row["date_of_service"]
        quarter = row["period"] or f"{day.year}Q{(day.month + 2) // 3}"
        values += [("rule_period", f"{hit['rule_id']} {quarter}") for hit in row["rules"]]
        for key in values:
            for sums in (expected[(subject, *key)], expected[(subject, *key, row["evidence"])]):
                sums[0] += 1
                sums[1] += row["amount_at_issue"] is not None
                sums[2] += row["units_at_issue"] or 0
                sums[3] += row["amount_at_issue"] or 0

    def listed(total: Sum) -> list[Any]:
        return [total.findings, total.priced, total.units, total.amount]

    found: dict[tuple[Any, ...], list[Any]] = {}
    for one in totals.by_subject:
        found[(one.subject, "all", "")] = listed(one.total)
        for dimension, groups in one.groups.items():
            for group in groups:
                place = (one.subject, dimension, group.value)
                found[place] = listed(group.total)
                found |= {(*place, name): listed(part) for name, part in group.by_evidence.items()}
    assert found == {key: value for key, value in expected.items() if key[1] != "all" or len(key) == 3}
    assert [one.label for one in totals.by_subject] == ["Claims", "Invoice lines", "340B claims"]
    assert totals.findings == len(rows)
    assert totals.dismissed == 1
    assert rows[7]["finding_id"] not in [one["finding_id"] for one in totals.first]
    assert totals.without_price == sum(row["amount_at_issue"] is None for row in rows)
    assert totals.counts("evidence") == {
        name: sum(row["evidence"] == name for row in rows) for name in ("STRONG", "MEDIUM", "WEAK", "CONTEXT")
    }
    assert totals.at_issue()["claims_340b"]["units"] == rows[5]["units_at_issue"]

    order = sorted((row for row in rows if row is not rows[7]), key=lambda row: (-row["priority"], row["finding_id"]))
    assert [row["finding_id"] for row in totals.first] == [row["finding_id"] for row in order[:10]]
    claims = totals.by_subject[0]
    assert [group.value for group in claims.by_evidence()] == ["STRONG", "MEDIUM", "WEAK", "CONTEXT"]
    assert claims.by_evidence()[3].total.findings == 0
    amounts = [group.total.amount for group in claims.greatest("product", 3)]
    assert amounts == sorted((g.total.amount for g in claims.groups["product"]), reverse=True)[:3]
    labels = {group.value: group.label for group in claims.groups["product"]}
    assert labels["00002759701"] == "00002-7597-01  Lumerazole 20 mg"


def test_findings_are_written_as_declared_and_a_retry_doubles_nothing(spark: SparkSession, tmp_path: Path) -> None:
    uri = (tmp_path / "findings").as_uri()
    made = findings(spark, 5).withColumnRenamed("priority", "rank").selectExpr("*", "cast(rank as float) as priority")
    for _ in range(2):
        write_findings(made, uri)
    read = spark.read.parquet(uri)
    assert [(f.name, f.dataType) for f in read.schema] == [(f.name, f.dataType) for f in FINDINGS]
    assert sorted(row["finding_id"] for row in read.collect()) == sorted(finding(n)["finding_id"] for n in range(5))

    rows = spark.createDataFrame(
        [("r1", ["NDC_INVALID"], "{}", 1)], "source_row_id string, reasons array<string>, raw string, x int"
    )
    write_quarantine(rows, (tmp_path / "quarantine").as_uri())
    assert [row.asDict() for row in spark.read.parquet((tmp_path / "quarantine").as_uri()).collect()] == [
        {"source_row_id": "r1", "reasons": ["NDC_INVALID"], "raw": "{}"}
    ]


def test_json_is_plain_and_in_order(spark: SparkSession, tmp_path: Path) -> None:
    storage, path = storage_of(spark), tmp_path / "summary.json"
    write_json(storage, path.as_uri(), {"b": date(2026, 3, 1), "a": Decimal("1.50"), "c": {"é": {3, 1}}})
    assert path.read_text(encoding="utf-8") == (
        '{\n  "a": "1.50",\n  "b": "2026-03-01",\n  "c": {\n    "é": [\n      1,\n      3\n    ]\n  }\n}\n'
    )
    assert json.loads(path.read_text(encoding="utf-8"))["a"] == "1.50"
    with pytest.raises(TypeError):
        write_json(storage, path.as_uri(), {"a": object()})


def test_dispute_lines_as_csv(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "ROWS_PER_PARTITION", 7)
    rows = [line(finding(number)) for number in range(30)]
    rows[0] |= {"claim_id": "=cmd|' /C calc'!A0", "other_codes": ["M", "N"], "product_name": None}
    path = tmp_path / "detail.csv"
    assert write_disputes_detail(lines_of(spark, rows).repartition(5), storage_of(spark), path.as_uri()) == 30
    with path.open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert list(written[0]) == DISPUTE_LINES.names
    # counterparty, product, claim
    key = ("payer_id", "labeler_code", "product_code", "period", "record_id", "claim_id")
    expected = sorted(rows, key=lambda row: tuple(row[name] for name in key))
    assert [row["finding_id"] for row in written] == [row["finding_id"] for row in expected]
    by_id = {row["finding_id"]: row for row in written}
    hostile = by_id[rows[0]["finding_id"]]
    assert hostile["claim_id"] == "'=cmd|' /C calc'!A0"
    assert (hostile["other_codes"], hostile["product_name"]) == ("M|N", "")
    assert hostile["related_source_row_ids"] == "e1|e2"
    for row in rows:
        shown = by_id[row["finding_id"]]["rx_number"]
        assert shown == "*" * (len(row["rx_number"]) - 4) + row["rx_number"][-4:]
    for row in rows:
        assert Decimal(by_id[row["finding_id"]]["units_invoiced"]) == row["units_invoiced"]
        assert by_id[row["finding_id"]]["date_of_service"] == row["date_of_service"].isoformat()
    text = path.read_text(encoding="utf-8")
    assert not any(word in text.splitlines()[0] for word in ("score", "p_value", "price", "amount"))


def test_rx_numbers_are_whole_for_recipients_of_the_allow_list_alone(spark: SparkSession, tmp_path: Path) -> None:
    rows = [line(finding(number)) for number in range(4)]
    for row, (payer, state, rx) in zip(
        rows,
        [("PBM1", "OH", "7033146"), (None, "OH", "7033147"), ("TX", "TX", "1234"), (None, None, None)],
        strict=True,
    ):
        row |= {"payer_id": payer, "state": state, "rx_number": rx}
    for allowed, expected in (((), "***3146 ***3147 **** "), (("OH",), "***3146 7033147 **** ")):
        write_disputes_detail(lines_of(spark, rows), storage_of(spark), (tmp_path / "d.csv").as_uri(), allowed)
        with (tmp_path / "d.csv").open(encoding="utf-8", newline="") as file:
            written = {row["finding_id"]: row["rx_number"] for row in csv.DictReader(file)}
        assert [written[row["finding_id"]] for row in rows] == expected.split(" ")


def test_every_field_of_a_csv_file_is_quoted(spark: SparkSession, tmp_path: Path) -> None:
    write_rows([{"a": "x;=cmd", "b": None, "c": 3}], ["a", "b", "c"], storage_of(spark), (tmp_path / "r.csv").as_uri())
    assert (tmp_path / "r.csv").read_text() == '"a","b","c"\n"x;\'=cmd","","3"\n'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        *(
            (start + "1+1", f"'{start}1+1")
            for start in ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\u200b=", "\ufeff =")
        ),
        ("\u00a0@x", "'\u00a0@x"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "' =1"),
        ("x\n=cmd|'/c calc'!A0", "x =cmd|'/c calc'!A0"),
        ("x;=cmd", "x;'=cmd"),
        ("x; \u200b@cmd", "x; \u200b'@cmd"),
        ('x;"=cmd', "x;\"'=cmd"),
        ("a\x00b\x1b[31m\x9b", "a\\x00b\\x1b[31m\\x9b"),
        ("a\u2028b", "a b"),
        ("plain; text, 5-4", "plain; text, 5-4"),
        ("", ""),
        (None, None),
    ],
)
def test_no_spreadsheet_runs_a_text_and_nothing_in_it_is_hidden(text: str | None, shown: str | None) -> None:
    assert safe_text(text) == shown


def test_long_texts_are_cut() -> None:
    for text in ("a" * 10**6, "=" * 10**6, "\x00" * 10**6):
        assert len(safe_text(text)) <= LONGEST_CELL
        assert len(plain(text, 4_000)) <= 4_000


def test_a_place_that_takes_no_files_is_one_clear_error(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write the file"):
        write_json(storage_of(spark), (tmp_path / "file" / "summary.json").as_uri(), {})
