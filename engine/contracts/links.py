"""Results of linking: at most one row per rebate claim in each table."""

from __future__ import annotations

from pyspark.sql import types as T

_STRING = T.StringType()
_STRINGS = T.ArrayType(_STRING)

# Contributions to a pair's score: `met_by` first (the blocking rule and its prior odds), then each field that both
# sides know; level: the comparison level; weight: log2(m / u).
LINK_CONTRIBUTIONS = T.ArrayType(
    T.StructType(
        [
            T.StructField("field", _STRING),
            T.StructField("level", _STRING),
            T.StructField("weight", T.DoubleType()),
        ]
    )
)

# Best link of a rebate claim to a 340B claim. link_source_row_ids: the entity rows, all tied ones, sorted.
# link_fields_differ: names of the fields that do not agree. link_quantity: as the entity reports it; link_ndc_units: in
# NDC units. link_score: log2 odds that the pair is one dispense, link_probability the same as a share.
LINKS_340B = T.StructType(
    [
        T.StructField("source_row_id", _STRING),
        T.StructField("link_tier", _STRING),
        T.StructField("link_score", T.DoubleType()),
        T.StructField("link_probability", T.DoubleType()),
        T.StructField("link_is_ambiguous", T.BooleanType()),
        T.StructField("link_source_row_ids", _STRINGS),
        T.StructField("link_entity_id", _STRING),
        T.StructField("link_parent_entity_id", _STRING),
        T.StructField("link_pharmacy_key", _STRING),
        T.StructField("link_date_of_service", T.DateType()),
        T.StructField("link_fill_number", T.LongType()),
        T.StructField("link_ndc11", _STRING),
        T.StructField("link_quantity", T.DecimalType(15, 3)),
        T.StructField("link_ndc_units", T.DecimalType(15, 3)),
        T.StructField("link_is_340b_assumed", T.BooleanType()),
        T.StructField("link_fields_differ", _STRINGS),
        T.StructField("link_candidates", T.IntegerType()),
        T.StructField("link_contributions", LINK_CONTRIBUTIONS),
    ]
)

# A candidate pair of a rebate claim and a 340B claim, linked or not. link_tier: NULL if none fits; link_source_row_id:
# the entity row; link_is_chosen: linked, even if tied; why_not: a NotLinked code, NULL if chosen. Other columns as
# above.
CANDIDATE_PAIRS = T.StructType(
    [
        T.StructField("source_row_id", _STRING),
        T.StructField("link_source_row_id", _STRING),
        T.StructField("link_entity_id", _STRING),
        T.StructField("link_tier", _STRING),
        T.StructField("link_score", T.DoubleType()),
        T.StructField("link_probability", T.DoubleType()),
        T.StructField("link_fields_differ", _STRINGS),
        T.StructField("link_contributions", LINK_CONTRIBUTIONS),
        T.StructField("link_is_chosen", T.BooleanType()),
        T.StructField("link_is_ambiguous", T.BooleanType()),
        T.StructField("why_not", _STRING),
    ]
)

# The pharmacy's own transactions for the dispense of the rebate claim.
LINKS_PHARMACY = T.StructType(
    [
        T.StructField("source_row_id", _STRING),
        T.StructField("dispense_hash", T.LongType()),
        T.StructField("pharmacy_source_row_id", _STRING),
        T.StructField("pharmacy_last_transaction", _STRING),
        T.StructField("pharmacy_is_reversed", T.BooleanType()),
        T.StructField("pharmacy_reversed_at", T.TimestampType()),
        T.StructField("pharmacy_reversal_source_row_id", _STRING),
    ]
)
