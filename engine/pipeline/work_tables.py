"""Declarations of every intermediate result of a run: schema, grain, step and dependencies.

`WorkFolder.write` checks the schema. `docs/work-tables.md` is generated from this module.
"""

from __future__ import annotations

from pyspark.sql import types as T

from engine import entity_families
from engine.contracts.cases import CASES
from engine.contracts.codes import Step, Subject
from engine.contracts.facts import (
    CLAIM_FACTS,
    CLAIM_FEATURES,
    CLAIM_MEASURES,
    CORRECTED_FACTS,
    DUPLICATE_FACTS,
    ELSEWHERE_FACTS,
    INVOICE_FACTS,
    INVOICE_FEATURES,
    INVOICE_MEASURES,
    TAKEN_BACK_FACTS,
    UNBILLED_FACTS,
    surprise_name,
    z_name,
)
from engine.contracts.findings import DISPUTE_LINES, RULE_RESULT, SCORES
from engine.contracts.forms import FORM_LINES
from engine.contracts.links import LINK_CONTRIBUTIONS, LINKS_340B, LINKS_PHARMACY
from engine.contracts.prepared import (
    LINEAGE,
    PHARMACY_DISPENSES,
    PREPARED_ENTITY_CLAIMS,
    PREPARED_REBATE_CLAIMS,
)
from engine.contracts.tables import SUBJECT_FEEDS, TABLES
from engine.contracts.tie_out import TIE_OUT
from engine.facts import ALL_CLAIM_FACTS, SETTLEMENT_FACTS
from engine.positions import ENTRIES
from engine.prepare import conformed_schema
from engine.rules import CLAIM_SCREEN, FACTS_OF, SCORE_FACTS
from engine.runs import WorkTable, WorkTables

_TYPES: dict[str, T.DataType] = {
    "string": T.StringType(),
    "bigint": T.LongType(),
    "int": T.IntegerType(),
    "double": T.DoubleType(),
    "boolean": T.BooleanType(),
    "date": T.DateType(),
    "timestamp": T.TimestampType(),
    "units": T.DecimalType(15, 3),
    "sum": T.DecimalType(38, 3),
    "price": T.DecimalType(15, 6),
    "money": T.DecimalType(18, 2),
    "strings": T.ArrayType(T.StringType()),
}


def _columns(text: str) -> list[T.StructField]:
    """Fields of `name kind, ...`, with the kinds of _TYPES."""
    pairs = (column.split() for column in text.split(","))
    return [T.StructField(name, _TYPES[kind]) for name, kind in pairs]


def _schema(*parts: str | list[T.StructField]) -> T.StructType:
    return T.StructType([field for part in parts for field in (_columns(part) if isinstance(part, str) else part)])


def _of_facts(names: str) -> list[T.StructField]:
    """Columns of CLAIM_FACTS by name."""
    return [CLAIM_FACTS[name] for name in names.replace(",", " ").split()]


# Step prepare

