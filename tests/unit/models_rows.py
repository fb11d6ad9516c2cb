"""Made-up facts for the models' tests: only the columns that models read."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from engine.contracts.facts import CLAIM_FEATURES, z_name

FEATURES = CLAIM_FEATURES


def claim_rows(rows: int, seed: int = 0, products: int = 3) -> pd.DataFrame:
    """Facts of claims: z-scores with unknown values, raw values of twice the z-score plus 30, one row without any."""
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "source_row_id": [f"R{n:06d}" for n in range(rows)],
            "ndc9": [f"00002{n % products:04d}" for n in range(rows)],
            "ndc11": [f"00002{n % products:04d}01" for n in range(rows)],
            "program": np.where(generator.random(rows) < 0.5, "MDRP_FFS", "PARTD"),
            "drug_category": "S",
            "pharmacy_key": [f"1{n % 97:09d}" for n in range(rows)],
            "rebate_amount": [float(n % 40) for n in range(rows)],
        }
    )
    for feature in FEATURES:
        z = generator.normal(size=rows).round(4)
        z[generator.random(rows) < 0.1] = np.nan
        frame[z_name(feature)] = z
        frame[feature] = 30 + 2 * z
    frame.loc[rows - 1, [z_name(feature) for feature in FEATURES]] = np.nan
    return frame


def as_spark(spark: SparkSession, frame: pd.DataFrame, partitions: int = 2, seed: int | None = None) -> DataFrame:
    """The frame with NaN as NULL, in shuffled order where a seed is given."""
    ordered = frame if seed is None else frame.sample(frac=1.0, random_state=seed)
    return spark.createDataFrame(ordered.astype(object).where(ordered.notna(), None), schema_of(frame)).repartition(
        partitions
    )


def schema_of(frame: pd.DataFrame) -> str:
    kinds = {"f": "double", "i": "bigint", "b": "boolean"}
    return ", ".join(f"{name} {kinds.get(kind.kind, 'string')}" for name, kind in frame.dtypes.items())
