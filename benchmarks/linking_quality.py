"""How many of the true links are found, and how many links are true, on generated claims with more and more mess.

    .venv/bin/python benchmarks/linking_quality.py [CLAIMS] [SEED ...] [--folder DIR] [--levels low medium high]

Makes claims of CLAIMS dispenses (default 200000) for each level of conf/mess and each seed (default 1 2 3), reads,
prepares and links them as the main job does, and compares the links with `link_truth`, which the engine never reads.
Prints the tables and, where all levels were asked for, writes them to docs/linking-quality.md, and beside it a plot of
how often links of a given probability are right.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import fmean

from matplotlib.figure import Figure
from pyspark.sql import Row, SparkSession

from engine.pipeline.job import job_run
from engine.pipeline.link import link_claims
from engine.pipeline.prepare import prepare_tables
from engine.pipeline.read import read_tables
from engine.pipeline.work_tables import LINKS_TO_340B
from engine.runs import RunOptions
from engine.runtime.session import build_session
from engine.runtime.storage import storage_of
from engine.settings import Settings, load_settings
from synthetic import synthesize

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "linking-quality.md"
PLOT = PAGE.with_suffix(".png")
BANDS = (0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99, 0.999, 1.1)
LEVELS = ("low", "medium", "high")
AS_OF = date(2026, 9, 30)

# The kinds of mess that leave only one tier to link by; domain part 4.3.
ONLY_T6 = {"hashed_by_entity", "rx_missing"}
ONLY_T5 = {"central_fill", "npi_succession"}
REACHES = ("T1-T4", "T5", "T6")


@dataclass
class Tally:
    links: int = 0
    right: int = 0
    pairs: int = 0
    found: int = 0

    @property
    def precision(self) -> str:
        return share(self.right, self.links)

    @property
    def recall(self) -> str:
        return share(self.found, self.pairs)


@dataclass
class Quality:
    """What one level's runs come to. Rows of a fill in parts are pairs of their own, with one 340B claim."""

    tiers: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    reaches: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    kinds: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    wrong: Counter[str] = field(default_factory=Counter)
    recall_by_seed: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    told: list[tuple[float, bool]] = field(default_factory=list)  # probability of each link, and whether it is right


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "-"


def reach(mess: Iterable[str]) -> str:
    if ONLY_T6.intersection(mess):
        return "T6"
    return "T5" if ONLY_T5.intersection(mess) else "T1-T4"


def kinds_of(pair: Row | None) -> list[str]:
    return [] if pair is None else pair.mess or ["none"]


def settings_of(level: str) -> Settings:
    return load_settings(PROJECT / "conf" / "mess" / f"{level}.yaml", [], os.environ, home=PROJECT)


def links_of(spark: SparkSession, settings: Settings, claims: Path, output: Path) -> list[Row]:
    """The main job as far as its links; nothing of the run stays."""
    changed = {
        "input": settings.input.model_copy(update={"root": str(claims)}),
        "output": settings.output.model_copy(update={"root": str(output)}),
        "as_of": AS_OF,
    }
    options = RunOptions(run_id="linking-quality", overwrite=True)
    with job_run(spark, settings.model_copy(update=changed), options, lambda _: None) as run:
        link_claims(run, prepare_tables(run, read_tables(run, {})))
        links = spark.read.parquet(run.work.path(LINKS_TO_340B))
        found = links.select("source_row_id", "link_tier", "link_source_row_ids", "link_probability").collect()
        run.abandon()
    return found


def add(quality: Quality, links: list[Row], truth: list[Row]) -> None:
    """Count the links of one run. An ambiguous link is right where one of its 340B claims is the true one."""
    partner = {row.rebate_source_row_id: row for row in truth}
    right = set()
    for link in links:
        true = partner.get(link.source_row_id)
        is_right = true is not None and true.entity_source_row_id in link.link_source_row_ids
        for tally in (quality.tiers[link.link_tier], *(quality.kinds[kind] for kind in kinds_of(true))):
            tally.links += 1
            tally.right += is_right
        quality.told.append((link.link_probability, is_right))
        if is_right:
            right.add(link.source_row_id)
        else:
            quality.wrong["of a claim with another true partner" if true else "of a claim without any"] += 1
    of_seed: dict[str, Tally] = defaultdict(Tally)
    for row in truth:
        name = reach(row.mess)
        for tally in (quality.reaches[name], of_seed[name], *(quality.kinds[kind] for kind in kinds_of(row))):
            tally.pairs += 1
            tally.found += row.rebate_source_row_id in right
    for name, tally in of_seed.items():
        quality.recall_by_seed[name].append(tally.found / tally.pairs)


def measured(spark: SparkSession, level: str, claims: int, seeds: list[int], folder: Path) -> Quality:
    settings, quality = settings_of(level), Quality()
    for seed in seeds:
        tables = folder / f"{level}-{claims}-{seed}"
        if not tables.exists():
            synthesize(spark, storage_of(spark), settings.synthetic, claims, seed, str(tables))
        truth = spark.read.parquet(str(tables / "link_truth")).collect()
        add(quality, links_of(spark, settings, tables, folder / "runs"), truth)
    return quality


