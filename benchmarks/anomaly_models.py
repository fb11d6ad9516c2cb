"""What the anomaly detectors find of unusual claims that no rule explains, over many seeds and rates.

    python benchmarks/anomaly_models.py 50000 1 2 3 ... [--folder F] > docs/anomaly-models.md

Generates claims for each seed and makes some of them unusual (unusual_claims.py); they are kept in F, as is what models
read of them, so it can be run again. The first third of the seeds chooses the best single measure; figures are of the
others, on claims that chose nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t
from sklearn.metrics import average_precision_score

sys.path.insert(0, str(Path(__file__).resolve().parent))
from unusual_claims import KINDS, make

from engine.contracts.codes import Subject
from engine.models.anomaly_model import fit_model
from engine.models.inputs import SURPRISE, Z, can_be_scored, input_name, model_input
from engine.pipeline.describing import describe
from engine.pipeline.judging import screen
from engine.pipeline.linking import link_claims
from engine.pipeline.main_job import way
from engine.pipeline.preparing import prepare_tables, read_tables
from engine.pipeline.scoring import with_measures
from engine.run import RunOptions
from engine.runtime.storage import storage_of
from engine.settings import ModelSettings, Settings, load_settings
from engine.synthetic import synthesize
from jobs.common import session_of

PROJECT = Path(__file__).resolve().parent.parent
AS_OF = date(2026, 9, 30)
SHARE = 0.01  # of the claims that are made unusual; each rate draws from them
RATES = (0.0002, 0.001, 0.005)
DRAWS = 10
CAPACITY = 0.01  # of the claims


def make_rows(settings: Settings, dispenses: int, seeds: list[int], folder: Path) -> None:
    """Per seed a file of rebate claims: what models read of them, whether rules explain them, the kind of change."""
    spark = None
    for seed in seeds:
        target = folder / f"rows-{dispenses}-{seed}.parquet"
        claims, unusual = folder / f"claims-{dispenses}-{seed}", folder / f"unusual-{dispenses}-{seed}"
        if target.exists():
            continue
        spark = spark or session_of("anomaly-models", settings)
        if not (claims / "truth").exists():
            synthesize(spark, storage_of(spark), settings.synthetic, dispenses, seed, str(claims))
        if not (unusual / "unusual.parquet").exists():
            print(f"seed {seed}: {make(claims, unusual, SHARE, seed):,} claims changed", file=sys.stderr)
        with tempfile.TemporaryDirectory() as runs:
            rows_of(spark, settings, unusual, Path(runs)).to_parquet(target)


def rows_of(spark, settings: Settings, claims: Path, runs: Path) -> pd.DataFrame:
    changed = {
        "input": settings.input.model_copy(update={"root": str(claims)}),
        "output": settings.output.model_copy(update={"root": str(runs)}),
        "as_of": AS_OF,
    }
    settings = settings.model_copy(update=changed)
    with way(spark, settings, RunOptions(run_id="run"), lambda _: None) as (run, work):
        prepared = prepare_tables(run, work, read_tables(run))
        judged = describe(run, work, prepared, link_claims(run, work, prepared))
        one = next(one for one in judged if one.subject is Subject.REBATE_CLAIM)
        screened = screen(run, work, prepared, [one])[one.subject]
        one = with_measures(run, one, screened)
        read = {inputs: settings.model.features_of(one.subject, inputs) for inputs in (Z, SURPRISE)}
        rows = one.inputs.select(
            "source_row_id",
            *(
                model_input(name, inputs).alias(input_name(name, inputs))
                for inputs, names in read.items()
                for name in names
            ),
            *(can_be_scored(names, one.subject, inputs).alias(f"scored_{inputs}") for inputs, names in read.items()),
        ).toPandas()
        is_flagged = rows["source_row_id"].isin(screened.select("source_row_id").toPandas()["source_row_id"])
        is_explained = rows["source_row_id"].isin(one.explained.toPandas()["source_row_id"])
        return rows.assign(flagged=is_flagged, explained=is_explained)


def read_rows(dispenses: int, seed: int, folder: Path) -> pd.DataFrame:
    """Without what the generator planted: whether that is unusual is not the question here."""
    unusual = folder / f"unusual-{dispenses}-{seed}"
    kinds = pd.read_parquet(unusual / "unusual.parquet").set_index("source_row_id")["kind"]
    planted = pd.concat([pd.read_parquet(unusual / name)["source_row_id"] for name in ("truth", "anomalies", "watch")])
    rows = pd.read_parquet(folder / f"rows-{dispenses}-{seed}.parquet").sort_values("source_row_id", ignore_index=True)
    rows = rows[~rows["source_row_id"].isin(planted)].reset_index(drop=True)
    return rows.assign(kind=rows["source_row_id"].map(kinds))


def scored(rows: pd.DataFrame, settings: ModelSettings, detector: str, seed: int) -> npt.NDArray[np.float64]:
    """A detector learns from half of the rows that no rule flags; what it cannot judge comes last."""
    inputs = settings.detectors[detector].inputs
    names = list(settings.features_of(Subject.REBATE_CLAIM, inputs))
    matrix = rows[[input_name(name, inputs) for name in names]].set_axis(names, axis=1)
    is_training = ~rows["flagged"] & rows[f"scored_{inputs}"] & (np.random.default_rng(seed).random(len(rows)) < 0.5)
    chosen = settings.model_copy(update={"claims": settings.claims.model_copy(update={"detector": detector})})
    model = fit_model(matrix[is_training].assign(source_row_id=""), chosen, Subject.REBATE_CLAIM)
    assert model is not None
    return np.where(rows[f"scored_{inputs}"], model.scorer.scores(matrix.to_numpy()), -np.inf)


def measured(rows: pd.DataFrame, scores: npt.NDArray[np.float64], seed: int) -> dict[str, float]:
    """Average precision and precision at capacity among claims that no rule explains, by rate and by kind."""
    live = ~rows["explained"].to_numpy()
    ranked = np.nan_to_num(scores[live], neginf=np.min(scores[np.isfinite(scores)]) - 1)
    kinds = rows["kind"].to_numpy(dtype=object)[live]
    is_unusual = pd.notna(kinds)
    found: dict[str, float] = {}
    for rate in RATES:
        drawn = [_figures(ranked[kept], is_unusual[kept]) for kept in _drawn(is_unusual, rate, seed)]
        found[f"ap {rate}"], found[f"at capacity {rate}"] = np.mean(drawn, axis=0)
    for kind in KINDS:
        of_kind = ~is_unusual | (kinds == kind)
        if (kinds == kind).any():
            found[kind] = average_precision_score(is_unusual[of_kind], ranked[of_kind])
    return found


def _figures(scores: npt.NDArray[np.float64], is_unusual: npt.NDArray[np.bool_]) -> tuple[float, float]:
    first = np.argsort(-scores, kind="stable")[: round(CAPACITY * len(scores))]
    most = min(len(first), int(is_unusual.sum()))
    return average_precision_score(is_unusual, scores), is_unusual[first].sum() / most


def _drawn(is_unusual: npt.NDArray[np.bool_], rate: float, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    usual, unusual = np.flatnonzero(~is_unusual), np.flatnonzero(is_unusual)
    wanted = max(1, min(len(unusual), round(rate * len(usual))))
    for _ in range(DRAWS):
        yield np.sort(np.concatenate([usual, generator.choice(unusual, wanted, replace=False)]))


def interval(values: pd.Series) -> str:
    """Mean with the 95 % interval of it over the seeds (Student's t)."""
    half = t.ppf(0.975, len(values) - 1) * values.sem() if len(values) > 1 else float("nan")
    return f"{values.mean():.2f} ({max(0.0, values.mean() - half):.2f} to {min(1.0, values.mean() + half):.2f})"


def page(command: str, table: pd.DataFrame, reported: int, chosen_by: int, best: str) -> str:
    lines = [
        "# What anomaly detectors find that no rule explains",
        "",
        f"Made by `{command}`; do not edit.",
        f"Means over {reported} seeds with their 95 % interval (Student's t over seeds).",
        "",
        "Claims of generated feeds are made unusual by `benchmarks/unusual_claims.py` (units x 2 to x 30, amounts",
        "paid x 0.05 to x 8, the price of another product, days' supply that contradicts the quantity). Judged are",
        "claims that no rule explains. AP: average precision, the area under the precision-recall curve, at a rate of",
        "unusual claims.",
        f"Found: part of the unusual claims that is among the first {CAPACITY:.0%} of the claims.",
        f"`isolation_forest_z` was the default detector before; `{best}` is the best single measure,",
        f"chosen on {chosen_by} other seeds.",
        "",
        "| detector | " + " | ".join(f"AP at {rate:.2%} | found" for rate in RATES) + " |",
        "|---|" + "---|" * 2 * len(RATES),
    ]
    order = table.groupby("detector")[f"ap {RATES[-1]}"].mean().sort_values(ascending=False).index
    for detector in order:
        of_seeds = table[table["detector"] == detector]
        cells = [interval(of_seeds[f"{figure} {rate}"]) for rate in RATES for figure in ("ap", "at capacity")]
        lines.append(f"| {detector} | " + " | ".join(cells) + " |")
    lines += ["", "Average precision by kind, each kind alone among the usual claims.", ""]
    lines += ["| kind | " + " | ".join(order) + " |", "|---|" + "---|" * len(order)]
    for kind in KINDS:
        cells = [f"{table.loc[table['detector'] == detector, kind].mean():.2f}" for detector in order]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
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

    third = max(1, len(options.seeds) // 3)
    choosing, reporting = options.seeds[:third], options.seeds[third:]
    measures = [input_name(name, SURPRISE) for name in settings.model.claims.measures]
    of_seed = {seed: read_rows(options.dispenses, seed, options.folder) for seed in options.seeds}

    def of_measure(seed: int, name: str) -> dict[str, float]:
        return measured(of_seed[seed], of_seed[seed][name].to_numpy(), seed)

    best = max(measures, key=lambda name: np.mean([of_measure(seed, name)[f"ap {RATES[-1]}"] for seed in choosing]))
    figures = [{"detector": best, **of_measure(seed, best)} for seed in reporting]
    for detector in settings.model.detectors:
        for seed in reporting:
            scores = scored(of_seed[seed], settings.model, detector, seed)
            figures.append({"detector": detector, **measured(of_seed[seed], scores, seed)})
    command = f"python benchmarks/anomaly_models.py {options.dispenses} {' '.join(map(str, options.seeds))}"
    print(page(command, pd.DataFrame(figures), len(reporting), len(choosing), best))


if __name__ == "__main__":
    main()
