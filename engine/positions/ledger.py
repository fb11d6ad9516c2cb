"""The unit ledger: claim lines, invoice lines and events of each account, and the positions of their units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from engine.contracts.positions import Position
from engine.positions.book import ClaimLine, Effect, Event, InvoiceLine, NotBooked, post
from engine.positions.events import EVENT
from engine.positions.lines import ACCOUNT, SUM, key_text
from engine.runtime.column_names import column_names
from engine.runtime.expressions import collect_distinct, nulls, union_all

_STRING, _LONG, _UNITS = T.StringType(), T.LongType(), T.DecimalType(38, 3)


def _schema(*pairs: tuple[str, T.DataType]) -> T.StructType:
    return T.StructType([T.StructField(name, kind) for name, kind in pairs])


# Entries of the ledger. position: a Position, or a NotBooked (then no claim and no line). is_decided, is_repaid: see
# `Entry`; positions do not keep them.
ENTRIES = _schema(
    ("invoice_number", _STRING),
    ("line_kind", _STRING),
    *((name, _STRING) for name in ACCOUNT),
    ("sub_program", _STRING),
    ("state", _STRING),
    ("plan_id", _STRING),
    ("claim_id", _STRING),
    ("claim_line", _LONG),
    ("units", _UNITS),
    ("position", _STRING),
    ("code", _STRING),
    ("finding_id", _STRING),
    ("is_decided", T.BooleanType()),
    ("is_repaid", T.BooleanType()),
)
_OF_FORMS = ("is_decided", "is_repaid")
# The parts of an account, in one schema: invoice lines, claim lines and events.
_LINE, _CLAIM, _EVENT = "LINE", "CLAIM", "EVENT"
_PARTS = _schema(
    ("part", _STRING),
    ("sub_program", _STRING),
    ("plan_id", _STRING),
    ("claim_id", _STRING),
    ("claim_line", _LONG),
    ("state", _STRING),
    ("units", _UNITS),
    ("gross", _UNITS),
    ("invoice_number", _STRING),
    ("line_kind", _STRING),
    ("has_detail", T.BooleanType()),
    ("unconverted", _LONG),
    ("is_invoiced", T.BooleanType()),
    ("day", T.DateType()),
    ("effect", _STRING),
    ("event_id", _STRING),
    ("code", _STRING),
    ("finding_id", _STRING),
)


@dataclass(frozen=True)
class LedgerInput:
    """The input of the ledger.

    claims: claim_lines. lines: invoice_lines; None without invoices, in which case only claims are covered. events: of
    settlements and decisions, with their account.
    """

    claims: DataFrame
    lines: DataFrame | None
    events: DataFrame | None


def accounts_in_sequence(ledger: LedgerInput) -> DataFrame:
    """Accounts with an event, a credit among their claims, or claims to allot to several lines: `account`, unique."""
    parts = [ledger.claims.where(F.col("units") < 0).select("account")]
    if ledger.events is not None:
        parts.append(ledger.events.where(F.col("account").isNotNull()).select("account"))
    if ledger.lines is not None:
        of_account = ledger.lines.groupBy("account").agg(
            F.count(F.lit(1)).alias("lines"), F.max(F.col("sub_program").isNull()).alias("has_general")
        )
        several = of_account.where((F.col("lines") > 1) & ~F.col("has_general")).select("account")
        unnamed = ledger.claims.where(F.col("sub_program").isNull()).select("account").distinct()
        parts.append(unnamed.join(several, on="account", how="left_semi"))
    return union_all(parts).distinct()


def entries_of(ledger: LedgerInput, in_sequence: DataFrame) -> tuple[DataFrame, DataFrame]:
    """ENTRIES of the accounts in `in_sequence` (accounts_in_sequence: a small part of all), and of all others."""

    def chosen(rows: DataFrame | None, how: str) -> DataFrame | None:
        return None if rows is None else rows.join(in_sequence, on="account", how=how)

    # Detail and invoices of any product count, so they are looked up among all accounts.
    claims = with_invoiced(ledger.claims, ledger.lines)
    lines = None if ledger.lines is None else with_detail(ledger.lines, ledger.claims)
    sequential = sequential_entries(
        claims.join(in_sequence, on="account", how="left_semi"),
        chosen(lines, "left_semi"),
        chosen(ledger.events, "left_semi"),
    )
    quick = quick_entries(claims.join(in_sequence, on="account", how="left_anti"), chosen(lines, "left_anti"))
    return sequential, quick


def with_detail(lines: DataFrame, claims: DataFrame) -> DataFrame:
    """Add has_detail to `lines`: a live claim line of their program, state and period is known."""
    sent = ("program", "payer_id", "period")
    detail = claims.select(*sent).distinct().withColumn("has_detail", F.lit(True))
    joined = lines.join(F.broadcast(detail), on=list(sent), how="left")  # one row each
    return joined.select(*column_names(lines), F.coalesce("has_detail", F.lit(False)).alias("has_detail"))


def with_invoiced(claims: DataFrame, lines: DataFrame | None) -> DataFrame:
    """Add is_invoiced to `claims`: an invoice of the program, state, period and rebate type exists (any product)."""
    if lines is None:
        return claims.withColumn("is_invoiced", F.lit(False))
    sent = ("program", "payer_id", "period", "rebate_type")
    invoiced = lines.select(*sent).distinct().withColumn("is_invoiced", F.lit(True))
    joined = claims.join(F.broadcast(invoiced), on=list(sent), how="left")  # one row each
    return joined.select(*column_names(claims), F.coalesce("is_invoiced", F.lit(False)).alias("is_invoiced"))


def quick_entries(claims: DataFrame, lines: DataFrame | None) -> DataFrame:
    """ENTRIES of accounts without events, credits and allotments: `post` as column expressions for all at once."""
    covered_alone = nulls({name: f.dataType for name, f in _fields("invoice_number", "line_kind").items()})
    if lines is None:
        payable = claims.withColumns({**covered_alone, "position": F.lit(Position.PAYABLE.value)})
        return _entries(payable.where(F.col("units") > 0))
    by_account = lines.groupBy("account").agg(
        collect_distinct(F.coalesce("sub_program", F.lit(""))).alias("sub_programs")
    )
    on_lines = claims.join(by_account, on="account", how="left")  # one row per account
    stated, own = F.coalesce("sub_programs", F.array()), F.coalesce("sub_program", F.lit(""))
    is_own, is_general = F.array_position(stated, own) > 0, F.array_position(stated, F.lit("")) > 0
    is_only = F.col("sub_program").isNull() & (F.size(stated) == 1)
    target = F.when(is_own, own).when(is_general, F.lit("")).when(is_only, F.get(stated, F.lit(0))).otherwise(own)
    on_lines = on_lines.withColumn("line", key_text("account", target)).withColumnRenamed("sub_program", "claimed_of")
    stating = lines.select(
        key_text("account", F.coalesce("sub_program", F.lit(""))).alias("stated_line"),
        *("sub_program", "total", "invoice_number", "line_kind", "has_detail"),
        F.lit(True).alias("is_stated"),
    )
    joined = on_lines.join(stating, on=F.col("line") == F.col("stated_line"), how="left")  # one row per line
    place = Window.partitionBy("line").orderBy(
        F.coalesce("plan_id", F.lit("")), "claim_id", "claim_line", F.coalesce("claimed_of", F.lit(""))
    )
    total = F.greatest("total", F.lit(0)).cast(SUM)
    # Claims are not limited by an invoice line that states no units, or by an invoice that is not known.
    limit = F.when(F.col("is_stated"), F.when(F.col("total").isNotNull(), total)).otherwise(
        F.when(F.col("is_invoiced"), F.lit(0).cast(SUM))
    )
    joined = joined.withColumns({"limit": limit, "claimed_to": F.sum("units").over(place).cast(SUM)})
    before = F.col("claimed_to") - F.col("units")
    covered = F.greatest(F.least(F.col("units"), F.col("limit") - before), F.lit(0)).cast(SUM)
    joined = joined.withColumn("covered", F.when(F.col("limit").isNull(), F.col("units")).otherwise(covered))
    sub_program = F.when(F.col("is_stated"), F.col("sub_program")).otherwise(F.col("claimed_of"))
    joined = joined.withColumn("sub_program", sub_program)
    payable = joined.withColumns({"units": F.col("covered"), "position": F.lit(Position.PAYABLE.value)})
    beyond = joined.withColumns(
        {
            "units": (F.col("units") - F.col("covered")).cast(SUM),
            "position": F.lit(Position.IN_CLD_NOT_INVOICED.value),
        }
    )
    of_claims = on_lines.groupBy(F.col("line").alias("claimed_line")).agg(
        F.sum("units").cast(SUM).alias("claimed"), F.sum("unconverted").alias("unconverted")
    )
    unexplained = lines.withColumn("line", key_text("account", F.coalesce("sub_program", F.lit(""))))
    unexplained = unexplained.join(of_claims, on=F.col("line") == F.col("claimed_line"), how="left")
    is_absent = F.col("has_detail") & (F.coalesce("unconverted", F.lit(0)) == 0)
    position = F.when(is_absent, F.lit(Position.NOT_IN_CLD.value)).otherwise(F.lit(Position.PAYABLE.value))
    remaining = unexplained.withColumns(
        {
            "units": (F.greatest("total", F.lit(0)) - F.coalesce("claimed", F.lit(0))).cast(SUM),
            "position": position,
            "state": F.col("payer_id"),
            **nulls({name: f.dataType for name, f in _fields("plan_id", "claim_id", "claim_line").items()}),
        }
    )
    above = F.col("units") > 0
    return union_all([_entries(part.where(above)) for part in (payable, beyond, remaining)])


def _fields(*names: str) -> dict[str, T.StructField]:
    return {name: ENTRIES[name] for name in names}


def _entries(rows: DataFrame) -> DataFrame:
    rows = rows.withColumns(
        {**nulls({"code": "string", "finding_id": "string"}), **{name: F.lit(False) for name in _OF_FORMS}}
    )
    return rows.select(*(F.col(f.name).cast(f.dataType).alias(f.name) for f in ENTRIES.fields))


def sequential_entries(claims: DataFrame, lines: DataFrame | None, events: DataFrame | None) -> DataFrame:
    """ENTRIES of accounts whose settlements and decisions are booked in sequence (`post`)."""
    parts = [_parts(claims, _CLAIM)]
    if lines is not None:
        parts.append(_parts(lines.withColumn("units", F.col("total")), _LINE))
    if events is not None:
        parts.append(_parts(events, _EVENT))
    grouped = (
        union_all(parts)
        .groupBy("account", *ACCOUNT)
        .agg(F.collect_list(F.struct(*_PARTS.names)).alias("parts"))
        .select(*ACCOUNT, "parts")
    )
    return grouped.mapInArrow(_posted, ENTRIES)


def _parts(rows: DataFrame, part: str) -> DataFrame:
    names = set(column_names(rows))

    def value(field: T.StructField) -> Column:
        present = F.col(field.name) if field.name in names else F.lit(None)
        return (F.lit(part) if field.name == "part" else present).cast(field.dataType).alias(field.name)

    return rows.select("account", *ACCOUNT, *map(value, _PARTS.fields))


def _posted(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    schema = to_arrow_schema(ENTRIES, timezone="UTC")
    for batch in batches:
        rows = [entry for account in batch.to_pylist() for entry in _account_entries(account)]
        columns = [pa.array([row[field.name] for row in rows], field.type) for field in schema]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _account_entries(account: dict[str, Any]) -> Iterator[dict[str, Any]]:
    parts: dict[str, list[dict[str, Any]]] = {_LINE: [], _CLAIM: [], _EVENT: []}
    for part in account["parts"]:
        parts[part["part"]].append(part)
    lines = [
        InvoiceLine(p["sub_program"], p["units"], p["gross"], p["invoice_number"], p["line_kind"], p["has_detail"])
        for p in parts[_LINE]
    ]
    claims = [
        ClaimLine(
            p["claim_id"], p["claim_line"], p["plan_id"], p["sub_program"], p["state"], p["units"], p["unconverted"]
        )
        for p in parts[_CLAIM]
    ]
    events = [_event(p) for p in parts[_EVENT]]
    of_account = {name: account[name] for name in ACCOUNT}
    is_invoiced = any(part["is_invoiced"] for part in account["parts"])
    for entry in post(lines, claims, events, is_invoiced):
        line, claim = entry.line, entry.claim
        yield {
            **of_account,
            "invoice_number": line and line.invoice_number,
            "line_kind": line and line.line_kind,
            "sub_program": line and line.sub_program,
            "state": claim.state if claim else of_account["payer_id"],
            "plan_id": claim and claim.plan_id,
            "claim_id": claim and claim.claim_id,
            "claim_line": claim and claim.claim_line,
            "units": entry.units,
            "position": str(entry.position),
            "code": entry.code,
            "finding_id": entry.finding_id,
            "is_decided": entry.is_decided,
            "is_repaid": entry.is_repaid,
        }


def _event(part: dict[str, Any]) -> Event:
    values: dict[str, Any] = {name: part[name] for name in EVENT}
    return Event(**{**values, "effect": Effect(part["effect"])})


def summed(entries: DataFrame) -> DataFrame:
    """Positions of `entries`, one row per key, claim line, position, code and finding; unbooked units are excluded."""
    booked = entries.where(F.col("position").isin(*(position.value for position in Position)))
    keys = [name for name in ENTRIES.names if name not in ("units", *_OF_FORMS)]
    return booked.groupBy(*keys).agg(F.sum("units").cast(_UNITS).alias("units"))


def not_booked(entries: DataFrame) -> dict[str, int]:
    """The number of entries whose units are not booked, by NotBooked."""
    rows = entries.where(F.col("position").isin(*(reason.value for reason in NotBooked)))
    return {row["position"]: row["count"] for row in sorted(rows.groupBy("position").count().collect())}


def keys_out_of_balance(positions: DataFrame, lines: DataFrame) -> int:
    """Number of keys with an invoice total whose positions, except IN_CLD_NOT_INVOICED, do not add up to it.

    A negative total has no units. `lines`: invoice_lines.
    """
    key = (*ACCOUNT, "sub_program")
    zero = F.lit(0).cast(SUM)
    states = lines.where(F.col("total").isNotNull()).select(
        key_text(*key).alias("key"), F.greatest("total", zero).cast(SUM).alias("units"), F.lit(True).alias("is_stated")
    )
    booked = positions.where(F.col("position") != Position.IN_CLD_NOT_INVOICED.value).select(
        key_text(*key).alias("key"), (-F.col("units")).cast(SUM).alias("units"), F.lit(False).alias("is_stated")
    )
    added = states.unionByName(booked).groupBy("key")
    balances = added.agg(F.sum("units").alias("left"), F.max("is_stated").alias("is_stated"))
    return balances.where(F.col("is_stated") & (F.col("left") != 0)).count()
