"""Findings and dispute lines as flat rows for analysts, one column per cell, codes in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.facts import FEATURE_WORDS
from engine.contracts.tie_out import Color
from engine.contracts.words import (
    ACTION_WORDS,
    DEADLINE_WORDS,
    GUARD_WORDS,
    PARTY_WORDS,
    PROGRAM_WORDS,
    QUEUE_STATUS_WORDS,
    ROUTE_WORDS,
    STATUS_WORDS,
    SUBJECT_WORDS_SINGULAR,
)
from engine.exports.details import REBATE
from engine.exports.redacted import masked_rx
from engine.exports.sheet_columns import (
    BOTH_CLAIMS_COLUMNS,
    CASE_COLUMNS,
    FINDINGS_COLUMNS,
    LINE_COLUMNS,
    TIE_OUT_COLUMNS,
    SheetColumn,
    Shown,
)
from engine.runtime.expressions import format_number, nulls

SEPARATOR = "|"
# The priority that orders rows, shown or not.
ORDER = "order_priority"
_PLAIN = {Shown.UNITS: "decimal(15,3)", Shown.MONEY: "decimal(18,2)", Shown.PRICE: "decimal(15,6)"}


def finding_rows(
    findings: DataFrame,
    queue: DataFrame | None = None,
    redacted: bool = False,
    today: date | None = None,
    code_texts: Mapping[str, str] | None = None,
) -> DataFrame:
    """One row per finding with the columns of FINDINGS_COLUMNS and ORDER.

    `findings`: FINDINGS with DETAILS (see `with_details`). `queue`: QUEUE; None if unknown. `today`: deadlines
    before it are marked as passed. `code_texts`: dispute codes in words. `redacted`: `findings` come from
    `redacted_findings`; cells with amounts stay empty.
    """
    if queue is None:
        rows = findings.withColumns(nulls({"standing": "string", "selection": "string", "is_held": "boolean"}))
    else:
        own = queue.join(F.broadcast(findings.select("finding_id")), on="finding_id", how="left_semi")
        own = own.withColumnRenamed("finding_id", "queued_id")
        rows = findings.join(own, on=F.col("finding_id") == F.col("queued_id"), how="left")  # one row each
    rows = rows.withColumns(
        {
            "action_words": words(F.col("action"), ACTION_WORDS),
            "party_words": words(F.col("party_at_fault"), PARTY_WORDS),
            "route_words": words(F.col("route"), ROUTE_WORDS),
            "deadline_words": _deadline_words(today),
            "code_words": words(F.col("dispute_code"), code_texts or {"": ""}, or_code=False),
            "program_words": words(F.col("program"), PROGRAM_WORDS),
            "subject_words": words(F.col("subject"), SUBJECT_WORDS_SINGULAR),
            "paid_on": F.when(F.col("own_kind") == REBATE, F.col("own_paid_date").try_cast("date")),
            "amount_paid": F.col("own_amount_paid"),
            "days_supply": F.col("own_days_supply").try_cast("bigint"),
            "hcpcs_units": F.col("own_hcpcs_units"),
            "checks": F.array_join(F.transform("rules", _checks), "\n"),
            "all_codes": F.array_join(F.transform("codes", lambda code: code["code"]), ", "),
            "documents": F.array_join(
                F.array_distinct(F.filter(F.transform("rules", lambda hit: hit["document"]), _is_given)), "; "
            ),
            "rule_ids": F.array_join(F.transform("rules", lambda hit: hit["rule_id"]), ", "),
            "related_rows": _related_rows(F.col("rules")),
            "references": F.array_join(F.transform("reference_rows", reference_words), "; "),
            "unusual": F.array_join(F.transform("reasons", _reason_words), "; "),
            "match_tie": _yes_no(F.col("match_ambiguous")),
            "changed": _yes_no(F.col("changed_since_last_run")),
            "standing_words": words(F.col("standing"), QUEUE_STATUS_WORDS),
            "held_words": F.when(F.col("is_held"), F.lit("invoice line is red in the tie-out")),
            "since_decision": F.array_join("changed_since_decision", ", "),
        }
    )
    return rows.select(*_cells(FINDINGS_COLUMNS, redacted), F.col("priority").alias(ORDER))


def both_claims_rows(findings: DataFrame) -> DataFrame:
    """One row per finding with the columns of BOTH_CLAIMS_COLUMNS and ORDER; `findings` as in `finding_rows`."""
    in_full = F.transform("rules", lambda hit: F.concat_ws(": ", hit["rule_id"], hit["message"]))
    rows = findings.withColumn("rules_in_full", F.array_join(in_full, "\n"))
    return rows.select(*_cells(BOTH_CLAIMS_COLUMNS), F.col("priority").alias(ORDER))


def _deadline_words(today: date | None) -> Column:
    kind = words(F.col("deadline_kind"), DEADLINE_WORDS)
    if today is None:
        return kind
    return F.when(F.col("deadline_date") < F.lit(today), F.concat(F.lit("PASSED: "), kind)).otherwise(kind)


def _related_rows(rules: Column) -> Column:
    """The rows that a finding's rules name, and the number of further rows (not recorded by earlier versions)."""
    ids = F.array_sort(F.array_distinct(F.flatten(F.transform(rules, lambda hit: hit["related_source_row_ids"]))))
    beyond = F.transform(
        rules, lambda hit: F.coalesce(hit["related_count"] - F.size(hit["related_source_row_ids"]), F.lit(0))
    )
    more = F.aggregate(beyond, F.lit(0).cast("bigint"), lambda total, count: total + count)
    words = F.concat(F.lit(" and "), format_number(more, 0), F.lit(" more"))
    return F.concat(F.array_join(ids, ", "), F.when(more > 0, words).otherwise(F.lit("")))


