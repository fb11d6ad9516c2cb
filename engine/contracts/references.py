"""Reference tables, settlements and answers: facts that claims are compared with (contract part 2)."""

from __future__ import annotations

from dataclasses import replace

from engine.contracts.codes import ClaimType, Program
from engine.contracts.columns import Column, Kind, Table, TableRole, bound, code, column, identifier, text
from engine.contracts.feeds import REBATE_TYPES, SUB_PROGRAMS

CMS_UNIT_TYPES = ("TAB", "CAP", "ML", "GM", "EA", "TDP", "SUP", "AHF")

NDC = column("ndc", Kind.NDC, "NDC of the drug in any of its forms, hyphens optional", required=True)
PERIOD = column("period", Kind.QUARTER, "Quarter", required=True)
ENTITY = identifier("entity_id", "340B id of the covered entity", "DSH180012", required=True)
PHARMACY_NPI = identifier("pharmacy_npi", "NPI of the pharmacy", "1234567893", required=True)
LABELER = identifier("labeler_code", "First five digits of the NDC", "00002", required=True)
NDC9 = identifier("ndc9", "Labeler and product part of the NDC, 9 digits; empty means all products", "000027597")
STATE = column("state", Kind.CODE, "State, two letters", "KY", required=True)
BEGIN_DATE = bound("begin_date", "First day on which the row holds", "2024-01-01")
END_DATE = bound("end_date", "First day on which it no longer holds", "2027-01-01")
SOURCE = text("source", "Where the row comes from", "State Medicaid bulletin 2024-03")
_ZIP = identifier("zip", "ZIP code, leading zeros kept", "40202")
_CITY = text("city", "City", "Louisville")
_CONFIDENCE = code("confidence", ("HIGH", "LOW"), "How sure the row is, in either case", default="HIGH")
_SOURCE_DATE = text("as_of", "Date of the source", "2024-03")
_ADDRESS_STATE = text("state", "State, two letters", "KY")
_HCPCS_CODE = column("hcpcs_code", Kind.CODE, "HCPCS procedure code", "J1745")
_UNITS_PER_HCPCS = column(
    "ndc_units_per_hcpcs_unit", Kind.UNIT_PRICE, "NDC billing units in one HCPCS unit", "0.100000"
)
_VALIDITY = (
    bound("valid_from", "First day for which the row is true", "2024-01-01"),
    bound("valid_to", "First day for which it is no longer true", "2027-01-01"),
    column("snapshot_date", Kind.DATE, "Day on which the source was taken", "2025-10-01"),
)
VALIDITY_NAMES = frozenset(column.name for column in _VALIDITY)


def reference_table(
    name: str,
    *columns: Column,
    meaning: str,
    key: str,
    either: tuple[tuple[tuple[str, ...], ...], ...] = (),
    own_id: str | None = None,
    event: str | None = None,
) -> Table:
    """A reference table; `key` is separated by blanks. Every one may carry the days of its validity. `event`: the day
    of what a row reports.
    """
    return Table(
        name,
        TableRole.REFERENCE,
        (*columns, *_VALIDITY),
        tuple(key.split()),
        either,
        meaning=meaning,
        own_id=own_id,
        known_on=("snapshot_date", *([event] if event else [])),
    )


def _required(optional: Column) -> Column:
    return replace(optional, required=True)


def _optional(required: Column, meaning: str) -> Column:
    return replace(required, required=False, meaning=meaning)


