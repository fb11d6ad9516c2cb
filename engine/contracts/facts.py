"""One wide row per row of a subject: the inputs of rules and models.

Feature columns carry the id of domain part 6 (`f24_...`). A *raw* feature is in its own unit; `<feature>_z` is the
robust z-score of it among its peers: (x - median) / max(1.4826 MAD, floor), capped at +/-10, NULL under 20 peers.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import types as T

from engine.contracts.links import LINKS_340B, LINKS_PHARMACY
from engine.contracts.prepared import PREPARED_ENTITY_CLAIMS, PREPARED_INVOICES, PREPARED_REBATE_CLAIMS

_STRING, _DATE, _DOUBLE, _BOOLEAN = T.StringType(), T.DateType(), T.DoubleType(), T.BooleanType()
_UNITS, _UNIT_PRICE, _STRINGS = T.DecimalType(15, 3), T.DecimalType(15, 6), T.ArrayType(T.StringType())
_LONG, _INTEGER, _TIMESTAMP = T.LongType(), T.IntegerType(), T.TimestampType()


def z_name(feature: str) -> str:
    """Name of the column with a feature's robust z-score."""
    return f"{feature}_z"


def surprise_name(measure: str) -> str:
    """Name of the column with a measure's surprise."""
    return f"{measure}_surprise"


def _fields(*pairs: tuple[str, T.DataType]) -> list[T.StructField]:
    return [T.StructField(name, kind) for name, kind in pairs]


# From `products`, valid at the date of service (invoices: first day of the period).
PRODUCT_FACTS = _fields(
    ("product_is_known", _BOOLEAN),
    ("product_name", _STRING),
    ("product_unit_type", _STRING),
    ("units_per_package", _UNITS),
    ("drug_category", _STRING),
    ("cod_status", _STRING),
    ("market_date", _DATE),
    ("termination_date", _DATE),
    ("reactivation_date", _DATE),
    ("product_snapshot_date", _DATE),
    # `..._known_from`, here and below: the snapshot date of a row without any date of its own, which may not have been
    # true before; NULL: the row is dated, or its snapshot is not
    ("product_known_from", _DATE),
    ("product_first_market_date", _DATE),  # the earliest that any row of the NDC-11 states, whenever it is valid
    ("product_other_unit_type", _STRING),  # which another row of the NDC-11 states; NULL: none does
)

# The nearest earlier live row of the same dispense, rebate type and contract, and what it makes of this row.
# duplicate_rule: R016..R019 or, on MFP rows, R012; one at most. duplicate_source_row_ids: the earlier rows, nearest
# first, MOST_RELATED_ROWS at most; duplicate_row_count: all of them.
# Rows that are credited by rows with negative units are on neither side. duplicate_units_at_issue: of this row's units
# (NDC; as received if not converted) those that are not credited.
DUPLICATE_FACTS = _fields(
    ("duplicate_rule", _STRING),
    ("duplicate_source_row_ids", _STRINGS),
    ("duplicate_row_count", _LONG),
    ("duplicate_source_row_id", _STRING),
    ("duplicate_program", _STRING),
    ("duplicate_payer_id", _STRING),
    ("duplicate_state", _STRING),
    ("duplicate_period", _STRING),
    ("duplicate_claim_id", _STRING),
    ("duplicate_received_at", _TIMESTAMP),
    ("duplicate_contract_id", _STRING),
    ("duplicate_amount_third_party", T.DecimalType(18, 2)),
    # of each earlier row of this payer, program and period <|its modifiers|>, one after the other
    ("duplicate_modifiers", _STRING),
    ("duplicate_units", _UNITS),
    ("duplicate_units_at_issue", _UNITS),
)

# NDC units credited by later rows with negative units.
TAKEN_BACK_FACTS = _fields(("taken_back_units", _UNITS))

# Invoice lines of the claim's state, program, period and rebate type, if none of them is for its product.
UNBILLED_FACTS = _fields(("unbilled_invoice_lines", _LONG))

