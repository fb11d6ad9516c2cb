"""What makes a finding the same finding in every run."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Subject

CLAIM_KEY = ("program", "payer_id", "plan_id", "claim_id", "claim_line")
INVOICE_KEY = ("invoice_number", "program", "sub_program", "rebate_type", "state", "ndc11", "period", "line_kind")
ENTITY_CLAIM_KEY = ("entity_id", "pharmacy_key", "script_key", "fill_number", "date_of_service", "ndc11")


def claim_finding_id() -> Column:
    """Of a rebate claim: its claim key, and its number among rows of an equal key where that is not the first."""
    return _hashed(Subject.REBATE_CLAIM, _columns(CLAIM_KEY), _if_further("claim_key_ordinal"))


def entity_claim_finding_id() -> Column:
    """Of a 340B claim: entity, pharmacy, prescription, fill, date and NDC-11, and its number among equals where that is
    not the first. A prescription number that is no key counts as it was received.
    """
    script = F.coalesce("script_key", F.concat(F.lit("raw:"), "rx_number_raw"))
    values = [script if name == "script_key" else F.col(name) for name in ENTITY_CLAIM_KEY]
    return _hashed(Subject.ENTITY_CLAIM, values, _if_further("claim_ordinal"))


def invoice_finding_id() -> Column:
    return _hashed(Subject.INVOICE, _columns(INVOICE_KEY), _nothing())


def _if_further(ordinal: str) -> Column:
    """The number among rows of an equal key, where it is not the first."""
    number = F.col(ordinal)
    return F.when(number > 1, F.array(number.cast("string"))).otherwise(_nothing())


def _nothing() -> Column:
    return F.array().cast("array<string>")


def _columns(names: tuple[str, ...]) -> list[Column]:
    return [F.col(name) for name in names]


def _hashed(subject: Subject, key: list[Column], more: Column) -> Column:
    # As JSON, so that NULL, '' and values that hold the separator stay apart.
    words = F.concat(F.array(F.lit(subject.value), *(value.cast("string") for value in key)), more)
    return F.substring(F.sha2(F.to_json(words), 256), 1, 32)
