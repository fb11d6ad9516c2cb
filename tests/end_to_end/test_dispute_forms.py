"""A full quarter of the documentation's example: invoice, drafts, decisions, ROSI and PQAS, the state's answer, and the
next quarter's PQAS. Expected numbers were worked by hand in docs/dispute-forms.md.
"""

from __future__ import annotations

import csv
import hashlib
import shutil
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as parquet
import pytest

from jobs.detect import detect
from jobs.export import export
from jobs.feedback import feedback
from tests.end_to_end.conftest import EXAMPLE
from tests.end_to_end.runs import FinishedRun

pytestmark = pytest.mark.slow

SETTINGS = ("--config", EXAMPLE / "settings.yaml")
REVIEW = ("review/findings.csv", "review/findings.xlsx", "report.html", "disputes/detail.csv")


def _detect(run_job: Any, output: Any, run_id: str, as_of: Any, *more: Any) -> None:
    words = ["--input", EXAMPLE / "input", "--output", output, "--run-id", run_id, "--as-of", as_of, *SETTINGS, *more]
    ended = run_job(detect, *words)
    assert ended.status == 0, ended


def _final(run_job: Any, output: Any, run_id: str, as_of: Any, *more: Any) -> Any:
    ended = run_job(export, "--final", "--run-id", run_id, "--output", output, "--as-of", as_of, *SETTINGS, *more)
    assert ended.status == 0, ended
    return ended.out


def _form(folder: Path, pattern: str, letters: str) -> list[dict[str, str]]:
    """Columns by letter of the lines of the only form that matches."""
    (path,) = folder.glob(f"{pattern}.csv")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    by_letter = [{name.split()[0]: value for name, value in row.items() if name[1:2] == " "} for row in rows]
    return [{letter: row[letter] for letter in letters} for row in by_letter if "-" in row["A"]]


def _submissions(output: Any) -> list[dict[str, Any]]:
    return parquet.read_table(output / "feedback" / "submissions.parquet").to_pylist()


