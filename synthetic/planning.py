"""Which dispenses are planned cases, and lookups of the attributes of each case."""

from __future__ import annotations

from functools import cache

import numpy as np

from engine.contracts.codes import Subject
from engine.errors import ConfigurationError, Problem
from engine.settings import SyntheticSettings
from synthetic.anomalies import ANOMALY_CASES
from synthetic.combinations import COMBINATIONS
from synthetic.kinds import Twist
from synthetic.scenarios import LOOK_ALIKES, SHIFTED, VIOLATIONS
from synthetic.unusual import UNUSUAL

FEWEST_IN_PATTERN = 15_000  # dispenses with enough prescriptions of one doctor
ENTITIES_IN_PATTERN = 30  # entities to compare with

SCENARIOS = (*VIOLATIONS, *LOOK_ALIKES, *SHIFTED, *UNUSUAL, *COMBINATIONS, *ANOMALY_CASES)

PLAIN = -1
# Per scenario, the last entry for PLAIN.
ON_ENTITY_CLAIM = np.array([*(scenario.subject == Subject.ENTITY_CLAIM for scenario in SCENARIOS), False])
IS_COMBINED = np.array([*(bool(scenario.parts) for scenario in SCENARIOS), False])


def has(scenario: np.ndarray, *twists: Twist) -> np.ndarray:
    """Whether the case of each code has one of the twists; PLAIN dispenses have none."""
    return _having(twists)[scenario]


@cache
def _having(twists: tuple[Twist, ...]) -> np.ndarray:
    return np.array([*(not scenario.twists.isdisjoint(twists) for scenario in SCENARIOS), False])


def column(name: str) -> np.ndarray:
    """One attribute of every scenario; the last entry serves PLAIN dispenses (code -1) and is 0."""
    return np.array([*(int(getattr(scenario, name)) for scenario in SCENARIOS), 0])


def planned_share(settings: SyntheticSettings) -> float:
    """Part of all dispenses that is planned. Raises ConfigurationError if too few ordinary dispenses would remain."""
    share = sum(scenario.rate(settings) for scenario in SCENARIOS)
    if share > 0.5:
        raise ConfigurationError(
            Problem(
                "the rates of planned cases leave too few ordinary dispenses",
                "synthetic.violation_rate, synthetic.look_alike_rate, synthetic.anomaly_rate",
                f"{share:.0%} of all dispenses",
                "at most 50 % together",
                "lower the rates",
            )
        )
    return share


def planned_codes(
    settings: SyntheticSettings, claims: int, start: int, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Scenario of each of `size` dispenses from the number `start` on, of `claims` in all; PLAIN for most.

    Of the first n dispenses, floor(rate x n) are of a scenario, however they are cut into chunks.
    """
    makes_pattern = claims >= FEWEST_IN_PATTERN and claims * settings.look_alike_rate >= ENTITIES_IN_PATTERN
    rates = [scenario.rate(settings) * (makes_pattern or not scenario.in_pattern) for scenario in SCENARIOS]
    counts = [int(rate * (start + size) + 1e-9) - int(rate * start + 1e-9) for rate in rates]
    codes = np.full(size, PLAIN, dtype=np.int64)
    codes[rng.permutation(size)[: sum(counts)]] = np.repeat(np.arange(len(SCENARIOS)), counts)
    return codes
