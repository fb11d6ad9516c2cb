"""The results of a module's specifications."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from tests.spec.rule_cases import Results, results_of


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, spark: SparkSession) -> Results:
    return results_of(spark, request.module.SPECS)