CONFORMED = WorkTables(
    "conformed", "table", Step.PREPARE, "row received", lambda table: conformed_schema(TABLES[table]), ("input",)
)
IN_CONFLICT = WorkTables(
    "in_conflict",
    "table",
    Step.PREPARE,
    "row received whose id or key another row has",
    CONFORMED.schema,
    ("input", "netting"),
)
_NETTING = {
    "rebate_claims": _schema(
        "row_id bigint, left_as string, problem string, prior_not_found boolean", [T.StructField("lineage", LINEAGE)]
    ),
    "pharmacy_claims": _schema("row_id bigint, problem string"),
    "entity_claims": _schema(
        "row_id bigint, left_as string, reversal_unmatched boolean, problem string, claim_ordinal int"
    ),
    "invoices": _schema("row_id bigint, left_as string, problem string"),
}
_NETTING_OF_REFERENCES = _schema("row_id bigint, left_as string, problem string, contested strings")
NETTING = WorkTables(
    "netting",
    "table",
    Step.PREPARE,
    "conformed row that netting drops or numbers",
    lambda table: _NETTING.get(table, _NETTING_OF_REFERENCES),
    ("conformed", "netting_of"),
)
_VERSIONS = _schema(
    "row_id bigint, claim_hash bigint, key_hash bigint, program string, payer_id string, plan_id string",
    "rebate_type string, claim_id string, claim_line bigint, transaction string, ndc11 string, units units",
    "amount_paid money, amount_third_party money, unit_rebate_amount price, rebate_amount money, period string",
    "received_at timestamp, source_row_id string, prior_claim_id string, prior_claim_line bigint, is_crowded boolean",
    "is_acted_on boolean, id_place int, problem string, moment bigint, reach bigint, acts_on_key boolean",
    "equal_moment bigint, is_again boolean, left_as string, is_version boolean, since bigint",
)
_LINEAGES = _schema(
    "row_id bigint, program string, payer_id string, plan_id string, rebate_type string, claim_id string",
    "claim_line bigint, problem string, left_as string, moment bigint, source_row_id string, prior_claim_id string",
    "prior_claim_line bigint, prior_not_found boolean, lineage_claim_id string, lineage_program string",
    "lineage_claim_line bigint, lineage_ordinal int, lineage_began bigint, goes_on_with bigint",
)


def _netting_of(name: str) -> T.StructType:
    return _VERSIONS if name == "rebate_versions" else _LINEAGES


NETTING_OF = WorkTables(
    "netting_of", "result", Step.PREPARE, "rebate row that shares a claim key", _netting_of, ("conformed",)
)
NETTING_IN_CONFLICT = WorkTables(
    "netting_in_conflict", "result", Step.PREPARE, "as netting_of", _netting_of, ("in_conflict",)
)
FAMILIES = WorkTable(
    entity_families.FAMILIES,
    Step.PREPARE,
    "covered entity and span of days with one parent",
    _schema(entity_families.FAMILIES_SCHEMA),
    ("conformed",),
)
DISPENSES = WorkTable("dispenses", Step.PREPARE, "dispense of a pharmacy", PHARMACY_DISPENSES, ("conformed", "netting"))
UNREAD_CLAIMS = WorkTable(
    "unread_claims",
    Step.PREPARE,
    "quarantined rebate claim",
    _schema("program string, state string, ndc11 string, period string, units units, takes_back boolean"),
    ("conformed", "netting"),
)

# Step link

_PREPARED = ("conformed", "netting")
CONTRACT_PHARMACIES = WorkTable(
    "link/contract_pharmacies",
    Step.LINK,
    "contract of a covered entity with a pharmacy",
    _schema(
        [
            field
            for field in conformed_schema(TABLES["contract_pharmacies"])
            if field.name not in ("pharmacy_match_confidence", "pharmacy_match_fields")
        ],
        "pharmacy_match_confidence double, pharmacy_match_fields strings",
    ),
    _PREPARED,
)


def _sparse(name: str, grain: str, fields: list[T.StructField], *reads: str) -> WorkTable:
    """A result with at most one row per rebate claim."""
    schema = T.StructType([T.StructField("source_row_id", T.StringType()), *fields])
    return WorkTable(name, Step.LINK, grain, schema, (*_PREPARED, *reads))


