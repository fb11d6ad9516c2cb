"""What one step of the way hands on to the next."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame

from engine import exports, facts, models
from engine.contracts.codes import Subject
from engine.errors import Problem
from engine.run import Run, code_version
from engine.sources import OpenedTable


@dataclass(frozen=True)
class LiveClaims:
    """Live rebate claims: all, and those whose source_row_id is in a few rows, found before the wide rows are made.

    unconverted: all, HCPCS units left as they are, which is cheaper to look through.
    """

    all: DataFrame
    among: Callable[[DataFrame], DataFrame]
    unconverted: DataFrame


@dataclass
class Prepared:
    """Live rows of the feeds (None where a feed is missing), conformed references, and what was quarantined. left_out:
    by table source_row_id and reasons of all rows that are not judged, planned only on demand. unread_claims:
    quarantined rebate claims, replaced_invoices: invoice lines that a new total replaced; each None where there are
    none. mostly_quarantined: tables for which the run stops. left_empty: tables all of whose rows are later than the
    `--as-of` day, which count as missing. all_prices: good rows of `prices`, earlier snapshots too.
    """

    opened: dict[str, OpenedTable]
    references: dict[str, DataFrame] = field(default_factory=dict)
    claims: LiveClaims | None = None
    unread_claims: DataFrame | None = None
    dispenses: DataFrame | None = None
    entity_claims: DataFrame | None = None
    invoices: DataFrame | None = None
    replaced_invoices: DataFrame | None = None
    quarantine: dict[str, DataFrame] = field(default_factory=dict)
    left_out: dict[str, Callable[[], DataFrame]] = field(default_factory=dict)
    mostly_quarantined: list[Problem] = field(default_factory=list)
    left_empty: set[str] = field(default_factory=set)
    found_out: frozenset[str] = frozenset()
    linking: exports.Linking | None = None
    all_prices: DataFrame | None = None

    @property
    def available(self) -> frozenset[str]:
        """`table` and `table.column` of all that the input holds or lets the engine infer; `table.complete` of tables
        declared complete. One with quarantined rows is not: a row that could not be read is not absent.
        """
        there = {name: table for name, table in self.opened.items() if name not in self.left_empty}
        complete = {name for name, table in there.items() if table.complete} - self.quarantine.keys()
        return (
            self.found_out
            | frozenset(there)
            | {f"{name}.complete" for name in complete}
            | {f"{name}.{column}" for name, table in there.items() for column in table.columns}
        )

    @property
    def inflation_reports(self) -> DataFrame | None:
        reports = self.references.get("inflation_reports")
        return None if reports is None else facts.named_reports(reports)


@dataclass(frozen=True)
class Judged:
    """A subject's facts with z-scores, what is usual among peers (None: it is not scored), and from scoring on
    its model, scores and which of them are unusual.

    grid: what is usual of each measure; measured: facts with the surprises among it; explained: source_row_id of rows
    that a rule explains. All three from scoring on. metrics, resampled: of the evaluation of a model that was trained
    here. groups: months of its groups that stand out (None: the subject has no groups, or they are off).

    drift: population stability index by feature against the rows that a registered model learned from.
    facts: of every row, what conditions and models read. described: of few of them, given with their ids, all facts.
    """

    subject: Subject
    facts: DataFrame
    peers: DataFrame | None
    described: Callable[[DataFrame, DataFrame], DataFrame]
    model: models.AnomalyModel | None = None
    model_name: str | None = None
    model_version: str | None = None
    scores: DataFrame | None = None
    flags: models.Flags | None = None
    drift: Mapping[str, float] = field(default_factory=dict)
    grid: models.PeerGrid | None = None
    measured: DataFrame | None = None
    explained: DataFrame | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    groups: models.GroupMonths | None = None
    resampled: models.Resampled | None = None

    @property
    def inputs(self) -> DataFrame:
        """What models read: the facts, with surprises once they are known."""
        return self.facts if self.measured is None else self.measured


def run_tags(run: Run, prepared: Prepared) -> dict[str, str]:
    fingerprints = {f"input.{name}": table.fingerprint for name, table in prepared.opened.items()}
    together = hashlib.sha256(json.dumps(fingerprints, sort_keys=True).encode()).hexdigest()
    return {
        "run_id": run.run_id,
        "data_fingerprint": together[:16],
        "as_of": str(run.settings.today),
        "config_hash": run.settings.config_hash,
        "code_version": code_version(),
        **fingerprints,
    }
