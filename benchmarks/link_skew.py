"""Linking a skewed feed beside an even one of the same size, in one run.

    .venv/bin/python benchmarks/link_skew.py [DISPENSES] [RUNS]

Makes claims with medium mess (default 500000 dispenses), and from them a feed in which one pharmacy has 30 % of all
claims and a junk Rx number there is shared by 50,000 of them. Runs the main job on both in turn (default 2 times) and
prints the seconds of each step and how they compare.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.runtime.session import build_session
from engine.runtime.storage import storage_of
from engine.settings import load_settings
from synthetic import synthesize

PROJECT = Path(__file__).resolve().parent.parent
FOLDER = PROJECT / "output" / "link-skew"
CONFIG = PROJECT / "conf" / "mess" / "medium.yaml"
MEGA_PHARMACY, JUNK = "1999999984", "9999999"
MEGA_SHARE, JUNK_CLAIMS = 0.3, 50_000
STEPS = ("prepare", "link", "facts", "rules")


def main() -> None:
    dispenses, runs = (int(word) for word in [*sys.argv[1:], *("500000", "2")[len(sys.argv) - 1 :]])
    even, skewed = FOLDER / "even", FOLDER / "skewed"
    make_feeds(dispenses, even, skewed)
    seconds: dict[Path, list[dict[str, float]]] = {even: [], skewed: []}
    for _ in range(runs):
        for feed, told in seconds.items():
            told.append(seconds_of_detect(feed))
    print("| step | even feed, s | skewed feed, s | skewed / even |\n|---|---|---|---|")
    for step in (*STEPS, "read to findings"):
        one, other = (median(run[step] for run in seconds[feed]) for feed in (even, skewed))
        print(f"| {step} | {one:.1f} | {other:.1f} | {other / one:.2f} |")


def make_feeds(dispenses: int, even: Path, skewed: Path) -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    settings = load_settings(CONFIG, [], os.environ, home=PROJECT)
    spark = build_session("link-skew", settings.spark)
    synthesize(spark, storage_of(spark), settings.synthetic, dispenses, 1, str(even))
    shutil.copytree(even, skewed)
    claims = spark.read.parquet(str(even / "rebate_claims")).where("claim_type = 'RX'").count()
    for name in ("rebate_claims", "pharmacy_claims", "entity_claims"):
        rows = spark.read.parquet(str(even / name))
        with_skew(rows, JUNK_CLAIMS / claims).write.mode("overwrite").parquet(str(skewed / name))
    spark.stop()


def with_skew(rows: DataFrame, junk_share: float) -> DataFrame:
    """Whole prescriptions move to the one pharmacy, the same ones in every feed; some of them under the junk number."""
    prescription = F.regexp_extract("rx_number", r"^0*([0-9]+)", 1)

    def chosen(share: float) -> Column:
        return F.coalesce(F.pmod(F.xxhash64(prescription), F.lit(1_000_000)) < int(share * 1_000_000), F.lit(False))

    return rows.withColumns(
        {
            "pharmacy_npi": F.when(chosen(MEGA_SHARE), MEGA_PHARMACY).otherwise(F.col("pharmacy_npi")),
            "rx_number": F.when(chosen(junk_share), JUNK).otherwise(F.col("rx_number")),
        }
    )


def seconds_of_detect(feed: Path) -> dict[str, float]:
    output = FOLDER / "runs"
    shutil.rmtree(output, ignore_errors=True)
    command = [str(PROJECT / "spark-submit.sh"), "detect", "--config", str(CONFIG), "--input", str(feed)]
    command += ["--output", str(output), "--as-of", "2026-09-30", "--run-id", "skew"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=PROJECT)
    told = json.loads((output / "skew" / "summary.json").read_text())["seconds"]
    return told | {"read to findings": sum(told[step] for step in told if step != "exports")}


if __name__ == "__main__":
    main()
