"""The results of a module's specifications."""

from __future__ import annotations

import pytest

from tests.spec.rule_cases import Results, results_of


@pytest.fixture(scope="module")
def results(request, spark) -> Results:
    return results_of(spark, request.module.SPECS)
