"""The model card of a version."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from engine.contracts.codes import Subject
from engine.contracts.facts import CLAIM_MEASURES
from engine.models.anomaly_model import AnomalyModel, fit_model
from engine.models.flags import Flags
from engine.models.model_card import FoundKind, card_of
from engine.settings import FlagSettings, ModelSettings

FIGURES = {"auprc": 0.8, "auprc_low": 0.7, "auprc_high": 0.9}


def model_of(detector: str = "power_sum") -> AnomalyModel:
    rows = pd.DataFrame(np.random.default_rng(1).exponential(size=(300, 5)), columns=list(CLAIM_MEASURES))
    rows.insert(0, "source_row_id", [f"R{n:06d}" for n in range(300)])
    model = fit_model(rows, ModelSettings().using(Subject.REBATE_CLAIM, detector), Subject.REBATE_CLAIM)
    assert model is not None
    return model


def test_a_model_comes_back_with_what_it_reads(tmp_path: Path) -> None:
    model = model_of()
    model.save(tmp_path)
    loaded = AnomalyModel.load(tmp_path)
    assert (loaded.inputs, loaded.features) == ("surprise", CLAIM_MEASURES)
    assert loaded.description["inputs"] == [f"{name}_surprise" for name in CLAIM_MEASURES]
    loaded.check_inputs(ModelSettings())


def test_the_card_states_training_kinds_rates_and_drift_and_no_row() -> None:
    flags = Flags(rows=None, tested=1_000, flagged=40, largest_p_value=0.001)
    kinds = [FoundKind("price_shifted", 20, 18, 1, 2), FoundKind("units_times_ten", 10, 2, 9, 0)]
    card = card_of(model_of(), {**FIGURES, "psi_max": 0.02}, flags, FlagSettings(), kinds, {"run": "r1"})
    for words in (
        "300 rows that no rule flags",
        "- run: r1",
        "false-discovery rate of 30%",
        "40 of 1,000 rows",
        "20 of the 40 flagged rows are known to be unusual",
        "at most 50% are false",
        "| price_shifted | 20 | 18 | 1 | 2 |",
        "Misses: price_shifted 10%.",
        "0.800 | 0.700 to 0.900",
        "0.020",
    ):
        assert words in card
    assert "R000" not in card
    without_truth = card_of(model_of(), {}, flags, FlagSettings(), [], {})
    for words in ("No unusual rows are known", "- realized: not known", "On the training input: too few rows to say."):
        assert words in without_truth
    nothing_flagged = Flags(rows=None, tested=1_000, flagged=0, largest_p_value=None)
    assert "- realized: no row is flagged" in card_of(model_of(), {}, nothing_flagged, FlagSettings(), kinds, {})


def test_a_count_of_one_agrees_with_its_noun() -> None:
    model = replace(model_of(), training_rows=1)
    card = card_of(model, {}, Flags(None, tested=1, flagged=1, largest_p_value=0.1), FlagSettings(), [], {})
    assert "- 1 row that no rule flags" in card
    assert "1 of 1 row\n" in card


def test_one_figure_decides_and_the_card_says_which() -> None:
    figures = {f"{name}{end}": 0.1 for name in ("auprc", "against_champion_auprc") for end in ("", "_low", "_high")}
    flags = Flags(rows=None, tested=1_000, flagged=40, largest_p_value=0.001)
    card = card_of(model_of(), figures, flags, FlagSettings(), [], {})
    [decides] = [line for line in card.splitlines() if "decides" in line]
    assert "less the champion's on the same rows" in decides