# NDC units by which later invoice lines correct the claim's line downward (PRIOR_DELTA).
CORRECTED_FACTS = _fields(("corrected_down_units", _UNITS))

# The nearest earlier live row of the same dispense billed by Medicaid if this row has another payer, or by another
# payer if this row is billed by Medicaid; and whether third parties paid a part of the Medicaid row.
ELSEWHERE_FACTS = _fields(
    ("elsewhere_program", _STRING),
    ("elsewhere_is_secondary", _BOOLEAN),
    ("elsewhere_payer_id", _STRING),
    ("elsewhere_claim_id", _STRING),
    ("elsewhere_source_row_id", _STRING),
)

CLAIM_REFERENCE_FACTS = PRODUCT_FACTS + _fields(
    ("price_ura", _UNIT_PRICE),  # prices, the row's period
    ("price_wac", _UNIT_PRICE),  # prices, quarter of the date of service
    ("price_ceiling", _UNIT_PRICE),
    ("price_mfp", _UNIT_PRICE),
    ("market_price", _UNIT_PRICE),  # market_prices at the date of service
    ("flags_340b", _STRINGS),  # identifiers found on the line, e.g. "SCC 20", "MODIFIER UD"
    ("flags_340b_are_sure", _BOOLEAN),  # one of them is of high confidence
    ("flags_340b_are_dated", _BOOLEAN),  # one of the surest is of all states, or has a first day
    ("flags_340b_known_from", _DATE),  # identifiers_340b, the surest
    ("mef_entity_id", _STRING),  # medicaid_exclusions of the quarter of service
    ("mef_listed_as", _STRING),  # "NPI 1234567893" or "Medicaid number 123 (KY)"
    ("mef_quarter", _STRING),
    ("mef_snapshot_date", _DATE),
    ("state_340b_method", _STRING),  # state_340b_policies at the date of service; NULL unknown
    ("state_340b_method_known_from", _DATE),
    ("state_carves_out_contract_pharmacies", _BOOLEAN),
    ("state_carve_out_known_from", _DATE),
    ("contract_excludes_340b", _BOOLEAN),  # rebate_contracts at the date of service; NULL: no such contract
    ("contract_exclusion_scope", _STRING),
    ("payer_contracts", _INTEGER),  # of the payer, such as may govern the claim; NULL: none is known
    ("contract_terms_differ", _BOOLEAN),  # the claim names no contract, and such contracts disagree on 340B claims
    ("contract_key", _STRING),
    ("contract_begin_date", _DATE),
    ("contract_end_date", _DATE),
    ("contract_known_from", _DATE),
    # contract_pharmacy_lists at the date of service, of the contract named or else governing; NULL: its id is not known
    ("contract_pharmacy_is_listed", _BOOLEAN),
    ("contract_listing_known_from", _DATE),
    ("contract_pharmacy_is_entity_owned", _BOOLEAN),  # entity_npis
    ("contract_ownership_known_from", _DATE),
    ("entity_bought_at_340b", _BOOLEAN),  # chargebacks within two quarters; NULL unchecked or not linked
    # NDC units of the NDC-9 over the four quarters up to that of service: on the entity's flagged 340B claims, and what
    # it bought at the 340B price; NULL if either is not known
    ("entity_units_asked_for", _DOUBLE),
    ("entity_units_bought", _DOUBLE),
    ("hcpcs_factor", _UNIT_PRICE),  # NDC units per HCPCS unit at the date of service; NULL: no such pair
    ("hcpcs_pair_at_another_date", _BOOLEAN),  # the crosswalk pairs product and code at another time
    ("hcpcs_pair_known_from", _DATE),  # of the pair, else of all rows of the product
    ("labeler_standing", _STRING),  # labelers: OURS at the date of service, NOT_THEN, or NOT_HELD by the table
    # settlements of the claim (invoices: of the line) as credited or repaid before the row was received, and from that
    # day on; units that are disputed and were neither released nor written off since
    ("settled_units", _UNITS),
    ("settled_on", _DATE),
    ("settled_since_units", _UNITS),
    ("settled_since_on", _DATE),
    ("units_in_dispute", _UNITS),
    # of the invoice on which the claim is billed: the earliest postmark, and the earliest day from which interest is
    # counted (postmark, else receipt); days after the period in which the payer's contracts allow disputes, the fewest
    ("invoice_postmark_date", _DATE),
    ("invoice_sent_on", _DATE),
    ("contract_dispute_days", _LONG),
    ("prescriber_has_dea_number", _BOOLEAN),
    ("claim_products", _INTEGER),  # distinct NDC-11 on live lines of the claim number
    ("mtf_is_adjusted", _BOOLEAN),  # a later MFP adjustment (002) names the row's ICN
    ("mtf_is_reversed", _BOOLEAN),  # an MFP transaction that closes (003, 005, 009, 013) names or has the row's ICN
)

