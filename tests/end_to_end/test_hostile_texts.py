"""Free text of claims, names and decisions that would do harm, from the input to every file that leaves."""

from __future__ import annotations

import csv
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from jobs.export import export
from jobs.feedback import feedback
from tests import hostile_texts
from tests.end_to_end import libreoffice
from tests.end_to_end.runs import FinishedRun

pytestmark = pytest.mark.slow


def test_texts_stay_text_in_every_file(run_job: Any, scenarios_run: FinishedRun, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run = scenarios_run.copied(output).folder
    path = tmp_path / "decisions.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["finding_id", "decision", "reason", "comment", "decided_by"])
        for number, row in enumerate(parquet.read_table(run / "findings").to_pylist()):
            if row["units_at_issue"] and row["evidence"] in ("STRONG", "MEDIUM"):
                texts = (hostile_texts.TEXTS[(number + place) % len(hostile_texts.TEXTS)] for place in range(2))
                writer.writerow([row["finding_id"], "DISPUTE", *texts, f"=A{number} <script>"])
    words = ["--output", output, "--decided-on", "2026-02-16", "--as-of", "2026-02-18"]
    ended = run_job(feedback, path, *words)
    assert ended.status == 0, ended
    setting = ("--set", 'disputes.mfp_justification_code="=1+1"', "--set", 'disputes.contact.name="@SUM(A1) \\ud800"')
    ended = run_job(export, "--final", "--run-id", run.name, "--output", output, "--as-of", "2026-02-18", *setting)
    assert ended.status == 0, ended

    lines: Counter[str] = Counter()
    for sent in run.rglob("*"):
        if sent.suffix == ".xlsx":
            hostile_texts.check_xlsx(sent, ("One finding",))
        elif sent.suffix == ".csv":
            lines[sent.name.split("-")[0].removesuffix(".csv")] += hostile_texts.check_csv(sent)
        elif sent.suffix == ".pdf":
            assert sent.read_bytes()[:5] == b"%PDF-"
    assert {"detail", "findings", "tickets", "match_rates", "rosi", "state", "entity", "pbm", "facilitator"} <= {
        line for line, count in lines.items() if count
    }
    _check_page(run / "report.html")


@libreoffice.NEEDED
def test_libreoffice_runs_none_of_them(scenarios_run: FinishedRun, tmp_path: Path) -> None:
    forms = sorted((scenarios_run.folder / "disputes" / "rosi").glob("*.xlsx"))
    for path in (forms[0], scenarios_run.folder / "disputes" / "detail.csv"):
        hostile_texts.check_xlsx(libreoffice.saved_by_libreoffice(path, "xlsx", tmp_path))


def _check_page(path: Path) -> None:
    """The page has one script, nothing that is loaded, and no event handler; texts are in it as text."""
    tags: Counter[str] = Counter()
    texts = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags[tag] += 1
            for name, value in attrs:
                assert not name.startswith("on"), (tag, name)
                assert name not in ("src", "srcset", "data"), (tag, name)
                assert name != "href" or (value or "").startswith("#"), (tag, value)

        def handle_data(self, data: str) -> None:
            texts.append(data)

    Parser().feed(path.read_text(encoding="utf-8"))
    assert tags["script"] == 1
    assert "<script>alert(1)</script>" in "".join(texts)
