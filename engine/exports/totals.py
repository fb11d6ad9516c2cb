"""Totals of findings per subject: by evidence, rule, action, payer, labeler, product, program and period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Evidence, Subject
from engine.exports.batches import in_priority_order
from engine.exports.plain_text import plain
from engine.intervals import quarter_of
from engine.runtime.expressions import days_from, nullable

FIRST_FINDINGS = 10
_DISMISSED = "DISMISSED"
# Value of a dimension that does not apply to a finding.
UNKNOWN = "unknown"
RULE_PERIOD = "rule_period"
_DECIDED = ("DISPUTE", "PAY", "DISMISS")
_SETTLED = "decided"
# The most days to the deadline for each age.
_AGES = {"passed": -1, "within 7 days": 7, "8 to 30 days": 30, "31 to 90 days": 90, "more than 90 days": 100_000}
NO_DEADLINE = "no deadline known"
AGES = (*_AGES, NO_DEADLINE)
SUBJECT_WORDS = {
    Subject.REBATE_CLAIM: "Claims",
    Subject.INVOICE: "Invoice lines",
    Subject.ENTITY_CLAIM: "340B claims",
}
# Names in summary.json.
SUBJECT_KEYS = {
    Subject.REBATE_CLAIM: "claims",
    Subject.INVOICE: "invoice_lines",
    Subject.ENTITY_CLAIM: "claims_340b",
}


@dataclass
class Sum:
    """A sum of findings. `amount`: US dollars of the `priced` findings; the others have no price."""

    findings: int = 0
    priced: int = 0
    units: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)

    def add(self, other: Sum) -> None:
        """Add another sum to this one."""
        self.findings += other.findings
        self.priced += other.priced
        self.units += other.units
        self.amount += other.amount


@dataclass
class Group:
    """One value of a dimension: its total, and sums by evidence class."""

    value: str
    label: str
    total: Sum = field(default_factory=Sum)
    by_evidence: dict[str, Sum] = field(default_factory=dict)


@dataclass(frozen=True)
class SubjectTotals:
    """The findings on one subject. A finding counts under each of its rules."""

    subject: Subject
    total: Sum
    groups: Mapping[str, list[Group]]

    @property
    def label(self) -> str:
        """The kind of rows in words."""
        return SUBJECT_WORDS[self.subject]

    @property
    def has_dollars(self) -> bool:
        """Whether any finding of these rows has an amount at issue."""
        return self.total.amount != 0

    def greatest(self, dimension: str, most: int) -> list[Group]:
        """The groups with the most dollars, then the most findings, then by name."""
        groups = self.groups.get(dimension, [])
        return sorted(groups, key=lambda g: (-g.total.amount, -g.total.findings, g.value))[:most]

    def latest(self, dimension: str, most: int) -> list[Group]:
        """The last groups of a dimension in order of their value, at most `most`."""
        return sorted(self.groups.get(dimension, []), key=lambda g: g.value)[-most:]

    def by_evidence(self) -> list[Group]:
        """All evidence classes, strongest first, including those without findings."""
        by_class = {group.value: group for group in self.groups.get("evidence", [])}
        return [by_class.get(e.value, Group(e.value, e.value)) for e in Evidence]


@dataclass(frozen=True)
class Totals:
    """Totals of a run by subject. A claim, its invoice line and its 340B claim can contain the same units, so units and
    dollars of different subjects are never added. `first`: the findings to review first, as rows of FINDINGS.
    """

    by_subject: tuple[SubjectTotals, ...]
    first: list[dict[str, Any]]

    @property
    def findings(self) -> int:
        """Number of findings on all subjects."""
        return sum(subject.total.findings for subject in self.by_subject)

    @property
    def dismissed(self) -> int:
        """Findings that a person dismissed and that did not change since: excluded from queue and drafts."""
        return self.counts("standing").get(_DISMISSED, 0)

    @property
    def without_price(self) -> int:
        """Findings whose amount is unknown for lack of a price."""
        return self.findings - sum(subject.total.priced for subject in self.by_subject)

    @property
    def has_dollars(self) -> bool:
        """Whether any finding has an amount at issue."""
        return any(subject.has_dollars for subject in self.by_subject)

    @property
    def with_findings(self) -> list[SubjectTotals]:
        """The subjects that have findings."""
        return [subject for subject in self.by_subject if subject.total.findings]

    def counts(self, dimension: str) -> dict[str, int]:
        """Findings by value of a dimension, across all subjects; evidence classes without findings are included."""
        counts = dict.fromkeys((e.value for e in Evidence), 0) if dimension == "evidence" else {}
        for subject in self.by_subject:
            for group in subject.groups.get(dimension, []):
                counts[group.value] = counts.get(group.value, 0) + group.total.findings
        return counts if dimension == "evidence" else dict(sorted(counts.items()))

    def at_issue(self) -> dict[str, dict[str, Decimal]]:
        """The entry of summary.json: units and dollars at issue by subject."""
        return {
            SUBJECT_KEYS[subject.subject]: {"units": subject.total.units, "amount": subject.total.amount}
            for subject in self.by_subject
        }


_ENTRY = T.StructType([T.StructField(name, T.StringType()) for name in ("dimension", "value", "label")])


def add_up(findings: DataFrame, today: date | None = None, most_first: int = FIRST_FINDINGS) -> Totals:
    """Add up findings (FINDINGS, read from Parquet) in two jobs; the result is small.

    `today`: the day from which days to deadlines are counted; without it there is no dimension `aging`. `most_first`:
    the number of findings to keep as rows.
    """
    dimensions = [*_dimensions(), *([] if today is None else [_aging(today)])]
    counted = [_entry("all", F.lit("")), *(_entry(name, value, label) for name, value, label in dimensions)]
    by_rule = F.flatten(F.transform("rules", lambda hit: F.array(*_of_rule(hit))))
    rows = (
        findings.select(
            "subject",
            "evidence",
            "units_at_issue",
            "amount_at_issue",
            F.explode(F.concat(F.array(*counted), by_rule)).alias("entry"),
        )
        .groupBy("subject", "entry.dimension", "entry.value", "evidence")
        .agg(
            F.max("entry.label").alias("label"),
            F.count(F.lit(1)).alias("findings"),
            F.count("amount_at_issue").alias("priced"),
            F.sum("units_at_issue").alias("units"),
            F.sum("amount_at_issue").alias("amount"),
        )
        .collect()
    )
    rows = sorted(rows, key=lambda row: (row["dimension"], row["value"], row["evidence"]))
    by_subject = tuple(
        _of_subject(subject, [row for row in rows if row["subject"] == subject]) for subject in SUBJECT_WORDS
    )
    first = findings.where(~is_dismissed()).orderBy(*in_priority_order()).limit(most_first).collect()
    return Totals(by_subject, [row.asDict(recursive=True) for row in first])


def is_dismissed() -> Column:
    """Whether a row of FINDINGS is dismissed and did not change since. Never NULL; false for earlier versions' runs."""
    return F.coalesce(F.col("is_dismissed"), F.lit(False))


