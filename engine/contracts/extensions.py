"""Reference tables beyond the contract; docs/contract-extensions.md says what they serve."""

from __future__ import annotations

from dataclasses import replace

from engine.contracts.columns import Kind, code, column, identifier
from engine.contracts.references import (
    BEGIN_DATE,
    END_DATE,
    ENTITY,
    LABELER,
    NDC,
    NDC9,
    PERIOD,
    PHARMACY_NPI,
    SOURCE,
    STATE,
    reference_table,
)

EXTENSIONS = (
    reference_table(
        "sales",
        NDC,
        replace(STATE, meaning="State into which the units were sold, two letters"),
        PERIOD,
        column("units", Kind.UNITS, "NDC units sold; returns are negative", required=True),
        replace(SOURCE, meaning="Who reports them", example="EDI 867"),
        meaning="Units sold into a state by quarter. What several sources report is added up: give each unit once.",
        key="ndc state period source",
    ),
    reference_table(
        "manufacturer_policies",
        LABELER,
        NDC9,
        code(
            "contract_pharmacies",
            ("NONE", "DESIGNATED"),
            "At which contract pharmacies the 340B price is offered",
            required=True,
        ),
        column("exempt_entity_types", Kind.CODE, "340B entity types that the policy exempts, joined by `|`", "CH|HV"),
        BEGIN_DATE,
        END_DATE,
        replace(SOURCE, example="Policy letter 2024-02"),
        meaning="A manufacturer's conditions on contract pharmacies.",
        key="labeler_code ndc9 begin_date",
    ),
    reference_table(
        "designated_pharmacies",
        ENTITY,
        PHARMACY_NPI,
        replace(LABELER, required=False, meaning="Labeler code; empty means every manufacturer"),
        BEGIN_DATE,
        END_DATE,
        meaning="Contract pharmacies that an entity designated and a manufacturer accepted.",
        key="entity_id pharmacy_npi labeler_code begin_date",
    ),
    reference_table(
        "contract_pharmacy_laws",
        STATE,
        BEGIN_DATE,
        END_DATE,
        SOURCE,
        meaning="Times in which a state's law forbids manufacturers to restrict contract pharmacies.",
        key="state begin_date",
    ),
    reference_table(
        "zip_centroids",
        identifier("zip", "ZIP code, leading zeros kept", "40202", required=True),
        column("latitude", Kind.UNIT_PRICE, "Degrees, north positive", "38.252700", required=True),
        column("longitude", Kind.UNIT_PRICE, "Degrees, east positive", "-85.758500", required=True),
        meaning="Centers of ZIP codes.",
        key="zip",
    ),
    reference_table(
        "inflation_reports",
        NDC,
        replace(PERIOD, meaning="Quarter with which the applicable period of twelve months begins", example="2025Q4"),
        column("total_units", Kind.UNITS, "Units of the period", "5400.000", required=True),
        column("excluded_units", Kind.UNITS, "Units excluded as 340B", "120.000"),
        code("exclusion_method", ("CLAIMS", "ESTIMATE"), "How they were determined"),
        column("unit_rebate_amount", Kind.UNIT_PRICE, "Inflation rebate per unit, US dollars", "1.234500"),
        meaning="CMS's reports of the Medicare Part D inflation rebate.",
        key="ndc period",
    ),
    reference_table(
        "part_d_plans",
        identifier("bin", "BIN (IIN), leading zeros kept", "004336", required=True),
        identifier("pcn", "Processor control number; empty means all of the BIN", "MEDDADV"),
        BEGIN_DATE,
        END_DATE,
        meaning="BINs and PCNs under which Part D plans take claims.",
        key="bin pcn begin_date",
    ),
    reference_table(
        "part_b_lines",
        identifier("source_row_id", "The sender's id of the row", "B-000001", required=True),
        identifier("provider_npi", "NPI of the provider that billed", "1679576722", required=True),
        column("date_of_service", Kind.DATE, "Day of service", required=True),
        column("hcpcs_code", Kind.CODE, "HCPCS procedure code", "J1745", required=True),
        replace(NDC, required=False),
        column("modifiers", Kind.CODE, "HCPCS modifiers, joined by `|`", "TB"),
        meaning="Lines on which providers billed Medicare Part B for the manufacturer's drugs.",
        key="source_row_id",
    ),
)
