"""Surprises of a pandas frame are those that a run works out, so that a registered model scores it alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from engine.contracts.codes import Subject
from engine.contracts.facts import INVOICE_MEASURES
from engine.models.anomaly_model import fit_model
from engine.models.surprises import grid_of_peers, surprises_among, with_surprises
from engine.settings import ModelSettings, PeerSettings
from tests.unit.models_rows import as_spark


def lines(rows: int = 600) -> pd.DataFrame:
    """Invoice lines of four products: some values unknown or zero, one line without product, one paid far too much."""
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"source_row_id": [f"L{n:04d}" for n in range(rows)], "program": "MDRP_FFS"})
    frame["ndc11"] = [f"0000{n % 4}000101" for n in range(rows)]
    frame["ndc9"] = frame["ndc11"].str[:9]
    frame["drug_category"] = "S"
    frame[["own_quarters", "own_past_quarters"]] = 8
    for measure in INVOICE_MEASURES:
        frame[measure] = np.exp(random.normal(size=rows)).round(3)
        frame.loc[random.random(rows) < 0.1, measure] = np.nan
        frame.loc[random.random(rows) < 0.02, measure] = 0.0
    frame.loc[1, "ndc11"] = None
    frame.loc[0, "f48_paid_per_unit"] = 1e6
    return frame


def test_they_are_those_of_a_run(spark: SparkSession) -> None:
    frame = lines()
    grid = grid_of_peers(as_spark(spark, frame), INVOICE_MEASURES, Subject.INVOICE, PeerSettings())
    of_run = with_surprises(as_spark(spark, frame), grid, Subject.INVOICE).toPandas()
    of_run = of_run.set_index("source_row_id").sort_index()
    mine = surprises_among(frame, Subject.INVOICE).set_index(frame["source_row_id"])
    assert mine.isna().any().all()
    pd.testing.assert_frame_equal(of_run[list(mine)].astype(float), mine, check_names=False)


def test_units_are_not_compared_with_those_of_other_packages_and_prices_are() -> None:
    """One product: 200 claims of a tube of 60 g, five of a jar of 480 g, paid alike per gram but for the last one."""
    frame = pd.DataFrame({"ndc11": ["00002759701"] * 200 + ["00002759702"] * 5})
    frame["ndc9"] = frame["ndc11"].str[:9]
    frame[["program", "drug_category"]] = "PARTD", "S"
    grams = np.where(frame["ndc11"] == "00002759702", 480.0, 60.0)
    paid = 1.0 + np.arange(len(frame)) % 7 / 100
    paid[-1] = 8.0
    frame["units_per_prescription"], frame["units_per_day"] = grams, grams / 30
    frame["paid_per_unit"] = frame["paid_per_unit_to_wac"] = paid
    frame["days_to_payment"] = 14.0
    jars = surprises_among(frame, Subject.REBATE_CLAIM).tail(5)
    assert jars[["units_per_prescription_surprise", "units_per_day_surprise"]].isna().all().all()
    assert (jars["paid_per_unit_surprise"].head(4) < 2).all()
    assert jars["paid_per_unit_surprise"].iloc[-1] > 10
    # of a product that has too few claims itself, only ratios and days compare with other products
    alone = frame.tail(5).assign(ndc11="00003123401", ndc9="000031234")
    alone = surprises_among(pd.concat([frame, alone], ignore_index=True), Subject.REBATE_CLAIM).tail(5)
    assert alone["paid_per_unit_surprise"].isna().all()
    assert alone["paid_per_unit_to_wac_surprise"].iloc[-1] > 10
    assert alone["days_to_payment_surprise"].notna().all()


def test_a_model_scores_them_and_the_unusual_line_comes_first() -> None:
    surprises = surprises_among(lines(), Subject.INVOICE)
    inputs = surprises.fillna(0.0).set_axis(list(INVOICE_MEASURES), axis=1).assign(source_row_id="")
    model = fit_model(inputs, ModelSettings(), Subject.INVOICE)
    scores = model.scorer.scores(surprises.fillna(0.0).to_numpy())
    assert np.argmax(scores) == 0
    assert scores[0] == pytest.approx(np.sqrt((surprises.loc[0].fillna(0.0) ** 2).sum()))