def _of_subject(subject: Subject, rows: Sequence[Row]) -> SubjectTotals:
    groups: dict[str, dict[str, Group]] = {"all": {}}
    for row in rows:
        group = groups.setdefault(row["dimension"], {}).setdefault(
            row["value"], Group(row["value"], plain(row["label"]))
        )
        part = Sum(row["findings"], row["priced"], row["units"] or Decimal(0), row["amount"] or Decimal(0))
        group.label = max(group.label, plain(row["label"]))
        group.by_evidence[row["evidence"]] = part
        group.total.add(part)
    total = groups.pop("all").get("", Group("", "")).total
    return SubjectTotals(subject, total, {name: list(by_value.values()) for name, by_value in groups.items()})


def _dimensions() -> list[tuple[str, Column, Column]]:
    """Name, value and label of each dimension."""
    ndc = F.col("ndc11")
    dashed = F.concat_ws("-", F.substring(ndc, 1, 5), F.substring(ndc, 6, 4), F.substring(ndc, 10, 2))
    product = F.concat_ws("  ", dashed, F.col("product_name"))
    # 340B claims have neither program nor payer nor period
    of_entities = F.when(F.col("subject") == Subject.ENTITY_CLAIM.value, F.lit("340B claims"))
    payer = F.coalesce("payer_id", "state", of_entities)
    return [
        (name, value, value if label is None else label)
        for name, value, label in (
            ("evidence", F.col("evidence"), None),
            ("action", F.col("action"), None),
            ("program", F.coalesce("program", of_entities), None),
            ("payer", payer, None),
            ("labeler", F.col("labeler_code"), None),
            ("product", ndc, product),
            ("period", F.coalesce("period", of_entities), None),
            ("state", F.col("state"), None),
            ("entity", F.col("entity_id"), None),
            ("pharmacy", F.col("pharmacy_npi"), None),
            ("standing", F.when(is_dismissed(), F.lit(_DISMISSED)).otherwise(F.lit("OPEN")), None),
        )
    ]


def _of_rule(hit: Column) -> list[Column]:
    """A finding under one of its rules: in total, and by quarter (for 340B claims, the quarter of service)."""
    quarter = F.coalesce("period", quarter_of(F.col("date_of_service")), F.lit(UNKNOWN))
    return [_entry("rule", hit["rule_id"]), _entry(RULE_PERIOD, F.concat_ws(" ", hit["rule_id"], quarter))]


def _aging(today: date) -> tuple[str, Column, Column | None]:
    """Days from `today` to the deadline, for undecided findings."""
    days = days_from(F.lit(today), F.col("deadline_date"))
    bucket = F.lit(NO_DEADLINE)
    for name, last in reversed(_AGES.items()):
        bucket = F.when(days <= last, F.lit(name)).otherwise(bucket)
    undecided = F.col("decision").isNull() | ~F.col("decision").isin(*_DECIDED)
    aged = F.when(F.col("deadline_date").isNull(), F.lit(NO_DEADLINE)).otherwise(bucket)
    return ("aging", F.when(undecided & ~is_dismissed(), aged).otherwise(F.lit(_SETTLED)), None)


def _entry(dimension: str, value: Column, label: Column | None = None) -> Column:
    known = F.coalesce(value, F.lit(UNKNOWN))
    entry = F.struct(
        F.lit(dimension).alias("dimension"),
        known.alias("value"),
        (known if label is None else F.coalesce(label, known)).alias("label"),
    )
    return nullable(entry, _ENTRY)
