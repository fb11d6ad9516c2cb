"""Declared intermediate results: each once, with a grain, and made from declared ones; the page that lists them."""

from __future__ import annotations

import ast
from pathlib import Path

from docs_pages import COMMAND
from docs_pages.work_tables import missing_dependencies, work_tables_page
from engine.contracts.codes import Step
from engine.pipeline import work_tables
from engine.runs import WorkTable, WorkTables

PROJECT = Path(__file__).resolve().parents[2]


def test_the_page_is_up_to_date() -> None:
    assert (PROJECT / "docs" / "work-tables.md").read_text(encoding="utf-8") == work_tables_page(), COMMAND


def test_each_result_is_declared_once_and_listed() -> None:
    names = [table.name for table in work_tables.DECLARED]
    assert len(names) == len(set(names)) > 40
    declared = [value for value in vars(work_tables).values() if isinstance(value, WorkTable | WorkTables)]
    declared += [*work_tables.FACTS.values(), *work_tables.PEERS.values(), *work_tables.MEASURED.values()]
    assert {table.name for table in declared} == set(names)
    assert all(table.grain and table.reads for table in work_tables.DECLARED)


def test_results_are_made_from_declared_results_of_the_same_step_or_an_earlier_one() -> None:
    assert not list(missing_dependencies())
    order = list(Step)
    steps = {table.name: order.index(table.step) for table in work_tables.DECLARED}
    for table in work_tables.DECLARED:
        assert all(steps[name] <= steps[table.name] for name in table.reads if name in steps), table.name


def test_the_pipeline_writes_declared_results_only() -> None:
    """What a call of `work.write` or `work.rows` is given names no result by a text."""
    texts = []
    for path in sorted((PROJECT / "engine" / "pipeline").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("work.write", "work.rows")):
                first = node.args[0]
                if isinstance(first, ast.JoinedStr | ast.Constant):
                    texts.append(f"{path.name}:{node.lineno}")
    assert texts == []