# The model's raw claim features, each with its words for messages and a `_z` twin. Typical ranges come from peers of
# equal NDC-11 and program.
_CLAIM_FEATURES: dict[str, str] = {
    # amount paid / (units x WAC)
    "f20_paid_per_unit_to_wac": "amount paid per unit, as a multiple of WAC",
    # units x URA / amount paid
    "f23_rebate_to_paid": "rebate billed, as a multiple of the amount paid",
    # NDC units
    "f24_units_per_prescription": "units per prescription",
    # NDC units / days supply
    "f25_units_per_day": "units per day of supply",
    # distance of units / units per package from a whole number
    "f26_package_remainder": "distance from whole packages, in packages",
    # |ln(units / product median)|'s distance to the nearest known conversion factor
    "f27_unit_factor_distance": "distance from a known unit conversion",
    # days since the patient's previous fill / its days supply
    "f42_early_refill_ratio": "days since the last fill, as a multiple of its days supply",
    # paid date - date of service
    "f44_claim_age_days": "days from service to payment",
}
CLAIM_FEATURES = tuple(_CLAIM_FEATURES)

# Inputs of surprises (engine/models/surprises.py): all above zero, NULL if unknown or of no meaning.
_CLAIM_MEASURES: dict[str, str] = {
    # NDC units; NULL for a part of a fill
    "units_per_prescription": "units per prescription",
    # NDC units / days supply; NULL for a part of a fill
    "units_per_day": "units per day of supply",
    # what all payers paid / NDC units
    "paid_per_unit": "paid per unit",
    # the same / WAC
    "paid_per_unit_to_wac": "paid per unit, as a multiple of WAC,",
    # paid date - date of service, at least two weeks; NULL if R041 states it
    "days_to_payment": "days from service to payment",
}
CLAIM_MEASURES = tuple(_CLAIM_MEASURES)

CONTEXT_CLAIM_FEATURES = _fields(
    ("f27_unit_factor", _DOUBLE),  # the conversion factor that explains units / median within 2 %, or NULL
    ("peers", _LONG),
    ("peer_median_units", _DOUBLE),  # median NDC units per prescription among the peers
    ("peer_median_units_per_day", _DOUBLE),
)

