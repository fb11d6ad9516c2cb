"""The yardstick: the same question asked the way most people would write it in PySpark, in one file.

Reads the generated feeds, normalises keys, links rebate claims to 340B claims (T1 to T4), joins the pharmacies'
reversals, builds a dozen features with window functions, applies a dozen rules, fits an isolation forest of 200 trees
with scikit-learn and scores every row with `mapInArrow`. It checks no contract, keeps no ledger and explains nothing.

    .venv/bin/python benchmarks/plain_pyspark.py INPUT_FOLDER
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, SparkSession, Window
from pyspark.sql import functions as F
from sklearn.ensemble import IsolationForest

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")

FEATURES = [
    "units",
    "units_per_day",
    "paid_per_unit",
    "paid_to_wac",
    "rebate_to_paid",
    "units_to_median",
    "paid_to_median",
    "claim_age",
    "early_refill",
    "package_remainder",
    "claims_of_dispense",
    "quantity_to_340b",
]


def main(source: str) -> None:
    started = last = time.perf_counter()

    def lap(step: str) -> None:
        nonlocal last
        now = time.perf_counter()
        print(f"{step:<10}{now - last:8.1f} s", flush=True)
        last = now

    spark = (
        SparkSession.builder.master("local[*]")
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", False)
        .config("spark.ui.showConsoleProgress", False)
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    lap("session")

    def rx(column: str) -> Column:
        return F.regexp_replace(F.regexp_extract(F.trim(column), r"^0*(\d{4,12})", 1), "^0+", "")

    def ndc(column: str) -> Column:
        return F.lpad(F.regexp_replace(column, "-", ""), 11, "0")

    rebate = (
        spark.read.parquet(f"{source}/rebate_claims")
        .withColumn("rx", rx("rx_number"))
        .withColumn("ndc11", ndc("ndc"))
        .filter("transaction <> 'VOID'")
    )
    voids = spark.read.parquet(f"{source}/rebate_claims").filter("transaction <> 'ORIGINAL'")
    rebate = rebate.join(
        voids.select("payer_id", F.col("prior_claim_id").alias("claim_id")).distinct(), ["payer_id", "claim_id"], "anti"
    )
    entity = (
        spark.read.parquet(f"{source}/entity_claims")
        .withColumn("rx", rx("rx_number"))
        .withColumn("ndc11_340b", ndc("ndc"))
        .select(
            "pharmacy_npi", "rx", "ndc11_340b", F.col("date_of_service").alias("dos_340b"),
            F.col("quantity").alias("quantity_340b"), F.col("fill_number").alias("fill_340b"), "entity_id", "status",
        )
        .filter("status = 'SUBMITTED'")
    )  # fmt: skip
    pharmacy = (
        spark.read.parquet(f"{source}/pharmacy_claims")
        .withColumn("rx", rx("rx_number"))
        .withColumn("ndc11", ndc("ndc"))
    )
    key = ["pharmacy_npi", "rx", "fill_number", "date_of_service", "ndc11"]
    last_first = Window.partitionBy(*key).orderBy(F.col("transaction_at").desc())
    reversed_dispenses = (
        pharmacy.withColumn("n", F.row_number().over(last_first))
        .filter("n = 1")
        .select(*key, (F.col("transaction_code") == "B2").alias("is_reversed"))
    )
    days = F.abs(F.datediff("date_of_service", "dos_340b"))
    same_package = F.col("ndc11") == F.col("ndc11_340b")
    same_product = F.substring("ndc11", 1, 9) == F.substring("ndc11_340b", 1, 9)
    same_fill = F.col("fill_number").eqNullSafe(F.col("fill_340b"))
    tier = (
        F.when(same_package & (days == 0) & same_fill, 1)
        .when(same_package & (days == 0), 2)
        .when(same_package & (days <= 3), 3)
        .when(same_product & (days <= 3), 4)
    )
    best = Window.partitionBy("source_row_id").orderBy("tier", days)
    links = (
        rebate.select("source_row_id", *key)
        .join(entity, ["pharmacy_npi", "rx"])
        .withColumn("tier", tier)
        .filter("tier is not null")
        .withColumn("n", F.row_number().over(best))
        .filter("n = 1")
        .select("source_row_id", "tier", "entity_id", "quantity_340b")
    )
    products = spark.read.parquet(f"{source}/products.parquet").withColumn("ndc11", ndc("ndc"))
    prices = spark.read.parquet(f"{source}/prices.parquet").withColumn("ndc11", ndc("ndc"))
    dispense = Window.partitionBy("pharmacy_npi", "rx", "date_of_service", "ndc11")
    patient = Window.partitionBy("patient_key", F.substring("ndc11", 1, 9)).orderBy("date_of_service")
    units = F.col("units").cast("double")
    paid = F.col("amount_paid").cast("double")
    facts = (
        rebate.join(links, "source_row_id", "left")
        .join(reversed_dispenses, key, "left")
        .join(
            F.broadcast(products.select("ndc11", "units_per_package", "termination_date", "market_date")),
            "ndc11",
            "left",
        )
        .join(
            F.broadcast(prices.select("ndc11", "period", "wac_unit", F.col("unit_rebate_amount").alias("ura"))),
            ["ndc11", "period"],
            "left",
        )
        .withColumn("claims_of_dispense", F.count("*").over(dispense))
        .withColumn("previous", F.lag("date_of_service").over(patient))
        .withColumn("previous_days", F.lag("days_supply").over(patient))
    )
    medians = facts.groupBy("ndc11").agg(
        F.percentile_approx(units, 0.5).alias("median_units"),
        F.percentile_approx(F.try_divide(paid, units), 0.5).alias("median_paid"),
    )
    facts = facts.join(F.broadcast(medians), "ndc11", "left").select(
        "*",
        F.try_divide(units, F.col("days_supply")).alias("units_per_day"),
        F.try_divide(paid, units).alias("paid_per_unit"),
        F.try_divide(paid, units * F.col("wac_unit").cast("double")).alias("paid_to_wac"),
        F.try_divide(units * F.col("ura").cast("double"), paid).alias("rebate_to_paid"),
        F.try_divide(units, F.col("median_units")).alias("units_to_median"),
        F.try_divide(F.try_divide(paid, units), F.col("median_paid")).alias("paid_to_median"),
        F.datediff("paid_date", "date_of_service").alias("claim_age"),
        F.try_divide(F.datediff("date_of_service", "previous"), F.col("previous_days")).alias("early_refill"),
        (F.try_divide(units, F.col("units_per_package").cast("double")) % 1).alias("package_remainder"),
        F.try_divide(units, F.col("quantity_340b").cast("double")).alias("quantity_to_340b"),
    )
    facts = facts.select("*", *[F.coalesce(F.col(f).cast("double"), F.lit(0.0)).alias(f"x_{f}") for f in FEATURES])
    facts_folder = os.path.join(os.environ.get("TMPDIR", "/tmp"), "plain_pyspark_facts")
    facts.write.mode("overwrite").parquet(facts_folder)
    facts = spark.read.parquet(facts_folder)
    lap("facts")

    medicaid = F.col("program").isin("MDRP_FFS", "MDRP_MCO")
    scc20 = F.coalesce(F.col("submission_clarification_codes").contains("20"), F.lit(False))
    rules = {
        "R001": medicaid & (scc20 | (F.col("basis_of_cost") == "08")),
        "R003": (F.col("program") == "MDRP_FFS") & F.col("tier").isNotNull(),
        "R005": (F.col("program") == "MDRP_MCO") & F.col("tier").isNotNull(),
        "R008": (F.col("program") == "COMMERCIAL") & F.col("tier").isNotNull(),
        "R009": (F.col("program") == "PARTD") & F.col("tier").isNotNull(),
        "R011": (F.col("program") == "MFP") & F.col("tier").isNotNull(),
        "R016": medicaid & (F.col("claims_of_dispense") > 1),
        "R020": medicaid & F.col("is_reversed"),
        "R021": (F.col("program") == "MDRP_FFS") & (F.col("amount_paid") == 0),
        "R022": F.datediff("date_of_service", "termination_date") > 365,
        "R024": F.col("market_date") > F.col("date_of_service"),
        "R053": F.abs(F.col("units") * F.col("unit_rebate_amount") - F.col("rebate_amount")) > 0.01,
    }
    hits = F.filter(F.array(*[F.when(when, F.lit(rule)) for rule, when in rules.items()]), lambda hit: hit.isNotNull())
    facts.filter(F.size(hits) > 0).select("source_row_id", hits.alias("rules")).write.mode("overwrite").parquet(
        facts_folder + "_rules"
    )
    lap("rules")

    columns = [f"x_{feature}" for feature in FEATURES]
    sample = facts.filter(F.pmod(F.xxhash64("source_row_id"), F.lit(25)) == 0).select(*columns).toPandas()
    forest = IsolationForest(n_estimators=200, random_state=1).fit(sample.to_numpy())
    model = spark.sparkContext.broadcast(forest)

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            matrix = np.column_stack([batch.column(c).to_numpy(zero_copy_only=False) for c in columns])
            yield pa.RecordBatch.from_arrays(
                [batch.column("source_row_id"), pa.array(-model.value.score_samples(matrix))],
                ["source_row_id", "score"],
            )

    facts.select("source_row_id", *columns).mapInArrow(score, "source_row_id string, score double").write.mode(
        "overwrite"
    ).parquet(facts_folder + "_scores")
    lap("score")
    print(f"{'all':<10}{time.perf_counter() - started:8.1f} s")
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1])