TAKEN_BACK = _sparse("taken_back", "rebate claim with units that a later row credits", TAKEN_BACK_FACTS)
DUPLICATES = _sparse("duplicates", "rebate claim that repeats another", DUPLICATE_FACTS)
BILLED_ELSEWHERE = _sparse(
    "asked_elsewhere", "rebate claim of a dispense that another payer bills too", ELSEWHERE_FACTS
)
UNBILLED = _sparse("unbilled", "rebate claim that no invoice bills", UNBILLED_FACTS)
CORRECTED_DOWN = _sparse("corrected_down", "rebate claim whose invoice line was corrected down", CORRECTED_FACTS)
FLAGS_340B = _sparse(
    "flags_340b",
    "rebate claim with a 340B identifier",
    _of_facts("flags_340b, flags_340b_are_sure, flags_340b_are_dated, flags_340b_known_from"),
)
LINKS_TO_340B = WorkTable(
    "links_340b", Step.LINK, "rebate claim linked to a 340B claim", LINKS_340B, (*_PREPARED, "taken_back", "link")
)
LINKS_TO_PHARMACY = WorkTable(
    "links_pharmacy", Step.LINK, "rebate claim whose dispense was reversed", LINKS_PHARMACY, (*_PREPARED, "dispenses")
)
_REBATE_KEYS = "key_pharmacy string, script_key string, claim_type string, program string, payer_id string"
_REBATE_SIDE = (
    "rebate_type string, pharmacy_key string, service_npi string, rx_kind string, fill_number bigint",
    "date_of_service date, hcpcs_code string, ndc11 string, ndc9 string, prescriber_npi string, bin string",
    "ndc_units units, dispensing_status string, rebate_claim string",
)
_ENTITY_SIDE = (
    "entity_id string, parent_entity_id string, entity_pharmacy_key string, entity_rx_kind string",
    "entity_fill_number bigint, entity_date_of_service date, entity_hcpcs_code string, entity_ndc11 string",
    "entity_ndc9 string, entity_prescriber_npi string, entity_bin string, entity_quantity units",
    "is_340b_assumed boolean, entity_claim string, units_per_package units",
)
_COMPARED = (
    "days int, product string, quantity string, fill_step bigint, is_part boolean, level_date_of_service string",
    "level_product_and_quantity string, level_prescriber_npi string, level_bin string",
)
_OF_ENTITY = _schema(
    "entity_row_id string, key_hash bigint, key_pharmacy string, script_key string, claim_type string", *_ENTITY_SIDE
)
_PAIRS = _schema(
    "key_hash bigint, source_row_id string",
    _REBATE_KEYS,
    *_REBATE_SIDE,
    "whole_fill_units units, entity_row_id string",
    *_ENTITY_SIDE,
    *_COMPARED,
)
_PAIRS_BY_TUPLE = _schema(
    "key_hash bigint, source_row_id string",
    _REBATE_KEYS,
    *_REBATE_SIDE,
    "own_script string, whole_fill_units units, entity_row_id string",
    *_ENTITY_SIDE,
    "entity_own_script string",
    *_COMPARED,
)
_WEIGHED = _schema(
    "key_hash bigint",
    _REBATE_KEYS,
    "rebate_type string, rebate_claim string, entity_claim string, entity_row_id string, fill_number bigint",
    "is_part boolean, days int, tier int, source_row_id string, score double, entity_id string",
    "parent_entity_id string, entity_pharmacy_key string, entity_date_of_service date, entity_fill_number bigint",
    "entity_ndc11 string, entity_quantity units, entity_ndc_units units, is_340b_assumed boolean",
    "fields_differ strings",
    [T.StructField("contributions", LINK_CONTRIBUTIONS)],
)
_LINKS = _schema(list(LINKS_340B.fields), "program string, payer_id string, rebate_type string, entity_claim string")
_LINKING = {
    "entity_side": _OF_ENTITY,
    "rebate_odd": _schema("source_row_id string, key_hash bigint", _REBATE_KEYS, *_REBATE_SIDE),
    "rebate_scripted": _schema("key_hash bigint, source_row_id string", _REBATE_KEYS, *_REBATE_SIDE),
    "crowded": _schema("key_hash bigint, rebate_rows bigint, entity_rows bigint"),
    "pairs": _PAIRS,
    "pairs_place_of_service": _PAIRS,
    "pairs_tuple": _PAIRS_BY_TUPLE,
    "pairs_weighed_by_pharmacy": _WEIGHED,
    "pairs_weighed_place_of_service": _WEIGHED,
    "pairs_weighed_tuple": _WEIGHED,
    "links_by_pharmacy": _LINKS,
    "links_place_of_service": _LINKS,
    "links_tuple": _LINKS,
    # of the job explain: the explained claim and its candidates
    "candidates_given": _OF_ENTITY,
    "candidates_by_pharmacy": _PAIRS,
    "candidates_elsewhere": _PAIRS,
    "candidates_tuple": _PAIRS_BY_TUPLE,
    "candidates_keys_claimed": _schema("row_id string, key_hash bigint"),
    "candidates_keys_given": _schema("row_id string, key_hash bigint"),
    "candidates_found_0": _schema("key_hash bigint"),
    "candidates_found_1": _schema("key_hash bigint"),
    "candidates_found_2": _schema("key_hash bigint"),
    "candidates_claims": PREPARED_REBATE_CLAIMS,
    "candidates_340b": PREPARED_ENTITY_CLAIMS,
}
LINKING = WorkTables(
    "link", "result", Step.LINK, "claim of one side, candidate pair or link", lambda name: _LINKING[name], _PREPARED
)