# Features that, but for SCREENED_FEATURES, only flagged claims get; no condition reads them. What each is, its grain,
# window and unit: `FEATURES` in the modules of engine/facts and docs/features.md, which is made from it. Features that
# no package but engine/facts names are declared there alone.
DESCRIBED_CLAIM_FEATURES = _fields(
    ("f11_ce_active_at_dos", _BOOLEAN),
    ("f12_cp_active_at_dos", _BOOLEAN),
    ("f13_cp_match_conf", _DOUBLE),
    ("f14_n_ce_per_pharmacy", _INTEGER),
    ("f15_pharm_340b_share", _DOUBLE),
    ("f16_ppm_link", _BOOLEAN),
    ("f17_prescriber_ce_share", _DOUBLE),
    ("f29_hcpcs_ndc_pair_valid", _BOOLEAN),
    ("f33_labeler_terminated", _BOOLEAN),
    ("f34_same_key_count", _LONG),
    ("f35_cross_program_count", _INTEGER),
    ("f36_cross_state_count", _INTEGER),
    ("f37_cross_period_count", _INTEGER),
    ("f38_reversal_lag", _INTEGER),
    ("f39_n_reversals", _INTEGER),
    ("f43_overlap_pharmacies", _INTEGER),
    ("f51_dup_rate_pharm", _DOUBLE),
    ("f52_ce_precision", _DOUBLE),
    ("f53_purch_vs_disp", _DOUBLE),
    ("f54_ce_volume_jump", _DOUBLE),
    ("f55_orphan_ce_conflict", _BOOLEAN),
    ("f57_mtf_dup_icn", _BOOLEAN),
    ("f58_bin_pcn_lob_conf", _DOUBLE),
    ("f59_batch_size_rz", _DOUBLE),
    ("f60_pharmacy_npi_valid", _BOOLEAN),
    ("f60_prescriber_npi_valid", _BOOLEAN),
    ("f60_npi_active_at_dos", _BOOLEAN),
)

CLAIM_FACTS = T.StructType(
    PREPARED_REBATE_CLAIMS.fields
    + [f for f in LINKS_340B.fields if f.name.startswith("link_")]
    + [f for f in LINKS_PHARMACY.fields if f.name.startswith("pharmacy_")]
    + DUPLICATE_FACTS
    + ELSEWHERE_FACTS
    + TAKEN_BACK_FACTS
    + UNBILLED_FACTS
    + CORRECTED_FACTS
    + CLAIM_REFERENCE_FACTS
    + CONTEXT_CLAIM_FEATURES
    + DESCRIBED_CLAIM_FEATURES
    # quarantined claim rows of this period or later whose state and NDC-11 are the claim's, as far as they can be read;
    # NULL if no row is quarantined
    + [T.StructField("quarantined_claim_rows", _LONG)]
    + [T.StructField(name, _DOUBLE) for name in CLAIM_FEATURES]
    + [T.StructField(z_name(name), _DOUBLE) for name in CLAIM_FEATURES]
)

# Columns of the claim that are carried for every claim, see `claim_screen_schema`: read by facts, models and several
# rules. What a single rule reads it declares itself (`reads`).
_RECEIVED_AND_SCREENED = {
    *("source_row_id", "program", "payer_id", "state", "contract_id", "rebate_type", "pharmacy_npi", "pharmacy_key"),
    "prescriber_npi",  # whose months are compared
    *("medicaid_provider_id", "date_of_service", "period", "ndc11", "ndc9", "claim_type", "dispensing_status"),
    *("units", "ndc_units", "amount_paid", "amount_third_party", "unit_rebate_amount", "rebate_amount"),
    *("modifiers", "mtf_transaction_code", "sub_program", "compound_code"),
    *("hcpcs_code", "hcpcs_units", "paid_date"),
}
_FOUND_AND_SCREENED = {
    *("flags_340b", "link_tier", "duplicate_rule", "pharmacy_is_reversed", "pharmacy_reversed_at"),
    *("elsewhere_program", "elsewhere_is_secondary"),
    *("duplicate_amount_third_party", "duplicate_contract_id", "duplicate_payer_id", "duplicate_modifiers"),
    *("taken_back_units", "unbilled_invoice_lines"),
}
SCREENED_FEATURES = {
    *("f29_hcpcs_ndc_pair_valid", "f33_labeler_terminated", "f38_reversal_lag", "f43_overlap_pharmacies"),
    *("f60_pharmacy_npi_valid", "f60_prescriber_npi_valid", "f60_npi_active_at_dos"),
}
_NOT_SCREENED = {
    *("market_price", "entity_bought_at_340b", "entity_units_asked_for", "entity_units_bought"),
    *("invoice_postmark_date", "invoice_sent_on", "contract_dispute_days"),
    *("claim_products", "mtf_is_adjusted", "mtf_is_reversed", "quarantined_claim_rows"),
    *({field.name for field in DESCRIBED_CLAIM_FEATURES} - SCREENED_FEATURES),
}
_SPARSE = {
    field.name
    for fields in (
        LINKS_340B.fields,
        LINKS_PHARMACY.fields,
        DUPLICATE_FACTS,
        ELSEWHERE_FACTS,
        TAKEN_BACK_FACTS,
        UNBILLED_FACTS,
        CORRECTED_FACTS,
    )
    for field in fields
}


