"""What the anomaly detectors find of unusual claims and invoice lines that no rule explains, over many seeds and rates.

    python benchmarks/anomaly_models.py 25000 --choosing 101 102 ... --reporting 1 2 3 ... > docs/anomaly-models.md

Generates a feed per seed and makes some of its claims (unusual_claims.py) and invoice lines unusual. What models read
of them is kept in --folder, so that an interrupted run goes on where it was. Some seeds choose the detector and the
best single measure; figures are of the others.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from scipy.stats import t
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

sys.path.insert(0, str(Path(__file__).resolve().parent))
from unusual_claims import OTHER_PRICE, make

from engine.contracts.codes import Subject
from engine.models.anomaly_model import fit_model
from engine.models.inputs import SURPRISE, Z, can_be_scored, input_name, model_input
from engine.pipeline.facts import describe
from engine.pipeline.job import job_run
from engine.pipeline.link import link_claims
from engine.pipeline.prepare import prepare_tables
from engine.pipeline.read import read_tables
from engine.pipeline.screen import screen
from engine.pipeline.stages import Described
from engine.pipeline.subject_scores import model_inputs
from engine.runs import RunOptions
from engine.runtime.storage import storage_of
from engine.settings import ModelSettings, Settings, load_settings
from jobs.common import session_of
from synthetic import synthesize

PROJECT = Path(__file__).resolve().parent.parent
AS_OF = date(2026, 9, 30)
SUBJECTS = {Subject.REBATE_CLAIM: "Rebate claims", Subject.INVOICE: "Invoice lines"}
FOREST_OF_BEFORE = "isolation_forest_z"
# Consist of training rows, so no version of them may be registered: kind, inputs.
NEIGHBOURS = {"knn": ("knn", SURPRISE), "lof": ("lof", SURPRISE), "knn_z": ("knn", Z), "lof_z": ("lof", Z)}
PLANTED = ("truth", "anomalies", "watch")
SHARE = 0.01  # of the rows that are made unusual; each rate draws from them
# Factors of units (and the rebate on them), of what was paid, and of the number of prescriptions.
INVOICE_KINDS: dict[str, dict[str, float]] = {
    "units x 3": {"units": 3},
    "units x 10": {"units": 10},
    "paid x 0.1": {"paid": 0.1},
    "paid x 0.4": {"paid": 0.4},
    "paid x 2.5": {"paid": 2.5},
    "paid x 8": {"paid": 8},
    OTHER_PRICE: {},
    "prescriptions x 5": {"count": 5},
    "all of it x 5": {"units": 5, "paid": 5, "count": 5},
}
RATES = (0.0002, 0.001, 0.005)
DRAWS = 10
CAPACITY = 0.005  # of the rows
ALL = "all"
FIGURES = ("ap", "precision", "found")
Scores = npt.NDArray[np.float64]
RowsOfSeed = Callable[[Subject, int], pd.DataFrame]


def make_rows(settings: Settings, dispenses: int, seeds: list[int], folder: Path) -> None:
    """Per seed and subject a file of rows: what models read of them, whether rules explain them, the kind of change."""
    spark = None
    for seed in seeds:
        if all(_rows_file(folder, subject, dispenses, seed).exists() for subject in SUBJECTS):
            continue
        with redirect_stdout(sys.stderr):  # standard output is the page
            spark = spark or session_of("anomaly-models", settings)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            claims, unusual, runs = (Path(scratch, name) for name in ("claims", "unusual", "runs"))
            synthesize(spark, storage_of(spark), settings.synthetic, dispenses, seed, str(claims))
            make(claims, unusual, SHARE, seed)
            changed_lines = change_invoices(unusual / "invoices.parquet", SHARE, seed)
            kinds = {Subject.REBATE_CLAIM: _kinds_of_claims(unusual), Subject.INVOICE: changed_lines}
            planted = pd.concat([pd.read_parquet(unusual / name)["source_row_id"] for name in PLANTED])
            for subject, rows in rows_of(spark, settings, unusual, runs).items():
                # whether what the generator planted is unusual is not the question here
                rows = rows[~rows["source_row_id"].isin(planted)]
                rows = rows.assign(kind=rows["source_row_id"].map(kinds[subject]))
                rows = rows.sort_values("source_row_id", ignore_index=True)
                rows.to_parquet(_rows_file(folder, subject, dispenses, seed))
                counts = rows["kind"].notna(), rows["kind"].notna() & rows["explained"]
                print(
                    f"seed {seed}: {subject}, {len(rows):,} rows, {counts[0].sum()} unusual, ", file=sys.stderr, end=""
                )
                print(f"{counts[1].sum()} of these explained by rules", file=sys.stderr, flush=True)


def _rows_file(folder: Path, subject: Subject, dispenses: int, seed: int) -> Path:
    return folder / f"{subject.value.lower()}-{dispenses}-{seed}.parquet"


def _kinds_of_claims(unusual: Path) -> pd.Series:
    return pd.read_parquet(unusual / "unusual.parquet").set_index("source_row_id")["kind"]


def change_invoices(file: Path, share: float, seed: int) -> pd.Series:
    """Changes a share of the lines of this table, one kind each in turn; returns the kind by source_row_id."""
    lines = pd.read_parquet(file)
    name_of_line = ["program", "state", "ndc", "period", "invoice_number", "line_kind"]
    ids = lines[name_of_line].agg("/".join, axis=1)
    paid = [name for name in ("medicaid_amount", "non_medicaid_amount", "total_amount") if name in lines]
    usable = (lines["line_kind"] == "CURRENT") & (lines["units_reimbursed"] > 0) & (lines["total_amount"] > 0)
    usable &= ~ids.duplicated(keep=False)
    rng = np.random.default_rng(seed)
    per_unit = lines["total_amount"].astype(float) / lines["units_reimbursed"].astype(float)
    chosen = rng.choice(np.flatnonzero(usable), size=round(share * len(lines)), replace=False)
    kinds = {}
    for turn, row in enumerate(chosen):
        kind = list(INVOICE_KINDS)[turn % len(INVOICE_KINDS)]
        factors = INVOICE_KINDS[kind]
        if kind == OTHER_PRICE:
            others = np.flatnonzero(usable & (lines["ndc"] != lines.at[row, "ndc"]))
            factors = {"paid": per_unit.iloc[rng.choice(others)] / per_unit.iloc[row]}
        for what, factor in factors.items():
            columns = {"units": ["units_reimbursed", "rebate_amount"], "paid": paid, "count": ["prescriptions"]}[what]
            for column in columns:
                lines.at[row, column] = _times(lines.at[row, column], factor)
        kinds[ids.iloc[row]] = kind
    pq.write_table(pa.Table.from_pandas(lines, schema=pq.read_schema(file), preserve_index=False), file)
    return pd.Series(kinds)


def _times(value: Any, factor: float) -> Any:
    if isinstance(value, Decimal):
        return (value * Decimal(repr(float(factor)))).quantize(value, ROUND_HALF_UP)
    return None if value is None else round(value * factor)


def rows_of(spark: SparkSession, settings: Settings, claims: Path, runs: Path) -> dict[Subject, pd.DataFrame]:
    changed = {
        "input": settings.input.model_copy(update={"root": str(claims)}),
        "output": settings.output.model_copy(update={"root": str(runs)}),
        "as_of": AS_OF,
    }
    settings = settings.model_copy(update=changed)
    found = {}
    with job_run(spark, settings, RunOptions(run_id="run"), lambda _: None) as run:
        linked = link_claims(run, prepare_tables(run, read_tables(run, {})))
        described = [one for one in describe(run, linked).subjects if one.subject in SUBJECTS]
        for one in screen(run, linked, Described(tuple(described))).subjects:
            model_reads = model_inputs(run, one)
            read = {inputs: settings.model.features_of(one.subject, inputs) for inputs in (Z, SURPRISE)}
            rows = model_reads.rows.select(
                "source_row_id",
                *(
                    model_input(name, inputs).alias(input_name(name, inputs))
                    for inputs, names in read.items()
                    for name in names
                ),
                *(
                    can_be_scored(names, one.subject, inputs).alias(f"scored_{inputs}")
                    for inputs, names in read.items()
                ),
            ).toPandas()
            flagged = one.hits.select("source_row_id").toPandas()["source_row_id"]
            explained = model_reads.explained.toPandas()["source_row_id"]
            ids = rows["source_row_id"]
            found[one.subject] = rows.assign(flagged=ids.isin(flagged), explained=ids.isin(explained))
        run.abandon()
    return found


def learn_and_score(rows: pd.DataFrame, settings: ModelSettings, subject: Subject, name: str, seed: int) -> Scores:
    """A contestant learns from half of the rows that no rule flags; what it cannot judge comes last."""
    if name not in settings.detectors and name not in NEIGHBOURS:
        return np.nan_to_num(np.abs(rows[name].to_numpy(dtype=np.float64)), nan=0.0)
    kind, inputs = NEIGHBOURS[name] if name in NEIGHBOURS else (name, settings.detectors[name].inputs)
    names = list(settings.features_of(subject, inputs))
    matrix = rows[[input_name(one, inputs) for one in names]].set_axis(names, axis=1)
    is_training = ~rows["flagged"] & rows[f"scored_{inputs}"] & (np.random.default_rng(seed).random(len(rows)) < 0.5)
    if name in NEIGHBOURS:
        scores = neighbour_scores(kind, matrix[is_training].to_numpy(), matrix.to_numpy())
    else:
        model = fit_model(matrix[is_training].assign(source_row_id=""), settings.using(subject, name), subject)
        assert model is not None
        scores = model.scorer.scores(matrix.to_numpy())
    return np.where(rows[f"scored_{inputs}"], scores, -np.inf)


def neighbour_scores(kind: str, training: Scores, rows: Scores) -> Scores:
    """By scikit-learn, with its defaults. KNN: the distance to the fifth nearest training row (Ramaswamy 2000)."""
    if kind == "lof":
        return -LocalOutlierFactor(novelty=True).fit(training).score_samples(rows)
    return NearestNeighbors(n_neighbors=5).fit(training).kneighbors(rows)[0][:, -1]


def measured(rows: pd.DataFrame, scores: Scores, seed: int) -> Iterator[dict[str, Any]]:
    """Average precision, and precision and recall at capacity, among rows that no rule explains: of all unusual rows
    and of each kind alone, at each rate of unusual rows for which there are enough of them.
    """
    live = ~rows["explained"].to_numpy()
    scores, kinds = scores[live], rows["kind"].to_numpy(dtype=object)[live]
    usual = np.sort(scores[pd.isna(kinds)])
    for kind in (ALL, *sorted(set(kinds[pd.notna(kinds)]))):
        unusual = scores[pd.notna(kinds) if kind == ALL else kinds == kind]
        for rate in RATES if kind == ALL else RATES[:-1]:
            drawn = _drawn(unusual, max(1, round(rate * len(usual))), seed)
            figures = np.mean([_figures(usual, one, CAPACITY * len(usual)) for one in drawn], axis=0)
            yield {"kind": kind, "rate": rate, **dict(zip(FIGURES, figures, strict=True))}


def _figures(usual: Scores, unusual: Scores, capacity: float) -> tuple[float, float, float]:
    """As `engine.models.ranking` measures them, for few unusual rows among many usual ones, whose scores are sorted:
    average precision, precision and recall among the first `capacity` rows, in expectation over the order of ties.
    """
    values, hits = np.unique(unusual, return_counts=True)
    hits_from = hits[::-1].cumsum()[::-1]  # with at least this score
    above = len(usual) - np.searchsorted(usual, values, side="right")
    rows_from = len(usual) - np.searchsorted(usual, values, side="left") + hits_from
    rows_above = above + hits_from - hits
    within = (hits * np.clip((capacity - rows_above) / (rows_from - rows_above), 0.0, 1.0)).sum()
    return (hits * hits_from / rows_from).sum() / len(unusual), within / capacity, within / len(unusual)


def _drawn(unusual: Scores, wanted: int, seed: int) -> Iterator[Scores]:
    """Samples of so many of the unusual rows; all of them, where there are fewer."""
    generator = np.random.default_rng(seed)
    for _ in range(DRAWS if wanted < len(unusual) else 1):
        yield generator.choice(unusual, min(wanted, len(unusual)), replace=False)


def contest(
    settings: ModelSettings, subject: Subject, names: Sequence[str], seeds: Sequence[int], rows_of_seed: RowsOfSeed
) -> pd.DataFrame:
    """A row per contestant, seed, kind and rate; CPU seconds for learning from and scoring 10,000 rows."""
    figures = []
    for seed in seeds:
        rows = rows_of_seed(subject, seed)
        for name in names:
            began = process_time()
            scores = learn_and_score(rows, settings, subject, name, seed)
            cpu = (process_time() - began) / len(rows) * 10_000
            figures += [{"detector": name, "seed": seed, "cpu": cpu, **one} for one in measured(rows, scores, seed)]
    return pd.DataFrame(figures)


def best_of(figures: pd.DataFrame) -> str:
    """The contestant with the highest average precision where unusual rows are most frequent."""
    chosen = figures[(figures["kind"] == ALL) & (figures["rate"] == RATES[-1])]
    return str(chosen.groupby("detector")["ap"].mean().idxmax())


def interval(values: pd.Series, sign: str = "") -> str:
    """Mean over seeds and half of its 95 % interval (Student's t over the seeds)."""
    if len(values) < 2:
        return f"{values.mean():{sign}.2f}"
    return f"{values.mean():{sign}.2f} ± {t.ppf(0.975, len(values) - 1) * values.sem():.2f}"


@dataclass(frozen=True)
class Contest:
    """Of one subject: figures on the reporting seeds, who won on the choosing seeds, the best single measure or feature
    of these, and counts of rows by kind on the reporting seeds (all, explained by rules).
    """

    subject: Subject
    figures: pd.DataFrame
    winner: str
    single: str
    rows: float
    kinds: pd.DataFrame


_HEAD = f"""\
# What anomaly detectors find that no rule explains

Made by `{{command}}`; do not edit.

- Seeds {{choosing}} chose the detector and the best single input; every figure is of the {{seeds}} other seeds
  ({{reporting}}).
- Cells: mean over the seeds ± half of its 95 % interval (Student's t over seeds; each seed is a feed of its own).
- Claims are made unusual by `benchmarks/unusual_claims.py`, invoice lines by this script: a factor of units, amounts or
  prescriptions, or the price of another product. {SHARE:.0%} of a feed is changed; each rate draws from them
  {DRAWS} times, at least one row, and takes all where there are fewer (invoice lines at 0.5 %: the rate is a
  little lower there). Judged are rows that no rule explains.
- AP: average precision, the area under the precision-recall curve: **the figure that decides**
  ([models.md](models.md)). Precision and found: part of the first {CAPACITY:.1%} of the rows (the capacity) that is
  unusual, and part of the unusual rows that is among them. Where fewer rows are unusual than the capacity holds,
  precision cannot reach 1: the most that it can reach is in the heading.
- CPU: seconds to learn from half of 10,000 rows and to score all of them.
- `isolation_forest_z` was the default before: the forest on robust z-scores. `knn` and `lof` are scikit-learn's, for
  comparison: they consist of training rows and are never registered. `_z`: on robust z-scores, the others on surprises.
  Ties count as the mean over all orders of equal scores."""


def page(command: str, contests: Sequence[Contest], choosing: Sequence[int], reporting: Sequence[int]) -> str:
    lines = [_HEAD.format(command=command, choosing=_few(choosing), reporting=_few(reporting), seeds=len(reporting))]
    for contest in contests:
        lines += _of_subject(contest)
    return "\n".join(lines)


def _of_subject(contest: Contest) -> Iterator[str]:
    of_all = contest.figures[contest.figures["kind"] == ALL]
    order = list(
        of_all[of_all["rate"] == RATES[-1]].groupby("detector")["ap"].mean().sort_values(ascending=False).index
    )
    yield from ("", f"## {SUBJECTS[contest.subject]}", "")
    yield f"{contest.rows:,.0f} rows per seed. Chosen: `{contest.winner}`; best single input: `{contest.single}`."
    for rate in reversed(RATES):
        highest = min(1.0, rate / CAPACITY)
        yield from ("", f"### {rate:.2%} of the rows unusual", "")
        yield f"| detector | AP | less AP of {contest.winner} | precision (at most {highest:.2f}) | found | CPU |"
        yield "|---|---|---|---|---|---|"
        of_rate = of_all[of_all["rate"] == rate]
        by_seed = of_rate.pivot(index="seed", columns="detector", values="ap")
        for name in order:
            mine = of_rate[of_rate["detector"] == name]
            less = "" if name == contest.winner else interval(by_seed[name] - by_seed[contest.winner], "+")
            cells = [interval(mine["ap"]), less, interval(mine["precision"]), interval(mine["found"])]
            yield f"| {name} | {' | '.join(cells)} | {mine['cpu'].mean():.2f} |"
    yield from _by_kind(contest, order)


def _by_kind(contest: Contest, order: Sequence[str]) -> Iterator[str]:
    kinds = contest.kinds.index
    yield from (
        "",
        f"### Average precision by kind, each alone among the usual rows, {RATES[1]:.2%} of them unusual",
        "",
    )
    yield "Rows: of all seeds; explained: by rules, so that no detector has to find them."
    yield ""
    yield "| kind | rows | explained | " + " | ".join(order) + " |"
    yield "|---|---|---|" + "---|" * len(order)
    for kind in kinds:
        counts = contest.kinds.loc[kind]
        cells = [_cell(contest.figures, name, kind, RATES[1], "ap") for name in order]
        yield f"| {kind} | {counts['rows']:,} | {counts['explained']:,} | {' | '.join(cells)} |"
    shown = list(dict.fromkeys((contest.winner, contest.single, FOREST_OF_BEFORE)))
    for rate in RATES[1::-1]:
        yield from ("", f"### By kind, {rate:.2%} of the rows unusual", "")
        yield "| kind | " + " | ".join(f"{name}: AP | precision | found" for name in shown) + " |"
        yield "|---|" + "---|" * 3 * len(shown)
        for kind in kinds:
            cells = [_cell(contest.figures, name, kind, rate, figure) for name in shown for figure in FIGURES]
            yield f"| {kind} | {' | '.join(cells)} |"


def _cell(figures: pd.DataFrame, name: str, kind: str, rate: float, figure: str) -> str:
    chosen = (figures["detector"] == name) & (figures["kind"] == kind) & (figures["rate"] == rate)
    return interval(figures.loc[chosen, figure]) if chosen.any() else "-"


def _few(seeds: Sequence[int]) -> str:
    return (
        f"{seeds[0]} to {seeds[-1]}"
        if list(seeds) == list(range(seeds[0], seeds[-1] + 1))
        else ", ".join(map(str, seeds))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dispenses", type=int)
    parser.add_argument("--choosing", type=int, nargs="+", required=True, metavar="SEED")
    parser.add_argument("--reporting", type=int, nargs="+", required=True, metavar="SEED")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "anomaly-models"))
    options = parser.parse_args()
    if set(options.choosing) & set(options.reporting):
        parser.error("a seed that chooses must not report")
    options.folder.mkdir(parents=True, exist_ok=True)
    settings = load_settings(PROJECT / "conf" / "local.yaml", [], os.environ, home=PROJECT)
    make_rows(settings, options.dispenses, [*options.choosing, *options.reporting], options.folder)

    def rows_of_seed(subject: Subject, seed: int) -> pd.DataFrame:
        return pd.read_parquet(_rows_file(options.folder, subject, options.dispenses, seed))

    contests = []
    for subject in SUBJECTS:
        detectors = [*settings.model.detectors, *NEIGHBOURS]
        single = [
            input_name(name, inputs) for inputs in (SURPRISE, Z) for name in settings.model.features_of(subject, inputs)
        ]
        chosen_by = contest(settings.model, subject, [*detectors, *single], options.choosing, rows_of_seed)
        winner = best_of(chosen_by[chosen_by["detector"].isin(detectors)])
        best = best_of(chosen_by[chosen_by["detector"].isin(single)])
        figures = contest(settings.model, subject, [*detectors, best], options.reporting, rows_of_seed)
        figures.to_csv(options.folder / f"figures-{subject.value.lower()}.csv", index=False)
        rows = pd.concat([rows_of_seed(subject, seed) for seed in options.reporting])
        kinds = rows.groupby("kind").agg(rows=("explained", "size"), explained=("explained", "sum"))
        contests.append(Contest(subject, figures, winner, best, len(rows) / len(options.reporting), kinds))
    seeds = f"--choosing {' '.join(map(str, options.choosing))} --reporting {' '.join(map(str, options.reporting))}"
    print(
        page(
            f"python benchmarks/anomaly_models.py {options.dispenses} {seeds}",
            contests,
            options.choosing,
            options.reporting,
        )
    )


if __name__ == "__main__":
    main()
