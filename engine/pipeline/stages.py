"""The results of the steps: frozen values, each complete when its step ends.

    Inputs -> Prepared -> Linked -> Described -> Screened -> Scored -> Flagged -> Findings -> Published

An optional field is None if the input lacks a table; no later step fills it in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine import exports, facts, models
from engine.contracts.codes import Subject
from engine.contracts.tables import SUBJECT_FEEDS
from engine.errors import Problem, counted
from engine.runs import Run
from engine.sources import OpenedTable
from engine.tracking import SETTINGS


@dataclass(frozen=True)
class Inputs:
    """Every available table, opened. unread: files of the input folder that no table reads."""

    tables: Mapping[str, OpenedTable]
    unread: Sequence[Mapping[str, str | None]] = ()


@dataclass(frozen=True)
class LiveClaims:
    """Live rebate claims, one row each.

    all: every claim, HCPCS units converted to NDC units. among: the claims with the given source_row_id, selected
    before the wide rows are computed. unconverted: every claim with HCPCS units as received, which is cheaper to scan.
    """

    all: DataFrame
    among: Callable[[DataFrame], DataFrame]
    unconverted: DataFrame


@dataclass(frozen=True)
class Prepared:
    """Live rows of the feeds (None if a feed is missing), conformed references, and quarantined rows.

    left_out: by table, source_row_id and reasons of all dropped rows, planned only on demand. unread_claims:
    quarantined rebate claims; replaced_invoices: invoice lines that a new total replaced; each None if not available.
    mostly_quarantined: problems of tables for which the run stops. left_empty: tables whose rows are all later than the
    `--as-of` day; they count as missing. all_prices: valid rows of `prices`, including earlier snapshots.
    """

    opened: Mapping[str, OpenedTable]
    references: Mapping[str, DataFrame] = field(default_factory=dict)
    claims: LiveClaims | None = None
    unread_claims: DataFrame | None = None
    dispenses: DataFrame | None = None
    entity_claims: DataFrame | None = None
    invoices: DataFrame | None = None
    replaced_invoices: DataFrame | None = None
    quarantine: Mapping[str, DataFrame] = field(default_factory=dict)
    left_out: Mapping[str, Callable[[], DataFrame]] = field(default_factory=dict)
    mostly_quarantined: Sequence[Problem] = ()
    left_empty: frozenset[str] = frozenset()
    all_prices: DataFrame | None = None

    @property
    def available(self) -> frozenset[str]:
        """`table` and `table.column` for everything in the input; `table.complete` for tables declared complete.

        A table with quarantined rows is not complete: a row that could not be read is unknown, not absent.
        """
        present = {name: table for name, table in self.opened.items() if name not in self.left_empty}
        complete = {name for name, table in present.items() if table.complete} - self.quarantine.keys()
        return (
            frozenset(present)
            | {f"{name}.complete" for name in complete}
            | {f"{name}.{column}" for name, table in present.items() for column in table.columns}
        )

    @property
    def live(self) -> dict[Subject, DataFrame]:
        """Live rows by subject, for the subjects in the input."""
        reports = self.references.get("inflation_reports")
        rows = {
            Subject.REBATE_CLAIM: None if self.claims is None else self.claims.unconverted,
            Subject.ENTITY_CLAIM: self.entity_claims,
            Subject.INVOICE: self.invoices,
            Subject.INFLATION_REPORT: None if reports is None else facts.named_reports(reports),
        }
        return {subject: live for subject, live in rows.items() if live is not None}


@dataclass(frozen=True)
class Linked:
    """The prepared tables and the results of linking.

    claims: sparse results on rebate claims; None without rebate claims. report: None if there is nothing to link them
    to. references: as prepared, with the NPIs of contract pharmacies that linking resolved; derived: `table.column` of
    the columns that linking added to them.
    """

    prepared: Prepared
    references: Mapping[str, DataFrame]
    derived: frozenset[str]
    claims: facts.FoundOnClaims | None
    report: exports.Linking | None

    @property
    def available(self) -> frozenset[str]:
        """`Prepared.available`, and the columns that linking derived."""
        return self.prepared.available | self.derived


@dataclass(frozen=True)
class DescribedSubject:
    """A subject with its facts.

    facts: one row per live row, with the facts and z-scores that the screen and models read. peers: reference
    distributions of peers; None if no model scores the subject.
    """

    subject: Subject
    facts: DataFrame
    peers: DataFrame | None

    @property
    def table(self) -> str:
        """The table that contains the subject's rows."""
        return SUBJECT_FEEDS[self.subject]

    def all_facts(self, ids: DataFrame, step: str) -> DataFrame:  # noqa: ARG002 (subjects that write results need it)
        """All facts of a few rows, selected by the source_row_id in `ids`; `step`: the calling step or job, which
        becomes part of the names of intermediate results.
        """
        return self.facts.join(F.broadcast(ids), on="source_row_id", how="left_semi")


@dataclass(frozen=True)
class Described:
    """The subjects in the input."""

    subjects: tuple[DescribedSubject, ...]