def claim_screen_schema(read_by_rules: Iterable[str]) -> T.StructType:
    """The part of CLAIM_FACTS that is computed for every claim.

    It holds what conditions of rules, models and peers read, and all facts from references. Columns that only messages
    and findings show are added to flagged claims, because every column here is carried for all claims.

    Args:
        read_by_rules: columns of the claim that a rule's condition or guard reads in addition.
    """
    received = _RECEIVED_AND_SCREENED | _FOUND_AND_SCREENED | {*read_by_rules}
    left_out = {*PREPARED_REBATE_CLAIMS.names, *_SPARSE, *_NOT_SCREENED} - received
    return T.StructType([field for field in CLAIM_FACTS.fields if field.name not in left_out])


_INVOICE_FEATURES: dict[str, str] = {
    # against other states and quarters of the NDC-11
    "f47_units_per_prescription": "units per prescription",
    # total amount / units, against other states and quarters of the NDC-11
    "f48_paid_per_unit": "amount paid per unit",
    # paid per unit / market price in force on the period's first day
    "f21_paid_per_unit_to_market_price": "amount paid per unit, as a multiple of the market price",
    # units / median units of the same line (state, program, NDC-11) over quarters
    "f46_units_to_own_median": "units, as a multiple of this line's own median",
    "units_per_prescription_to_own_median": "units per prescription, as a multiple of this line's own median",
    "paid_per_unit_to_own_median": "amount paid per unit, as a multiple of this line's own median",
}
INVOICE_FEATURES = tuple(_INVOICE_FEATURES)

INVOICE_MEASURES = INVOICE_FEATURES

# What a model feature measures; its value and typical range are in this unit.
FEATURE_WORDS: dict[str, str] = {
    **_CLAIM_MEASURES,
    **_CLAIM_FEATURES,
    **_INVOICE_FEATURES,
    "group_claims": "claims of the month, as a multiple of what is expected,",
    "group_product_claims": "claims of the product in the month, as a multiple of what is expected,",
    "group_far_claims": "claims of the month that are far out, as a multiple of what is expected,",
}