# Step facts

_ON_CLAIMS = (
    *("conformed", "netting", "links_340b", "links_pharmacy", "duplicates", "asked_elsewhere", "taken_back"),
    *("unbilled", "corrected_down", "flags_340b", "link/contract_pharmacies", "claim_history"),
)
# Columns that are not written: they are added to every row from its peers when the facts are read.
_FROM_PEERS = {
    *("peers", "peer_median_units", "peer_median_units_per_day", "f27_unit_factor", "f27_unit_factor_distance"),
    *(z_name(measure) for measure in (*CLAIM_FEATURES, *INVOICE_FEATURES)),
}


def _before_peers(schema: T.StructType) -> T.StructType:
    return T.StructType([field for field in schema if field.name not in _FROM_PEERS])


_CLAIM_HISTORY = {
    "settled": T.StructType(
        [
            T.StructField("settled_row_id", T.StringType()),
            T.StructField("settlement", T.StructType(list(SETTLEMENT_FACTS))),
        ]
    ),
    "fills": _schema("patient string, product string, day int, days_supply bigint, pharmacy string"),
    "fill_days": _schema(
        "patient string, product string, day int, is_crowded boolean, previous_day int, previous_supply bigint",
        "pharmacies_before strings",
    ),
}
CLAIM_HISTORY = WorkTables(
    "claim_history",
    "result",
    Step.FACTS,
    "rebate claim with a settlement; rebate claim with a patient; patient, product and day of service",
    lambda name: _CLAIM_HISTORY[name],
    _PREPARED,
)
FACTS = {
    Subject.REBATE_CLAIM: WorkTable(
        "facts/claims", Step.FACTS, "live rebate claim", _before_peers(CLAIM_SCREEN), _ON_CLAIMS
    ),
    Subject.ENTITY_CLAIM: WorkTable(
        "facts/entity_claims", Step.FACTS, "live 340B claim", FACTS_OF[Subject.ENTITY_CLAIM], (*_PREPARED, "links_340b")
    ),
    Subject.INVOICE: WorkTable(
        "facts/invoices", Step.FACTS, "live invoice line", _before_peers(INVOICE_FACTS), (*_PREPARED, "unread_claims")
    ),
    Subject.INFLATION_REPORT: WorkTable(
        "facts/inflation_reports",
        Step.FACTS,
        "report of an inflation rebate",
        FACTS_OF[Subject.INFLATION_REPORT],
        _PREPARED,
    ),
}


def _of_peers(measures: tuple[str, ...], *others: str) -> T.StructType:
    statistics = [
        f"{measure}_median double, {measure}_scale double, {measure}_low double, {measure}_high double, "
        f"{measure}_peers bigint"
        for measure in measures
    ]
    return _schema("ndc11 string, program string, peers bigint", *statistics, *others)


