"""Schemas of the prepared feeds: typed contract columns, and the keys that later steps use.

`ndc` and `rx_number` hold the normalized value; the value as received stays in `ndc_raw` and `rx_number_raw`.
"""

from __future__ import annotations

from pyspark.sql import types as T

from engine.contracts.columns import Table
from engine.contracts.tables import ENTITY_CLAIMS, INVOICES, PHARMACY_CLAIMS, REBATE_CLAIMS

_STRING, _LONG, _UNITS = T.StringType(), T.LongType(), T.DecimalType(15, 3)

# ndc11 / ndc9: labeler + product (+ package); labeler_code: the first five digits.
_PRODUCT_KEYS = (("ndc_raw", _STRING), ("ndc11", _STRING), ("ndc9", _STRING), ("labeler_code", _STRING))

# pharmacy_key: NPI, resolved from the NCPDP id where only that is known, else "NCPDP:<id>".
# rx_key: Rx number for matching, or "<scheme>:<hash>"; NULL if the number is no key.
# script_key: rx_key for RX, "<claim_id>" for MEDICAL; NULL if unusable.
# dispense_hash: xxhash64(pharmacy_key, script_key), or a hash of the row id where one of them is NULL, so that rows
# without a key spread evenly. It partitions; equality is always tested on the keys themselves.
_DISPENSE_KEYS = (
    ("rx_number_raw", _STRING),
    ("pharmacy_key", _STRING),
    ("rx_key", _STRING),
    ("script_key", _STRING),
    ("dispense_hash", _LONG),
)


def _schema(
    table: Table, extra: tuple[tuple[str, T.DataType], ...], without: tuple[str, ...] = ("ndc",)
) -> T.StructType:
    fields = [T.StructField(c.name, c.kind.spark_type) for c in table.columns if c.name not in without]
    return T.StructType(fields + [T.StructField(name, kind) for name, kind in extra])


# Where the lineage of a claim line begins: the first row's program, claim and line (payer, plan and rebate type are the
# row's own) or the named prior's where that row is absent; ordinal: the chain's number among those of the claim key;
# branch: the row's number among the live rows of the chain.
LINEAGE = T.StructType(
    [
        T.StructField("program", _STRING),
        T.StructField("claim_id", _STRING),
        T.StructField("claim_line", _LONG),
        T.StructField("ordinal", T.IntegerType()),
        T.StructField("branch", T.IntegerType()),
    ]
)

# Live rebate claim lines after netting. units: as received; ndc_units: in NDC billing units, NULL if HCPCS units
# have no crosswalk. lineage: LINEAGE, NULL if the row is the first of its own claim key.
PREPARED_REBATE_CLAIMS = _schema(
    REBATE_CLAIMS,
    (*_PRODUCT_KEYS, *_DISPENSE_KEYS, ("ndc_units", _UNITS), ("lineage", LINEAGE)),
)

# One row per dispense of the pharmacy (pharmacy_key, rx_key, fill_number, date_of_service, ndc11) after netting.
# transactions and reversals (B2) are counts; last_transaction is the dispense's last code by transaction_at; reversal_*
# are of the last B2 where that is the last.
PHARMACY_DISPENSES = T.StructType(
    [
        T.StructField(name, kind)
        for name, kind in (
            ("dispense_hash", _LONG),
            ("pharmacy_key", _STRING),
            ("rx_key", _STRING),
            ("fill_number", _LONG),
            ("date_of_service", T.DateType()),
            ("ndc11", _STRING),
            ("source_row_id", _STRING),
            ("last_transaction", _STRING),
            ("transactions", T.IntegerType()),
            ("reversals", T.IntegerType()),
            ("is_reversed", T.BooleanType()),
            ("reversed_at", T.TimestampType()),
            ("reversal_source_row_id", _STRING),
        )
    ]
)

# Live entity claims (submitted, not reversed, is_340b not false). parent_entity_id falls back to entity_id.
# claim_ordinal: n for the n-th submission of equal entity, pharmacy, Rx, fill, date and NDC-11, reversed ones counted.
PREPARED_ENTITY_CLAIMS = _schema(
    ENTITY_CLAIMS,
    (
        *_PRODUCT_KEYS,
        *_DISPENSE_KEYS,
        ("parent_entity_id", _STRING),
        ("is_340b_assumed", T.BooleanType()),
        ("claim_ordinal", T.IntegerType()),
    ),
)

# source_row_id: program/state/ndc11/period, then /invoice_number/line_kind, /sub_program and /rebate_type where given.
# It is unique: read from its end, each part is known by its value.
PREPARED_INVOICES = _schema(INVOICES, (("source_row_id", _STRING), *_PRODUCT_KEYS))

# Columns read of the pharmacy's transactions: enough to identify the dispenses that are live.
PREPARED_PHARMACY_CLAIMS = _schema(
    PHARMACY_CLAIMS,
    (*_PRODUCT_KEYS, *_DISPENSE_KEYS),
    without=(
        *("ndc", "unit_of_measure", "days_supply", "bin", "pcn", "group_id", "prescriber_npi"),
        *("submission_clarification_codes", "basis_of_cost", "other_coverage_code", "dispensing_status"),
        *("compound_code", "ingredient_cost", "amount_paid", "patient_key"),
    ),
)

# Columns that conforming adds to a row of any table; see prepare.conform.
JUDGEMENT = T.StructType(
    [
        T.StructField("problems", T.ArrayType(_STRING)),
        T.StructField("left_as", _STRING),
        T.StructField("raw", _STRING),
        T.StructField("coerced", T.ArrayType(_STRING)),
        T.StructField("coerced_values", T.ArrayType(_STRING)),
        T.StructField("null_words", T.ArrayType(_STRING)),
    ]
)