INVOICE_FACTS = T.StructType(
    PREPARED_INVOICES.fields
    + [f for f in PRODUCT_FACTS if f.name != "product_name"]
    + _fields(
        ("price_ura", _UNIT_PRICE),
        ("market_price", _UNIT_PRICE),
        ("market_price_effective_date", _DATE),
        ("period_start", _DATE),
        # live claim lines of the same program, state, NDC-11, period, rebate type and, if both sides state it,
        # sub-program; NULL for a PRIOR_DELTA, which is no total of claims
        ("claim_units", _UNITS),
        ("claim_lines", _LONG),
        ("unconverted_claim_lines", _LONG),  # whose HCPCS units could not be converted
        ("units_taken_back", _UNITS),  # by PRIOR_DELTA lines of negative units of the same key
        ("f50_invoice_to_claims_gap", _DOUBLE),  # (invoiced - claimed) / invoiced
        # quarantined claim rows whose program, state, NDC-11 and period are the line's or cannot be read, and their
        # NDC units where those can be read
        ("quarantined_claim_lines", _LONG),
        ("quarantined_claim_units", _UNITS),
        ("own_quarters", _LONG),  # quarters with numbers of the line: its state, program, NDC-11, sub-program, rebate
        ("own_past_quarters", _LONG),  # of them those of the eight quarters up to this one
        ("own_median_units_per_prescription", _DOUBLE),
        ("own_median_paid_per_unit", _DOUBLE),
        ("last_quarter_with_units", _STRING),  # latest period of this line with units in the feed
        ("labeler_standing", _STRING),
        ("settled_units", _UNITS),
        ("settled_on", _DATE),
        ("settled_since_units", _UNITS),
        ("settled_since_on", _DATE),
        ("units_in_dispute", _UNITS),
        # NDC units of the state and NDC-11 over the four quarters up to the period: invoiced in all programs,
        # differences with their sign, the line's part of them, and sold
        ("units_invoiced_in_state", _DOUBLE),
        ("share_of_units_in_state", _DOUBLE),
        ("units_sold_in_state", _DOUBLE),
        ("f49_invoice_vs_sales", _DOUBLE),
        ("peers", _LONG),
    )
    + [T.StructField(name, _DOUBLE) for name in INVOICE_FEATURES]
    + [T.StructField(z_name(name), _DOUBLE) for name in INVOICE_FEATURES]
)

# One row per report of a Part D inflation rebate. period: the quarter with which its applicable period begins.
INFLATION_FACTS = T.StructType(
    _fields(
        ("source_row_id", _STRING),  # PARTD_INFL//ndc11/period, as an invoice line of no state
        ("program", _STRING),
        ("ndc_raw", _STRING),
        ("ndc11", _STRING),
        ("ndc9", _STRING),
        ("labeler_code", _STRING),
        ("period", _STRING),
        ("period_start", _DATE),
        ("period_end", _DATE),  # first day after the applicable period
        ("left_out_from", _DATE),  # first day of it on which 340B units are excluded from the rebate
        ("total_units", _UNITS),
        ("excluded_units", _UNITS),
        ("exclusion_method", _STRING),
        ("unit_rebate_amount", _UNIT_PRICE),
        ("snapshot_date", _DATE),
    )
    + PRODUCT_FACTS
    + _fields(
        # NDC units and dispenses that entities report as 340B and that went to Part D plans, in those days
        ("part_d_units_claimed", T.DecimalType(38, 3)),
        ("part_d_dispenses", _LONG),
    )
)

