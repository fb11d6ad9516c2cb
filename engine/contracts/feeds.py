"""The claim feeds: what payers, pharmacies, covered entities and states send (contract part 1)."""

from __future__ import annotations

from dataclasses import replace

from engine.contracts.codes import ClaimType, Program, Transaction
from engine.contracts.columns import Column, Kind, Table, TableRole, code, column, identifier, text

SUB_PROGRAMS = ("XIX", "EXPANSION", "CHIP_MEDICAID", "CHIP_SEPARATE", "STATE_ONLY")
REBATE_TYPES = ("FEDERAL", "SUPPLEMENTAL", "BASE", "PRICE_PROTECTION", "FEE")
NCPDP_UNITS = ("EA", "ML", "GM")

_NDC = column("ndc", Kind.NDC, "NDC of the drug in any of its forms, hyphens optional", required=True)
_PHARMACY_NPI = identifier("pharmacy_npi", "NPI of the pharmacy or provider that billed", "1234567893", required=True)
_RX_NUMBER = identifier("rx_number", "Prescription number as sent; required for RX claims", "0612345")
_RX_HASH = (
    identifier(
        "rx_number_hash", "Hash of the prescription number, where the number itself is not sent", "9f2c41d07be3a865"
    ),
    identifier("hash_scheme", "Name of the hash method and salt; hashes are compared within one scheme", "sha256-2025"),
)
_FILL = column("fill_number", Kind.INTEGER, "Fill of the prescription; 0 is the first", "0")
_SERVED = column("date_of_service", Kind.DATE, "Day on which the drug was dispensed or given", required=True)
_QUANTITY = column(
    "quantity", Kind.UNITS, "Quantity in NCPDP billing units (or HCPCS units with hcpcs_code)", required=True
)
_UNIT = code("unit_of_measure", NCPDP_UNITS, "NCPDP billing unit: each, milliliter or gram")
_DAYS_SUPPLY = column("days_supply", Kind.INTEGER, "Days the quantity is meant to last", "30")
_HCPCS = (
    column("hcpcs_code", Kind.CODE, "HCPCS procedure code of a medical line", "J1745"),
    column("hcpcs_units", Kind.UNITS, "Units billed under the HCPCS code", "10.000"),
    column("modifiers", Kind.CODE, "HCPCS modifiers of the line, joined by `|`", "JG|UD"),
)
_CLARIFICATION = (
    column(
        "submission_clarification_codes",
        Kind.TWO_DIGIT_CODE,
        "NCPDP 420-DK, joined by `|`; 20 marks a 340B drug",
        "20",
    ),
    column("basis_of_cost", Kind.TWO_DIGIT_CODE, "NCPDP 423-DN; 08 marks the 340B price", "08"),
)
_COMPOUND = code("compound_code", ("0", "1", "2"), "NCPDP 406-D6: 0 not specified, 1 not a compound, 2 compound")
_PARTIAL = code("dispensing_status", ("P", "C"), "NCPDP 343-HD: P partial fill, C completion of a partial fill")
_PRESCRIBER = identifier("prescriber_npi", "NPI of the prescriber", "1003000126")
_ROUTE = (
    identifier("bin", "BIN (IIN) that the claim was sent to, leading zeros kept", "004336"),
    identifier("pcn", "Processor control number", "ADV"),
)
_GROUP = identifier("group_id", "Group number of the member's plan", "RX1234")
_PATIENT = identifier("patient_key", "Patient, already hashed by the sender", "b7d41c09e2")
_SUB_PROGRAM = code("sub_program", SUB_PROGRAMS, "Part of Medicaid that pays")


def _optional(required: Column) -> Column:
    return replace(required, required=False)


