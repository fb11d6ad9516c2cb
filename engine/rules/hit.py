"""What a rule says: a Hit, its guards, and the facts it reads."""

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

# Joined to the facts of rows that a model judged.
SCORE_FACTS = T.StructType(
    [
        T.StructField("anomaly_p_value", T.DoubleType()),
        T.StructField("anomaly_rows", T.LongType()),
        T.StructField("reasons", T.ArrayType(FEATURE_REASON)),
        T.StructField("reason_words", T.ArrayType(T.StringType())),  # the model's reasons in words, in their order
        # months of groups whose most unusual claim the row is, in words; and the other claims of the first
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
    """The facts of one row as attributes: `f.units` is the column `units`. An unknown name is an AttributeError."""

    def __init__(self, subject: Subject):
        self._names = frozenset([*FACTS_OF[subject].names, *SCORE_FACTS.names])
        self._read: set[str] = set()
        self._phrases: dict[str, Column] = {}

    def __getattr__(self, name: str) -> Column:
        if name.startswith("_") or name not in self._names:
            raise AttributeError(f"there is no fact {name}")
        self._read.add(name)
        return F.col(name)

    def names_read(self) -> tuple[str, ...]:
        """The facts that were asked for so far, by name."""
        return tuple(sorted(self._read))

    def phrase(self, name: str, words: Column) -> Column:
        """A text that several rules say of a row, as a column that is made once for all of them."""
        column = f"phrase {name}"
        self._phrases[column] = words
        return F.col(f"`{column}`")

    def phrases(self) -> dict[str, Column]:
        """The phrases that were asked for so far, by the column that holds each."""
        return dict(self._phrases)


def phrase(words: Callable[Concatenate[Facts, _Texts], Column]) -> Callable[Concatenate[Facts, _Texts], Column]:
    """Decorates a function of the facts, and of texts, whose words several rules say: see `Facts.phrase`."""

    @wraps(words)
    def said(f: Facts, /, *texts: _Texts.args, **named: _Texts.kwargs) -> Column:
        name = " ".join(map(str, (words.__name__, *texts, *named.values())))
        return f.phrase(name, words(f, *texts, **named))

    return said


@dataclass(frozen=True)
class Guard:
    """A known innocent explanation that a rule looks for before it speaks.

    `asks` is what is looked for, in words. `needs`: tables and columns without which it stays UNCHECKED (alternatives
    separated by `|`). A FAILED guard suppresses the rule, or weakens it to `weakens_to` where that is given. `fails`:
    false of what can at most be open.
    """

    name: str
    asks: str
    needs: tuple[str, ...] = ()
    weakens_to: Evidence | None = None
    fails: bool = True

    def check(self, failed: Column, unchecked: Column | None = None, only_where: Column | None = None) -> Check:
        """`failed`: the innocent explanation holds. `unchecked`: that cannot be known; by default where `failed` is
        NULL, so that a fact which is missing never speaks for the rule. Elsewhere than `only_where` the guard does not
        matter and counts as PASSED.
        """
        return Check(self, failed, unchecked, only_where)


class Check(NamedTuple):
    """A guard on the row at hand; NULL counts as false, but see `Guard.check` on `unchecked`."""

    guard: Guard
    failed: Column
    unchecked: Column | None
    only_where: Column | None


class Hit(NamedTuple):
    """What a rule says of a row. NULL in `when` is no.

    What is not given is the rule's own (evidence, code, route, party, action) or NULL. `units`: NDC billing units that
    should not have been asked for; `amount`: US dollars, only where it is not units x price. NULL `references` are left
    out. `related`: row ids, nearest first, of which the first MOST_RELATED_ROWS are kept; `related_count`: their number
    where the facts name fewer, else that of `related`.
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
    """The source row ids that are there, as an array."""
    none = F.array().cast(STRINGS)
    return F.concat(*(F.when(row.isNotNull(), F.array(row)).otherwise(none) for row in ids))


def reference_row(
    table: str,
    key: Column,
    start: Column | None = None,
    end: Column | None = None,
    snapshot_date: Column | None = None,
) -> Column:
    """A dated reference fact that a rule rests on, as REFERENCE_ROW; `[start, end)`, NULL is open."""
    values = (F.lit(table), key, start, end, snapshot_date)
    return F.struct(
        *(
            (F.lit(None) if value is None else value).cast(field.dataType).alias(field.name)
            for field, value in zip(REFERENCE_ROW.fields, values, strict=True)
        )
    )


def key_of(*parts: Column) -> Column:
    """A reference key joined by `/`; NULL parts stay visible as `-`."""
    return F.concat_ws("/", *(F.coalesce(part.cast("string"), F.lit("-")) for part in parts))


def one_of(column: Column, values: Iterable[str]) -> Column:
    return column.isin(*values)
