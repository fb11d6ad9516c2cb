"""The case of a finding: its counterparty, and the root cause that it shares with other findings."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import Evidence, Route
from engine.contracts.findings import FINDINGS
from engine.findings import deciding_rule
from engine.rules import ROOT_CAUSES, Root
from engine.runtime.expressions import sort

_IDENTIFIERS = "identifiers_340b"


def joined(*parts: Column | str) -> Column:
    """Values joined into one text in which NULL equals NULL and nothing else."""
    values = [F.col(part) if isinstance(part, str) else part for part in parts]
    return F.concat_ws("\x1f", *(F.coalesce(value.cast("string"), F.lit("\x1e")) for value in values))


def counterparty() -> dict[str, Column]:
    """The columns that identify the counterparty of FINDINGS and its group (contract 3.2 of the domain brief).

    counterparty_kind, counterparty_id, and the group: for a state, labeler and quarter; for a covered entity, month of
    service; for a PBM, contract and quarter; for the facilitator, the batch, which is the invoice number, else the
    quarter. counterparty_id is NULL if a finding has no recipient or the recipient is unknown.
    """
    route = F.col("route")
    is_state, is_entity, is_pbm, is_facilitator = (
        route == kind.value for kind in (Route.STATE, Route.ENTITY, Route.PBM, Route.FACILITATOR)
    )
    month = F.substring(F.col("date_of_service").cast("string"), 1, 7)
    return {
        "counterparty_kind": route,
        "counterparty_id": F.when(is_state, F.coalesce("state", "payer_id"))
        .when(is_entity, F.col("entity_id"))
        .when(is_pbm | is_facilitator, F.col("payer_id")),
        "case_labeler": F.when(is_state, F.col("labeler_code")),
        "case_contract": F.when(is_pbm, F.col("contract_id")),
        "case_period": F.when(is_entity, month)
        .when(is_facilitator, F.coalesce("invoice_number", "period"))
        .otherwise(F.col("period")),
    }


def root_of() -> dict[str, Column]:
    """root_cause and root_key of FINDINGS with `deciding_rule`. A rule that no longer exists is its own root cause."""
    cause = F.coalesce(
        _of_rule({rule_id: cause.name for rule_id, cause in ROOT_CAUSES.items()}),
        F.col("deciding_rule"),
    )
    root = F.coalesce(_of_rule({rule_id: cause.root.value for rule_id, cause in ROOT_CAUSES.items()}), F.lit(""))
    listed = F.filter("reference_rows", lambda row: row["table"] == _IDENTIFIERS)
    identifiers = F.array_join(sort(F.array_distinct(F.transform(listed, lambda row: row["key"]))), ", ")
    both = F.when(
        F.col("entity_id").isNotNull() | F.col("pharmacy_npi").isNotNull(),
        F.concat_ws("/", F.coalesce("entity_id", F.lit("-")), F.coalesce("pharmacy_npi", F.lit("-"))),
    )
    values: dict[Root, Column] = {
        Root.ENTITY: F.col("entity_id"),
        Root.PHARMACY: F.col("pharmacy_npi"),
        Root.ENTITY_AND_PHARMACY: both,
        Root.PRODUCT: F.col("ndc11"),
        Root.LABELER: F.col("labeler_code"),
        Root.SUB_PROGRAM: F.col("sub_program"),
        Root.IDENTIFIER: identifiers,
    }
    keys = [F.when(root == kind.value, value) for kind, value in values.items()]
    return {"root_cause": cause, "root_key": F.coalesce(*keys, F.lit(""))}


def _of_rule(values: Mapping[str, str]) -> Column:
    pairs = [F.lit(word) for pair in values.items() for word in pair]
    return F.try_element_at(F.create_map(*pairs), F.col("deciding_rule"))


def grouped(findings: DataFrame) -> DataFrame:
    """Add deciding_rule and the columns of `counterparty` and `root_of` to FINDINGS."""
    rows = findings.withColumn("deciding_rule", deciding_rule())
    return rows.withColumns({**counterparty(), **root_of()})


def with_case(findings: DataFrame) -> DataFrame:
    """Add case_id to FINDINGS: a hash that is the same in every run.

    It covers counterparty, labeler or contract, period and root cause. NULL for CONTEXT findings, and for findings
    without a recipient.
    """
    rows = grouped(findings)
    key = joined(
        *("counterparty_kind", "counterparty_id", "case_labeler", "case_contract", "case_period"),
        *("root_cause", "root_key"),
    )
    has_case = F.col("counterparty_id").isNotNull() & (F.col("evidence") != Evidence.CONTEXT.value)
    rows = rows.withColumn("case_id", F.when(has_case, F.substring(F.sha2(key, 256), 1, 32)))
    return rows.select(*(F.col(field.name).cast(field.dataType) for field in FINDINGS.fields))