@dataclass(frozen=True)
class ScreenedSubject:
    """A described subject after the screen. hits: rows on which a rule fires, with the ids of these rules (see
    `rules.flagged_rows`).
    """

    described: DescribedSubject
    hits: DataFrame

    @property
    def subject(self) -> Subject:
        """What the rows are."""
        return self.described.subject

    @property
    def table(self) -> str:
        """The prepared table that the rows come from."""
        return self.described.table


@dataclass(frozen=True)
class Screened:
    """Subjects with the rules that fire, without R052: rows are not scored yet."""

    subjects: tuple[ScreenedSubject, ...]


@dataclass(frozen=True)
class ModelInputs:
    """What models read of a subject.

    rows: facts with the surprises of the subject's measures, planned again at every use. grid: reference distribution
    of each measure among peers. explained: source_row_id of rows that a rule explains. measured: the written surprises,
    with the columns that scores, drift and months of groups read.
    """

    subject: Subject
    rows: DataFrame
    grid: models.PeerGrid
    explained: DataFrame
    measured: DataFrame

    def read_by(self, model: models.AnomalyModel) -> DataFrame:
        """The rows with the inputs of a model."""
        return self.measured if model.inputs == models.SURPRISE else self.rows


@dataclass(frozen=True)
class SubjectScores:
    """A model's results for a subject: SCORES, and which rows are unusual.

    drift: population stability index by feature, against the training rows of a registered model.
    """

    model: models.AnomalyModel
    name: str
    version: str
    inputs: ModelInputs
    scores: DataFrame
    flags: models.Flags
    drift: Mapping[str, float]

    @property
    def origin(self) -> str:
        """Name and version of the model, as recorded with results that depend on its scores."""
        return f"{self.name}/{self.version}"


@dataclass(frozen=True)
class ScoredSubject:
    """A screened subject with its scores.

    by_model: None if no model scores the subject, or it has too few rows to train one. groups: unusual months of its
    groups; None if the subject has no groups, or they are off.
    """

    screened: ScreenedSubject
    by_model: SubjectScores | None
    groups: models.GroupMonths | None

    @property
    def subject(self) -> Subject:
        """What the rows are."""
        return self.screened.subject

    @property
    def table(self) -> str:
        """The prepared table that the rows come from."""
        return self.screened.table

    @property
    def described(self) -> DescribedSubject:
        """The facts of all rows, not only of those that the screen kept."""
        return self.screened.described


@dataclass(frozen=True)
class Scored:
    """Result of the step score: each subject with the model that scored it."""

    subjects: tuple[ScoredSubject, ...]


@dataclass(frozen=True)
class FlaggedSubject:
    """A scored subject after the rules. rows: flagged rows with their rule results."""

    scored: ScoredSubject
    rows: DataFrame

    @property
    def subject(self) -> Subject:
        """What the rows are."""
        return self.scored.subject

    @property
    def table(self) -> str:
        """The prepared table that the rows come from."""
        return self.scored.table


@dataclass(frozen=True)
class Flagged:
    """Flagged rows by subject; off: rules and guards that were off, and why."""

    subjects: tuple[FlaggedSubject, ...]
    off: tuple[exports.Off, ...]

    @property
    def by_model(self) -> dict[str, SubjectScores]:
        """Scores by models, by table."""
        scored = {flagged_subject.table: flagged_subject.scored.by_model for flagged_subject in self.subjects}
        return {table: by_model for table, by_model in scored.items() if by_model is not None}

    @property
    def groups(self) -> dict[str, models.GroupMonths]:
        """Unusual months of groups, by table."""
        months = {flagged_subject.table: flagged_subject.scored.groups for flagged_subject in self.subjects}
        return {table: groups for table, groups in months.items() if groups is not None}


@dataclass(frozen=True)
class QueueOrder:
    """What orders the queue: a re-ranker that estimates p(valid), with its name and version, or the settings."""

    reranker: models.Reranker | None = None
    name: str | None = None
    version: str | None = None
    why_settings: str | None = None

    def probability(self, run: Run) -> Column | None:
        """p(valid) as a column over rows with the columns of FINDINGS; None: the settings determine it."""
        if self.reranker is None:
            return None
        return self.reranker.probability_column(run.spark, run.settings.model.batch_rows)

    @property
    def in_words(self) -> str:
        """Where p(valid) comes from, for the run's output."""
        if self.reranker is None:
            return f"p(valid), the likelihood of being right: standard value per evidence class; {self.why_settings}"
        reviewed = self.reranker.reviewed
        random = reviewed["random_valid"] + reviewed["random_not_valid"]
        drawn = counted(random, "finding", "findings")
        return f"p(valid) by {self.name} version {self.version}, calibrated on {drawn} drawn at random"

    @property
    def as_json(self) -> dict[str, str | None]:
        """The entry of summary.json."""
        return {"by": self.name or SETTINGS, "version": self.version, "why": self.why_settings}


@dataclass(frozen=True)
class Findings:
    """rows: FINDINGS of all subjects, read from the run's outputs; order: what determines their priority."""

    rows: DataFrame
    order: QueueOrder


@dataclass(frozen=True)
class Published:
    """Paths of the outputs of a finished run, without credentials."""

    findings: str
    workbooks: str
    report: str
    summary: str
    mlflow: str
