"""Dispute and adjustment codes of ROSI and PQAS (CMS-304, CMS-304a), as the code table of the run's date has them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.findings import CODE
from engine.runtime.expressions import nullable, sort

if TYPE_CHECKING:
    from engine.rules.dispute_codes import DisputeCode

DISPUTE_KIND = "DISPUTE"
FIRST_CODES = ("X", "M", "N", "O", "J", "K")

_NO_CODES = f"array<{CODE.simpleString()}>"
_RANKED = T.ArrayType(T.StructType().add("place", T.LongType()).add("code", T.StringType()))
_ENTRY = "struct<kind:string,document:string,needs_companion:boolean>"


def code_table(dispute_codes: Iterable[DisputeCode], today: date) -> Column:
    """Map from code to struct<kind, document, needs_companion> of the codes that may be used on the run's date.

    Left out are codes whose text was not verified and those not valid on that day. A code that both adjusts and
    disputes counts as DISPUTE.
    """
    usable: dict[str, DisputeCode] = {}
    # in an order in which DISPUTE and the latest version of a code come last
    for code in sorted(dispute_codes, key=lambda code: (code.kind == DISPUTE_KIND, code.valid_from or date.min)):
        starts, ends = code.valid_from or date.min, code.valid_to or date.max
        if code.verified and starts <= today < ends:
            usable[code.code] = code
    words = [
        word
        for name, code in sorted(usable.items())
        for word in (F.lit(name), F.struct(F.lit(code.kind), F.lit(code.document), F.lit(code.needs_companion)))
    ]
    return F.create_map(*words).cast(f"map<string,{_ENTRY}>")


def codes_of(rules: Column, table: Column) -> Column:
    """array<CODE> of the rules' codes that the table knows, in the order of precedence, each once."""
    known = F.filter(
        F.array_distinct(F.transform(rules, lambda hit: hit["code"])),
        lambda code: F.coalesce(F.map_contains_key(table, code), F.lit(False)),
    )
    ranked = F.transform(known, lambda code: F.struct(_precedence(code).alias("place"), code.alias("code")))
    ordered = sort(nullable(ranked, _RANKED))
    return F.transform(
        ordered,
        lambda item: F.struct(
            item["code"].alias("code"),
            F.try_element_at(table, item["code"])["kind"].alias("kind"),
            F.try_element_at(table, item["code"])["document"].alias("document"),
        ),
    ).cast(_NO_CODES)


def first_dispute_code(codes: Column) -> Column:
    """First code of kind DISPUTE of an array in the order of precedence, or NULL."""
    return F.get(F.filter(codes, lambda code: code["kind"] == DISPUTE_KIND), F.lit(0))["code"]


def may_stand_alone(codes: Column, table: Column) -> Column:
    """True where one of the codes disputes without needing a companion (code R needs one)."""
    return F.exists(
        codes,
        lambda code: (code["kind"] == DISPUTE_KIND) & ~F.try_element_at(table, code["code"])["needs_companion"],
    )


def _precedence(code: Column) -> Column:
    position = F.array_position(F.array(*(F.lit(first) for first in FIRST_CODES)), code)
    return F.when(position > 0, position).otherwise(F.lit(len(FIRST_CODES) + 1))
