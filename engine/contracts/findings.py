"""The findings table and its nested parts (contract part 4)."""

from __future__ import annotations

from pyspark.sql import types as T

_STRING, _DATE, _DOUBLE, _BOOLEAN = T.StringType(), T.DateType(), T.DoubleType(), T.BooleanType()
_UNITS, _UNIT_PRICE, _MONEY = T.DecimalType(15, 3), T.DecimalType(15, 6), T.DecimalType(18, 2)


def _struct(*pairs: tuple[str, T.DataType]) -> T.StructType:
    return T.StructType([T.StructField(name, kind) for name, kind in pairs])


# Related rows that a rule names, nearest first: a dispense that is billed a thousand times must not make a million ids.
MOST_RELATED_ROWS = 50

GUARD = _struct(("name", _STRING), ("state", _STRING))

# units_at_issue: NDC units at issue by this rule alone, at most the row's own, less those settled since; NULL if the
# rule puts no units at issue. document: what its code needs, NULL without a code.
RULE_HIT = _struct(
    ("rule_id", _STRING),
    ("evidence", _STRING),
    ("message", _STRING),
    ("code", _STRING),
    ("related_source_row_ids", T.ArrayType(_STRING)),
    ("related_count", T.LongType()),
    ("units_at_issue", _UNITS),
    ("amount_at_issue", _MONEY),
    ("document", _STRING),
    ("guards", T.ArrayType(GUARD)),
)

# document: what the rules of the code need, joined by "; ".
CODE = _struct(("code", _STRING), ("kind", _STRING), ("document", _STRING))

FEATURE_REASON = _struct(
    ("feature", _STRING),
    ("value", _DOUBLE),
    ("typical_low", _DOUBLE),
    ("typical_high", _DOUBLE),
    ("peers", T.LongType()),
    ("contribution", _DOUBLE),
)

REFERENCE_ROW = _struct(
    ("table", _STRING), ("key", _STRING), ("start", _DATE), ("end", _DATE), ("snapshot_date", _DATE)
)

# The result of a rule on one subject: the public part (RULE_HIT) and what findings need to combine it with others. Here
# units_at_issue are before settlements, and amount_at_issue is set only if it is not units x price (R011 where the
# ceiling exceeds the MFP, R053).
RULE_RESULT = T.StructType(
    RULE_HIT.fields
    + _struct(
        ("route", _STRING),
        ("party_at_fault", _STRING),
        ("action", _STRING),
        ("reference_rows", T.ArrayType(REFERENCE_ROW)),
    ).fields
)

# The scores of one row; rows that no model can judge have none. anomaly_rows: rows of the stratum.
# anomaly_has_reason: at least one input of the model is outside the peers' range; without one no row is flagged.
SCORES = _struct(
    ("source_row_id", _STRING),
    ("anomaly_score", _DOUBLE),
    ("anomaly_p_value", _DOUBLE),
    ("anomaly_stratum", _STRING),
    ("anomaly_rows", T.LongType()),
    ("anomaly_has_reason", T.BooleanType()),
)

# units_claimed: as received; ndc_units: the same in NDC billing units, NULL if HCPCS units could not be converted.
# units_in_dispute: units of the row that settlements already hold as DISPUTED; they stay at issue.
# decision, decided_on: the latest decision of a person and its day, NULL if none. changed_since_decision:
# what is otherwise than when it was decided (rules, evidence classes, units, related rows, guards); NULL without a
# decision, or if no run with the finding is left. is_dismissed: decided as DISMISS, and nothing changed.
# case_id: the case of its counterparty and root cause (contracts/cases.py), NULL if it goes to nobody or is CONTEXT.
# contract_id: rebate contract that the claim names.
# deadline_date: last day to act, deadline_kind: its kind (NONE: not known); last_day_date: last day on which a
# dispute is possible at all, NULL if no such day is known.
FINDINGS = _struct(
    ("finding_id", _STRING),
    ("run_id", _STRING),
    ("subject", _STRING),
    ("source_row_id", _STRING),
    ("program", _STRING),
    ("sub_program", _STRING),
    ("rebate_type", _STRING),
    ("payer_id", _STRING),
    ("state", _STRING),
    ("period", _STRING),
    ("invoice_number", _STRING),
    ("contract_id", _STRING),
    ("claim_id", _STRING),
    ("claim_line", T.LongType()),
    ("labeler_code", _STRING),
    ("ndc11", _STRING),
    ("product_name", _STRING),
    ("pharmacy_npi", _STRING),
    ("entity_id", _STRING),
    ("rx_number", _STRING),
    ("fill_number", T.LongType()),
    ("date_of_service", _DATE),
    ("ndc_raw", _STRING),
    ("rx_number_raw", _STRING),
    ("units_claimed", _UNITS),
    ("ndc_units", _UNITS),
    ("rules", T.ArrayType(RULE_HIT)),
    ("evidence", _STRING),
    ("dispute_code", _STRING),
    ("codes", T.ArrayType(CODE)),
    ("route", _STRING),
    ("party_at_fault", _STRING),
    ("action", _STRING),
    ("units_at_issue", _UNITS),
    ("amount_at_issue", _MONEY),
    ("units_in_dispute", _UNITS),
    ("unit_price_used", _UNIT_PRICE),
    ("price_source", _STRING),
    ("match_tier", _STRING),
    ("match_score", _DOUBLE),
    ("match_ambiguous", _BOOLEAN),
    ("anomaly_score", _DOUBLE),
    ("anomaly_p_value", _DOUBLE),
    ("reasons", T.ArrayType(FEATURE_REASON)),
    ("reference_rows", T.ArrayType(REFERENCE_ROW)),
    ("narrative", _STRING),
    ("priority", _DOUBLE),
    ("deadline_date", _DATE),
    ("deadline_kind", _STRING),
    ("last_day_date", _DATE),
    ("first_seen_run", _STRING),
    ("changed_since_last_run", _BOOLEAN),
    ("decision", _STRING),
    ("decided_on", _DATE),
    ("changed_since_decision", T.ArrayType(_STRING)),
    ("is_dismissed", _BOOLEAN),
    ("case_id", _STRING),
)

