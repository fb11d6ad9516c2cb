"""How often each rule is right on generated claims, whose violations and look-alikes are known.

    .venv/bin/python benchmarks/rule_quality.py DISPENSES SEED... [--folder DIR]

Generates claims for each seed (kept in --folder, default a temporary one, and taken from there the next time), runs
the main job on them, compares what each rule flagged with `truth/`, `look_alikes/` and `watch/`, and writes
docs/rule-quality.md.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pandas as pd

from engine import pipeline
from engine.rules import rule_titles
from engine.run import RunOptions
from engine.runtime.session import build_session
from engine.runtime.storage import storage_of
from engine.settings import Settings, TableLocation, load_settings
from engine.synthetic import synthesize

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "rule-quality.md"
AS_OF = date(2026, 9, 30)

Pairs = set[tuple[str, str]]


@dataclass
class Tally:
    """Rows of one rule, over all seeds."""

    planted: int = 0
    found: int = 0
    flagged: int = 0
    right: int = 0
    watched: int = 0
    look_alikes: int = 0
    look_alikes_flagged: int = 0
    evidence: Counter[str] = field(default_factory=Counter)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dispenses", type=int)
    parser.add_argument("seeds", type=int, nargs="+")
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        tallies = tallies_of(asked.dispenses, asked.seeds, asked.folder or Path(temporary))
    PAGE.write_text(page(tallies, asked.dispenses, asked.seeds), encoding="utf-8")


def tallies_of(dispenses: int, seeds: list[int], folder: Path) -> dict[str, Tally]:
    settings = load_settings(PROJECT / "conf" / "local.yaml", [], os.environ, home=PROJECT)
    spark = build_session("rule-quality", settings.spark)
    tallies: dict[str, Tally] = defaultdict(Tally)
    for seed in seeds:
        claims = folder / f"{dispenses}-{seed}"
        if not (claims / "truth").exists():
            synthesize(spark, storage_of(spark), settings.synthetic, dispenses, seed, str(claims))
        with tempfile.TemporaryDirectory() as runs:
            add(tallies, claims, findings_of(spark, settings, claims, Path(runs)))
    spark.stop()
    return tallies


def findings_of(spark, settings: Settings, claims: Path, runs: Path) -> pd.DataFrame:
    # the generated product file lists every product there is, so that an NDC which it does not hold means something
    products = TableLocation(path="products.parquet", complete=True)
    changed = {
        "input": settings.input.model_copy(update={"root": str(claims), "tables": {"products": products}}),
        "output": settings.output.model_copy(update={"root": str(runs)}),
        "as_of": AS_OF,
    }
    pipeline.detect(spark, settings.model_copy(update=changed), RunOptions(run_id="run"), lambda _: None)
    return pd.read_parquet(runs / "run" / "findings", columns=["source_row_id", "rules"])


def pairs(folder: Path) -> Pairs:
    table = pd.read_parquet(folder)
    return set(zip(table.source_row_id, table.rule_id, strict=True))


def add(tallies: dict[str, Tally], claims: Path, findings: pd.DataFrame) -> None:
    truth, look_alikes, watch = (pairs(claims / name) for name in ("truth", "look_alikes", "watch"))
    evidence = {
        (row.source_row_id, hit["rule_id"]): hit["evidence"] for row in findings.itertuples() for hit in row.rules
    }
    for _, rule in truth:
        tallies[rule].planted += 1
    for row, rule in look_alikes:
        tallies[rule].look_alikes += 1
        tallies[rule].look_alikes_flagged += (row, rule) in evidence
    for (row, rule), grade in evidence.items():
        tally = tallies[rule]
        tally.flagged += 1
        tally.right += (row, rule) in truth
        tally.found += (row, rule) in truth
        tally.watched += (row, rule) in watch and (row, rule) not in truth
        tally.evidence[grade] += 1


def share(part: int, whole: int) -> str:
    return f"{part / whole:.4f}" if whole else "-"


def page(tallies: dict[str, Tally], dispenses: int, seeds: list[int]) -> str:
    titles = rule_titles()
    lines = [
        "# Quality of rules",
        "",
        f"Made by `.venv/bin/python benchmarks/rule_quality.py {dispenses} {' '.join(map(str, seeds))}`; do not edit.",
        "",
        f"Generated claims of {dispenses:,} dispenses for each of {len(seeds)} seeds, counted together. Planted: rows",
        "that violate the rule. Flagged: rows on which it fired. Precision: of the flagged, those planted or rightly",
        "watched (a reversal that came after the invoice). Look-alikes: rows that resemble a violation and are none.",
        "",
        "| rule | | planted | flagged | precision | recall | look-alikes | of them flagged | evidence |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for rule, tally in sorted(tallies.items()):
        cells = [
            rule,
            titles[rule],
            f"{tally.planted:,}",
            f"{tally.flagged:,}",
            share(tally.right + tally.watched, tally.flagged),
            share(tally.found, tally.planted),
            f"{tally.look_alikes:,}",
            f"{tally.look_alikes_flagged:,}",
            ", ".join(f"{grade} {rows:,}" for grade, rows in tally.evidence.most_common()),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    below = [rule for rule, tally in sorted(tallies.items()) if tally.right + tally.watched < tally.flagged]
    silent = sorted(set(titles) - tallies.keys())
    lines += [
        "",
        f"Also on rows where it was not planted: {', '.join(below) or 'none'}. Rules that look for the unusual find it",
        "where nobody planted it, or on a row that was planted for another rule.",
        "",
        f"Neither planted nor flagged: {', '.join(silent) or 'none'}.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
