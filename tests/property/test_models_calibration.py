"""p-values against a slow plain-Python count, on random strata with ties, tiny strata and NULL keys; and flags."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from scipy.stats import false_discovery_control

from engine.contracts.findings import SCORES
from engine.models.calibration import LEVELS, Calibration, calibrate, fence, p_values
from engine.models.flags import benjamini_hochberg, flag
from engine.settings import FlagSettings

MINIMUM = 12
SCHEMA = "source_row_id string, ndc9 string, program string, drug_category string, anomaly_score double, "
SCHEMA += "anomaly_has_reason boolean"
SCORES_GIVEN = [n / 64 for n in range(-64, 65)] + [0.5, 0.5 + 2**-40, 0.123456789, 1.0, 4711.0]


def random_rows(seed: int) -> list[tuple[Any, ...]]:
    """Strata of 1 to 40 rows; scores of few values, so that ties are many."""
    generator = random.Random(seed)
    rows = []
    for product in range(14):
        ndc9 = None if product == 0 else f"00002{product:04d}"
        program = generator.choice(["MDRP_FFS", "PARTD", "MFP"])
        few_scores = generator.sample(SCORES_GIVEN, generator.choice([1, 3, 30]))
        for _ in range(generator.choice([1, 2, MINIMUM - 1, MINIMUM, 40])):
            category = generator.choice(["S", "N", None]) if program != "MFP" else "I"
            rows.append((f"R{len(rows):04d}", ndc9, program, category, generator.choice(few_scores), True))
    # a program of which even the drug category has too few rows
    return [*rows, *((f"T{n}", "000030001", "COMMERCIAL", "S", n / 8, True) for n in range(1, MINIMUM))]


def judged(row: tuple[Any, ...], reference: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """What is expected of a row, against the reference rows below the fence."""
    _, ndc9, program, category, score, _ = row
    highest = fence(np.array([other[4] for other in reference]))
    reference = [other for other in reference if other[4] <= highest]
    stratum = [other for other in reference if (other[1], other[2]) == (ndc9, program)]
    name = f"ndc9/{ndc9}/{program}"
    if ndc9 is None or len(stratum) < MINIMUM:
        stratum = [other for other in reference if (other[2], other[3]) == (program, category)]
        name = f"drug_category/{category or 'unknown'}/{program}"
    if len(stratum) < MINIMUM:
        return score, None, None, 0, True
    p = Fraction(1 + sum(other[4] >= score for other in stratum), 1 + len(stratum))
    return score, float(p), name, len(stratum), True


@pytest.fixture(scope="module")
def reference_rows() -> list[tuple[Any, ...]]:
    return random_rows(seed=1)


@pytest.fixture(scope="module")
def calibration(
    spark: SparkSession, reference_rows: list[tuple[Any, ...]], tmp_path_factory: pytest.TempPathFactory
) -> Calibration:
    calibrations = [
        calibrate(spark.createDataFrame(rows, SCHEMA).repartition(partitions), ("ndc9", "drug_category"), MINIMUM)
        for rows, partitions in ((reference_rows, 1), (random.Random(3).sample(reference_rows, len(reference_rows)), 7))
    ]
    folder = tmp_path_factory.mktemp("model")
    calibrations[0].save(folder)
    calibrations.append(Calibration.load(folder))
    for name in ("strata", "ends", "scores"):
        first, *others = (getattr(one, name) for one in calibrations)
        assert all(first.tolist() == other.tolist() for other in others)
    return calibrations[0]


def test_p_values_agree_with_a_plain_count_under_any_partitioning(
    spark: SparkSession, calibration: Calibration, reference_rows: list[tuple[Any, ...]]
) -> None:
    rows = random_rows(seed=2)
    expected = {row[0]: judged(row, reference_rows) for row in rows}
    assert {p is None for _, p, _, _, _ in expected.values()} == {True, False}
    assert {name.split("/")[0] for _, _, name, _, _ in expected.values() if name} == {"ndc9", "drug_category"}
    for partitions in (1, 7):
        shuffled = random.Random(partitions).sample(rows, len(rows))
        scores = p_values(spark.createDataFrame(shuffled, SCHEMA).repartition(partitions), calibration)
        assert scores.schema.simpleString() == SCORES.simpleString()
        assert {row[0]: tuple(row)[1:] for row in scores.collect()} == expected


def test_no_reference_row_at_all_judges_nothing(spark: SparkSession) -> None:
    rows = spark.createDataFrame(random_rows(seed=2), SCHEMA)
    empty = calibrate(rows.where("false"), LEVELS, MINIMUM)
    assert empty.smallest_p_value is None
    assert {row.anomaly_p_value for row in p_values(rows, empty).collect()} == {None}


def test_the_coarsest_stratum_is_all_rows(spark: SparkSession, reference_rows: list[tuple[Any, ...]]) -> None:
    reference = spark.createDataFrame(reference_rows, SCHEMA)
    found = p_values(reference, calibrate(reference, ("all",), MINIMUM)).collect()
    highest = fence(np.array([other[4] for other in reference_rows]))
    usual = [other[4] for other in reference_rows if other[4] <= highest]
    assert 4711.0 not in usual
    for row in found:
        at_or_above = sum(score >= row.anomaly_score for score in usual)
        assert row.anomaly_p_value == (1 + at_or_above) / (1 + len(usual))
        assert (row.anomaly_stratum, row.anomaly_rows) == ("all", len(usual))


def test_the_fence_lets_ordinary_tails_pass_and_anomalies_not_hide_each_other() -> None:
    usual = np.random.default_rng(1).exponential(size=20_000)
    highest = fence(usual)
    assert (usual > highest).sum() <= 5
    assert fence(np.append(usual, np.full(200, 40.0))) == pytest.approx(highest, rel=0.35)
    assert fence(np.zeros(1_000)) == fence(usual[:40]) == np.inf


@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_of_exchangeable_rows_at_most_a_share_a_has_a_p_value_of_a(rows: int, seed: int) -> None:
    """Over all choices of which of n + 1 rows is the new one: exactly what exchangeability says, ties included."""
    scores = np.random.default_rng(seed).integers(0, 5, rows + 1).astype(float)
    found = []
    for new in range(rows + 1):
        reference = np.sort(np.delete(scores, new))
        calibration = Calibration(np.array(["s"]), np.array([rows]), reference)
        found.append(calibration.p_values(np.array([0]), scores[[new]])[0][0])
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(found) <= level) <= level


@given(st.lists(st.integers(1, 40), max_size=60), st.integers(0, 50), st.sampled_from([0.05, 0.1, 0.3]))
def test_the_rate_is_controlled_as_scipy_does(ranks: list[int], others: int, rate: float) -> None:
    p_values_of_rows = np.array([rank / 200 for rank in ranks] + [1.0] * others)
    different, rows = np.unique(p_values_of_rows, return_counts=True)
    kept = benjamini_hochberg(different, rows, len(p_values_of_rows), rate)
    adjusted = false_discovery_control(p_values_of_rows) if len(p_values_of_rows) else np.array([])
    # at equality the two may round to different sides
    assert rows[:kept].sum() in ((adjusted <= rate - 1e-12).sum(), (adjusted <= rate + 1e-12).sum())


FLAGGED = [
    ("A", 0.9, 0.001),
    ("B", 0.8, 0.001),
    ("C", 0.8, 0.001),
    ("D", 0.7, 0.004),
    ("E", 0.2, 0.9),
    ("F", 0.6, 0.006),
    ("G", 0.9, None),
]


@pytest.mark.parametrize(
    ("settings", "expected", "largest"),
    [
        ({"by": "false_discovery_rate", "false_discovery_rate": 0.01}, "ABCD", 0.004),
        ({"by": "false_discovery_rate", "false_discovery_rate": 0.003}, "ABC", 0.001),
        ({"by": "false_discovery_rate", "false_discovery_rate": 0.001}, "", None),
        ({"by": "capacity", "capacity": 1}, "A", 0.001),
        ({"by": "capacity", "capacity": 2}, "A", 0.001),  # B and C are equal: one place is too few for both
        ({"by": "capacity", "capacity": 3}, "ABC", 0.001),
        ({"by": "capacity", "capacity": 9}, "ABCD", 0.004),  # F and E are less rare than the limit
    ],
)
def test_flags(spark: SparkSession, settings: dict[str, Any], expected: str, largest: float | None) -> None:
    rows = [(name, score, p, "s", 999, True) for name, score, p in FLAGGED]
    flags = flag(spark.createDataFrame(rows, SCORES).repartition(3), FlagSettings(**settings), p_value_limit=0.005)
    assert sorted(row.source_row_id for row in flags.rows.collect()) == list(expected)
    assert (flags.flagged, flags.tested, flags.largest_p_value) == (len(expected), 6, largest)


def test_rows_that_a_rule_explains_and_rows_without_a_reason_use_no_capacity(spark: SparkSession) -> None:
    rows = [(name, score, p, "s", 999, name != "A") for name, score, p in FLAGGED]
    explained = spark.createDataFrame([("B",)], "source_row_id string")
    capacity = FlagSettings(by="capacity", capacity=2)
    flags = flag(spark.createDataFrame(rows, SCORES), capacity, p_value_limit=0.005, explained=explained)
    assert sorted(row.source_row_id for row in flags.rows.collect()) == ["C", "D"]
    assert (flags.flagged, flags.tested) == (2, 5)
