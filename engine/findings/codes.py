"""Dispute and adjustment codes of ROSI and PQAS (CMS-304, CMS-304a) that are valid on the run's date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.findings import CODE
from engine.runtime.expressions import greatest_of, nullable, sort

if TYPE_CHECKING:
    from engine.rules.dispute_codes import DisputeCode

DISPUTE_KIND, ADJUSTMENT_KIND = "DISPUTE", "ADJUSTMENT"
FIRST_CODES = ("X", "M", "N", "O", "J", "K")

_RANKED = T.ArrayType(T.StructType().add("place", T.LongType()).add("code", T.StringType()))


@dataclass(frozen=True)
class CodeTable:
    """The codes that may be used on the run's date, by kind.

    `both`: a dispute if units are at issue, else an adjustment (D, E, F). `companions`: codes that are never alone on a
    line.
    """

    disputes: tuple[str, ...]
    adjustments: tuple[str, ...]
    both: tuple[str, ...]
    companions: tuple[str, ...]

    def kind(self, code: Column, units: Column) -> Column:
        """DISPUTE or ADJUSTMENT; NULL for a code that may not be used. `units`: units at issue; NULL means none."""
        by_units = F.when(units > 0, F.lit(DISPUTE_KIND)).otherwise(F.lit(ADJUSTMENT_KIND))
        return (
            F.when(_is_in(code, self.disputes), F.lit(DISPUTE_KIND))
            .when(_is_in(code, self.both), by_units)
            .when(_is_in(code, self.adjustments), F.lit(ADJUSTMENT_KIND))
        )

    def may_stand_alone(self, code: Column) -> Column:
        """False for a code that must accompany another (R). Never NULL."""
        return ~F.coalesce(_is_in(code, self.companions), F.lit(False))


def _is_in(code: Column, codes: tuple[str, ...]) -> Column:
    return code.isin(*codes) if codes else F.lit(False)


def code_table(dispute_codes: Iterable[DisputeCode], today: date) -> CodeTable:
    """The usable part of the code table: verified codes that are valid on the day `today`."""
    usable = [
        code
        for code in dispute_codes
        if code.verified and (code.valid_from or date.min) <= today < (code.valid_to or date.max)
    ]
    disputes, adjustments = (
        {code.code for code in usable if code.kind == kind} for kind in (DISPUTE_KIND, ADJUSTMENT_KIND)
    )
    return CodeTable(
        disputes=tuple(sorted(disputes - adjustments)),
        adjustments=tuple(sorted(adjustments - disputes)),
        both=tuple(sorted(disputes & adjustments)),
        companions=tuple(sorted({code.code for code in usable if code.needs_companion})),
    )


def codes_of(hits: Column) -> Column:
    """array<CODE> of the codes of hits that have a code_kind, in the order of precedence, each once.

    A code is of kind DISPUTE if it is for any of its rules. Its document lists what those rules require, joined by
    "; ".
    """
    usable = F.filter(hits, lambda hit: hit["code_kind"].isNotNull())

    def entry(code: Column) -> Column:
        own = F.filter(hits, lambda hit: (hit["code"] == code) & hit["code_kind"].isNotNull())
        documents = F.array_sort(F.array_distinct(F.array_compact(F.transform(own, lambda hit: hit["document"]))))
        return F.struct(
            code.alias("code"),
            greatest_of(F.transform(own, lambda hit: hit["code_kind"])).alias("kind"),
            F.nullif(F.array_join(documents, "; "), F.lit("")).alias("document"),
        )

    ordered = ordered_codes(F.transform(usable, lambda hit: hit["code"]))
    return F.transform(ordered, entry).cast(f"array<{CODE.simpleString()}>")


def ordered_codes(codes: Column) -> Column:
    """The distinct codes in the order of precedence."""
    ranked = F.transform(
        F.array_distinct(codes), lambda code: F.struct(precedence(code).alias("place"), code.alias("code"))
    )
    return F.transform(sort(nullable(ranked, _RANKED)), lambda item: item["code"])


def precedence(code: Column) -> Column:
    """1 for X, 2 to 6 for M, N, O, J and K, 7 for every other code, and 8 for NULL."""
    position = F.array_position(F.array(*(F.lit(first) for first in FIRST_CODES)), code)
    return F.when(position > 0, position).when(code.isNotNull(), len(FIRST_CODES) + 1).otherwise(len(FIRST_CODES) + 2)
