"""What makes a finding the same finding in every run."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Subject

CLAIM_KEY = ("program", "payer_id", "plan_id", "claim_id", "claim_line")
INVOICE_KEY = ("invoice_number", "program", "sub_program", "rebate_type", "state", "ndc11", "period", "line_kind")


def claim_finding_id() -> Column:
    """Of a rebate claim: its claim key, and its number among rows of an equal key where that is not the first."""
    is_further = F.col("claim_key_ordinal") > 1
    ordinal = F.when(is_further, F.array(F.col("claim_key_ordinal").cast("string")))
    return _hashed(Subject.REBATE_CLAIM, CLAIM_KEY, F.coalesce(ordinal, F.array().cast("array<string>")))


def invoice_finding_id() -> Column:
    return _hashed(Subject.INVOICE, INVOICE_KEY, F.array().cast("array<string>"))


def _hashed(subject: Subject, key: tuple[str, ...], more: Column) -> Column:
    # As JSON, so that NULL, '' and values that hold the separator stay apart.
    words = F.concat(F.array(F.lit(subject.value), *(F.col(name).cast("string") for name in key)), more)
    return F.substring(F.sha2(F.to_json(words), 256), 1, 32)
