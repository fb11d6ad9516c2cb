"""The same answer on any cluster: order of rows and number of partitions never change the findings."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from tests.end_to_end.runs import detect_in

pytestmark = [pytest.mark.slow, pytest.mark.both_engines]

FEEDS = ("rebate_claims", "pharmacy_claims", "entity_claims")


def comparable(folder) -> str:
    findings = pd.read_parquet(folder / "findings").drop(columns=["run_id", "first_seen_run"])
    return findings.sort_values("finding_id").to_json(orient="records", date_format="iso", default_handler=list)


def test_shuffled_and_repartitioned_input_gives_the_same_findings(spark, generated_run, tmp_path):
    shuffled = tmp_path / "claims"
    shutil.copytree(generated_run.claims, shuffled)
    for number, feed in enumerate(FEEDS):
        shutil.rmtree(shuffled / feed)
        rows = spark.read.parquet(str(generated_run.claims / feed))
        rows.orderBy("ndc", "source_row_id").repartition(3 + 2 * number).write.parquet(str(shuffled / feed))
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", 7)
    spark.conf.set("spark.sql.adaptive.enabled", False)
    try:
        again = detect_in(spark, shuffled, tmp_path / "runs")
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", before)
        spark.conf.set("spark.sql.adaptive.enabled", True)
    assert comparable(again) == comparable(generated_run.folder)
