"""Whether two contestants of `engines.py` came to the same results, and where they differ, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

TIERS = ("T1", "T2", "T3", "T4")
TOLERANCE = 1e-9
TABLES = ("links", "findings", "features", "scores")


@dataclass(frozen=True)
class Results:
    """What a contestant wrote.

    links: source_row_id, link_source_row_id, tier; one row per pair of T1 to T4, all that fit equally well.
    findings: source_row_id, rule_id; the compared rules on rebate claims.
    features: source_row_id, each feature and its robust z-score `<feature>_z`; one row per live rebate claim.
    scores: source_row_id, anomaly_score; one row per claim with a known feature, none without a model.
    """

    links: pd.DataFrame
    findings: pd.DataFrame
    features: pd.DataFrame
    scores: pd.DataFrame

    @classmethod
    def read(cls, folder: Path) -> Results:
        """The results of a peer: `<table>.parquet` for each table."""
        return cls(**{name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES})


@dataclass(frozen=True)
class Difference:
    """What differs: a name, the rows that only one contestant has or where values differ, and their number."""

    what: str
    rows: pd.DataFrame

    @property
    def count(self) -> int:
        return len(self.rows)


def compare(
    one: Results, other: Results, names: tuple[str, str], scores: Literal["values", "rows", "none"]
) -> list[Difference]:
    """All differences between two contestants; none if their results are equal.

    Args:
        one: Results of the first contestant.
        other: Results of the second.
        names: What the contestants are called.
        scores: What of the scores has to be equal: each row's score, if both use the same forest, or only which rows
            are scored.
    """
    differences = [_same_rows("links", one.links, other.links, ["source_row_id", "link_source_row_id", "tier"], names)]
    for rule in sorted({*one.findings.rule_id, *other.findings.rule_id}):
        mine, theirs = (table.findings[table.findings.rule_id == rule] for table in (one, other))
        differences.append(_same_rows(f"rule {rule}", mine, theirs, ["source_row_id", "rule_id"], names))
    differences += _same_values("features", one.features, other.features, names)
    if scores == "values":
        differences += _same_values("scores", one.scores, other.scores, names)
    elif scores == "rows":
        differences.append(_same_rows("scored rows", one.scores, other.scores, ["source_row_id"], names))
    return [difference for difference in differences if difference.count]


def counts(results: Results) -> dict[str, int]:
    """How many links of each tier, findings of each rule, described and scored rows there are."""
    links = results.links.drop_duplicates(["source_row_id", "tier"]).tier.value_counts().sort_index()
    rules = results.findings.rule_id.value_counts().sort_index()
    rows = {"claims": len(results.features), "scored": len(results.scores)}
    return {**{str(name): int(n) for name, n in (*links.items(), *rules.items())}, **rows}


def _same_rows(
    what: str, one: pd.DataFrame, other: pd.DataFrame, columns: list[str], names: tuple[str, str]
) -> Difference:
    merged = one[columns].merge(other[columns], how="outer", on=columns, indicator="only_in")
    apart = merged[merged.only_in != "both"].sort_values(columns, ignore_index=True)
    apart["only_in"] = apart.only_in.map({"left_only": names[0], "right_only": names[1]}).astype(str)
    return Difference(what, apart)


def _same_values(what: str, one: pd.DataFrame, other: pd.DataFrame, names: tuple[str, str]) -> list[Difference]:
    """Rows that only one side has, then for each column the rows where values differ; unknown equals unknown."""
    differences = [_same_rows(f"rows of {what}", one, other, ["source_row_id"], names)]
    both = one.merge(other, on="source_row_id", suffixes=("", "_other"))
    for column in one.columns:
        if column == "source_row_id":
            continue
        mine, theirs = (both[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in (column, f"{column}_other"))
        apart = both.loc[~is_close(mine, theirs), ["source_row_id", column, f"{column}_other"]]
        apart.columns = ["source_row_id", *names]
        differences.append(Difference(f"{what}: {column}", apart.reset_index(drop=True)))
    return differences


def is_close(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Where two numbers differ by at most TOLERANCE of the larger, or of 1; NaN and infinity equal themselves alone."""
    are_finite = np.isfinite(one) & np.isfinite(other)
    with np.errstate(invalid="ignore"):
        allowed = TOLERANCE * np.maximum(1.0, np.maximum(np.abs(one), np.abs(other)))
        close = are_finite & (np.abs(one - other) <= allowed)
    return close | (one == other) | (np.isnan(one) & np.isnan(other))