PEERS = {
    Subject.REBATE_CLAIM: WorkTable(
        "peers/claims", Step.FACTS, "product and program", _of_peers(CLAIM_FEATURES), ("facts/claims",)
    ),
    Subject.INVOICE: WorkTable(
        "peers/invoices", Step.FACTS, "product and program", _of_peers(INVOICE_FEATURES), ("facts/invoices",)
    ),
}
FEATURE_INPUTS = WorkTables(
    "feature_inputs",
    "step",
    Step.RULES,
    "flagged rebate claim",
    _schema(
        "source_row_id string, program string, payer_id string, plan_id string, state string, claim_id string",
        "claim_line bigint, claim_type string, period string, contract_id string, rebate_type string",
        "pharmacy_npi string, pharmacy_key string, prescriber_npi string, patient_key string, rx_key string",
        "script_key string, fill_number bigint, date_of_service date, ndc11 string, ndc9 string, labeler_code string",
        "hcpcs_code string, units units, dispensing_status string, bin string, pcn string, group_id string",
        "mtf_icn string, mtf_xref_icn string, mtf_transaction_code string, mef_entity_id string",
        "state_340b_method string, contract_excludes_340b boolean, price_ceiling price, price_mfp price",
        [T.StructField("ndc_units", T.DecimalType(16, 3))],
        "link_tier string, link_entity_id string, link_parent_entity_id string, entity_id string",
        "parent_entity_id string, service_quarter int",
    ),
    ("facts/claims", "links_340b", "taken_back"),
)
FEATURES = WorkTables(
    "features",
    "step",
    Step.RULES,
    "flagged rebate claim",
    T.StructType(
        _of_facts(
            "source_row_id f17_prescriber_ce_share f16_ppm_link f15_pharm_340b_share f59_batch_size_rz "
            "f58_bin_pcn_lob_conf f37_cross_period_count claim_products f39_n_reversals f51_dup_rate_pharm "
            "f52_ce_precision f54_ce_volume_jump f11_ce_active_at_dos f55_orphan_ce_conflict f12_cp_active_at_dos "
            "f13_cp_match_conf f14_n_ce_per_pharmacy f34_same_key_count f35_cross_program_count f36_cross_state_count "
            "f57_mtf_dup_icn mtf_is_adjusted mtf_is_reversed entity_bought_at_340b entity_units_asked_for "
            "entity_units_bought f53_purch_vs_disp"
        )
    ),
    ("feature_inputs", *_ON_CLAIMS),
)

# Steps screen, score and rules

_SUBJECTS = {table: subject for subject, table in SUBJECT_FEEDS.items()}
SCREENED = WorkTables(
    "screened",
    "table",
    Step.SCREEN,
    "row on which a rule fires",
    _schema("source_row_id string, rule_ids strings"),
    ("facts", "peers"),
)
_READ_BY_MODELS = {
    Subject.REBATE_CLAIM: (
        *("source_row_id", "ndc9", "program", "drug_category", "date_of_service", "ndc_units", "pharmacy_key"),
        "prescriber_npi",
    ),
    Subject.INVOICE: ("source_row_id", "ndc9", "program", "drug_category", "suppressed"),
}


def _measured(subject: Subject, schema: T.StructType, measures: tuple[str, ...]) -> T.StructType:
    surprises = [f"{surprise_name(measure)} double" for measure in measures]
    return _schema([schema[name] for name in _READ_BY_MODELS[subject]], *surprises, "has_surprising_measure boolean")


