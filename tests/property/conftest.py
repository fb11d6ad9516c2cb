"""The seed of random worlds."""

from __future__ import annotations

import os
import random
import sys

import pytest


@pytest.fixture
def seed() -> int:
    """Another one in each run. It is shown beside a failure; `SEED=<number>` in the environment brings it back."""
    number = int(os.environ.get("SEED") or random.SystemRandom().randrange(2**32))
    sys.stdout.write(f"SEED={number}\n")
    return number
