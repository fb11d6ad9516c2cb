"""Findings and dispute lines as flat rows in analysts' words, one column per cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.words import ACTION_WORDS, DEADLINE_WORDS, FEATURE_WORDS, GUARD_WORDS, PARTY_WORDS, ROUTE_WORDS
from engine.exports.sheet_columns import FINDINGS_COLUMNS, LINE_COLUMNS, SheetColumn, Shown
from engine.runtime.expressions import format_number

SEPARATOR = "|"
_SHOWN_OF_RX = 4
_PLAIN = {Shown.UNITS: "decimal(15,3)", Shown.MONEY: "decimal(18,2)", Shown.PRICE: "decimal(15,6)"}


def finding_rows(findings: DataFrame) -> DataFrame:
    """One row per finding with the columns of FINDINGS_COLUMNS."""
    rows = findings.withColumns(
        {
            "action_words": words(F.col("action"), ACTION_WORDS),
            "party_words": words(F.col("party_at_fault"), PARTY_WORDS),
            "route_words": words(F.col("route"), ROUTE_WORDS),
            "deadline_words": words(F.col("deadline_kind"), DEADLINE_WORDS),
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
            "since_decision": F.array_join("changed_since_decision", ", "),
        }
    )
    return rows.select(*_cells(FINDINGS_COLUMNS))


def _related_rows(rules: Column) -> Column:
    """The rows that a finding's rules name, and how many more the rules count; runs of earlier versions count none."""
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


def words(code: Column, meanings: Mapping[Any, str]) -> Column:
    """A code in words; the code itself where there are none."""
    pairs = [F.lit(str(word)) for pair in meanings.items() for word in pair]
    return F.coalesce(F.try_element_at(F.create_map(*pairs), code), code)


def masked_rx_unless(is_allowed: Column, rx_number: Column) -> Column:
    """An Rx number of which `*` hides all but the last four characters, and all of one that is no longer than that."""
    hidden = F.when(F.length(rx_number) > _SHOWN_OF_RX, F.length(rx_number) - _SHOWN_OF_RX).otherwise(
        F.length(rx_number)
    )
    masked = F.concat(F.repeat(F.lit("*"), hidden), F.substr(rx_number, hidden + 1))
    return F.when(F.coalesce(is_allowed, F.lit(False)), rx_number).otherwise(masked)


def masked_rx_text(rx_number: str | None) -> str | None:
    """As `masked_rx_unless`, of one number."""
    if rx_number is None:
        return None
    hidden = len(rx_number) - _SHOWN_OF_RX if len(rx_number) > _SHOWN_OF_RX else len(rx_number)
    return "*" * hidden + rx_number[hidden:]


def reference_words(row: Column) -> Column:
    """A dated reference fact in words: table, key, validity, date of the snapshot."""
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
    """ "R003 MEDIUM, X, 30 units, $75.00 [no 340b purchase: ruled out; state method: not checked]" """
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
    """ "units per prescription 900 (usually 28 to 90 among 3,210 peers)" """
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
    """Whole from 100 on, else at most four decimals and none that say nothing."""
    digits = F.when(F.abs(value) >= 100, format_number(value, 0)).otherwise(format_number(value, 4))
    return F.regexp_replace(digits, r"(\.[0-9]*?[1-9])0+\z|\.0+\z", "$1")


def _yes_no(flag: Column) -> Column:
    return F.when(flag, F.lit("Yes")).when(~flag, F.lit("No"))


def _is_given(text: Column) -> Column:
    return text.isNotNull() & (text != "")


def _cells(columns: tuple[SheetColumn, ...]) -> list[Column]:
    """Each column in the type that its kind of cell is written from; empty text is no cell."""
    cells = []
    for column in columns:
        if column.name is None:
            continue
        value = F.col(column.name)
        if column.shown.is_text:
            value = F.nullif(value.cast("string"), F.lit(""))
        elif column.shown in _PLAIN:
            value = value.try_cast(_PLAIN[column.shown])
        cells.append(value.alias(column.name))
    return cells
