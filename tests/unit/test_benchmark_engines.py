"""The pure parts of `benchmarks/engines.py`: comparing results, stages, the table, one-to-one assignment."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True, scope="module")
def benchmarks_on_path() -> Iterator[None]:
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


def results(
    links: list[tuple[str, str, str]] | tuple[Any, ...] = (),
    findings: list[tuple[str, str]] | tuple[Any, ...] = (),
    features: list[tuple[str, float, float]] | tuple[Any, ...] = (),
    scores: list[tuple[str, float]] | tuple[Any, ...] = (),
) -> Any:
    from agreement import Results

    return Results(
        pd.DataFrame(links, columns=["source_row_id", "link_source_row_id", "tier"]),
        pd.DataFrame(findings, columns=["source_row_id", "rule_id"]),
        pd.DataFrame(features, columns=["source_row_id", "f24", "f24_z"]),
        pd.DataFrame(scores, columns=["source_row_id", "anomaly_score"]),
    )


def found(one: Any, other: Any, scores: str = "values") -> dict[str, pd.DataFrame]:
    from agreement import compare

    return {difference.what: difference.rows for difference in compare(one, other, ("a", "b"), scores)}


def test_equal_results_in_another_order_do_not_differ() -> None:
    one = results(
        links=[("r1", "e1", "T1"), ("r2", "e2", "T3")],
        findings=[("r1", "R003"), ("r1", "R001")],
        features=[("r1", 30.0, 0.5), ("r2", np.nan, np.nan)],
        scores=[("r1", 0.4), ("r2", 0.5)],
    )
    other = results(
        links=[("r2", "e2", "T3"), ("r1", "e1", "T1")],
        findings=[("r1", "R001"), ("r1", "R003")],
        features=[("r2", np.nan, np.nan), ("r1", 30.0, 0.5)],
        scores=[("r2", 0.5), ("r1", 0.4)],
    )
    assert found(one, other) == {}


def test_a_link_of_another_tier_is_named_on_both_sides() -> None:
    different = found(results(links=[("r1", "e1", "T1")]), results(links=[("r1", "e1", "T2")]))
    assert list(different) == ["links"]
    assert different["links"].values.tolist() == [["r1", "e1", "T1", "a"], ["r1", "e1", "T2", "b"]]


def test_findings_are_compared_rule_by_rule() -> None:
    one, other = results(findings=[("r1", "R001"), ("r2", "R003")]), results(findings=[("r1", "R001"), ("r3", "R016")])
    different = found(one, other)
    assert different["rule R003"].values.tolist() == [["r2", "R003", "a"]]
    assert different["rule R016"].values.tolist() == [["r3", "R016", "b"]]
    assert set(different) == {"rule R003", "rule R016"}


def test_a_feature_known_to_one_side_only_differs() -> None:
    different = found(results(features=[("r1", 1.0, 0.0)]), results(features=[("r1", np.nan, 0.0)]))
    assert list(different) == ["features: f24"]
    assert different["features: f24"].source_row_id.tolist() == ["r1"]


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1.0, 1.0 + 9e-10, True),
        (1.0, 1.0 + 3e-9, False),
        (1e6, 1e6 + 9e-4, True),
        (1e6, 1e6 + 3e-3, False),
        (0.0, 9e-10, True),
        (float("inf"), float("inf"), True),
        (float("inf"), 1.0, False),
        (float("nan"), 0.0, False),
    ],
)
def test_numbers_are_equal_within_a_billionth(one: float, other: float, equal: bool) -> None:
    from agreement import is_close

    assert is_close(np.array([one]), np.array([other])).tolist() == [equal]


def test_scores_of_other_forests_may_differ_but_not_the_scored_rows() -> None:
    one, other = results(scores=[("r1", 0.4), ("r2", 0.5)]), results(scores=[("r1", 0.6)])
    assert set(found(one, other)) == {"rows of scores", "scores: anomaly_score"}
    assert found(one, other, "rows")["scored rows"].values.tolist() == [["r2", "a"]]
    assert found(one, other, "none") == {}


def test_stages_add_up_to_the_whole_command() -> None:
    from engines import stage_seconds

    steps = ("read", "prepare", "link", "facts", "screen", "score", "rules", "findings", "exports")
    engine = dict(zip(steps, range(1, 10), strict=True))
    unchanged = {"read": 1, "prepare": 2, "link": 3, "facts": 4, "score": 6}
    assert stage_seconds(engine, 50.0) == {**unchanged, "start": 5.0, "rules": 12, "write": 17}
    peer = {"read": 1, "prepare": 2, "link": 3, "facts": 4, "rules": 5, "score": 6, "write": 7}
    assert stage_seconds(peer, 30.0)["start"] == 2.0
    assert stage_seconds(peer, 30.0)["write"] == 7


def test_the_table_gives_ratios_to_the_duckdb_script_of_the_same_size() -> None:
    from engines import STAGES, Outcome, table

    stages = dict.fromkeys(STAGES, 1.0)
    rows = table(
        [
            Outcome("embedded", 50_000, 30.0, 60.0, 2048.0, 0.0, stages),
            Outcome("duckdb", 50_000, 10.0, 15.0, 1024.0, 0.0, stages),
            Outcome("embedded", 1_000_000, 90.0, 150.0, 4096.0, 0.0, stages),
        ]
    ).splitlines()
    assert rows[2].split(" | ")[-2:] == ["3.0", "4.0 |"]
    assert rows[4].startswith("| 1,000,000 | this engine, embedded")
    assert rows[4].split(" | ")[-2:] == ["", " |"]


def test_without_a_package_the_command_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import engines

    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    assert engines.main(["--contestants", "duckdb"]) == 2
    assert "duckdb, xxhash" in (error := capsys.readouterr().err)
    assert "pip install --require-hashes -r benchmarks/requirements.txt" in error
    assert engines.missing_packages(["embedded", "spark"]) == []


def assigned(*edges: tuple[int, ...]) -> list[tuple[int, int]]:
    from peers.shared import assign

    columns = ["rebate", "entity", "tier", "score", "days"]
    frame = pd.DataFrame(edges, columns=columns).assign(
        rebate_row=lambda rows: "r" + rows.rebate.astype(str), entity_row=lambda rows: "e" + rows.entity.astype(str)
    )
    return sorted(zip(chosen.rebate, chosen.entity, strict=True) if len(chosen := assign(frame)) else [])


def test_a_better_tier_is_assigned_before_a_higher_score() -> None:
    assert assigned((1, 1, 1, 5, 0), (2, 1, 2, 90, 0), (2, 2, 3, 1, 2)) == [(1, 1), (2, 2)]


def test_the_highest_total_score_wins_over_the_best_single_pair() -> None:
    # 1-1 alone is worth 10, but 1-2 and 2-1 together 17
    assert assigned((1, 1, 3, 10, 0), (1, 2, 3, 9, 0), (2, 1, 3, 8, 0)) == [(1, 2), (2, 1)]


def test_claims_that_fit_equally_well_are_all_named() -> None:
    assert assigned((1, 1, 3, 10, 1), (1, 2, 3, 10, 1)) == [(1, 1), (1, 2)]
    assert assigned() == []
