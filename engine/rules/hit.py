"""The result of a rule: a Hit, its guards, and the facts it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, NamedTuple, ParamSpec

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Action, Evidence, Subject
from engine.contracts.facts import CLAIM_FACTS, ENTITY_CLAIM_FACTS, INFLATION_FACTS, INVOICE_FACTS
from engine.contracts.findings import FEATURE_REASON, REFERENCE_ROW
from engine.rules.evidence import EvidenceClass

STRINGS = T.ArrayType(T.StringType())

_Texts = ParamSpec("_Texts")

# Joined to the facts of rows that a model scored.
SCORE_FACTS = T.StructType(
    [
        T.StructField("anomaly_p_value", T.DoubleType()),
        T.StructField("anomaly_rows", T.LongType()),
        T.StructField("reasons", T.ArrayType(FEATURE_REASON)),
        T.StructField("reason_words", T.ArrayType(T.StringType())),  # the model's reasons in words, in their order
        # months of groups in which the row is the most unusual claim, in words; and the other claims of the first month
        T.StructField("group_words", T.ArrayType(T.StringType())),
        T.StructField("group_source_row_ids", T.ArrayType(T.StringType())),
        T.StructField("group_row_count", T.LongType()),
    ]
)

FACTS_OF: dict[Subject, T.StructType] = {
    Subject.REBATE_CLAIM: CLAIM_FACTS,
    Subject.ENTITY_CLAIM: ENTITY_CLAIM_FACTS,
    Subject.INVOICE: INVOICE_FACTS,
    Subject.INFLATION_REPORT: INFLATION_FACTS,
}


class Facts:
    """The facts of one row as attributes: `f.units` is the column `units`. An unknown name raises AttributeError."""

    def __init__(self, subject: Subject):
        self._names = frozenset([*FACTS_OF[subject].names, *SCORE_FACTS.names])
        self._read: set[str] = set()
        self._phrases: dict[str, Column] = {}

    def __getattr__(self, name: str) -> Column:
        """The column of a fact, noted as read; AttributeError for a name that is no fact of the subject."""
        if name.startswith("_") or name not in self._names:
            raise AttributeError(f"there is no fact {name}")
        self._read.add(name)
        return F.col(name)

    def names_read(self) -> tuple[str, ...]:
        """Names of the facts that were read so far."""
        return tuple(sorted(self._read))

    def phrase(self, name: str, words: Column) -> Column:
        """A phrase used in the messages of several rules, as a column that is computed once for all of them."""
        column = f"phrase {name}"
        self._phrases[column] = words
        return F.col(f"`{column}`")

    def phrases(self) -> dict[str, Column]:
        """The phrases that were used so far, by column name."""
        return dict(self._phrases)


def phrase(words: Callable[Concatenate[Facts, _Texts], Column]) -> Callable[Concatenate[Facts, _Texts], Column]:
    """Decorate a function that makes a phrase of several rules from facts and texts: see `Facts.phrase`."""

    @wraps(words)
    def with_phrase(f: Facts, /, *texts: _Texts.args, **named: _Texts.kwargs) -> Column:
        name = " ".join(map(str, (words.__name__, *texts, *named.values())))
        return f.phrase(name, words(f, *texts, **named))

    return with_phrase


@dataclass(frozen=True)
class Guard:
    """A benign explanation that is checked before a rule fires.

    `question`: what the guard checks, in words. `needs`: tables and columns without which the guard stays
    UNCHECKED (alternatives separated by `|`). A FAILED guard suppresses the rule, or weakens it to `weakens_to` if that
    is set. `fails`: false for a guard that can be UNCHECKED but never FAILED.
    """

    name: str
    question: str
    needs: tuple[str, ...] = ()
    weakens_to: Evidence | None = None
    fails: bool = True

    def check(self, failed: Column, unchecked: Column | None = None, only_where: Column | None = None) -> Check:
        """Check the guard on a row.

        `failed`: the benign explanation holds. `unchecked`: whether it holds cannot be determined; by default, if
        `failed` is NULL, so a missing fact never supports the rule. Where `only_where` is not true, the guard does not
        matter and counts as PASSED.
        """
        return Check(self, failed, unchecked, only_where)


class Check(NamedTuple):
    """A guard with its conditions on a row; NULL counts as false, but see `Guard.check` on `unchecked`."""

    guard: Guard
    failed: Column
    unchecked: Column | None
    only_where: Column | None


class Hit(NamedTuple):
    """The result of a rule on a row. `when`: the condition; NULL counts as false.

    Fields that are not set are those of the rule (evidence, code, route, party, action) or NULL. `units`: NDC billing
    units that should not have been billed. `amount`: US dollars, only if it is not units x price. NULL `references` are
    dropped. `related`: row ids, nearest first; the first MOST_RELATED_ROWS are kept. `related_count`: number of related
    rows, if the facts name only some of them; by default that of `related`.
    """

    when: Column
    message: Column
    evidence: EvidenceClass | None = None
    checks: tuple[Check, ...] = ()
    related: Column | None = None
    related_count: Column | None = None
    units: Column | None = None
    amount: Column | None = None
    references: tuple[Column, ...] = ()
    code: Column | None = None
    route: Column | None = None
    party: Column | None = None
    action: Column | Action | None = None


def related_rows(*ids: Column) -> Column:
    """The source row ids that are not NULL, as an array."""
    none = F.array().cast(STRINGS)
    return F.concat(*(F.when(row.isNotNull(), F.array(row)).otherwise(none) for row in ids))


def reference_row(
    table: str,
    key: Column,
    start: Column | None = None,
    end: Column | None = None,
    snapshot_date: Column | None = None,
) -> Column:
    """A dated reference fact that a rule uses, as REFERENCE_ROW; valid in `[start, end)`, NULL is unbounded."""
    values = (F.lit(table), key, start, end, snapshot_date)
    return F.struct(
        *(
            (F.lit(None) if value is None else value).cast(field.dataType).alias(field.name)
            for field, value in zip(REFERENCE_ROW.fields, values, strict=True)
        )
    )


def key_of(*parts: Column) -> Column:
    """A reference key joined by `/`; NULL parts are shown as `-`."""
    return F.concat_ws("/", *(F.coalesce(part.cast("string"), F.lit("-")) for part in parts))


def one_of(column: Column, values: Iterable[str]) -> Column:
    """Whether the value is one of these; NULL stays NULL."""
    return column.isin(*values)
