"""CMS files on Medicare drugs: synthetic Part D events (layout of the research identifiable files, RIF) and the
crosswalk from NDCs to HCPCS codes of Part B.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import Reason
from engine.sources.adapters.layout import Adapter, Layout, iso_date

# `NDC2` is CMS's name for the hyphenated NDC, in other editions `NDC`; derived copies add the digits as `ndc11`.
_CROSSWALK_NDC = ("NDC2", "NDC", "NDC or ALTERNATE ID")
# `_2025_CODE` without its year
_CROSSWALK_CODE = ("Code", "HCPCS", "HCPCS Code")
_NDC_FORM = r"^(\d{10,11}|\d{4,5}-\d{3,4}-\d{1,2})\z"


def cms_pde(rows: DataFrame, table: str, options: Mapping[str, Any]) -> DataFrame:
    """Part D prescription drug events (PDE) as `pharmacy_claims`: one row per event as published.

    Source: CMS, synthetic Medicare claims, file `pde.csv`, fields of the PDE codebook. A deleted event
    (`ADJSTMT_DLTN_CD` D, `DML_IND` DELETE) is a reversal (B2), a changed one (A, UPDATE) a rebill (B3), every other a
    bill (B1); a code outside the codebook is passed on, for quarantine. `transaction_at` is the plan's paid date,
    the only date other than the date of service. `amount_paid` is what the plan paid for covered drugs; the total drug
    cost includes fees and tax and is not the ingredient cost. `FILL_NUM` is passed on: the synthetic file counts from
    1.
    """
    del table, options
    layout = Layout(rows)
    record, change = F.upper(layout.text("DML_IND")), F.upper(layout.text("ADJSTMT_DLTN_CD"))
    is_deleted = (record == "DELETE") | (change == "D")
    is_changed = (record == "UPDATE") | (change == "A")
    is_new = (record.isNull() | (record == "INSERT")) & (change.isNull() | (change == "R"))
    return rows.select(
        F.when(is_deleted, "B2")
        .when(is_changed, "B3")
        .when(is_new, "B1")
        .otherwise(F.concat_ws(" ", record, change))
        .alias("transaction_code"),
        iso_date(layout.text("SRVC_DT")).alias("date_of_service"),
        iso_date(layout.text("PD_DT")).alias("transaction_at"),
        *layout.renamed(
            {
                "source_row_id": "PDE_ID",
                "pharmacy_npi": "SRVC_PRVDR_ID",
                "rx_number": "RX_SRVC_RFRNC_NUM",
                "fill_number": "FILL_NUM",
                "ndc": "PROD_SRVC_ID",
                "quantity": "QTY_DSPNSD_NUM",
                "days_supply": "DAYS_SUPLY_NUM",
                "prescriber_npi": "PRSCRBR_ID",
                "submission_clarification_codes": "SUBMSN_CLR_CD",
                "dispensing_status": "DSPNSNG_STUS_CD",
                "compound_code": "CMPND_CD",
                "amount_paid": "CVRD_D_PLAN_PD_AMT",
                "patient_key": "BENE_ID",
            }
        ),
    )


def asp_crosswalk(rows: DataFrame, table: str, options: Mapping[str, Any]) -> DataFrame:
    """CMS's quarterly ASP NDC-HCPCS crosswalk as `hcpcs_crosswalk`: one row per NDC and HCPCS code.

    Source: CMS, ASP pricing files, NDC-HCPCS crosswalk (42 U.S.C. 1395w-3a). `PKG SIZE` is the amount in one container
    in NDC units, `BILLUNITS` its HCPCS units: `ndc_units_per_hcpcs_unit` is their ratio. `BILLUNITSPKG` must be
    `BILLUNITS` x `PKG QTY`, which CMS rounds to integers. Otherwise one of the numbers is wrong, and which one is
    unknown: the factor becomes a text that explains it, for quarantine.
    Items without an NDC (devices, skin substitutes) are excluded as NOT_AN_NDC.
    """
    del table, options
    layout = Layout(rows)
    size, quantity, units, units_of_package = (
        layout.text(name).try_cast("decimal(18,6)") for name in ("PKG SIZE", "PKG QTY", "BILLUNITS", "BILLUNITSPKG")
    )
    agrees = F.abs(units * quantity - units_of_package) < 1
    # engines give quotients of other scales, some cut off: 14 decimals are enough to round the sixth
    quotient = size.cast("decimal(27,14)") / units
    factor = F.when((size > 0) & (units > 0), quotient).cast("decimal(18,6)")
    contradiction = F.format_string(
        "BILLUNITS %s x PKG QTY %s, BILLUNITSPKG %s",
        *(layout.text(name) for name in ("BILLUNITS", "PKG QTY", "BILLUNITSPKG")),
    )
    return rows.select(
        layout.text(*_CROSSWALK_NDC).alias("ndc"),
        layout.text(*_CROSSWALK_CODE).alias("hcpcs_code"),
        F.when(agrees, factor.cast("string"))
        .when(units.isNotNull() & quantity.isNotNull() & units_of_package.isNotNull(), contradiction)
        .alias("ndc_units_per_hcpcs_unit"),
    )


def _is_not_an_ndc(layout: Layout) -> Column:
    return ~F.coalesce(layout.text(*_CROSSWALK_NDC).rlike(_NDC_FORM), F.lit(True))


ASP_CROSSWALK = Adapter(
    ("hcpcs_crosswalk",),
    asp_crosswalk,
    ("|".join(_CROSSWALK_NDC), "|".join(_CROSSWALK_CODE), "PKG SIZE", "PKG QTY", "BILLUNITS", "BILLUNITSPKG"),
    header_names=("HCPCS dosage", "PKG SIZE", "PKG QTY", "BILLUNITS"),
    # descriptions have characters of Windows; the columns that are read have none
    options={"encoding": "latin-1"},
    identifiers=_CROSSWALK_NDC,
    excluded={Reason.NOT_AN_NDC: _is_not_an_ndc},
)
CMS_PDE = Adapter(
    ("pharmacy_claims",),
    cms_pde,
    ("PDE_ID", "SRVC_DT", "SRVC_PRVDR_ID", "RX_SRVC_RFRNC_NUM", "PROD_SRVC_ID", "QTY_DSPNSD_NUM"),
    format="csv",
    options={"sep": "|"},
)
