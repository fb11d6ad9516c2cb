"""Many random worlds at once: hypothesis draws them, and one Spark job looks at all."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st


def worlds(strategy: st.SearchStrategy, count: int, number: int) -> list[Any]:
    """`count` values of a strategy, the same for the same seed `number`."""
    drawn = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(world: list[dict[str, Any]]) -> None:
        drawn.append(world)

    draw()
    return drawn
