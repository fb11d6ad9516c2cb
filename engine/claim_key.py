"""What identifies a rebate claim line from run to run (contract parts 1 and 7.2)."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import MEDICAID_PROGRAMS

CLAIM_KEY = ("program", "payer_id", "plan_id", "rebate_type", "claim_id", "claim_line")


def rebate_type_of_key() -> Column:
    """The `rebate_type` of a row's claim key: NULL is FEDERAL for Medicaid and BASE elsewhere."""
    is_medicaid = F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))
    only_type = F.when(is_medicaid, F.lit("FEDERAL")).otherwise(F.lit("BASE"))
    return F.coalesce("rebate_type", only_type)


ENTITY_CLAIM_KEY = ("entity_id", "pharmacy_key", "script", "fill_number", "date_of_service", "ndc11")


def entity_claim_key() -> dict[str, Column]:
    """ENTITY_CLAIM_KEY of a 340B claim; NULL equals NULL. `script`: the prescription or claim number for matching; one
    that is no key counts as it was received.
    """
    script = F.coalesce("script_key", F.concat(F.lit("raw:"), "rx_number_raw"))
    return {name: script if name == "script" else F.col(name) for name in ENTITY_CLAIM_KEY}