MEASURED = {
    Subject.REBATE_CLAIM: WorkTable(
        "measured/claims",
        Step.SCORE,
        "live rebate claim",
        _measured(Subject.REBATE_CLAIM, CLAIM_SCREEN, CLAIM_MEASURES),
        ("facts/claims", "peers/claims", "screened"),
    ),
    Subject.INVOICE: WorkTable(
        "measured/invoices",
        Step.SCORE,
        "live invoice line",
        _measured(Subject.INVOICE, INVOICE_FACTS, INVOICE_MEASURES),
        ("facts/invoices", "peers/invoices", "screened"),
    ),
}
P_VALUES = WorkTables(
    "p_values", "table>/<detector", Step.SCORE, "row that a model can judge", SCORES, ("facts", "screened", "measured")
)
_COUNTED = "kind string, group_id string, month date, product string, measure string, hits bigint, of bigint"
GROUP_COUNTS = WorkTables(
    "group_counts",
    "table",
    Step.SCORE,
    "group, month, product and measure",
    _schema(_COUNTED),
    ("facts", "screened", "measured"),
)
GROUP_MONTHS = WorkTables(
    "group_months",
    "table",
    Step.SCORE,
    "group, month, product and measure with enough to compare",
    _schema(
        _COUNTED,
        "own_of bigint, own_months bigint, groups bigint, evidence double, expected double, times double, band bigint",
        "evidence_bin bigint, times_bin bigint",
    ),
    ("group_counts",),
)
_BY_MODEL = [field for field in SCORE_FACTS.fields if not field.name.startswith("group_")]
UNUSUAL = WorkTables(
    "unusual",
    "table",
    Step.RULES,
    "row that a model flags",
    _schema("source_row_id string", _BY_MODEL),
    ("p_values", "facts", "peers"),
)


def _all_facts(table: str) -> T.StructType:
    subject = _SUBJECTS[table]
    return ALL_CLAIM_FACTS if subject is Subject.REBATE_CLAIM else FACTS_OF[subject]


def _described(table: str) -> T.StructType:
    return T.StructType([*_all_facts(table).fields, *SCORE_FACTS.fields])


DESCRIBED = WorkTables(
    "described",
    "table",
    Step.RULES,
    "flagged row",
    _described,
    ("facts", "peers", "features", "screened", "unusual", "group_months"),
)
FLAGGED = WorkTables(
    "flagged",
    "table",
    Step.RULES,
    "flagged row",
    lambda table: T.StructType([*_described(table).fields, T.StructField("rules", T.ArrayType(RULE_RESULT))]),
    ("described",),
)
EXPLAINED = WorkTables(
    "explained",
    "table",
    Step.RULES,
    "row in question of the job explain",
    _all_facts,
    ("facts", "peers", "features"),
)

# Step exports