def line_rows(lines: DataFrame) -> DataFrame:
    """One row per dispute line with the columns of LINE_COLUMNS."""
    rows = flat_lines(lines, "; ").withColumn("route_words", words(F.col("route"), ROUTE_WORDS))
    return rows.select(*_cells(LINE_COLUMNS))


def case_rows(cases: DataFrame, redacted: bool = False) -> DataFrame:
    """One row per case with the columns of CASE_COLUMNS and the sort columns. `redacted`: without amounts."""
    rows = cases.withColumns(
        {
            "status_words": words(F.col("status"), STATUS_WORDS),
            "route_words": words(F.col("counterparty_kind"), ROUTE_WORDS),
            "deadline_words": words(F.col("deadline_kind"), DEADLINE_WORDS),
            "units_credited_before": F.col("units_credited"),
            "amount_credited_before": F.col("amount_credited"),
        }
    )
    return rows.select(*_cells(CASE_COLUMNS, redacted), (-F.col("expected_recovery")).alias("less_to_recover"))


CASE_ORDER = ("less_to_recover", "case_id")


def tie_out_rows(rows: DataFrame) -> DataFrame:
    """One row per line of the tie-out with the columns of TIE_OUT_COLUMNS and the sort columns."""
    shown = rows.withColumn("program_words", words(F.col("program"), PROGRAM_WORDS))
    ranks = F.create_map(*(F.lit(word) for pair in enumerate(_WORST_FIRST) for word in (pair[1].value, pair[0])))
    return shown.select(
        *_cells(TIE_OUT_COLUMNS),
        F.try_element_at(ranks, F.col("color")).alias("color_rank"),
        (-F.abs(F.coalesce("gap_units", F.lit(0)))).alias("smaller_gap"),
    )


TIE_OUT_ORDER = ("color_rank", "smaller_gap", "state", "program_words", "period", "ndc11", "rebate_type")
_WORST_FIRST = (Color.RED, Color.YELLOW, Color.NONE, Color.GREEN)


def flat_lines(lines: DataFrame, separator: str = SEPARATOR) -> DataFrame:
    """DISPUTE_LINES with its arrays joined."""
    return lines.withColumns(
        {
            "other_codes": F.array_join("other_codes", separator),
            "documents": F.array_join("documents", separator),
            "related_source_row_ids": F.array_join("related_source_row_ids", separator),
            "reference_rows": F.array_join(F.transform("reference_rows", reference_words), separator),
        }
    )


def words(code: Column, meanings: Mapping[Any, str], or_code: bool = True) -> Column:
    """A code in words; the code itself if there are none; NULL stays NULL."""
    pairs = [F.lit(str(word)) for pair in meanings.items() for word in pair]
    known = F.try_element_at(F.create_map(*pairs), code)
    return F.coalesce(known, code) if or_code else known


