"""Decisions and outcomes kept in a database: added in one transaction, read back as they were, found by a run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine import exports
from engine.errors import OutputError
from engine.feedback import KeptFeedback
from engine.runtime.storage import Storage
from engine.settings import FeedbackSettings, Settings
from engine.sources.locations import locate_tables
from tests.database.servers import NAME

SCRIPTS = Path(__file__).resolve().parents[2] / "conf" / "sqlserver"
DECISION = {
    "finding_id": "f1",
    "decided_at": datetime(2026, 6, 1, 14, 30, tzinfo=UTC),
    "decided_by": "Ann",
    "decision": "DISMISS",
    "reason": "unit_ok",
    "units": Decimal("12.500"),
    "comment": "=1+1 naïve 日本",
    "selection": None,
}
OUTCOME = {
    "finding_id": None,
    "case_id": "c1",
    "answered_on": date(2026, 6, 2),
    "answer": "PARTIAL",
    "counterparty_reason": "not 340B",
    "units_credited": Decimal("3.000"),
    "amount_credited": Decimal("7.25"),
}


@pytest.fixture
def kept(server: Any) -> Iterator[Any]:
    exports.create_tables(NAME, server.settings, server.schema, SCRIPTS, print, adapted=server.adapted)
    server.run(*(f"DELETE FROM {server.table(table)}" for table in ("decisions", "outcomes")))
    yield KeptFeedback(Storage(), _settings(server))
    server.run(*(f"DELETE FROM {server.table(table)}" for table in ("decisions", "outcomes")))


def _settings(server: Any, root: Path | None = None) -> Settings:
    given = FeedbackSettings(connection=NAME, database_schema=server.schema)
    settings = Settings(databases={NAME: server.settings}, feedback=given)
    return settings.model_copy(update={"input": settings.input.model_copy(update={"root": root and str(root)})})


def test_rows_come_back_as_they_were(kept: Any) -> None:
    kept.add({"decisions": [DECISION], "outcomes": [OUTCOME]})
    later = DECISION | {"decided_at": datetime(2026, 6, 2, tzinfo=UTC), "decision": "PAY", "units": None}
    kept.add({"decisions": [later], "outcomes": []})
    assert sorted(kept.rows("decisions"), key=lambda row: row["decided_at"]) == [DECISION, later]
    assert kept.rows("outcomes") == [OUTCOME]


def test_all_or_nothing(kept: Any) -> None:
    too_long = OUTCOME | {"answer": "NO_SUCH_ANSWER_AT_ALL_IN_THIS_COLUMN"}
    with pytest.raises(OutputError):
        kept.add({"decisions": [DECISION], "outcomes": [too_long]})
    assert kept.rows("decisions") == []


def test_a_run_finds_them_where_they_are_kept(kept: Any, server: Any, tmp_path: Path) -> None:
    kept.add({"decisions": [DECISION], "outcomes": []})
    (tmp_path / "rebate_claims.csv").write_text("source_row_id\n1\n", encoding="utf-8")
    located, problems = locate_tables(Storage(), _settings(server, tmp_path))
    assert problems == []
    places = {location.table.name: location.uri for location in located}
    assert places["decisions"] == f"{NAME}: {server.schema}.decisions"
    (tmp_path / "decisions.csv").write_text("finding_id\n1\n", encoding="utf-8")
    _, problems = locate_tables(Storage(), _settings(server, tmp_path))
    assert [problem.what for problem in problems] == ["table decisions exists more than once"]
