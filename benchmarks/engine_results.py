"""What a run of the engine came to, in the form in which `engines.py` compares it with the peers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from agreement import TIERS, Results
from peers.shared import FEATURES, RULES

from engine import facts
from engine.models import AnomalyModel
from engine.rules import CLAIM_SCREEN
from engine.runtime.embedded import embedded_session
from engine.settings import Settings
from engine.tracking import Tracker

_LINK_RULES = ("R003", "R005")
_SCORES = "p_values/rebate_claims/isolation_forest_z"


def keep_results(work: Path, kept: Path) -> None:
    """Keep the files of a run's work folder, which goes when the run is published, as further links to them."""
    for folder, _, names in os.walk(work):
        for name in names:
            source = Path(folder, name)
            target = kept / source.relative_to(work)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(source, target)
                except FileNotFoundError:
                    continue  # a temporary file


def results_of(run: Path, kept: Path, settings: Settings) -> Results:
    """Links, findings, features and scores of a published run.

    Args:
        run: The published run's folder.
        kept: What `keep_results` kept of its work folder.
        settings: The settings of the run; linked rules count for T1 to T4 only, which is what the peers link by.
    """
    links = _table(kept, "links_340b", ["source_row_id", "link_source_row_ids", "link_tier"])
    links = links[links.link_tier.isin(TIERS)].explode("link_source_row_ids")
    links.columns = ["source_row_id", "link_source_row_id", "tier"]
    features = _features(kept, settings)
    columns = ["source_row_id", "anomaly_score"]
    has_scores = (kept / _SCORES).exists()
    scores = _table(kept, _SCORES, columns) if has_scores else pd.DataFrame(columns=columns)
    return Results(links.reset_index(drop=True), findings_of(run), features, scores)


def findings_of(run: Path) -> pd.DataFrame:
    """source_row_id and rule_id of the compared rules on rebate claims."""
    found = pd.read_parquet(run / "findings", columns=["subject", "source_row_id", "rules", "match_tier"])
    found = found[found.subject == "REBATE_CLAIM"].explode("rules").dropna(subset=["rules"])
    found["rule_id"] = found.rules.map(lambda result: result["rule_id"])
    found = found[found.rule_id.isin(RULES) & (~found.rule_id.isin(_LINK_RULES) | found.match_tier.isin(TIERS))]
    return found[["source_row_id", "rule_id"]].reset_index(drop=True)


def scores_by_registered_model(features: pd.DataFrame, settings: Settings, version: str) -> pd.DataFrame:
    """What the engine's registered claim model makes of a peer's features: source_row_id, anomaly_score.

    If they are the engine's scores, the peer gave its own forest the same rows.
    """
    fetched = Tracker(settings.mlflow, settings.output.root).fetch(settings.mlflow.claims_model, version)
    assert fetched is not None
    model = AnomalyModel.load(fetched.folder)
    inputs = features[[f"{name}_z" for name in model.features]].to_numpy(dtype=np.float64, na_value=np.nan)
    is_known = ~np.isnan(inputs).all(axis=1)
    scores = model.scorer.scores(np.nan_to_num(inputs[is_known], nan=0.0))
    return pd.DataFrame({"source_row_id": features.source_row_id[is_known], "anomaly_score": scores})


def _features(kept: Path, settings: Settings) -> pd.DataFrame:
    """The features of every claim and their z-scores, which the engine computes where they are used."""
    spark = embedded_session()
    screen, peers = (spark.read.parquet(*map(str, _files(kept, name))) for name in ("facts/claims", "peers/claims"))
    columns = ["source_row_id", *FEATURES, *(f"{feature}_z" for feature in FEATURES)]
    return facts.with_claim_peers(screen, peers, settings.peers, CLAIM_SCREEN).select(*columns).toArrow().to_pandas()


def _table(kept: Path, name: str, columns: list[str]) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(file, columns=columns) for file in _files(kept, name)], ignore_index=True)


def _files(kept: Path, name: str) -> Iterator[Path]:
    """The files of a result, as its manifest names them."""
    manifest = json.loads((kept / name / "_manifest.json").read_text())
    return (kept / name / file for file in manifest["files"])