def masked_rx_unless(is_allowed: Column, rx_number: Column) -> Column:
    """An Rx number in which `*` replaces all but the last four characters, or all if there are no more than four."""
    return F.when(F.coalesce(is_allowed, F.lit(False)), rx_number).otherwise(masked_rx(rx_number))


def reference_words(row: Column) -> Column:
    """A dated reference fact in words: table, key, validity, snapshot date."""
    is_dated = row["start"].isNotNull() | row["end"].isNotNull()
    start = F.coalesce(row["start"].cast("string"), F.lit("open"))
    end = F.coalesce(row["end"].cast("string"), F.lit("open"))
    return F.concat(
        F.coalesce(row["table"], F.lit("")),
        F.coalesce(F.concat(F.lit(" "), row["key"]), F.lit("")),
        F.when(is_dated, F.concat(F.lit(", "), start, F.lit(" to "), end)).otherwise(F.lit("")),
        F.coalesce(F.concat(F.lit(", as of "), row["snapshot_date"].cast("string")), F.lit("")),
    )


def _checks(hit: Column) -> Column:
    """Such as "R003 MEDIUM, X, 30 units, $75.00 [no 340b purchase: ruled out; state method: not checked]"."""
    guards = F.transform(
        hit["guards"],
        lambda guard: F.concat(
            F.lower(F.replace(guard["name"], F.lit("_"), F.lit(" "))), F.lit(": "), words(guard["state"], GUARD_WORDS)
        ),
    )
    listed = F.when(F.size(guards) > 0, F.concat(F.lit(" ["), F.array_join(guards, "; "), F.lit("]")))
    at_issue = F.concat(
        F.coalesce(F.concat(F.lit(", "), hit["code"]), F.lit("")),
        F.coalesce(F.concat(F.lit(", "), _number(hit["units_at_issue"].cast("double")), F.lit(" units")), F.lit("")),
        F.coalesce(F.concat(F.lit(", $"), format_number(hit["amount_at_issue"], 2)), F.lit("")),
    )
    return F.concat(hit["rule_id"], F.lit(" "), hit["evidence"], at_issue, F.coalesce(listed, F.lit("")))


def _reason_words(reason: Column) -> Column:
    """Such as "units per prescription 900 (usually 28 to 90 among 3,210 peers)"."""
    usual = F.concat(
        F.lit(" (usually "), _number(reason["typical_low"]), F.lit(" to "), _number(reason["typical_high"])
    )
    peers = F.coalesce(F.concat(F.lit(" among "), format_number(reason["peers"], 0), F.lit(" peers")), F.lit(""))
    return F.concat(
        words(F.regexp_replace(reason["feature"], r"_z\z", ""), FEATURE_WORDS),
        F.coalesce(F.concat(F.lit(" "), _number(reason["value"])), F.lit("")),
        F.coalesce(F.concat(usual, peers, F.lit(")")), F.lit("")),
    )


def _number(value: Column) -> Column:
    """A number without decimals from 100 on, else with at most four, without trailing zeros."""
    digits = F.when(F.abs(value) >= 100, format_number(value, 0)).otherwise(format_number(value, 4))
    return F.regexp_replace(digits, r"(\.[0-9]*?[1-9])0+\z|\.0+\z", "$1")


def _yes_no(flag: Column) -> Column:
    return F.when(flag, F.lit("Yes")).when(~flag, F.lit("No"))


def _is_given(text: Column) -> Column:
    return text.isNotNull() & (text != "")


def _cells(columns: tuple[SheetColumn, ...], redacted: bool = False) -> list[Column]:
    """Each column cast to the type for its kind of cell; empty text and redacted money become NULL: no cell."""
    cells = []
    for column in columns:
        if column.name is None:
            continue
        value = F.col(column.name)
        if column.shown.is_text:
            value = F.nullif(value.cast("string"), F.lit(""))
        elif column.shown in _PLAIN:
            value = value.try_cast(_PLAIN[column.shown])
        if redacted and column.shown.is_money:
            value = F.nullif(value, value)
        cells.append(value.alias(column.name))
    return cells
