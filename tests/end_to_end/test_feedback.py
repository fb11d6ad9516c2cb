"""A finding that an analyst dismisses in the workbook leaves queue and drafts, and returns when its facts change."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as parquet
import pytest

from jobs.detect import detect
from jobs.export import export
from jobs.feedback import feedback
from tests.end_to_end.contract_scenarios import AS_OF, worlds
from tests.end_to_end.runs import FinishedRun

pytestmark = pytest.mark.slow


def _row(scenario: str, name: str) -> str:
    return next(world for world in worlds() if world.name == scenario).row(name)


# Claims by what becomes of their findings: two dismissed, of which one changes, and two sent, of which one is answered.
CHANGED, CHANGED_340B = (_row("reported_by_an_entity", name) for name in "re")
DISMISSED = _row("white_space_and_hashes", "r")
ANSWERED = _row("twice_with_equal_parts_of_third_parties", "again")
SENT = _row("an_adjustment_and_the_whole_file_again", "adjusted")


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


def test_decided_handed_in_and_judged_again(run_job: Any, scenarios_run: FinishedRun, tmp_path: Path) -> None:
    """One later run on claims of which one was corrected: what was dismissed is gone, but for what changed since."""
    scenarios_run.copied(tmp_path / "out")
    first = _findings(tmp_path, "first")
    changed, dismissed, answered, sent = (_id_of(first, row) for row in (CHANGED, DISMISSED, ANSWERED, SENT))
    assert {changed, dismissed, answered, sent} < _drafted(tmp_path, "first")
    watched = min(_drafted(tmp_path, "first") - {changed, dismissed, answered, sent})

    edited = tmp_path / "edited.xlsx"
    book = openpyxl.load_workbook(tmp_path / "out" / "first" / "review" / "findings.xlsx")
    sheet = book["Findings"]
    place = {cell.value: cell.column for cell in sheet[1]}
    for row in range(2, sheet.max_row + 1):
        finding_id = sheet.cell(row, place["Finding id"]).value
        if finding_id in (changed, dismissed, watched):
            is_watched = finding_id == watched
            sheet.cell(row, place["Decision"], "WATCH" if is_watched else "DISMISS")
            sheet.cell(row, place["Reason"], None if is_watched else "not_340b_confirmed_by_CE")
    book.save(edited)
    words = ["--output", tmp_path / "out", "--decided-by", "Ann", "--decided-on", AS_OF, "--as-of", AS_OF]
    handed_in = run_job(feedback, edited, *words)
    assert handed_in.status == 0, handed_in
    assert "recorded   3 decisions, 0 outcomes; 0 were known already" in handed_in.out
    assert "recorded   0 decisions, 0 outcomes; 3 were known already" in run_job(feedback, edited, *words).out
    _send(run_job, tmp_path, {"12.5": first[answered], "28": first[sent]})
    accepted = tmp_path / "answers.csv"
    accepted.write_text(
        f"finding_id,answered_on,answer,units_credited\n{answered},{AS_OF},ACCEPTED,12.5\n", encoding="utf-8"
    )
    assert "recorded   0 decisions, 1 outcome;" in run_job(feedback, accepted, *words).out

    shutil.copytree(scenarios_run.claims, tmp_path / "in")
    _correct_quantity(tmp_path / "in" / "entity_claims.csv")
    places = ["--input", tmp_path / "in", "--output", tmp_path / "out", "--run-id", "second", "--as-of", AS_OF]
    assert run_job(detect, *places).status == 0
    second = _findings(tmp_path, "second")
    assert second.keys() == first.keys()
    assert [one for one, row in second.items() if row["is_dismissed"]] == [dismissed]
    assert second[watched]["decision"] == "WATCH"
    assert second[changed]["is_dismissed"] is False
    assert second[changed]["changed_since_decision"], second[changed]
    assert f"Dismissed on {AS_OF}; otherwise since then: " in second[changed]["narrative"]
    assert set(_listed(tmp_path, "first")) - set(_listed(tmp_path, "second")) == {dismissed}
    # a claim of another quantity than the entity's is not drafted, whatever was decided
    assert _drafted(tmp_path, "first") - _drafted(tmp_path, "second") == {changed, dismissed, answered, sent}
    for finding in (first[answered], first[sent]):
        assert _case_of(tmp_path, "first", finding)["status"] == "DRAFT"
    assert _case_of(tmp_path, "second", first[sent])["status"] == "SUBMITTED"
    case = _case_of(tmp_path, "second", first[answered])
    assert (case["status"], case["findings_sent"], str(case["units_credited"])) == ("RESOLVED_CREDIT", 1, "12.500")
    # 75 dollars: p(valid) rises from 0.9 to (1 + 30 x 0.9) / 31
    before, after = (findings[answered]["priority"] for findings in (first, second))
    interest = 75 * 0.05 * 90 / 365
    assert after - before == pytest.approx((28 / 31 - 0.9) * (75 + interest), abs=0.011)


def _correct_quantity(claims: Path) -> None:
    """The entity corrects its quantity, which no longer is that of the dispense."""
    with claims.open(encoding="utf-8", newline="") as received:
        rows = list(csv.DictReader(received))
    for claim in rows:
        if claim["source_row_id"] == CHANGED_340B:
            claim["quantity"] = "60"
    with claims.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _send(run_job: Any, folder: Any, decided: dict[str, Any]) -> None:
    """Decided by a person, a line is sent to its state once, and to nobody what the state may not see.

    decided: a duplicate of 12.5 units and a flagged claim of 28, by units.
    """
    path = folder / "d.csv"
    lines = "".join(f"{row['finding_id']},DISPUTE,{units}\n" for units, row in decided.items())
    path.write_text(f"finding_id,decision,units\n{lines}", encoding="utf-8")
    words = ["--output", folder / "out", "--as-of", AS_OF]
    assert run_job(feedback, path, *words, "--decided-by", "Ann", "--decided-on", AS_OF).status == 0
    sent = run_job(export, "--final", "--run-id", "first", *words)
    assert sent.status == 0, sent
    assert "written    2 lines  state-KY.csv" in sent.out
    (file,) = (folder / "out" / "first" / "disputes" / "final").glob("*/state-KY.csv")
    with file.open(encoding="utf-8-sig", newline="") as form:
        line, flagged = sorted(csv.DictReader(form), key=lambda line: float(line["units_disputed"]))
    assert (line["units_disputed"], line["dispute_code"], line["record_id"]) == ("12.500", "M", "FFSU")
    assert line["code_text"] == "Duplicate claim"
    assert flagged["units_disputed"] == "28.000"
    assert all(one["rx_number"].startswith("***") for one in (line, flagged))
    again = run_job(export, "--final", "--run-id", "first", *words)
    assert "not sent   2 decided lines: sent before" in again.out
    assert "no decided line is left to send" in again.out
    submitted = parquet.read_table(folder / "out" / "feedback" / "submissions.parquet").to_pylist()
    kept = {row["case_id"]: row for row in submitted if row["form"] == "DETAIL"}
    assert len(kept) == 2
    detail = kept[decided["12.5"]["case_id"]]
    assert (detail["recipient"], str(detail["units"]), detail["code"]) == ("STATE KY", "12.500", "M")


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