REFERENCES = (
    reference_table(
        "covered_entities",
        ENTITY,
        identifier("parent_entity_id", "340B id of the entity that it belongs to", "DSH180012"),
        text("entity_type", "340B entity type", "DSH"),
        text("name", "Name", "Example Medical Center"),
        text("street", "Street address", "200 E Example St"),
        _CITY,
        _ADDRESS_STATE,
        _ZIP,
        text("contact_name", "Authorizing official or primary contact", "J. Doe"),
        text("contact_phone", "Their telephone number", "502-555-0100"),
        bound("participating_start", "First day of participation in the 340B program", "2012-04-01"),
        bound("termination_date", "First day on which it no longer participates", "2027-01-01"),
        meaning="Covered entities of the 340B program (HRSA OPAIS).",
        key="entity_id",
    ),
    reference_table(
        "entity_npis",
        ENTITY,
        identifier("npi", "NPI of one of its own pharmacies or clinics", "1234567893", required=True),
        meaning="NPIs that are the entity's own: in-house pharmacies and clinics.",
        key="entity_id npi",
    ),
    reference_table(
        "contract_pharmacies",
        ENTITY,
        identifier("contract_id", "Id of the contract", "CP-20415"),
        _optional(PHARMACY_NPI, "NPI of the pharmacy; empty where the source has none"),
        text("pharmacy_name", "Name of the pharmacy", "Example Drug #12"),
        text("address", "Street address", "100 Main St"),
        _CITY,
        _ADDRESS_STATE,
        _ZIP,
        text("phone", "Telephone number", "502-555-0112"),
        bound("begin_date", "First day of the contract", "2019-07-01"),
        bound("termination_date", "First day after the contract", "2027-01-01"),
        meaning="Contract pharmacies of covered entities (HRSA OPAIS).",
        key="entity_id contract_id pharmacy_npi pharmacy_name address zip begin_date",
    ),
    reference_table(
        "medicaid_exclusions",
        ENTITY,
        identifier("npi", "NPI that bills Medicaid for 340B drugs", "1234567893"),
        identifier("medicaid_number", "Medicaid billing number; one of npi and medicaid_number", "7100123450"),
        column("medicaid_state", Kind.CODE, "State that is billed, two letters", "KY", required=True),
        column("quarter", Kind.QUARTER, "Quarter of the file", required=True),
        meaning="HRSA's Medicaid Exclusion File: billers that use 340B drugs for Medicaid patients, by quarter.",
        key="entity_id npi medicaid_number medicaid_state quarter",
        either=((("npi",), ("medicaid_number",)),),
    ),
    reference_table(
        "products",
        NDC,
        text("labeler_name", "Labeler", "Example Pharma Inc"),
        text("product_name", "Product", "EXAMPLE 10 MG"),
        code("unit_type", CMS_UNIT_TYPES, "CMS unit type"),
        column("units_per_package", Kind.UNITS, "Units in one package (NDC-11)", "100.000"),
        code("drug_category", ("S", "I", "N"), "S single source, I innovator multiple source, N noninnovator"),
        column("cod_status", Kind.TWO_DIGIT_CODE, "CMS covered outpatient drug status", "01"),
        bound("market_date", "First day on the market", "2010-05-01"),
        bound("termination_date", "Termination date reported to CMS (shelf life of the last batch)", "2027-01-01"),
        bound("reactivation_date", "First day on the market again", "2027-06-01"),
        column("orphan", Kind.BOOLEAN, "Orphan drug; orphan_drugs has it by quarter", "false"),
        _HCPCS_CODE,
        _UNITS_PER_HCPCS,
        meaning="The manufacturer's products as reported to CMS.",
        key="ndc",
    ),
    reference_table(
        "hcpcs_crosswalk",
        NDC,
        _required(_HCPCS_CODE),
        _required(_UNITS_PER_HCPCS),
        BEGIN_DATE,
        END_DATE,
        meaning="Conversion of HCPCS units to NDC billing units.",
        key="ndc hcpcs_code begin_date",
    ),
    reference_table(
        "prices",
        NDC,
        PERIOD,
        column("unit_rebate_amount", Kind.UNIT_PRICE, "URA of the federal rebate, US dollars per unit", "12.345600"),
        column("wac_unit", Kind.UNIT_PRICE, "Wholesale acquisition cost, US dollars per unit", "20.500000"),
        column("ceiling_unit", Kind.UNIT_PRICE, "340B ceiling price, US dollars per unit", "8.154400"),
        column("mfp_unit", Kind.UNIT_PRICE, "Maximum fair price, US dollars per unit", "9.990000"),
        meaning="The manufacturer's prices by quarter.",
        key="ndc period",
    ),
    reference_table(
        "pharmacies",
        identifier("npi", "NPI of the pharmacy", "1234567893", required=True),
        identifier("ncpdp_id", "NCPDP id", "1812345"),
        text("name", "Name", "Example Drug #12"),
        text("address", "Street address", "100 Main St"),
        _CITY,
        _ADDRESS_STATE,
        _ZIP,
        text("phone", "Telephone number", "502-555-0112"),
        identifier("successor_npi", "NPI that replaced this one", "1245319599"),
        meaning="Pharmacies by NPI, with NCPDP id and address.",
        key="npi ncpdp_id",
    ),
    reference_table(
        "market_prices",
        NDC,
        bound("effective_date", "First day of the price", "2025-07-01", required=True),
        bound("end_date", "First day on which it no longer holds", "2025-08-01"),
        column("price_per_unit", Kind.UNIT_PRICE, "US dollars per unit", "19.876540", required=True),
        meaning="Market prices per unit (NADAC or alike).",
        key="ndc effective_date",
    ),
    reference_table(
        "rebate_contracts",
        identifier("payer_id", "PBM, plan or other payer", "PBM-A", required=True),
        code("program", Program, "Program; empty means all"),
        identifier("contract_id", "Rebate contract", "C-1001"),
        code("rebate_type", REBATE_TYPES, "Kind of rebate; empty means all"),
        NDC9,
        column("excludes_340b", Kind.BOOLEAN, "Whether the contract excludes 340B claims", required=True),
        code(
            "exclusion_scope",
            ("ALL", "ENTITY_OWNED", "FLAGGED_ONLY", "LISTED_PHARMACIES"),
            "Which 340B claims it excludes",
            default="ALL",
        ),
        column("dispute_days", Kind.INTEGER, "Days after the end of the period within which disputes are due", "90"),
        BEGIN_DATE,
        END_DATE,
        meaning="Terms of rebate contracts about 340B claims.",
        key="payer_id program contract_id rebate_type ndc9 begin_date",
    ),
    reference_table(
        "contract_pharmacy_lists",
        identifier("contract_id", "Rebate contract", "C-1001", required=True),
        PHARMACY_NPI,
        BEGIN_DATE,
        END_DATE,
        meaning="Pharmacies listed in a rebate contract whose exclusion_scope is LISTED_PHARMACIES.",
        key="contract_id pharmacy_npi begin_date",
    ),
    reference_table(
        "identifiers_340b",
        _optional(STATE, "State, two letters; empty means all"),
        code("program", Program, "Program; empty means all"),
        code("claim_type", ClaimType, "Claim type; empty means both"),
        code(
            "field",
            ("SCC", "BOC", "MODIFIER"),
            "Field of the claim: submission clarification code, basis of cost or modifier",
            required=True,
        ),
        column("value", Kind.TWO_DIGIT_CODE, "Value that marks a 340B claim", "20", required=True),
        BEGIN_DATE,
        END_DATE,
        _CONFIDENCE,
        SOURCE,
        _SOURCE_DATE,
        meaning="Values by which states have 340B claims marked. Shipped in conf/reference/, may be overridden.",
        key="state program claim_type field value begin_date",
    ),
    reference_table(
        "state_340b_policies",
        STATE,
        code("program", Program, "Program; empty means all"),
        column(
            "method",
            Kind.CODE,
            "How the state keeps 340B claims out of rebates: `MEF` exclusion file, `CLAIM_FLAG` marked claims, "
            "`PROVIDER_LIST`, `RETRO_FILE`; several joined by `|`, each of which alone marks a claim",
            "MEF|CLAIM_FLAG",
        ),
        column("contract_pharmacy_carved_out", Kind.BOOLEAN, "Whether contract pharmacies may not use 340B drugs"),
        BEGIN_DATE,
        END_DATE,
        _CONFIDENCE,
        SOURCE,
        _SOURCE_DATE,
        meaning="How each state finds and excludes 340B claims. Shipped in conf/reference/, may be overridden.",
        key="state program begin_date",
    ),
    reference_table(
        "chargebacks",
        identifier("chargeback_id", "Id of the chargeback", "CB-778120", required=True),
        ENTITY,
        NDC,
        column("invoice_date", Kind.DATE, "Day of the wholesaler's invoice", "2025-07-30", required=True),
        column("packages", Kind.UNITS, "Packages; negative for a return", "2.000", required=True),
        code("contract_type", ("340B", "OTHER"), "Contract under which they were bought", required=True),
        column("contract_price", Kind.UNIT_PRICE, "Contract price per package, US dollars", "815.440000"),
        column("wac", Kind.UNIT_PRICE, "Wholesale acquisition cost per package, US dollars", "2050.000000"),
        identifier("ship_to_npi", "NPI that the packages were shipped to", "1234567893"),
        text("wholesaler", "Wholesaler", "Example Wholesale"),
        meaning="Purchases by covered entities as wholesalers charge them back.",
        key="chargeback_id",
        event="invoice_date",
    ),
    reference_table(
        "labelers",
        LABELER,
        text("owner", "Company that owns the labeler code", "Example Pharma Inc"),
        BEGIN_DATE,
        END_DATE,
        meaning="Labeler codes and their owners.",
        key="labeler_code begin_date",
    ),
    reference_table(
        "orphan_drugs",
        NDC,
        column("quarter", Kind.QUARTER, "Quarter of the list", required=True),
        meaning="HRSA's orphan drug list by quarter.",
        key="ndc quarter",
    ),
    reference_table(
        "settlements",
        identifier("invoice_number", "Invoice settled", "KY-2025Q3-01"),
        code("program", Program, "Program", required=True),
        _optional(STATE, "State, two letters"),
        NDC,
        replace(PERIOD, meaning="Quarter covered by the invoice"),
        column("settled_on", Kind.DATE, "Day of the settlement", "2025-12-20", required=True),
        code(
            "kind",
            ("PAID", "DISPUTED", "RELEASED", "STATE_CREDIT", "ENTITY_REPAID", "WRITTEN_OFF"),
            "What happened to the units",
            required=True,
        ),
        column("units", Kind.UNITS, "Units settled", required=True),
        column("amount", Kind.MONEY, "Amount settled, US dollars", "370.37"),
        column("code", Kind.CODE, "Dispute code", "Q"),
        identifier("claim_id", "Claim settled; empty for the whole line", "2025226000123"),
        column("claim_line", Kind.INTEGER, "Line of the claim"),
        identifier("entity_id", "340B id of the entity that repaid", "DSH180012"),
        identifier("payer_id", "Payer whose claim or line was settled; a state for Medicaid", "KY"),
        code("sub_program", SUB_PROGRAMS, "Part of Medicaid settled; empty means the lines of XIX first"),
        code("rebate_type", REBATE_TYPES, "Kind of rebate; empty means the program's only one"),
        identifier("settlement_id", "Identifies the settlement", "S-2025-0001"),
        meaning="The outcome of invoiced units: paid, disputed, released, credited or repaid.",
        key="invoice_number program state ndc period settled_on kind units amount code claim_id claim_line entity_id "
        "payer_id sub_program rebate_type",
        own_id="settlement_id",
        event="settled_on",
    ),
    reference_table(
        "decisions",
        identifier("finding_id", "Finding decided", "3f1c9a7be2d04456", required=True),
        column("decided_at", Kind.TIMESTAMP, "When it was decided, UTC", "2025-11-20T16:00:00Z", required=True),
        text("decided_by", "Who decided", "A. Analyst", required=True),
        code("decision", ("DISPUTE", "DISMISS", "WATCH", "PAY"), "The decision", required=True),
        text("reason", "Reason", "CE_CLAIM_CONFIRMED"),
        column("units", Kind.UNITS, "Units, if other than those at issue"),
        text("comment", "Free text", "Checked against the entity's report"),
        code("selection", ("QUEUE", "RANDOM"), "How the finding was chosen for review"),
        meaning="Decisions of analysts on findings.",
        key="finding_id decided_at",
        event="decided_at",
    ),
    reference_table(
        "outcomes",
        identifier("finding_id", "Finding answered; one of finding_id and case_id", "3f1c9a7be2d04456"),
        identifier("case_id", "Case answered", "b20d417c55e9f012"),
        column("answered_on", Kind.DATE, "Day of the answer", "2026-01-15", required=True),
        code("answer", ("ACCEPTED", "PARTIAL", "REJECTED", "NO_ANSWER"), "The counterparty's answer", required=True),
        text("counterparty_reason", "Its reason", "Not a 340B claim"),
        column("units_credited", Kind.UNITS, "Units credited"),
        column("amount_credited", Kind.MONEY, "Amount credited, US dollars", "370.37"),
        meaning="Answers of counterparties to disputes.",
        key="finding_id case_id answered_on",
        event="answered_on",
        either=((("finding_id",), ("case_id",)),),
    ),
)