REBATE_CLAIMS = Table(
    name="rebate_claims",
    role=TableRole.FEED,
    meaning="Claim lines on which a payer bills the manufacturer for a rebate or refund. One row per line as received.",
    key=("source_row_id",),
    received=("received_at",),
    columns=(
        identifier("source_row_id", "The sender's id of the row, unique in the feed", "CLD-2025Q3-000001"),
        identifier("source_file", "File that the row came from", "KY_CLD_2025Q3.txt"),
        column("source_row_no", Kind.INTEGER, "Number of the row in that file", "17"),
        code("program", Program, "Program under which the payer bills", required=True),
        _SUB_PROGRAM,
        code("rebate_type", REBATE_TYPES, "Kind of rebate; empty means the program's only one"),
        identifier("payer_id", "State (postal code) for Medicaid, else PBM, plan or `MTF`", "KY", required=True),
        identifier("plan_id", "Managed-care plan", "KY-MCO-3"),
        identifier("contract_id", "Rebate contract", "C-1001"),
        column("state", Kind.CODE, "State, two letters", "KY"),
        identifier("claim_id", "The payer's claim number (Medicaid: ICN)", "2025226000123", required=True),
        replace(column("claim_line", Kind.INTEGER, "Line of the claim; empty means 1"), default=1),
        identifier("prior_claim_id", "Claim that this row replaces or voids", "2025226000101"),
        column("prior_claim_line", Kind.INTEGER, "Its line; empty means all lines"),
        code(
            "transaction",
            Transaction,
            "ORIGINAL; ADJUSTMENT replaces and VOID cancels the prior claim, or its own claim key without one",
            required=True,
        ),
        code("claim_type", ClaimType, "Pharmacy or medical claim", required=True),
        _optional(_PHARMACY_NPI),
        identifier("pharmacy_ncpdp_id", "NCPDP id of the pharmacy; serves where its NPI is not sent", "1812345"),
        identifier("service_npi", "NPI of the rendering provider, if another than billed", "1679576722"),
        identifier("medicaid_provider_id", "The biller's Medicaid number in `state`", "7100123450"),
        _RX_NUMBER,
        *_RX_HASH,
        _FILL,
        _SERVED,
        column("paid_date", Kind.DATE, "Day on which the payer paid the claim", "2025-08-20"),
        _NDC,
        column("units", Kind.UNITS, "Units requested, see units_basis; negative on some VOID rows", required=True),
        code(
            "units_basis",
            ("NDC", "HCPCS", "UNKNOWN"),
            "What units count; HCPCS units are converted by hcpcs_crosswalk",
            default="NDC",
        ),
        _UNIT,
        _DAYS_SUPPLY,
        *_HCPCS,
        *_CLARIFICATION,
        _COMPOUND,
        _PARTIAL,
        _PRESCRIBER,
        *_ROUTE,
        _GROUP,
        column("amount_paid", Kind.MONEY, "Paid by this payer, US dollars", "512.34"),
        column("amount_third_party", Kind.MONEY, "Paid by others, US dollars", "0.00"),
        column(
            "unit_rebate_amount",
            Kind.UNIT_PRICE,
            "Rebate per unit as the payer states it: URA, contract rebate or MFP refund, US dollars",
            "12.345600",
        ),
        column("rebate_amount", Kind.MONEY, "Total rebate as the payer states it, US dollars", "370.37"),
        column(
            "period",
            Kind.QUARTER,
            "Quarter covered: for FFS that of payment, otherwise that of service",
            required=True,
        ),
        column("invoice_period", Kind.QUARTER, "Quarter of the invoice that bills the line; empty means period"),
        identifier("invoice_number", "Invoice that bills the line", "KY-2025Q3-01"),
        identifier("mtf_transaction_code", "MFP: transaction code of the Medicare Transaction Facilitator", "001"),
        identifier("mtf_icn", "MFP: claim number of the Medicare Transaction Facilitator", "MTF0000012345"),
        identifier("mtf_xref_icn", "MFP: claim number that this one replaces", "MTF0000012001"),
        _PATIENT,
        column("received_at", Kind.TIMESTAMP, "When the row was received, UTC"),
    ),
    either=(
        (("source_row_id",), ("source_file", "source_row_no")),
        (("pharmacy_npi",), ("pharmacy_ncpdp_id",)),
        # required for RX lines only; prepare applies the condition row by row
        (("rx_number",), ("rx_number_hash", "hash_scheme")),
    ),
)

PHARMACY_CLAIMS = Table(
    name="pharmacy_claims",
    role=TableRole.FEED,
    meaning="What the pharmacy transmitted (switch or aggregator data). One row per transaction.",
    key=("source_row_id",),
    received=("received_at", "transaction_at"),
    columns=(
        identifier("source_row_id", "The sender's id of the row, unique in the feed", "SW-000001", required=True),
        code("transaction_code", ("B1", "B2", "B3"), "B1 bill, B2 reverse, B3 rebill", required=True),
        _PHARMACY_NPI,
        replace(_RX_NUMBER, meaning="Prescription number as sent", required=True),
        _FILL,
        _SERVED,
        column("transaction_at", Kind.TIMESTAMP, "When the pharmacy sent it, UTC", "2025-08-14T15:02:11Z"),
        _NDC,
        replace(_QUANTITY, meaning="Quantity dispensed in NCPDP billing units"),
        _UNIT,
        _DAYS_SUPPLY,
        *_ROUTE,
        _GROUP,
        _PRESCRIBER,
        *_CLARIFICATION,
        column("other_coverage_code", Kind.TWO_DIGIT_CODE, "NCPDP 308-C8: other coverage of the patient", "00"),
        _PARTIAL,
        _COMPOUND,
        column("ingredient_cost", Kind.MONEY, "Ingredient cost, US dollars", "498.10"),
        column("amount_paid", Kind.MONEY, "Paid to the pharmacy, US dollars", "512.34"),
        _PATIENT,
        column("received_at", Kind.TIMESTAMP, "When the row was received, UTC"),
    ),
)

