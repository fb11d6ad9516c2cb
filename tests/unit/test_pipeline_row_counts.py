"""Rows that a step wrote are compared with the ledger: a difference stops the run and names the step."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from engine.contracts.codes import Step, Subject
from engine.pipeline import link, score, screen, subject_scores
from engine.pipeline.stages import (
    Described,
    DescribedSubject,
    Linked,
    ModelInputs,
    Prepared,
    ScoredSubject,
    ScreenedSubject,
)
from engine.pipeline.work_tables import LINKS_TO_340B
from engine.runs import Ledger, LedgerError, Progress
from engine.runs.work_table import WorkTable
from engine.settings import Settings


class Rows:
    """Stands for a DataFrame: only how many rows it has."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def where(self, _: Any) -> Rows:
        return self

    def count(self) -> int:
        return self._rows


class Work:
    """Stands for a work folder whose results have the given numbers of rows."""

    def __init__(self, **rows: Any) -> None:
        self._rows = rows

    def write(self, _table: WorkTable, rows: Any, **_origin: Any) -> None:
        return rows

    def rows(self, table: WorkTable) -> int:
        return self._rows[table.name.partition("/")[0]]


@pytest.fixture
def run() -> Callable[..., Any]:
    """A run with 2,842 prepared rows of two tables; the work folder is the test's."""
    ledger = Ledger()
    for table in ("invoices", "rebate_claims"):
        ledger.record(table, Step.READ, 2842, 2842)

    def with_work(**rows: Any) -> Any:
        return SimpleNamespace(
            ledger=ledger,
            settings=Settings(),
            progress=Progress(lambda _: None),
            in_parallel=lambda tasks: [task() for task in tasks],
            work=Work(**rows),
            spark=SimpleNamespace(conf=SimpleNamespace(get=lambda _: "true", set=lambda *_: None)),
        )

    return with_work


@pytest.fixture
def scored(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[None, Any]]:
    """Scores `written` rows of a table, of which the model can judge `judged`."""
    monkeypatch.setattr("engine.pipeline.subject_scores.models.anomaly_scores", lambda *_: None)
    monkeypatch.setattr("engine.pipeline.subject_scores.models.p_values", lambda *_: None)
    monkeypatch.setattr("engine.pipeline.subject_scores.models.can_be_scored", lambda *_: None)
    monkeypatch.setattr("engine.pipeline.subject_scores.models.flag", lambda *_: SimpleNamespace(tested=1, flagged=1))

    def scores(written: int, judged: int) -> tuple[Any, Any]:
        inputs = ModelInputs(Subject.INVOICE, Rows(judged), None, None, Rows(judged))
        model = SimpleNamespace(detector="isolation_forest", features=("z",), inputs="z")
        calibration = SimpleNamespace(smallest_p_value=0.001)
        return subject_scores.score_and_flag(run(p_values=written), "invoices", inputs, model, calibration, "m/1")

    return scores


@pytest.mark.parametrize(("written", "judged"), [(0, 2842), (2841, 2842), (2842, 0)])
def test_a_model_that_scores_other_rows_than_it_can_judge_stops_the_run(
    scored: Callable[..., tuple[None, Any]], written: int, judged: int
) -> None:
    with pytest.raises(LedgerError, match=rf"invoices, step score: {written:,} scored of 2,842, {judged:,} expected"):
        scored(written, judged)


@pytest.mark.parametrize("rows", [0, 2000, 2842])
def test_rows_that_the_model_cannot_judge_are_no_difference(scored: Callable[..., tuple[None, Any]], rows: int) -> None:
    _, flags = scored(rows, rows)
    assert flags.flagged == 1


def test_rows_that_linking_lost_stop_the_run(run: Callable[..., Any]) -> None:
    prepared = Prepared(opened={"invoices": None}, invoices=Rows(2841))
    with pytest.raises(LedgerError, match="invoices, step link: 2,841 live rows, 2,842 expected"):
        link.link_claims(run(), prepared)


def test_more_links_than_claims_stop_the_run(run: Callable[..., Any]) -> None:
    assert link._per_claim(run(links_340b=2842), LINKS_TO_340B) == 2842
    with pytest.raises(LedgerError, match="rebate_claims, step link: 2,843 rows of links_340b, at most 2,842"):
        link._per_claim(run(links_340b=2843), LINKS_TO_340B)


def test_more_flagged_rows_than_rows_stop_the_run(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.pipeline.screen.rules.flagged_rows", lambda *_: None)
    linked = Linked(Prepared(opened={}), references={}, derived=frozenset(), claims=None, report=None)
    described = Described((DescribedSubject(Subject.INVOICE, facts=None, peers=None),))
    screen.screen(run(screened=2842), linked, described)
    with pytest.raises(LedgerError, match="invoices, step screen: 2,843 rows flagged, at most 2,842"):
        screen.screen(run(screened=2843), linked, described)


def test_facts_that_lost_rows_before_scoring_stop_the_run(run: Callable[..., Any]) -> None:
    described = DescribedSubject(Subject.INVOICE, facts=None, peers=None)
    one = ScoredSubject(ScreenedSubject(described, hits=None), by_model=None, groups=None)
    assert score._entered(run(facts=2842), one) == ["invoices 0 scored, too few for a model"]
    with pytest.raises(LedgerError, match="invoices, step score: 2842 rows in, but 2841 out"):
        score._entered(run(facts=2841), one)


def test_a_table_with_quarantined_rows_is_not_complete() -> None:
    table = SimpleNamespace(complete=True, columns=frozenset({"ndc"}))
    prepared = Prepared(opened={"products": table, "labelers": table}, quarantine={"products": Rows(1)})
    assert {name for name in prepared.available if name.endswith(".complete")} == {"labelers.complete"}
