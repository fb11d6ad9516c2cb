"""The ledger: what does not balance stops the run."""

from __future__ import annotations

import pytest

from engine.contracts.codes import Step
from engine.runs import Ledger, LedgerError


def test_a_balanced_way_is_recorded_in_order() -> None:
    ledger = Ledger()
    ledger.record("invoices", Step.READ, 10, 10)
    ledger.record("invoices", Step.PREPARE, 10, 7, {"B": 1, "A": 2, "C": 0}, {"SUPPRESSED": 3})
    assert ledger.tables == {
        "invoices": [
            {"step": "read", "rows_in": 10, "rows_out": 10, "dropped": {}},
            {
                "step": "prepare",
                "rows_in": 10,
                "rows_out": 7,
                "dropped": {"A": 2, "B": 1},
                "counted": {"SUPPRESSED": 3},
            },
        ]
    }
    assert ledger.rows_out("invoices") == 7


def test_a_lost_row_stops_the_run() -> None:
    with pytest.raises(LedgerError, match="10 rows in, but 8 out and 1 dropped"):
        Ledger().record("invoices", Step.PREPARE, 10, 8, {"A": 1})


def test_a_step_that_begins_with_other_rows_than_the_last_one_ended_with_stops_the_run() -> None:
    ledger = Ledger()
    ledger.record("invoices", Step.READ, 10, 10)
    with pytest.raises(LedgerError, match="ended with 10 rows, step prepare began with 11"):
        ledger.record("invoices", Step.PREPARE, 11, 11)


def test_measured_rows_that_differ_stop_the_run() -> None:
    ledger = Ledger()
    ledger.check("invoices", Step.FACTS, "rows with peers", 1172, 1172)
    ledger.check_at_most("invoices", Step.RULES, "rows flagged", 5, 5)
    with pytest.raises(LedgerError, match="invoices, step facts: 0 rows with peers, 1,172 expected"):
        ledger.check("invoices", Step.FACTS, "rows with peers", 0, 1172)
    with pytest.raises(LedgerError, match="invoices, step rules: 6 rows flagged, at most 5 expected"):
        ledger.check_at_most("invoices", Step.RULES, "rows flagged", 6, 5)
