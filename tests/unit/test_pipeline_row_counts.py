"""Rows that a step wrote are compared with the ledger: a difference stops the run and names the step."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from engine.contracts.codes import Step, Subject
from engine.ledger import Ledger, LedgerError
from engine.pipeline import judging, linking, scoring
from engine.pipeline.handed_on import Prepared
from engine.settings import Settings


class Rows:
    """Stands for a DataFrame: only how many rows it has."""

    def __init__(self, rows):
        self._rows = rows

    def where(self, _):
        return self

    def count(self):
        return self._rows


class Work:
    """Stands for a work folder whose results have the given numbers of rows."""

    def __init__(self, **rows):
        self._rows = rows

    def write(self, _name, rows, **_origin):
        return rows

    def rows(self, name):
        return self._rows[name.partition("/")[0]]


@pytest.fixture
def run():
    ledger = Ledger()
    for table in ("invoices", "rebate_claims"):
        ledger.record(table, Step.READ, 2842, 2842)
    return SimpleNamespace(
        ledger=ledger, settings=Settings(), note=lambda _: None, in_parallel=lambda tasks: [task() for task in tasks]
    )


@pytest.fixture
def scored(run, monkeypatch):
    """Scores `written` rows of a table, of which the model can judge `judged`."""
    monkeypatch.setattr(scoring.models, "anomaly_scores", lambda *_: None)
    monkeypatch.setattr(scoring.models, "p_values", lambda *_: None)
    monkeypatch.setattr(scoring.models, "can_be_scored", lambda *_: None)
    flags = SimpleNamespace(tested=1, flagged=1)
    monkeypatch.setattr(scoring.models, "flag", lambda *_: flags)

    def score(written, judged):
        one = SimpleNamespace(
            subject=Subject.INVOICE, inputs=Rows(judged), model_name="m", model_version="1", explained=None
        )
        model = SimpleNamespace(detector="isolation_forest", features=("z",), inputs="z")
        return scoring.score_and_flag(run, Work(p_values=written), one, model, SimpleNamespace(smallest_p_value=0.001))

    return score


@pytest.mark.parametrize(("written", "judged"), [(0, 2842), (2841, 2842), (2842, 0)])
def test_a_model_that_scores_other_rows_than_it_can_judge_stops_the_run(scored, written, judged):
    with pytest.raises(LedgerError, match=rf"invoices, step score: {written:,} scored of 2,842, {judged:,} expected"):
        scored(written, judged)


@pytest.mark.parametrize("rows", [0, 2000, 2842])
def test_rows_that_the_model_cannot_judge_are_no_difference(scored, rows):
    _, flags = scored(rows, rows)
    assert flags.flagged == 1


def test_more_links_than_claims_stop_the_run(run):
    assert linking._per_claim(run, Work(links_340b=2842), "links_340b") == 2842
    with pytest.raises(LedgerError, match="rebate_claims, step link: 2,843 rows of links_340b, at most 2,842"):
        linking._per_claim(run, Work(links_340b=2843), "links_340b")


def test_more_flagged_rows_than_rows_stop_the_run(run, monkeypatch):
    run.spark = SimpleNamespace(conf=SimpleNamespace(get=lambda _: "true", set=lambda *_: None))
    monkeypatch.setattr(judging.rules, "active_rules", lambda *_: SimpleNamespace(rules=()))
    monkeypatch.setattr(judging.rules, "flagged_rows", lambda *_: None)
    one = SimpleNamespace(subject=Subject.INVOICE, facts=None)
    prepared = SimpleNamespace(available=frozenset())
    run.settings = SimpleNamespace(today=None)
    run.step = lambda _: nullcontext([])
    judging.screen(run, Work(screened=2842), prepared, [one])
    with pytest.raises(LedgerError, match="invoices, step screen: 2,843 rows flagged, at most 2,842"):
        judging.screen(run, Work(screened=2843), prepared, [one])


def test_a_table_with_quarantined_rows_is_not_complete():
    table = SimpleNamespace(complete=True, columns=frozenset({"ndc"}))
    prepared = Prepared(opened={"products": table, "labelers": table}, quarantine={"products": Rows(1)})
    assert {name for name in prepared.available if name.endswith(".complete")} == {"labelers.complete"}