# One row per live 340B claim. NULL if a table is missing, unless noted otherwise.
ENTITY_CLAIM_FACTS = T.StructType(
    PREPARED_ENTITY_CLAIMS.fields
    + PRODUCT_FACTS
    + _fields(
        ("price_wac", _UNIT_PRICE),  # prices, quarter of the date of service
        ("price_ceiling", _UNIT_PRICE),
        # covered_entities, as of the date of service; NULL if no row of the entity is valid then
        ("entity_is_active", _BOOLEAN),
        ("entity_type", _STRING),
        ("entity_participating_start", _DATE),
        ("entity_termination_date", _DATE),
        ("entity_snapshot_date", _DATE),
        ("entity_known_from", _DATE),
        ("entity_resumed_on", _DATE),  # first day after that of service on which a participation begins
        ("entity_is_dual_registered", _BOOLEAN),  # an entity that may buy orphan drugs takes part at the same place
        ("f55_orphan_ce_conflict", _BOOLEAN),
        # contract_pharmacies of the entity, its parent and its parent's sites; false: none holds at the date of service
        ("contract_holds", _BOOLEAN),
        ("contract_begin_date", _DATE),  # of the contract with this pharmacy that began last
        ("contract_termination_date", _DATE),
        ("contracts_of_entity", _LONG),  # rows of the entity, its parent and its parent's sites; 0 if none
        ("contracts_least_confidence", _DOUBLE),  # F13 of the least sure of them; 0 if one has no pharmacy NPI
        ("contract_other_npi", _STRING),  # predecessor or successor of the pharmacy with which a contract holds
        ("pharmacy_is_entity_owned", _BOOLEAN),  # entity_npis of the entity, its parent and its parent's sites
        # manufacturer_policies at the date of service; NULL: no policy
        ("policy_contract_pharmacies", _STRING),  # at which the 340B price is offered: NONE, DESIGNATED
        ("policy_exempt_entity_types", _STRINGS),
        ("policy_ndc9", _STRING),  # NULL: of all products of the labeler code
        ("policy_begin_date", _DATE),
        ("policy_end_date", _DATE),
        ("policy_known_from", _DATE),
        ("pharmacy_is_designated", _BOOLEAN),  # designated_pharmacies of the entity, its parent and its parent's sites
        # submission_windows at the date of service; NULL: no window is known, or the state is exempt
        ("submission_days", _LONG),
        ("submission_window_begin_date", _DATE),
        ("submission_window_is_known", _BOOLEAN),
        ("submission_window_known_from", _DATE),
        ("entity_state", _STRING),
        ("state_law_protects", _BOOLEAN),  # contract_pharmacy_laws of the entity's state; NULL: its state is not known
        # part_b_lines of the same provider, day, HCPCS code and NDC; NULL: none
        ("part_b_unmarked_row_ids", _STRINGS),  # that carry neither TB nor JG; MOST_RELATED_ROWS at most
        ("part_b_lines_unmarked", _INTEGER),  # all of them
        ("part_b_lines_marked", _INTEGER),
        # other live claims of the same dispense; NULL if the claim has no key of a dispense; of ids
        # MOST_RELATED_ROWS at most, and their number
        ("other_entity_ids", _STRINGS),  # entities of another parent that submitted first, sorted
        ("other_entity_count", _LONG),
        ("other_entity_row_ids", _STRINGS),  # of another parent entity, in the order of submission
        ("other_entity_row_count", _LONG),
        ("earlier_row_ids", _STRINGS),  # of the same parent entity, submitted before, latest first
        ("earlier_row_count", _LONG),
        # chargebacks and claims of the parent entity and NDC-9 over the four quarters up to that of service
        ("units_bought_4q", _DOUBLE),
        ("units_claimed_4q", _DOUBLE),
        ("entity_first_claim_date", _DATE),  # first date of service among the parent's claims
        ("is_last_of_quarter", _BOOLEAN),  # last claim of the parent entity and NDC-9 in the quarter of service
        ("f60_pharmacy_npi_valid", _BOOLEAN),
        ("f60_prescriber_npi_valid", _BOOLEAN),
        ("f60_npi_active_at_dos", _BOOLEAN),
        ("prescriber_has_dea_number", _BOOLEAN),
        # requires zip_centroids
        ("f17_prescriber_ce_share", _DOUBLE),  # of the prescriber's known prescriptions, those that the entity claimed
        ("prescriptions_known", _LONG),
        ("f18_dist_ce_pharm_km", _DOUBLE),
        ("ce_volume_z", _DOUBLE),  # units of the parent entity and NDC-9 in the quarter, among the product's entities
        ("ce_quarter_units", _DOUBLE),
        ("ce_usual_quarter_units", _DOUBLE),  # median of the product's entities
    )
)

# Facts that few rows have: a link or another row of the same dispense, an identifier, an entry in the exclusion file, a
# credit or dispute. A rule that reads one that is present came close to firing.
SPARSE_FACTS = frozenset(
    {
        *("link_tier", "duplicate_rule", "pharmacy_is_reversed", "elsewhere_program", "unbilled_invoice_lines"),
        *("flags_340b", "mef_entity_id", "settled_units", "settled_since_units", "units_in_dispute"),
        *("taken_back_units", "units_taken_back", "quarantined_claim_lines", "f33_labeler_terminated"),
        *("other_entity_row_ids", "earlier_row_ids", "part_b_unmarked_row_ids", "contract_other_npi"),
    }
)
