"""The seed of random worlds."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest

USUAL_SEED = 20_261_130


def pytest_collection_modifyitems(items: Any) -> None:
    """Property tests are run on both engines, but for those that start none, as those of generated claims."""
    for item in items:
        if Path(__file__).parent in item.path.parents and "spark" in item.fixturenames:
            item.add_marker("both_engines")


@pytest.fixture
def seed() -> int:
    """The same in each run, so that a test neither passes nor fails by luck; shown with a failure.

    `SEED=<number>` in the environment takes another, `SEED=random` one that is drawn.
    """
    chosen = os.environ.get("SEED", str(USUAL_SEED))
    number = random.SystemRandom().randrange(2**32) if chosen == "random" else int(chosen)
    sys.stdout.write(f"SEED={number}\n")
    return number