# What a re-ranker may read of a finding (engine/models/finding_inputs.py): nothing of a patient, and no name or number
# of a payer, pharmacy, entity or product, so that it learns kinds of findings and not who was once right.
FINDING_FEATURES = ("evidence", "rules", "guards", "match", "anomaly", "amount", "program", "subject")

# A claim line drafted for dispute, as it may leave the company: units, codes and documents, no price, no score.
# units_invoiced and units_disputed: NDC billing units (as received if HCPCS units could not be converted);
# units_received: as the payer sent them.
# record_id: FFSU or MCOU for Medicaid (CMS-R-144), else NULL. other_codes (of kind DISPUTE) and documents are in the
# order of precedence.
DISPUTE_LINES = _struct(
    ("finding_id", _STRING),
    ("case_id", _STRING),
    ("route", _STRING),
    ("payer_id", _STRING),
    ("state", _STRING),
    ("program", _STRING),
    ("sub_program", _STRING),
    ("rebate_type", _STRING),
    ("record_id", _STRING),
    ("period", _STRING),
    ("invoice_number", _STRING),
    ("labeler_code", _STRING),
    ("product_code", _STRING),
    ("package_code", _STRING),
    ("product_name", _STRING),
    ("claim_id", _STRING),
    ("claim_line", T.LongType()),
    ("source_row_id", _STRING),
    ("pharmacy_npi", _STRING),
    ("rx_number", _STRING),
    ("fill_number", T.LongType()),
    ("date_of_service", _DATE),
    ("units_received", _UNITS),
    ("units_invoiced", _UNITS),
    ("units_disputed", _UNITS),
    ("dispute_code", _STRING),
    ("other_codes", T.ArrayType(_STRING)),
    ("documents", T.ArrayType(_STRING)),
    ("entity_id", _STRING),
    ("explanation", _STRING),
    ("related_source_row_ids", T.ArrayType(_STRING)),
    ("reference_rows", T.ArrayType(REFERENCE_ROW)),
)

# A line that a named person decided to send: a claim, an invoice line (form alone) or a 340B claim (inquiry).
# recipient: the state, payer or covered entity that `route` goes to. held_back: why the line is not sent, NULL if it
# is. Units as in DISPUTE_LINES. is_elsewhere: the dispense was invoiced by another payer too. published_rows: public
# reference rows that it rests on, in words.
FINAL_LINES = _struct(
    ("finding_id", _STRING),
    ("case_id", _STRING),
    ("subject", _STRING),
    ("route", _STRING),
    ("recipient", _STRING),
    ("held_back", _STRING),
    ("program", _STRING),
    ("state", _STRING),
    ("sub_program", _STRING),
    ("rebate_type", _STRING),
    ("record_id", _STRING),
    ("period", _STRING),
    ("invoice_number", _STRING),
    ("labeler_code", _STRING),
    ("product_code", _STRING),
    ("package_code", _STRING),
    ("ndc11", _STRING),
    ("product_name", _STRING),
    ("claim_id", _STRING),
    ("claim_line", T.LongType()),
    ("pharmacy_npi", _STRING),
    ("rx_number", _STRING),
    ("fill_number", T.LongType()),
    ("date_of_service", _DATE),
    ("units_invoiced", _UNITS),
    ("units_disputed", _UNITS),
    ("dispute_code", _STRING),
    ("other_codes", T.ArrayType(_STRING)),
    ("documents", T.ArrayType(_STRING)),
    ("entity_id", _STRING),
    ("match_tier", _STRING),
    ("is_elsewhere", _BOOLEAN),
    ("published_rows", T.ArrayType(_STRING)),
    ("decided_by", _STRING),
    ("decided_on", _DATE),
)

QUARANTINE = _struct(("source_row_id", _STRING), ("reasons", T.ArrayType(_STRING)), ("raw", _STRING))
