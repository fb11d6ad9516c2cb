"""The seed of random worlds."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items):
    """Property tests are run on both engines."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("both_engines")


@pytest.fixture
def seed() -> int:
    """Another one in each run. It is shown beside a failure; `SEED=<number>` in the environment brings it back."""
    number = int(os.environ.get("SEED") or random.SystemRandom().randrange(2**32))
    sys.stdout.write(f"SEED={number}\n")
    return number