_KEY = "program string, payer_id string, rebate_type string, ndc11 string, period string"
CLAIM_LINES = WorkTable(
    "positions/claim_lines",
    Step.EXPORTS,
    "account, sub-program and claim line",
    _schema(
        _KEY,
        "sub_program string, plan_id string, claim_id string, claim_line bigint, state string, units sum",
        "unconverted bigint, account string",
    ),
    _PREPARED,
)
INVOICE_LINES = WorkTable(
    "positions/invoice_lines",
    Step.EXPORTS,
    "account and sub-program",
    _schema(
        _KEY,
        "sub_program string, total sum, gross sum, invoice_number string, line_kind string, replaced bigint",
        "account string",
    ),
    _PREPARED,
)
EVENTS = WorkTable(
    "positions/events",
    Step.EXPORTS,
    "settlement or decision",
    _schema(
        _KEY,
        "account string, day date, effect string, units sum, event_id string, code string, finding_id string",
        "claim_id string, claim_line bigint, plan_id string, sub_program string, amount money",
    ),
    ("input", "positions/claim_lines", "positions/invoice_lines", "findings"),
)
_LEDGER = ("positions/claim_lines", "positions/invoice_lines", "positions/events")
IN_SEQUENCE = WorkTable(
    "positions/in_sequence",
    Step.EXPORTS,
    "account whose entries depend on their order",
    _schema("account string"),
    _LEDGER,
)
SEQUENTIAL = WorkTable(
    "positions/sequential", Step.EXPORTS, "entry of such an account", ENTRIES, (*_LEDGER, "positions/in_sequence")
)
LINES_OF_FORMS = WorkTable(
    "positions/form_lines",
    Step.EXPORTS,
    "line of the forms ROSI and PQAS",
    FORM_LINES,
    ("positions/invoice_lines", "positions/sequential", "positions/events"),
)
TIE_OUT_LINES = WorkTable(
    "tie_out/lines",
    Step.EXPORTS,
    "program, payer, product and period",
    _schema(
        _KEY,
        "units_billed sum, units_in_detail sum, units_paid sum, units_credited sum, units_in_dispute sum",
        "units_open sum, units_not_invoiced sum, invoice_lines bigint, claim_lines bigint, lines_unstated bigint",
        "lines_not_converted bigint, is_invoiced boolean, has_detail boolean, source_row_id string",
        "invoiced_account string, sent_on date, product_name string, invoice_number string, state string",
    ),
    ("positions/claim_lines", "positions/invoice_lines", "positions/sequential"),
)
TIE_OUT_COMPARED = WorkTable(
    "tie_out/compared",
    Step.EXPORTS,
    "program, payer, product and period",
    TIE_OUT,
    ("tie_out/lines", "unread_claims"),
)
LINES = WorkTable("drafts/all", Step.EXPORTS, "line in dispute", DISPUTE_LINES, ("findings",))
LINES_UNSENT = WorkTable(
    "drafts/unsent", Step.EXPORTS, "line in dispute that was not sent before", DISPUTE_LINES, ("drafts/all",)
)
_FINDING_ON_LINE = _schema("finding_id string, line_key string")
LINES_RED = WorkTable(
    "drafts/red",
    Step.EXPORTS,
    "finding on a red line of the tie-out",
    _FINDING_ON_LINE,
    ("findings", "tie_out/compared"),
)
LINES_HELD = WorkTable(
    "drafts/held", Step.EXPORTS, "unsent line on a red line", _FINDING_ON_LINE, ("drafts/red", "drafts/unsent")
)
LINES_OFFERED = WorkTable(
    "drafts/offered", Step.EXPORTS, "line offered for dispute", DISPUTE_LINES, ("drafts/unsent", "drafts/held")
)
CASES_OF_RUN = WorkTable(
    "cases/all", Step.EXPORTS, "case", CASES, ("findings", "drafts/red", "positions/sequential", "input")
)
STANDINGS = WorkTable(
    "queue/standings",
    Step.EXPORTS,
    "finding",
    _schema("finding_id string, priority double, standing string, is_held boolean, is_context boolean"),
    ("findings", "cases/all", "drafts/red"),
)

DECLARED: tuple[WorkTable | WorkTables, ...] = (
    *(CONFORMED, IN_CONFLICT, NETTING_OF, NETTING_IN_CONFLICT, NETTING, FAMILIES, DISPENSES, UNREAD_CLAIMS),
    *(CONTRACT_PHARMACIES, TAKEN_BACK, DUPLICATES, BILLED_ELSEWHERE, UNBILLED, CORRECTED_DOWN, FLAGS_340B),
    *(LINKING, LINKS_TO_340B, LINKS_TO_PHARMACY),
    CLAIM_HISTORY,
    *FACTS.values(),
    *PEERS.values(),
    SCREENED,
    *MEASURED.values(),
    *(P_VALUES, GROUP_COUNTS, GROUP_MONTHS),
    *(UNUSUAL, FEATURE_INPUTS, FEATURES, DESCRIBED, FLAGGED, EXPLAINED),
    *(CLAIM_LINES, INVOICE_LINES, EVENTS, IN_SEQUENCE, SEQUENTIAL, LINES_OF_FORMS, TIE_OUT_LINES, TIE_OUT_COMPARED),
    *(LINES, LINES_UNSENT, LINES_RED, LINES_HELD, LINES_OFFERED, CASES_OF_RUN, STANDINGS),
)
