"""CMS synthetic Medicare claims: prescription drug events in the layout of the research identifiable files (RIF)."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.sources.adapters.layout import Adapter, Layout, iso_date


def cms_pde(rows: DataFrame, table: str, options: Mapping[str, str]) -> DataFrame:
    """Part D prescription drug events (PDE) as `pharmacy_claims`: one row per event as published.

    Source: CMS, synthetic Medicare claims, file `pde.csv`, fields of the PDE codebook. A deleted event
    (`ADJSTMT_DLTN_CD` D, `DML_IND` DELETE) is a reversal (B2), a changed one (A, UPDATE) a rebill (B3), every other a
    bill (B1); a code outside the codebook is passed on, for quarantine. `transaction_at` is the plan's paid date,
    the only date besides the service's. `amount_paid` is what the plan paid for covered drugs; the total drug cost
    holds fees and tax and is no ingredient cost. `FILL_NUM` is passed on: the synthetic file counts from 1.
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


CMS_PDE = Adapter(
    ("pharmacy_claims",),
    cms_pde,
    ("PDE_ID", "SRVC_DT", "SRVC_PRVDR_ID", "RX_SRVC_RFRNC_NUM", "PROD_SRVC_ID", "QTY_DSPNSD_NUM"),
    format="csv",
    options={"sep": "|"},
)
