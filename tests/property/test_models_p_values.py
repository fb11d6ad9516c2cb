"""p-values against a slow plain-Python count, on random strata with ties, tiny strata and NULL keys."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from engine.contracts.findings import SCORES
from engine.models.rarity import p_values

MINIMUM = 12
SCHEMA = "source_row_id string, ndc9 string, program string, drug_category string, anomaly_score double"


def random_strata(seed: int) -> list[tuple]:
    """Strata of 1 to 40 rows; scores of few values, some below 0 or far above 1: many ties, also on edges of slices."""
    generator = random.Random(seed)
    scores = [n / 64 for n in range(1, 65)] + [0.5, 0.5 + 2**-40, 0.123456789, 1.0]
    scores += [0.0, -0.25, -3.5, -1e10, 17.25, 17.25 + 2**-40, 3e10]
    rows = []
    for product in range(14):
        ndc9 = None if product == 0 else f"00002{product:04d}"
        program = generator.choice(["MDRP_FFS", "PARTD", "MFP"])
        few_scores = generator.sample(scores, generator.choice([1, 3, 30]))
        for _ in range(generator.choice([1, 2, MINIMUM - 1, MINIMUM, 40])):
            category = generator.choice(["S", "N", None]) if program != "MFP" else "I"
            rows.append((f"R{len(rows):04d}", ndc9, program, category, generator.choice(few_scores)))
    # a program of which even the drug category has too few rows
    return [*rows, *((f"T{n}", "000030001", "COMMERCIAL", "S", n / 8) for n in range(1, MINIMUM))]


def expected(rows: list[tuple]) -> dict[str, tuple]:
    return {row[0]: judged(row, rows) for row in rows}


def judged(row: tuple, rows: list[tuple]) -> tuple:
    row_id, ndc9, program, category, score = row
    fine = [other for other in rows if (other[1], other[2]) == (ndc9, program)]
    if ndc9 is not None and len(fine) >= MINIMUM:
        stratum, name = fine, f"ndc9/{ndc9}/{program}"
    else:
        stratum = [other for other in rows if (other[2], other[3]) == (program, category)]
        name = f"drug_category/{category or 'unknown'}/{program}"
    others = [other for other in stratum if other[0] != row_id]
    p = Fraction(1 + sum(other[4] >= score for other in others), 1 + len(others))
    return score, float(p) if len(stratum) >= MINIMUM else None, name, len(stratum)


SEEDS = range(3)


@pytest.fixture(scope="module")
def worlds():
    """Random strata of each seed, with ids and programs of their own."""
    return {
        seed: [(f"{seed}{row_id}", ndc9, f"{program}{seed}", *rest) for row_id, ndc9, program, *rest in rows]
        for seed, rows in ((seed, random_strata(seed)) for seed in SEEDS)
    }


@pytest.fixture(scope="module")
def judged_rows(spark, worlds):
    """{row id: SCORES} of all worlds at once, for each of two ways to divide the rows."""
    rows = [row for world in worlds.values() for row in world]
    found = []
    for partitions in (1, 7):
        shuffled = random.Random(partitions).sample(rows, len(rows))
        scores = p_values(spark.createDataFrame(shuffled, SCHEMA).repartition(partitions), MINIMUM)
        assert scores.schema.simpleString() == SCORES.simpleString()
        collected = scores.collect()
        assert len(collected) == len(rows)
        found.append({row[0]: tuple(row)[1:] for row in collected})
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_p_values_agree_with_a_plain_count(judged_rows, worlds, seed):
    reference = expected(worlds[seed])
    for found in judged_rows:
        assert {row_id: found[row_id] for row_id in reference} == reference
    assert {p is None for _, p, _, _ in reference.values()} == {True, False}
    assert {name.split("/")[0] for _, _, name, _ in reference.values()} == {"ndc9", "drug_category"}
