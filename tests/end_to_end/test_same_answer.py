"""Order of rows and number of files never change a table of a run.

test_same_findings_on_both_engines.py compares a run on Spark with one on the embedded engine in another order.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.end_to_end.run_comparison import differences, rows_of
from tests.end_to_end.runs import FinishedRun, detect_in, in_another_order

pytestmark = pytest.mark.slow


def test_claims_in_another_order_and_other_files_give_the_same_tables(
    spark: SparkSession, generated_run: FinishedRun, tmp_path: Path
) -> None:
    claims = in_another_order(generated_run.claims, tmp_path / "claims")
    again = detect_in(spark, claims, tmp_path / "runs")
    assert rows_of(again, "findings") > 0
    assert not (found := differences(generated_run.folder, again)), "\n\n".join(found)
