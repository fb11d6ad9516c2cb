"""The model card of a version, and the comparison that `train --compare` prints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from engine.contracts.codes import Subject
from engine.contracts.facts import CLAIM_MEASURES
from engine.models.anomaly_model import AnomalyModel, fit_model
from engine.models.flags import Flags
from engine.models.model_card import FoundKind, card_of
from engine.pipeline.detector_comparison import comparison
from engine.pipeline.handed_on import Judged
from engine.settings import FlagSettings, ModelSettings

FIGURES = {"auprc": 0.8, "auprc_low": 0.7, "auprc_high": 0.9}


def model_of(detector: str = "power_sum") -> AnomalyModel:
    rows = pd.DataFrame(np.random.default_rng(1).exponential(size=(300, 5)), columns=list(CLAIM_MEASURES))
    rows.insert(0, "source_row_id", [f"R{n:06d}" for n in range(300)])
    model = fit_model(rows, ModelSettings().using(Subject.REBATE_CLAIM, detector), Subject.REBATE_CLAIM)
    assert model is not None
    return model


def test_a_model_comes_back_with_what_it_reads(tmp_path):
    model = model_of()
    model.save(tmp_path)
    loaded = AnomalyModel.load(tmp_path)
    assert (loaded.inputs, loaded.features) == ("surprise", CLAIM_MEASURES)
    assert loaded.description["inputs"] == [f"{name}_surprise" for name in CLAIM_MEASURES]
    loaded.check_inputs(ModelSettings())


def test_the_card_states_training_kinds_rates_and_drift_and_no_row():
    flags = Flags(rows=None, tested=1_000, flagged=40, largest_p_value=0.001)
    kinds = [FoundKind("price_shifted", 20, 18, 1), FoundKind("units_times_ten", 10, 2, 9)]
    card = card_of(model_of(), {**FIGURES, "psi_max": 0.02}, flags, FlagSettings(), kinds, {"run": "r1"})
    for words in (
        "300 rows that no rule flags",
        "- run: r1",
        "false-discovery rate of 30%",
        "40 of 1,000 rows",
        "20 of the 40 flagged rows are known to be unusual",
        "at most 50% are false",
        "| price_shifted | 20 | 18 | 1 |",
        "0.800 | 0.700 to 0.900",
        "0.020",
    ):
        assert words in card
    assert "R000" not in card
    assert "No unusual rows are known" in card_of(model_of(), {}, flags, FlagSettings(), [], {})


def test_the_comparison_names_the_best_and_how_to_promote_it():
    first = Judged(
        Subject.REBATE_CLAIM, None, None, lambda flagged, _: flagged, model_of(), "claims", "1", metrics=FIGURES
    )
    better = {"auprc": 0.9, "auprc_low": 0.85, "auprc_high": 0.95, "against_champion_auprc": 0.1}
    better |= {"against_champion_auprc_low": 0.02, "against_champion_auprc_high": 0.2}
    second = replace(first, model=model_of("isolation_forest"), model_version="2", metrics=better)
    lines = list(comparison([first, second], "runs"))
    assert "the figure that decides" in lines[0]
    assert lines[1].split()[:2] == ["isolation_forest", "0.900"]
    assert "+0.100 (+0.020 to +0.200)" in lines[1]
    assert lines[2].split()[:2] == ["power_sum", "0.800"]
    assert lines[3].endswith("promote --model claims/2 --output runs")
    assert "none is shown to be better" in list(comparison([first], "runs"))[-1]
    assert "nothing to compare" in next(comparison([replace(first, metrics={})], "runs"))
    assert not list(comparison([replace(first, model=None)], "runs"))
