"""A finding that an analyst dismisses in the workbook leaves queue and drafts, and returns when its facts change."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as parquet
import pytest

from jobs.detect import detect
from jobs.export import export
from jobs.feedback import feedback
from tests.end_to_end.contract_scenarios import AS_OF, worlds, write

pytestmark = pytest.mark.slow

SCENARIO = next(world for world in worlds() if world.name == "reported_by_an_entity")
CLAIM, CLAIM_340B = SCENARIO.row("r"), SCENARIO.row("e")
DUPLICATE = next(w for w in worlds() if w.name == "twice_with_equal_parts_of_third_parties").row("again")


def _detect(run_job: Any, folder: Any, run_id: str) -> Any:
    words = ["--input", folder / "in", "--output", folder / "out", "--run-id", run_id, "--as-of", AS_OF]
    return run_job(detect, *words, "--set", f"mlflow.tracking_uri=sqlite:///{folder}/mlflow.db")


def _listed(folder: Any, run_id: str) -> list[str]:
    sheet = openpyxl.load_workbook(folder / "out" / run_id / "review" / "findings.xlsx", read_only=True)["Findings"]
    rows = list(sheet.iter_rows(values_only=True))
    return [row[rows[0].index("Finding id")] for row in rows[1:]]


def _drafted(folder: Any, run_id: str) -> set[str]:
    with (folder / "out" / run_id / "disputes" / "detail.csv").open(encoding="utf-8", newline="") as file:
        return {row["finding_id"] for row in csv.DictReader(file)}


def _findings(folder: Any, run_id: str) -> dict[str, dict[str, Any]]:
    rows = parquet.read_table(folder / "out" / run_id / "findings").to_pylist()
    return {row["finding_id"]: row for row in rows}


def _id_of(found: dict[str, dict[str, Any]], source_row_id: str) -> str:
    return next(one for one, row in found.items() if row["source_row_id"] == source_row_id)


def test_decided_handed_in_and_judged_again(run_job: Any, tmp_path: Path) -> None:
    write(tmp_path / "in")
    assert _detect(run_job, tmp_path, "first").status == 0
    first = _findings(tmp_path, "first")
    (dismissed,) = (row for row in first.values() if row["source_row_id"] == CLAIM)
    others = _drafted(tmp_path, "first") - {dismissed["finding_id"], _id_of(first, DUPLICATE)}
    watched = min(others)
    assert dismissed["finding_id"] in _drafted(tmp_path, "first")

    edited = tmp_path / "edited.xlsx"
    book = openpyxl.load_workbook(tmp_path / "out" / "first" / "review" / "findings.xlsx")
    sheet = book["Findings"]
    place = {cell.value: cell.column for cell in sheet[1]}
    for row in range(2, sheet.max_row + 1):
        finding_id = sheet.cell(row, place["Finding id"]).value
        if finding_id in (dismissed["finding_id"], watched):
            is_dismissed = finding_id == dismissed["finding_id"]
            sheet.cell(row, place["Decision"], "DISMISS" if is_dismissed else "WATCH")
            sheet.cell(row, place["Reason"], "not_340b_confirmed_by_CE" if is_dismissed else None)
    book.save(edited)
    words = ["--output", tmp_path / "out", "--decided-by", "Ann", "--decided-on", AS_OF, "--as-of", AS_OF]
    handed_in = run_job(feedback, edited, *words)
    assert handed_in.status == 0, handed_in
    assert "recorded   2 decisions, 0 outcomes; 0 were known already" in handed_in.out
    assert "recorded   0 decisions, 0 outcomes; 2 were known already" in run_job(feedback, edited, *words).out
    _send(run_job, tmp_path, first[_id_of(first, DUPLICATE)])

    assert _detect(run_job, tmp_path, "second").status == 0
    second = _findings(tmp_path, "second")
    assert second.keys() == first.keys()
    assert [one for one, row in second.items() if row["is_dismissed"]] == [dismissed["finding_id"]]
    assert second[watched]["decision"] == "WATCH"
    assert set(_listed(tmp_path, "first")) - set(_listed(tmp_path, "second")) == {dismissed["finding_id"]}
    sent = _id_of(first, DUPLICATE)
    assert _drafted(tmp_path, "first") - _drafted(tmp_path, "second") == {dismissed["finding_id"], sent}
    assert _case_of(tmp_path, "first", first[sent])["status"] == "DRAFT"
    assert _case_of(tmp_path, "second", first[sent])["status"] == "SUBMITTED"

    accepted = tmp_path / "answers.csv"
    answer = f"{_id_of(first, DUPLICATE)},{AS_OF},ACCEPTED,12.5"
    accepted.write_text(f"finding_id,answered_on,answer,units_credited\n{answer}\n", encoding="utf-8")
    assert "recorded   0 decisions, 1 outcomes" in run_job(feedback, accepted, *words).out

    # the entity corrects its quantity, which no longer is that of the dispense
    claims = tmp_path / "in" / "entity_claims.csv"
    with claims.open(encoding="utf-8", newline="") as received:
        rows = list(csv.DictReader(received))
    for claim in rows:
        if claim["source_row_id"] == CLAIM_340B:
            claim["quantity"] = "60"
    with claims.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert _detect(run_job, tmp_path, "third").status == 0
    third = _findings(tmp_path, "third")[dismissed["finding_id"]]
    assert third["is_dismissed"] is False
    assert third["changed_since_decision"], third
    assert f"Dismissed on {AS_OF}; otherwise since then: " in third["narrative"]
    assert dismissed["finding_id"] in _listed(tmp_path, "third")
    case = _case_of(tmp_path, "third", first[sent])
    assert (case["status"], case["findings_sent"], str(case["units_credited"])) == ("RESOLVED_CREDIT", 1, "12.500")
    # 75 dollars: p(valid) rises from 0.9 to (1 + 30 x 0.9) / 31
    before, after = (_findings(tmp_path, run)[_id_of(first, DUPLICATE)]["priority"] for run in ("second", "third"))
    interest = 75 * 0.05 * 90 / 365
    assert after - before == pytest.approx((28 / 31 - 0.9) * (75 + interest), abs=0.011)


def _send(run_job: Any, folder: Any, duplicate: Any) -> None:
    """Decided by a person, a line is sent to its state once, and to nobody what the state may not see."""
    path = folder / "d.csv"
    path.write_text(f"finding_id,decision,units\n{duplicate['finding_id']},DISPUTE,12.5\n", encoding="utf-8")
    words = ["--output", folder / "out", "--as-of", AS_OF]
    assert run_job(feedback, path, *words, "--decided-by", "Ann", "--decided-on", AS_OF).status == 0
    sent = run_job(export, "--final", "--run-id", "first", *words)
    assert sent.status == 0, sent
    assert "written    1 lines  state-KY.csv" in sent.out
    (file,) = (folder / "out" / "first" / "disputes" / "final").glob("*/state-KY.csv")
    with file.open(encoding="utf-8-sig", newline="") as form:
        (line,) = csv.DictReader(form)
    assert (line["units_disputed"], line["dispute_code"], line["record_id"]) == ("12.500", "M", "FFSU")
    assert line["code_text"] == "Duplicate claim"
    assert line["rx_number"].startswith("***")
    again = run_job(export, "--final", "--run-id", "first", *words)
    assert "not sent   1 decided lines: sent before" in again.out
    assert "no decided line is left to send" in again.out
    submitted = parquet.read_table(folder / "out" / "feedback" / "submissions.parquet").to_pylist()
    (kept,) = (row for row in submitted if row["form"] == "DETAIL")
    assert (kept["recipient"], str(kept["units"]), kept["code"]) == ("STATE KY", "12.500", "M")
    assert kept["case_id"] == duplicate["case_id"]


def _case_of(folder: Any, run_id: str, finding: Any) -> dict[str, Any]:
    rows = parquet.read_table(folder / "out" / run_id / "cases").to_pylist()
    (case,) = (row for row in rows if row["case_id"] == finding["case_id"])
    return case


def test_feedback_without_a_run(run_job: Any, tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("finding_id,decision\nx,PAY\n", encoding="utf-8")
    ended = run_job(feedback, path, "--output", tmp_path / "out")
    assert ended.status == 2
    assert "no run is published there" in ended.err