def reliability(told: list[tuple[float, bool]]) -> Iterator[tuple[str, int, float, float, float]]:
    """Links by band of probability: the band, links, mean probability, share that is right, its standard error."""
    for low, high in itertools.pairwise(BANDS):
        inside = [one for one in told if low <= one[0] < high]
        if inside:
            right = sum(is_right for _, is_right in inside) / len(inside)
            spread = (max(right * (1 - right), 0.25 / len(inside)) / len(inside)) ** 0.5
            yield f"{low:g} to {min(high, 1):g}", len(inside), fmean(p for p, _ in inside), right, spread


def draw_reliability(results: dict[str, Quality]) -> None:
    """On the scale of odds, where the bands next to 1 can be told apart."""
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0.01, 0.9999], [0.01, 0.9999], color="0.7", linewidth=1, label="as said")
    for (level, quality), marker in zip(results.items(), "os^", strict=False):
        bands = list(reliability(quality.told))
        said, right = [b[2] for b in bands], [min(max(b[3], 0.01), 0.9999) for b in bands]
        axes.errorbar(said, right, yerr=[b[4] for b in bands], marker=marker, linewidth=1, capsize=2, label=level)
    axes.set(xscale="logit", yscale="logit", xlim=(0.01, 0.9999), ylim=(0.01, 0.9999))
    axes.set(xlabel="probability that the link is right, as said", ylabel="share of links that are right")
    axes.legend()
    figure.savefig(PLOT, dpi=110)


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    heads = list(heads)
    yield "| " + " | ".join(heads) + " |"
    yield "|---" * len(heads) + "|"
    for row in rows:
        yield "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row) + " |"
    yield ""


def page(results: dict[str, Quality], claims: int, seeds: list[int]) -> str:
    command = f"benchmarks/linking_quality.py {claims} {' '.join(map(str, seeds))}"
    lines = [
        "# Quality of linking",
        "",
        f"Made by `.venv/bin/python {command}`; do not edit.",
        "",
        f"Generated claims of {claims:,} dispenses, for each level of mess in `conf/mess/` and each of {len(seeds)}",
        "seeds, counted together. A pair is a live rebate row and the 340B claim that is in truth about the same",
        "dispense. A link is right where it names that claim, among others if it is ambiguous.",
        "",
        "## Links by tier",
        "",
        *table(
            ("level", "tier", "links", "right", "precision"),
            (
                (level, tier, tally.links, tally.right, tally.precision)
                for level, quality in results.items()
                for tier, tally in sorted(quality.tiers.items())
            ),
        ),
        "Wrong links:",
        "",
        *table(
            ("level", "link", "rows"),
            (
                (level, words, rows)
                for level, quality in results.items()
                for words, rows in sorted(quality.wrong.items())
            ),
        ),
        "## Pairs found",
        "",
        "By the best tier that the pair's mess leaves: T5 where the two sides name the pharmacy differently, T6 where",
        "no Rx number is common to them.",
        "",
        *table(
            ("level", "within reach of", "pairs", "found", "recall", "recall by seed"),
            (
                (level, name, tally.pairs, tally.found, tally.recall, by_seed(quality.recall_by_seed[name]))
                for level, quality in results.items()
                for name, tally in ((name, quality.reaches[name]) for name in REACHES)
            ),
        ),
        "## Are probabilities what they say?",
        "",
        "Links by the probability that the score stands for, all tiers together.",
        "",
        f"![Share of links that are right against the probability that was said]({PLOT.name})",
        "",
        *table(
            ("level", "probability", "links", "mean probability", "share right"),
            (
                (level, band, links, f"{said:.4f}", f"{right:.4f} +/- {spread:.4f}")
                for level, quality in results.items()
                for band, links, said, right, spread in reliability(quality.told)
            ),
        ),
        "## By kind of mess",
        "",
        "A pair with several kinds counts under each. Precision is of the links of rebate claims with this mess.",
        "",
        *table(
            ("mess", *(f"{level}: {what}" for level in results for what in ("pairs", "recall", "precision"))),
            (
                (kind, *(cell for q in results.values() for cell in of_kind(q.kinds[kind])))
                for kind in sorted({kind for quality in results.values() for kind in quality.kinds})
            ),
        ),
    ]
    return "\n".join(lines)


def by_seed(recalls: list[float]) -> str:
    return f"{100 * min(recalls):.2f} to {100 * max(recalls):.2f} %" if recalls else "-"


def of_kind(tally: Tally) -> tuple[int, str, str]:
    return tally.pairs, tally.recall, tally.precision


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("claims", type=int, nargs="?", default=200_000)
    parser.add_argument("seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--folder", default="output/linking-quality")
    parser.add_argument("--levels", nargs="+", choices=LEVELS, default=LEVELS)
    options = parser.parse_args()
    spark = build_session("linking-quality", settings_of("medium").spark)
    folder = Path(options.folder).resolve()
    results = {
        level: measured(spark, level, options.claims, options.seeds, folder)
        for level in LEVELS
        if level in options.levels
    }
    text = page(results, options.claims, options.seeds)
    if len(results) == len(LEVELS):
        PAGE.write_text(text)
        draw_reliability(results)
    print(text)


if __name__ == "__main__":
    main()