ENTITY_CLAIMS = Table(
    name="entity_claims",
    role=TableRole.FEED,
    meaning="What covered entities report as dispensed or given at the 340B price. One row per claim as submitted.",
    key=("source_row_id",),
    received=("submitted_at",),
    columns=(
        identifier("source_row_id", "The sender's id of the row, unique in the feed", "E-000001", required=True),
        identifier("entity_id", "340B id of the covered entity", "DSH180012", required=True),
        code("claim_type", ClaimType, "Pharmacy or medical claim", default=ClaimType.RX.value),
        _PHARMACY_NPI,
        _RX_NUMBER,
        *_RX_HASH,
        identifier("claim_id", "The entity's or payer's claim number", "2025226000123"),
        _FILL,
        _SERVED,
        column("date_prescribed", Kind.DATE, "Day on which the prescription was written", "2025-08-12"),
        _NDC,
        _QUANTITY,
        *_HCPCS,
        _PRESCRIBER,
        *_ROUTE,
        code(
            "status",
            ("SUBMITTED", "REVERSED"),
            "A REVERSED row cancels the entity's earlier SUBMITTED rows of the same dispense",
            default="SUBMITTED",
        ),
        column("is_340b", Kind.BOOLEAN, "Whether the 340B price was used; false is never matched, empty is true"),
        column("submitted_at", Kind.TIMESTAMP, "When the entity submitted the row, UTC"),
    ),
    either=((("rx_number",), ("rx_number_hash", "hash_scheme")),),
)

INVOICES = Table(
    name="invoices",
    role=TableRole.FEED,
    meaning="Quarterly totals per product: lines of CMS-R-144 invoices or of public utilization data (SDUD).",
    key=("invoice_number", "program", "sub_program", "rebate_type", "state", "ndc", "period", "line_kind"),
    received=("received_date", "postmark_date"),
    columns=(
        code("program", ("MDRP_FFS", "MDRP_MCO"), "Medicaid fee-for-service or managed care", required=True),
        column("state", Kind.CODE, "State that invoices, two letters", "KY", required=True),
        _NDC,
        column("period", Kind.QUARTER, "Quarter covered", required=True),
        identifier("invoice_number", "Number of the invoice", "KY-2025Q3-01"),
        _SUB_PROGRAM,
        code("rebate_type", REBATE_TYPES, "Kind of rebate; empty means FEDERAL"),
        code(
            "line_kind",
            ("CURRENT", "PRIOR_REPLACEMENT", "PRIOR_DELTA"),
            "Line of the current quarter, or a correction of an earlier one by its new total or by the difference",
            default="CURRENT",
        ),
        code(
            "source_kind",
            ("INVOICE", "SDUD"),
            "Invoice, or public utilization data, which makes findings and no dispute lines",
            default="INVOICE",
        ),
        text("product_name", "Product as the invoice names it", "EXAMPLE 10 MG"),
        column("unit_rebate_amount", Kind.UNIT_PRICE, "URA per unit, US dollars", "12.345600"),
        column("units_reimbursed", Kind.UNITS, "Units in the CMS unit type of the product", "1200.000"),
        column("rebate_amount", Kind.MONEY, "Rebate claimed, US dollars", "14814.72"),
        column("prescriptions", Kind.INTEGER, "Number of prescriptions", "40"),
        column("medicaid_amount", Kind.MONEY, "Reimbursed by Medicaid, US dollars", "20480.10"),
        column("non_medicaid_amount", Kind.MONEY, "Reimbursed by others, US dollars", "0.00"),
        column("total_amount", Kind.MONEY, "Reimbursed in total, US dollars", "20480.10"),
        column("suppressed", Kind.BOOLEAN, "The publisher withheld the numbers: the line is not judged", "false"),
        column("postmark_date", Kind.DATE, "Postmark of the invoice: the 37 days run from it", "2025-11-20"),
        column("received_date", Kind.DATE, "Day on which the invoice was received", "2025-11-24"),
    ),
)

FEEDS = (REBATE_CLAIMS, PHARMACY_CLAIMS, ENTITY_CLAIMS, INVOICES)