def _content(run: Path) -> dict[str, str]:
    """Digest of each review file and draft."""
    files = [run / name for name in REVIEW]
    files += sorted((run / "disputes").rglob("DRAFT-*"))
    assert {path.suffix for path in files} >= {".csv", ".html", ".xlsx", ".pdf"}
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_quarter_from_invoice_to_the_next_quarters_difference(
    run_job: Any, example_run: FinishedRun, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    run = example_run.copied(output).folder
    # STRONG lines alone: the duplicate of 30 units; the 340B claim is MEDIUM and waits for an analyst
    assert _form(run / "disputes" / "rosi", "DRAFT-*", "AEFGHIJKO") == [
        dict(zip("AEFGHIJKO", row, strict=True))
        for row in (
            ("\t1433-80", "", "200.000", "0.000", "30.000", "170.000", "", "M", "425.00"),
            ("\t7597-01", "4.000000", "60.000", "0.000", "0.000", "60.000", "B", "", "240.00"),
        )
    ]
    assert "nothing    no decided line is left to send" in _final(run_job, output, "2025-12", "2025-12-16")

    _check_written_again(run_job, output)
    found = parquet.read_table(run / "findings").to_pylist()
    decided = [row["finding_id"] for row in found if row["units_at_issue"]]
    assert len(decided) == 3
    path = tmp_path / "decisions.csv"
    path.write_text("finding_id,decision\n" + "".join(f"{one},DISPUTE\n" for one in decided), encoding="utf-8")
    words = ["--output", output, "--decided-by", "A. Analyst", "--decided-on", "2025-12-16", "--as-of", "2025-12-16"]
    assert run_job(feedback, path, *words).status == 0

    _final(run_job, output, "2025-12", "2025-12-18")
    (sent,) = (run / "disputes" / "final").iterdir()
    assert _form(sent / "rosi", "rosi-*", "AFHIJKO") == [
        dict(zip("AFHIJKO", row, strict=True))
        for row in (
            ("\t1433-80", "200.000", "60.000", "140.000", "", "X, M", "350.00"),
            ("\t7597-01", "60.000", "0.000", "60.000", "B", "", "240.00"),
        )
    ]
    first_pqas = {"D": "2.500000", "E": "2.600000", "F": "100.000", "G": "100.000", "H": "100.000", "I": "70.000"}
    first_pqas |= {"J": "0.000", "K": "30.000", "N": "250.00", "O": "182.00", "P": "-68.00", "Q": "A", "R": "M"}
    assert _form(sent / "pqas" / "2025Q2", "pqas-*", "DEFGHIJKNOPQR") == [first_pqas]
    _check_workbook(next((sent / "rosi").glob("*.xlsx")))
    assert next((sent / "rosi").glob("*.pdf")).read_bytes()[:5] == b"%PDF-"
    kept = _submissions(output)
    assert sorted(row["form"] for row in kept) == ["DETAIL"] * 3 + ["PQAS"] + ["ROSI"] * 2
    assert "nothing    no decided line is left to send" in _final(run_job, output, "2025-12", "2025-12-18")

    _detect(run_job, output, "2026-03", "2026-03-16")
    found = parquet.read_table(output / "2026-03" / "findings").to_pylist()
    assert sorted(row["finding_id"] for row in found if row["decision"] == "DISPUTE") == sorted(decided)
    _final(run_job, output, "2026-03", "2026-03-16")
    (later,) = (output / "2026-03" / "disputes" / "final").iterdir()
    # 30 units credited by the state, 30 given up: 170 left, all of them paid now; the other product did not change
    second = {"F": "200.000", "G": "170.000", "H": "140.000", "I": "170.000", "J": "60.000", "K": "0.000"}
    second |= {"N": "350.00", "O": "425.00", "P": "75.00", "Q": "C", "R": ""}
    assert _form(later / "pqas" / "2025Q3", "pqas-*", "FGHIJKNOPQR") == [second]
    third = {"G": "70.000", "H": "70.000", "I": "70.000", "J": "30.000", "K": "0.000", "N": "182.00", "P": "0.00"}
    assert _form(later / "pqas" / "2025Q2", "pqas-*", "GHIJKNP") == [third]
    assert not (later / "rosi").exists()
    paid = [row for row in _submissions(output) if row["form"] != "DETAIL" and row["period"] == "2025Q3"]
    assert str(sum(row["amount_paid"] for row in paid[:1]) + 75) == str(paid[-1]["amount_paid"])


def _check_written_again(run_job: Any, output: Path) -> None:
    """`export` alone writes the review files and drafts of an unchanged run as `detect` did, byte for byte; redacted,
    it leaves no draft of a form, which consists of amounts.
    """
    run = output / "2025-12"
    before = _content(run)
    words = ["--run-id", "2025-12", "--output", output, *SETTINGS]
    redacted = run_job(export, *words, "--redacted")
    assert redacted.status == 0, redacted
    assert not [path.name for path in (run / "disputes").rglob("DRAFT-*") if "rosi" in path.name]
    for name in REVIEW:
        (run / name).unlink()
    ended = run_job(export, *words)
    assert ended.status == 0, ended
    assert _content(run) == before


def _check_workbook(path: Path) -> None:
    """Identifiers are text, no cell but the totals is a formula, and the page is set up for print."""
    book = openpyxl.load_workbook(path)
    sheet = book["ROSI"]
    cells = {cell.value: cell for row in sheet.iter_rows() for cell in row if cell.value is not None}
    assert cells["00002"].data_type == "s"
    assert cells["1433-80"].data_type == "s"
    assert "J. Doe" in cells
    formulas = [value for value in cells if isinstance(value, str) and value.startswith("=")]
    assert all(value.startswith(("=SUM(", "=O")) for value in formulas)
    assert len(formulas) == 2
    assert sheet.page_setup.orientation == "landscape"
    evidence = [[cell.value for cell in row] for row in book["Evidence"].iter_rows(min_row=4)]
    by_role = [(row[0], row[3], row[7], row[9]) for row in evidence]
    assert by_role == [
        ("Disputed claim", "2025226000012", "*****0112", 30),
        ("Claim of the covered entity", None, "***0112", 30),
        ("Disputed claim", "2025228000014", "*****0113", 30),
        ("Other claim line", "2025228000013", "***0113", 30),
    ]


def test_evidence_of_final_forms_masks_rx_numbers_if_redacted(run_job: Any, tmp_path: Path) -> None:
    output, setting = tmp_path / "out", ("--set", 'disputes.unmasked_rx_recipients=["KY"]')
    _detect(run_job, output, "2025-12", "2025-12-15", *setting)
    found = parquet.read_table(output / "2025-12" / "findings").to_pylist()
    path = tmp_path / "decisions.csv"
    decided = [row["finding_id"] for row in found if row["units_at_issue"]]
    path.write_text("finding_id,decision\n" + "".join(f"{one},DISPUTE\n" for one in decided), encoding="utf-8")
    words = ["--output", output, "--decided-by", "A. Analyst", "--decided-on", "2025-12-16", "--as-of", "2025-12-16"]
    assert run_job(feedback, path, *words).status == 0
    shown = {}
    for name, redacted in (("whole", ()), ("masked", ("--redacted",))):
        kept = tmp_path / name  # lines are sent once: each export has decisions of its own
        shutil.copytree(output / "feedback", kept)
        _final(run_job, output, "2025-12", "2025-12-18", *setting, "--set", f"feedback.root={kept}", *redacted)
        sent = max((output / "2025-12" / "disputes" / "final").iterdir(), key=lambda folder: folder.stat().st_mtime_ns)
        rows = []
        for form in sent.rglob("*.xlsx"):
            rows += [
                [cell.value for cell in row] for row in openpyxl.load_workbook(form)["Evidence"].iter_rows(min_row=4)
            ]
        with (sent / "state-KY.csv").open(encoding="utf-8-sig", newline="") as file:
            lines = [row["rx_number"].strip() for row in csv.DictReader(file)]
        shown[name] = sorted(row[7] for row in rows), sorted(lines)
    assert {rx[-4:] for rx in shown["whole"][0]} == {rx[-4:] for rx in shown["masked"][0]}
    assert all(rx.isdigit() for rxs in shown["whole"] for rx in rxs)
    assert all(rx.startswith("*") and rx[:-4].strip("*") == "" for rxs in shown["masked"] for rx in rxs)
