"""What the anomaly detectors find of oddities that no rule describes, over many seeds; and whether their rate holds.

    python benchmarks/anomaly_models.py 50000 1 2 3 ... [--folder F] > docs/anomaly-models.md

Generates claims for each seed (kept in F, as is what models read of them, so that it can be run again). The first half
of the seeds chooses the best single feature, the second half tries everything on claims that chose nothing.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import functions as F
from scipy.stats import t
from sklearn.metrics import average_precision_score

from engine.contracts.codes import Subject
from engine.models.anomaly_model import fit_model
from engine.models.calibration import LEVELS, Calibration, strata
from engine.models.flags import benjamini_hochberg
from engine.models.inputs import can_be_scored, model_input
from engine.pipeline.describing import describe
from engine.pipeline.judging import screen
from engine.pipeline.linking import link_claims
from engine.pipeline.main_job import way
from engine.pipeline.preparing import prepare_tables, read_tables
from engine.run import RunOptions
from engine.runtime.session import build_session
from engine.runtime.storage import storage_of
from engine.settings import ModelSettings, Settings, load_settings
from engine.synthetic import synthesize

PROJECT = Path(__file__).resolve().parent.parent
AS_OF = date(2026, 9, 30)
P_VALUE_LIMIT = 0.005  # that of R052
REFERENCES = ("reviewed", "unreviewed")
KINDS = ("units_times_ten", "price_shifted", "refill_rhythm_broken")


def make_rows(settings: Settings, dispenses: int, seeds: list[int], folder: Path) -> None:
    """Per seed a file of the rebate claims that a model can judge: z-scores, strata, screened, kind of oddity."""
    spark = build_session("anomaly-models", settings.spark)
    for seed in seeds:
        target, claims = folder / f"rows-{dispenses}-{seed}.parquet", folder / f"claims-{dispenses}-{seed}"
        if target.exists():
            continue
        if not (claims / "truth").exists():
            synthesize(spark, storage_of(spark), settings.synthetic, dispenses, seed, str(claims))
        with tempfile.TemporaryDirectory() as runs:
            rows_of(spark, settings, claims, Path(runs)).to_parquet(target)
    spark.stop()


def rows_of(spark, settings: Settings, claims: Path, runs: Path) -> pd.DataFrame:
    changed = {
        "input": settings.input.model_copy(update={"root": str(claims)}),
        "output": settings.output.model_copy(update={"root": str(runs)}),
        "as_of": AS_OF,
    }
    settings = settings.model_copy(update=changed)
    features = settings.model.claims.features
    with way(spark, settings, RunOptions(run_id="run"), lambda _: None) as (run, work):
        prepared = prepare_tables(run, work, read_tables(run))
        judged = describe(run, work, prepared, link_claims(run, work, prepared))
        one = next(one for one in judged if one.subject is Subject.REBATE_CLAIM)
        screened = screen(run, work, prepared, [one])[one.subject].withColumn("screened", F.lit(True))
        rows = one.facts.where(can_be_scored(features)).select(
            "source_row_id", *(model_input(name).alias(name) for name in features), *strata()
        )
        return rows.join(F.broadcast(screened), on="source_row_id", how="left").toPandas()


def read_rows(dispenses: int, seed: int, folder: Path) -> pd.DataFrame:
    claims = folder / f"claims-{dispenses}-{seed}"
    kinds = pd.read_parquet(claims / "anomalies").set_index("source_row_id")["kind"]
    truth = pd.read_parquet(claims / "truth")["source_row_id"]
    rows = pd.read_parquet(folder / f"rows-{dispenses}-{seed}.parquet").sort_values("source_row_id", ignore_index=True)
    rows = rows.rename(columns={"fine_stratum": "ndc9", "coarse_stratum": "drug_category"})
    odd = rows["source_row_id"].isin(kinds.index)
    return rows.assign(
        all="all",
        screened=rows["screened"].notna(),
        odd=odd,
        kind=rows["source_row_id"].map(kinds),
        planted=odd | rows["source_row_id"].isin(truth),
    )


def thirds(rows: pd.DataFrame, seed: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, 3, len(rows))


def measured(rows: pd.DataFrame, settings: ModelSettings, detector: str, seed: int) -> dict[str, float]:
    """One detector on one seed: learned from a third of the rows, compared with another, tried on the last."""
    features = list(settings.claims.features)
    third = thirds(rows, seed)
    usual, odd, tried = ~rows["screened"], rows["odd"], third == 2
    chosen = settings.model_copy(update={"claims": settings.claims.model_copy(update={"detector": detector})})
    model = fit_model(rows.loc[usual & (third == 0), ["source_row_id", *features]], chosen, Subject.REBATE_CLAIM)
    assert model is not None
    scored = rows.assign(anomaly_score=model.scorer.scores(rows[features].to_numpy()))
    judged = scored[tried & usual]
    found = {"auprc": average_precision_score(judged["odd"], judged["anomaly_score"])}
    for kind in KINDS:
        of_kind = judged[~judged["odd"] | (judged["kind"] == kind)]
        found[kind] = average_precision_score(of_kind["odd"], of_kind["anomaly_score"])
    for name, reference in zip(REFERENCES, (usual & (third == 1) & ~odd, usual & (third == 1)), strict=True):
        calibration = Calibration.of(scored[reference], ["all"], settings.stratum_minimum)
        flagged = is_flagged(scored[tried], calibration, settings.flags.false_discovery_rate)
        found[f"{name}_flagged"] = int(flagged.sum())
        found[f"{name}_false"] = (flagged & ~rows["planted"][tried]).sum() / max(1, flagged.sum())
        found[f"{name}_found"] = (flagged & odd[tried]).sum() / odd[tried].sum()
    return found


def is_flagged(tried: pd.DataFrame, calibration: Calibration, rate: float) -> npt.NDArray[np.bool_]:
    place = calibration.finest([calibration.place_of(tried[level].to_numpy()) for level in LEVELS])
    p_values, _ = calibration.p_values(place, tried["anomaly_score"].to_numpy())
    different, count = np.unique(p_values[p_values <= P_VALUE_LIMIT], return_counts=True)
    kept = benjamini_hochberg(different, count, int((~np.isnan(p_values)).sum()), rate)
    return p_values <= different[kept - 1] if kept else np.zeros(len(p_values), dtype=bool)


def of_features(rows: pd.DataFrame, seed: int, features: tuple[str, ...]) -> dict[str, float]:
    """On the same third of the rows as detectors are tried on."""
    tried = rows[~rows["screened"] & (thirds(rows, seed) == 2)]
    return {name: average_precision_score(tried["odd"], tried[name].abs()) for name in features}


def mean(values: pd.Series) -> str:
    """With its standard error over the seeds."""
    return f"{values.mean():.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def page(command: str, choosing: pd.DataFrame, trying: pd.DataFrame, tried: pd.DataFrame, rate: float) -> str:
    best = choosing.mean().idxmax()
    lines = [
        "# What anomaly detectors find that no rule describes",
        "",
        f"Made by `{command}`; do not edit. Means over seeds with their standard error.",
        "",
        "AUPRC: area under the precision-recall curve of oddities (units times ten, price per unit shifted, rhythm of",
        f"refills broken) among claims that no rule flags, {len(trying)} seeds. Best single feature, chosen on the",
        f"{len(choosing)} other seeds: the robust z-score of {best}, {mean(trying[best])}. Gain: AUPRC less that of",
        "it on the same claims, with the 95 % interval of its mean (Student's t over seeds). Times: of means.",
        "",
        "| detector | AUPRC | times the best feature | gain | better in seeds | " + " | ".join(KINDS) + " |",
        "|---|---|---|---|---|" + "---|" * len(KINDS),
    ]
    for detector, of_seeds in tried.groupby("detector", sort=False):
        there = of_seeds.set_index("seed").loc[trying.index]
        gain = there["auprc"] - trying[best]
        low, high = t.interval(0.95, len(gain) - 1, gain.mean(), gain.sem())
        cells = [
            detector,
            mean(there["auprc"]),
            f"{there['auprc'].mean() / trying[best].mean():.2f}",
            f"{gain.mean():+.3f} ({low:+.3f} to {high:+.3f})",
            f"{(gain > 0).sum()} of {len(gain)}",
            *(mean(there[kind]) for kind in KINDS),
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += [
        "",
        f"Flags at a false-discovery rate of {rate:.0%}, p-values up to {P_VALUE_LIMIT}, all seeds, one stratum.",
        "False: of the flagged claims, those on which nothing was planted. Found: oddities that were flagged.",
        "Reviewed: the oddities among the reference rows were known, as after decisions, and left out.",
        "",
        "| detector | reviewed: flagged | false | found | unreviewed: flagged | false | found |",
        "|---|---|---|---|---|---|---|",
    ]
    for detector, of_seeds in tried.groupby("detector", sort=False):
        cells = [
            text
            for name in REFERENCES
            for text in (
                f"{of_seeds[f'{name}_flagged'].mean():.0f}",
                mean(of_seeds[f"{name}_false"]),
                mean(of_seeds[f"{name}_found"]),
            )
        ]
        lines.append(f"| {detector} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dispenses", type=int)
    parser.add_argument("seeds", type=int, nargs="+")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "anomaly-models"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    settings = load_settings(PROJECT / "conf" / "local.yaml", [], os.environ, home=PROJECT)
    make_rows(settings, options.dispenses, options.seeds, options.folder)

    features, half = settings.model.claims.features, len(options.seeds) // 2
    of_seed = {seed: read_rows(options.dispenses, seed, options.folder) for seed in options.seeds}
    single = pd.DataFrame({seed: of_features(rows, seed, features) for seed, rows in of_seed.items()}).T
    tried = pd.DataFrame(
        {"detector": detector, "seed": seed, **measured(of_seed[seed], settings.model, detector, seed)}
        for detector in settings.model.detectors
        for seed in options.seeds
    )
    command = f"python benchmarks/anomaly_models.py {options.dispenses} {' '.join(map(str, options.seeds))}"
    rate = settings.model.flags.false_discovery_rate
    print(page(command, single.loc[options.seeds[:half]], single.loc[options.seeds[half:]], tried, rate))


if __name__ == "__main__":
    main()
