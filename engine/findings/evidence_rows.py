"""Rows that support dispute codes: the other claim line of a duplicate, the covered entity's claim."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import Evidence, Route, Subject
from engine.contracts.forms import ENTITY_ROLE, EVIDENCE_ROWS, OTHER_LINE_ROLE
from engine.runtime.expressions import nulls

# Rules whose related rows are claim lines, and rules whose related rows are claims of covered entities.
_OF_LINES = ("R016", "R017", "R018", "R019")
_OF_ENTITIES = ("R003", "R005")


def evidence_ids(findings: DataFrame) -> DataFrame:
    """Distinct source_row_id of the other claim lines in findings of duplicates. `findings`: FINDINGS."""
    return _related(findings, _OF_LINES).select("source_row_id").distinct()


def evidence_rows(findings: DataFrame, other_lines: DataFrame, entity_claims: DataFrame | None) -> DataFrame:
    """EVIDENCE_ROWS of findings on claims that go to a state and are at least MEDIUM.

    Related claim lines of other states are excluded.

    Args:
        findings: FINDINGS.
        other_lines: PREPARED_REBATE_CLAIMS, at least those of `evidence_ids`.
        entity_claims: live 340B claims; None without the table.
    """
    of_lines = _related(findings, _OF_LINES)
    lines = other_lines.select(
        F.col("source_row_id").alias("other_id"),
        F.coalesce("state", "payer_id").alias("other_state"),
        *("claim_id", "claim_line", "date_of_service", "pharmacy_npi", "rx_number", "fill_number", "ndc11"),
        F.coalesce("ndc_units", "units").alias("units"),
    )
    same = [F.col("source_row_id") == F.col("other_id"), F.col("own_state") == F.col("other_state")]
    rows = _declared(
        F.broadcast(of_lines).join(lines, on=same, how="inner").withColumns(nulls({"entity_id": "string"})),
        OTHER_LINE_ROLE,
    )
    if entity_claims is None:
        return rows
    reported = entity_claims.select(
        F.col("source_row_id").alias("other_id"),
        *("date_of_service", "pharmacy_npi", "rx_number", "fill_number", "ndc11", "entity_id"),
        F.col("quantity").alias("units"),
    )
    of_entities = _related(findings, _OF_ENTITIES)
    joined = F.broadcast(of_entities).join(reported, on=F.col("source_row_id") == F.col("other_id"), how="inner")
    return rows.unionByName(
        _declared(joined.withColumns(nulls({"claim_id": "string", "claim_line": "bigint"})), ENTITY_ROLE)
    )


def _related(findings: DataFrame, rules: tuple[str, ...]) -> DataFrame:
    """finding_id, own_state and source_row_id of each related row of the finding's rules with these ids."""
    meant = findings.where(
        (F.col("subject") == Subject.REBATE_CLAIM.value)
        & (F.col("route") == Route.STATE.value)
        & F.col("evidence").isin(Evidence.STRONG.value, Evidence.MEDIUM.value)
    )
    hits = meant.select(
        "finding_id", F.coalesce("state", "payer_id").alias("own_state"), F.explode("rules").alias("hit")
    ).where(F.col("hit.rule_id").isin(*rules))
    return hits.select(
        "finding_id", "own_state", F.explode("hit.related_source_row_ids").alias("source_row_id")
    ).distinct()


def _declared(rows: DataFrame, role: str) -> DataFrame:
    def column(name: str) -> Column:
        return F.lit(role) if name == "role" else F.col(name)

    return rows.select(*(column(field.name).cast(field.dataType).alias(field.name) for field in EVIDENCE_ROWS.fields))
