"""How often each rule is right on generated claims, whose violations and look-alikes are known.

    .venv/bin/python benchmarks/rule_quality.py DISPENSES SEED... [--folder DIR] [--page FILE] [--set NAME=VALUE]...

Generates claims for each seed (kept in --folder, default a temporary one, and taken from there the next time), runs
the main job on them, compares what each rule flagged with `truth/`, `look_alikes/` and `watch/`, and writes
docs/rule-quality.md (or --page). Every difference is printed. `--set synthetic.combination_rate=0.001` plants more
combinations of rules, for few dispenses.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession

from engine import pipeline
from engine.rules import rule_titles
from engine.runs import RunOptions
from engine.runtime.selection import choose
from engine.runtime.session import open_session
from engine.runtime.storage import storage_of
from engine.settings import Settings, TableLocation, load_settings
from jobs.common import file_formats
from synthetic import synthesize

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "rule-quality.md"
AS_OF = date(2026, 9, 30)

LOOK_FOR_THE_UNUSUAL = ("R037", "R052")

Pairs = set[tuple[str, str]]
# Results of rules by row and rule.
Hits = dict[tuple[str, str], dict[str, Any]]


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
    units_stated: int = 0
    units_right: int = 0


@dataclass
class PairTally:
    """Rows on which two rules were planted, or one and what looks like the other, over all seeds."""

    planted: int = 0
    as_planted: int = 0  # both flagged; of a look-alike: the one flagged, the other not
    stated: int = 0  # units and code of the finding are known
    units_right: int = 0
    code_right: int = 0


@dataclass
class Quality:
    rules: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    pairs: dict[tuple[str, str], PairTally] = field(default_factory=lambda: defaultdict(PairTally))
    look_alike_pairs: dict[tuple[str, str], PairTally] = field(default_factory=lambda: defaultdict(PairTally))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dispenses", type=int)
    parser.add_argument("seeds", type=int, nargs="+")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--set", action="append", default=[], help="a setting: NAME=VALUE")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        quality = measure(asked.dispenses, asked.seeds, asked.folder or Path(temporary), asked.set)
    asked.page.write_text(page(quality, asked.dispenses, asked.seeds), encoding="utf-8")


def measure(dispenses: int, seeds: list[int], folder: Path, changes: list[str]) -> Quality:
    settings = load_settings(PROJECT / "conf" / "local.yaml", changes, os.environ, home=PROJECT)
    spark = open_session("rule-quality", settings, choose(settings, file_formats), print)
    quality = Quality()
    for seed in seeds:
        claims = folder / f"{dispenses}-{seed}"
        if not (claims / "truth").exists():
            synthesize(spark, storage_of(spark), settings.synthetic, dispenses, seed, str(claims))
        with tempfile.TemporaryDirectory() as runs:
            add(quality, claims, findings_of(spark, settings, claims, Path(runs)))
    spark.stop()
    return quality


def findings_of(spark: SparkSession, settings: Settings, claims: Path, runs: Path) -> pd.DataFrame:
    # the generated product file lists every product there is, so that an NDC which it does not hold means something
    products = TableLocation(path="products.parquet", complete=True)
    changed = {
        "input": settings.input.model_copy(update={"root": str(claims), "tables": {"products": products}}),
        "output": settings.output.model_copy(update={"root": str(runs)}),
        "as_of": AS_OF,
    }
    pipeline.detect(spark, settings.model_copy(update=changed), RunOptions(run_id="run"), lambda _: None)
    return pd.read_parquet(
        runs / "run" / "findings", columns=["source_row_id", "rules", "units_at_issue", "dispute_code"]
    )


def pairs(folder: Path) -> Pairs:
    table = pd.read_parquet(folder)
    return set(zip(table.source_row_id, table.rule_id, strict=True))


def add(quality: Quality, claims: Path, findings: pd.DataFrame) -> None:
    truth = pd.read_parquet(claims / "truth").set_index(["source_row_id", "rule_id"])
    look_alikes, watch = (pairs(claims / name) for name in ("look_alikes", "watch"))
    columns = zip(findings.source_row_id, findings.rules, strict=True)
    hits: Hits = {(row, hit["rule_id"]): hit for row, rules in columns for hit in rules}
    found = findings.set_index("source_row_id")
    tallies = quality.rules
    planted: Iterable[tuple[Any, Any]] = truth.units_at_issue.items()
    for (row, rule), units_planted in planted:
        tallies[rule].planted += 1
        if (row, rule) not in hits:
            print(f"not found: {rule} on {row}")
        elif pd.notna(units_planted):
            units = hits[row, rule]["units_at_issue"]
            tallies[rule].units_stated += 1
            tallies[rule].units_right += units == units_planted
            if units != units_planted:
                print(f"units of {rule} on {row}: {units}, planted {units_planted}")
    for row, rule in sorted(look_alikes):
        tallies[rule].look_alikes += 1
        tallies[rule].look_alikes_flagged += (row, rule) in hits
        if (row, rule) in hits:
            print(f"look-alike flagged: {rule} on {row}, {hits[row, rule]['evidence']}")
    for (row, rule), hit in hits.items():
        tally = tallies[rule]
        tally.flagged += 1
        tally.right += (row, rule) in truth.index
        tally.found += (row, rule) in truth.index
        tally.watched += (row, rule) in watch and (row, rule) not in truth.index
        tally.evidence[hit["evidence"]] += 1
        if (row, rule) not in truth.index and (row, rule) not in watch and rule not in LOOK_FOR_THE_UNUSUAL:
            print(f"not planted: {rule} on {row}, {hit['evidence']}")
    add_pairs(quality, truth, look_alikes, hits, found)


def add_pairs(quality: Quality, truth: pd.DataFrame, look_alikes: Pairs, hits: Hits, found: pd.DataFrame) -> None:
    alike = defaultdict(list)
    for row, rule in look_alikes:
        alike[row].append(rule)
    planted = defaultdict(list)
    for row, rule in truth.index:
        planted[row].append(rule)
    for row, rules in planted.items():
        both = [(quality.pairs[pair], hits_all(hits, row, pair)) for pair in combinations(sorted(rules), 2)]
        both += [
            (quality.look_alike_pairs[rule, other], (row, rule) in hits and (row, other) not in hits)
            for rule in rules
            for other in alike[row]
        ]
        if not both:
            continue
        deciding = truth.loc[[(row, rule) for rule in rules]]
        deciding = deciding[deciding.decides == True]  # noqa: E712 (NULL where nothing is known)
        for tally, as_planted in both:
            tally.planted += 1
            tally.as_planted += as_planted
            if row in found.index and len(deciding) == 1 and pd.notna(deciding.units_at_issue.iloc[0]):
                units, code = found.units_at_issue[row], found.dispute_code[row]
                expected, expected_code = deciding.units_at_issue.iloc[0], deciding.dispute_code.iloc[0]
                tally.stated += 1
                tally.units_right += units == expected
                tally.code_right += code == expected_code
                if units != expected or code != expected_code:
                    print(f"finding on {row} ({', '.join(rules)}): {units} {code}, planted {expected} {expected_code}")


def hits_all(hits: Hits, row: str, rules: Iterable[str]) -> bool:
    return all((row, rule) in hits for rule in rules)


def share(part: int, whole: int) -> str:
    return f"{part / whole:.4f}" if whole else "-"


def page(quality: Quality, dispenses: int, seeds: list[int]) -> str:
    titles, tallies = rule_titles(), quality.rules
    lines = [
        "# Quality of rules",
        "",
        f"Made by `.venv/bin/python benchmarks/rule_quality.py {dispenses} {' '.join(map(str, seeds))}`; do not edit.",
        "",
        f"Generated claims of {dispenses:,} dispenses for each of {len(seeds)} seeds, counted together. Planted: rows",
        "that violate the rule. Flagged: rows on which it fired. Precision: of the flagged, those planted or rightly",
        "watched (a reversal that came after the invoice). Look-alikes: rows that resemble a violation and are none.",
        "Units: of the rows found whose units at issue follow from how the row was made, those whose units are right.",
        "",
        "| rule | | planted | flagged | precision | recall | units | look-alikes | of them flagged | evidence |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for rule, tally in sorted(tallies.items()):
        cells = [
            rule,
            titles[rule],
            f"{tally.planted:,}",
            f"{tally.flagged:,}",
            share(tally.right + tally.watched, tally.flagged),
            share(tally.found, tally.planted),
            f"{tally.units_right:,} of {tally.units_stated:,}" if tally.units_stated else "-",
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
        "",
        "## Pairs of rules",
        "",
        "Rows on which both rules were planted (of three planted rules, each pair counts). Both flagged; and of the",
        "findings whose units and code follow from how the row was made: those with the units and the code of the rule",
        "that decides (contract, section 7).",
        "",
        *pair_table(quality.pairs, "rules", "both flagged"),
        "",
        "## One rule, and what only looks like another",
        "",
        "Rows on which the first rule was planted and which resemble a violation of the second one: the first flagged,",
        "the second not.",
        "",
        *pair_table(quality.look_alike_pairs, "rule, look-alike of", "as planted"),
    ]
    return "\n".join(lines) + "\n"


def pair_table(tallies: dict[tuple[str, str], PairTally], rules: str, as_planted: str) -> list[str]:
    lines = [f"| {rules} | planted | {as_planted} | units right | code right |", "|---|---|---|---|---|"]
    for pair, tally in sorted(tallies.items()):
        stated = [f"{right:,} of {tally.stated:,}" for right in (tally.units_right, tally.code_right)]
        cells = [", ".join(pair), f"{tally.planted:,}", f"{tally.as_planted:,}", *(stated if tally.stated else "--")]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
