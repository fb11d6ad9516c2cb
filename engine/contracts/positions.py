"""The unit ledger: every invoiced or claimed unit has one position (contract part 4, "positions")."""

from __future__ import annotations

from enum import StrEnum

from pyspark.sql import types as T


class Position(StrEnum):
    """Where a unit is on the day of the run."""

    PAYABLE = "PAYABLE"
    PAID = "PAID"
    DISPUTED = "DISPUTED"
    RELEASED = "RELEASED"
    CREDITED = "CREDITED"
    NOT_IN_CLD = "NOT_IN_CLD"
    IN_CLD_NOT_INVOICED = "IN_CLD_NOT_INVOICED"


_STRING, _UNITS = T.StringType(), T.DecimalType(15, 3)

# One row per key (program, payer_id, sub_program, rebate_type, state, ndc11, period), claim line, position, code and
# finding, with units above zero. units: NDC billing units. claim_id NULL: invoiced units that no live claim line
# explains. invoice_number and line_kind: of the invoice line that states the key's total, NULL if there is none.
# rebate_type: FEDERAL (outside Medicaid BASE) where the row has none. previous_position: in the run published last,
# NULL if the claim line had no units then or there is no such run.
POSITIONS = T.StructType(
    [
        T.StructField(name, kind)
        for name, kind in (
            ("invoice_number", _STRING),
            ("line_kind", _STRING),
            ("program", _STRING),
            ("payer_id", _STRING),
            ("plan_id", _STRING),
            ("sub_program", _STRING),
            ("rebate_type", _STRING),
            ("state", _STRING),
            ("ndc11", _STRING),
            ("period", _STRING),
            ("claim_id", _STRING),
            ("claim_line", T.LongType()),
            ("units", _UNITS),
            ("position", _STRING),
            ("code", _STRING),
            ("finding_id", _STRING),
            ("as_of", T.DateType()),
            ("previous_position", _STRING),
        )
    ]
)
