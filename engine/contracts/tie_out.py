"""The tie-out: units of an invoice, units of its claim-level detail, and the outcome of the units."""

from __future__ import annotations

from enum import StrEnum

from pyspark.sql import types as T


class Color(StrEnum):
    """The difference between claim-level detail and invoice. NONE: nothing to compare."""

    RED = "RED"
    YELLOW = "YELLOW"
    GREEN = "GREEN"
    NONE = "NONE"


_STRING, _LONG, _DATE, _UNITS = T.StringType(), T.LongType(), T.DateType(), T.DecimalType(15, 3)

# One row per state, program, rebate type, NDC and quarter of Medicaid with an invoice line or live claims; sub-programs
# are added up. Units are NDC billing units.
# units_invoiced: after corrections by PRIOR lines; 0 if the invoice of that state, program, quarter and rebate type has
# no line of the product; NULL if no such invoice is known, or a line states no units. units_in_detail: live claim
# lines. gap_units: invoiced less detail; gap_share: of the units invoiced, NULL if these are 0 or unknown.
# lines_not_converted: claim lines in HCPCS units without a conversion, which add nothing to the detail.
# quarantined_lines, quarantined_units: claim rows that could not be read and may belong here, and their units where
# readable; in no other column. A row that lacks part of the key counts on every line that it may belong to.
# units_paid, units_credited (together units_settled), units_in_dispute and units_open add up to the units invoiced (0
# if below zero). units_open: PAYABLE, NOT_IN_CLD and RELEASED. units_not_invoiced: of the detail, beyond the invoice.
# interest_free_until: last day without interest; days_until_interest: from the day of the run, below zero if past, NULL
# if no unit is open or in dispute or the day is unknown.
# reason: why the color is not green, in words. dispute_lines_held: claim lines not drafted because their line is red.
TIE_OUT = T.StructType(
    [
        T.StructField(name, kind)
        for name, kind in (
            ("state", _STRING),
            ("program", _STRING),
            ("rebate_type", _STRING),
            ("labeler_code", _STRING),
            ("ndc11", _STRING),
            ("product_name", _STRING),
            ("period", _STRING),
            ("invoice_number", _STRING),
            ("color", _STRING),
            ("reason", _STRING),
            ("units_invoiced", _UNITS),
            ("units_in_detail", _UNITS),
            ("gap_units", _UNITS),
            ("gap_share", T.DoubleType()),
            ("claim_lines", _LONG),
            ("lines_not_converted", _LONG),
            ("quarantined_lines", _LONG),
            ("quarantined_units", _UNITS),
            ("units_paid", _UNITS),
            ("units_credited", _UNITS),
            ("units_settled", _UNITS),
            ("units_in_dispute", _UNITS),
            ("units_open", _UNITS),
            ("units_not_invoiced", _UNITS),
            ("interest_free_until", _DATE),
            ("days_until_interest", _LONG),
            ("dispute_lines_held", _LONG),
            ("as_of", _DATE),
        )
    ]
)
