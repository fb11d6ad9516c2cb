"""Public layouts as contract tables: the published headers, the odd values, nothing lost."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from tests.unit.sources_folder import INVOICE_CSV, Folder, values


@pytest.fixture
def folder(spark: SparkSession, tmp_path: Path) -> Folder:
    folder = Folder(spark, tmp_path)
    folder.put("invoices.csv", INVOICE_CSV)
    return folder


def test_drug_utilization_as_published(folder: Folder) -> None:
    folder.put(
        "sdud.csv",
        b"Utilization Type,State,NDC,Labeler Code,Product Code,Package Size,Year,Quarter,Suppression Used,Product Name,"
        b"Units Reimbursed,Number of Prescriptions,Total Amount Reimbursed,Medicaid Amount Reimbursed,"
        b"Non Medicaid Amount Reimbursed\n"
        b"FFSU,AK,00002143380,00002,1433,80,2022,4,false,TRULICITY ,481.0,201,205175.49,198526.95,6648.54\n"
        b"MCOU,NY,,00002,1433,81,2022,1,true,TRULICITY,,,,,\n"
        b"FFSU,XX,00002143382,00002,1433,82,2022,2,false,X,1,11,2,2,0\n"
        b"ODD,AK,bad,00002,1433,82,2022,,false,X,1,11,2,2,0\n",
    )
    opened = folder.table("invoices", {"path": "sdud.csv", "adapter": "sdud"})
    told = values(opened, "ndc", "program", "state", "period", "source_kind", "suppressed", "units_reimbursed")
    assert told == [
        ("00002-1433-81", "MDRP_MCO", "NY", "2022Q1", "SDUD", "true", None),
        ("00002143380", "MDRP_FFS", "AK", "2022Q4", "SDUD", "false", "481.0"),
        ("bad", "ODD", "AK", None, "SDUD", "false", "1"),
    ]
    amounts = values(opened, "ndc", "product_name", "prescriptions", "total_amount", "medicaid_amount")
    assert amounts[1] == ("00002143380", "TRULICITY", "201", "205175.49", "198526.95")
    assert "non_medicaid_amount" in opened.columns
    assert "invoice_number" not in opened.columns
    assert opened.unknown_columns == ()
    assert opened.left_out == {"NATIONAL_TOTAL": 1}


def test_prices_with_the_last_day_of_each(folder: Folder) -> None:
    frame = pd.DataFrame(
        {
            "ndc": ["1", "1", "2", "3"],
            "effective_date": pd.to_datetime(["2019-12-18", "2020-01-31", "2022-01-01", None]).date,
            "end_date": ["2020-01-30", "2099-12-31", "soon", None],
            "nadac_per_unit": [0.00011, 364.34368, 1.0, None],
        }
    )
    frame.to_parquet(folder.put("nadac.parquet", b""))
    opened = folder.table("market_prices", {"path": "nadac.parquet", "adapter": "nadac"})
    assert values(opened, "effective_date", "ndc", "end_date", "price_per_unit") == [
        ("2019-12-18", "1", "2020-01-31", 0.00011),
        ("2020-01-31", "1", None, 364.34368),
        ("2022-01-01", "2", "soon", 1.0),
        (None, "3", None, None),
    ]


def test_the_weekly_price_list_as_published(folder: Folder) -> None:
    folder.put(
        "nadac.csv",
        b"NDC Description,NDC,NADAC Per Unit,Effective Date,Pricing Unit,Pharmacy Type Indicator,OTC,Explanation Code,"
        b"Classification for Rate Setting,Corresponding Generic Drug NADAC Per Unit,"
        b"Corresponding Generic Drug Effective Date,As of Date\n"
        b"A,00000000001,1.10000,01/19/2022,EA,C/I,N,1,G,,,01/26/2022\n"
        b"A,00000000001,1.10000,01/19/2022,EA,C/I,N,1,G,,,02/02/2022\n"
        b"A,00000000001,1.20000,01/19/2022,EA,C/I,N,1,G,,,02/09/2022\n"
        b"A,00000000001,0.90000,10/05/2022,EA,C/I,N,1,G,,,10/12/2022\n"
        b"B,00000000002,5.0,never,EA,C/I,N,1,G,,,10/12/2022\n"
        b"B,00000000002,5.0,never,EA,C/I,N,1,G,,,10/19/2022\n"
        b"C,,5.0,1/9/2022,EA,C/I,N,1,G,,,10/12/2022\n",
    )
    opened = folder.table("market_prices", {"path": "nadac.csv", "adapter": "nadac"})
    assert values(opened, "effective_date", "ndc", "end_date", "price_per_unit") == [
        ("2022-01-09", None, None, "5.0"),
        ("2022-01-19", "00000000001", "2022-10-05", "1.20000"),
        ("2022-10-05", "00000000001", None, "0.90000"),
        ("never", "00000000002", None, "5.0"),
        ("never", "00000000002", None, "5.0"),
    ]


PRODUCT_HEADER = (
    "Year,Quarter,Labeler Name,NDC,Labeler Code,Product Code,Package Size Code,Drug Category,Drug Type Indicator,"
    "Termination Date,Unit Type,Units Per Pkg Size,FDA Approval Date,Market Date,FDA Therapeutic Equivalence Code,"
    "FDA Product Name,Clotting Factor Indicator,Pediatric Indicator,Package Size Intro Date,Purchased Product Date,"
    "COD Status,FDA Application Number,Reactivation Date,Line Extension Drug Indicator\n"
)


def product(year: str, quarter: str, ndc: str, ended: str = "", unit: str = "CAP") -> str:
    return f'{year},{quarter},"LILLY, INC",{ndc},,,,S,1,{ended},{unit},90.000,,09/30/1990,,X,N,N,,,03,,,N\n'


def test_drug_products_of_several_quarters_become_versions(folder: Folder) -> None:
    lines = (
        product("2024", "1", "00000000001"),
        product("2024", "2", "00000000001"),
        product("2024", "4", "00000000001", unit="EA"),
        product("2025", "1", "00000000001", ended="3/31/2025", unit="EA"),
        product("2025", "2", "00000000001", ended="3/31/2025", unit="EA"),
        product("2025", "2", "00000000002"),
        product("", "", "00000000003"),
        product("2025", "2", ""),
    )
    folder.put("products.csv", (PRODUCT_HEADER + "".join(lines)).encode())
    opened = folder.table("products", {"path": "products.csv", "adapter": "mdrp_products"})
    rows = opened.rows.selectExpr(
        *("ndc", "unit_type", "termination_date", "string(valid_from)", "string(valid_to)", "string(snapshot_date)")
    ).collect()
    assert sorted(map(tuple, rows), key=str) == sorted(
        [
            ("00000000001", "CAP", None, None, "2024-10-01", "2024-06-30"),
            ("00000000001", "EA", None, "2024-10-01", "2025-01-01", "2024-12-31"),
            ("00000000001", "EA", "2025-03-31", "2025-01-01", None, "2025-06-30"),
            ("00000000002", "CAP", None, None, None, "2025-06-30"),
            ("00000000003", "CAP", None, None, None, None),
            (None, "CAP", None, None, None, None),
        ],
        key=str,
    )
    told = values(opened, "ndc", "labeler_name", "units_per_package", "drug_category", "cod_status", "market_date")
    assert ("00000000002", "LILLY, INC", "90.000", "S", "03", "1990-09-30") in told


OPAIS = {
    "coveredEntities": [
        {
            "ceId": 7201,
            "id340B": "BL030740",
            "name": "CLINIC",
            "subName": "EAST",
            "entityType": "BL",
            "participating": "TRUE",
            "participatingStartDate": "1999-10-01T00:00:00",
            "editDate": "2024-02-16T09:29:10.8756857",
            "streetAddress": {
                "addressLine1": "1 MAIN ST",
                "addressLine2": "",
                "city": "X",
                "state": "VA",
                "zip": "01234",
            },
            "primaryContact": {"name": "A B", "phoneNumber": "555", "phoneNumberExtension": "12"},
            "medicaidNumbers": [{"medicaidNumber": "64036072", "state": "KY"}],
            "npiNumbers": [{"npiNumber": 1215284153, "state": "VA"}],
            "contractPharmacies": [
                {
                    "contractId": 17,
                    "pharmacyId": 5,
                    "name": "RX",
                    "address": {
                        "addressLine1": "2 ELM",
                        "addressLine2": "STE 3",
                        "city": "Y",
                        "state": "VA",
                        "zip": "2",
                    },
                    "phoneNumber": "556",
                    "beginDate": "2020-01-01T00:00:00.0000000",
                    "terminationDate": "2024-03-31T09:29:10.8756857",
                },
                {"contractId": 18, "name": "RX2", "beginDate": "2021-04-01T00:00:00"},
            ],
        },
        {
            "id340B": "DSH1",
            "participating": "FALSE",
            "participatingStartDate": "2001-01-01T00:00:00",
            "terminationDate": "2010-02-03T10:00:00.1234567",
        },
        {"id340B": "DSH2", "participating": "FALSE"},
        {"id340B": "DSH3", "participating": "FALSE", "participatingStartDate": "2027-01-01T00:00:00"},
    ]
}


@pytest.mark.parametrize("indent", [None, 2])
def test_the_daily_export_of_covered_entities(folder: Folder, indent: int | None) -> None:
    folder.put("export.json", b"\xef\xbb\xbf" + json.dumps(OPAIS, indent=indent).encode())
    location = {"path": "export.json", "adapter": "opais_json"}
    opened = folder.open(
        {
            "covered_entities": location,
            "contract_pharmacies": location,
            "medicaid_exclusions": {**location, "options": {"quarter": "2026Q2"}},
        }
    )
    entities = opened["covered_entities"]
    assert values(entities, "entity_id", "participating_start", "termination_date", "street", "contact_phone") == [
        ("BL030740", "1999-10-01", None, "1 MAIN ST", "555 x12"),
        ("DSH1", "2001-01-01", "2010-02-03", None, None),
        ("DSH2", "9999-12-30", None, None, None),
        ("DSH3", "2027-01-01", None, None, None),
    ]
    assert values(entities, "entity_id", "entity_type", "name", "city", "zip", "contact_name")[0] == (
        *("BL030740", "BL", "CLINIC", "X", "01234", "A B"),
    )
    pharmacies = opened["contract_pharmacies"]
    assert values(
        pharmacies, "contract_id", "entity_id", "pharmacy_name", "address", "begin_date", "termination_date"
    ) == [
        ("17", "BL030740", "RX", "2 ELM, STE 3", "2020-01-01", "2024-03-31"),
        ("18", "BL030740", "RX2", None, "2021-04-01", None),
    ]
    assert "pharmacy_npi" not in pharmacies.columns
    exclusions = opened["medicaid_exclusions"]
    assert values(exclusions, "npi", "medicaid_number", "medicaid_state", "quarter", "entity_id") == [
        ("1215284153", None, "VA", "2026Q2", "BL030740"),
        (None, "64036072", "KY", "2026Q2", "BL030740"),
    ]


def test_a_file_of_another_layout_is_refused(folder: Folder) -> None:
    folder.put("lines.json", b'{"entities": []}\n')
    told = folder.refusal(
        {
            "covered_entities": {"path": "lines.json", "adapter": "opais_json"},
            "market_prices": {"path": "invoices.csv", "adapter": "nadac"},
        }
    )
    assert "a JSON object with the key coveredEntities" in told
    assert "not of the layout that adapter nadac reads" in told
    assert "also NADAC Per Unit, Effective Date" in told


def test_prescription_drug_events(folder: Folder) -> None:
    header = (
        "DML_IND|PDE_ID|BENE_ID|SRVC_DT|PD_DT|SRVC_PRVDR_ID|PRSCRBR_ID|RX_SRVC_RFRNC_NUM|PROD_SRVC_ID|CMPND_CD|"
        "QTY_DSPNSD_NUM|DAYS_SUPLY_NUM|FILL_NUM|DSPNSNG_STUS_CD|ADJSTMT_DLTN_CD|CVRD_D_PLAN_PD_AMT|SUBMSN_CLR_CD\n"
    )
    rows = "".join(
        f"{record}|-{n}|-9|{served}|20140711|PCP1|999|-100|24208034720|0|2.5|1|0| |{change}|0.60|\n"
        for n, (record, change, served) in enumerate(
            [
                ("INSERT", " ", "10-Jul-2014"),
                ("UPDATE", "", "10-JUL-2014"),
                ("INSERT", "A", "2014-07-10"),
                ("INSERT", "D", "31-Feb-2014"),
                ("DELETE", "", ""),
                ("INSERT", "R", "20140710"),
                ("MERGE", "Q", "7/1/2014"),
            ]
        )
    )
    folder.put("pde.psv", (header + rows).encode())
    opened = folder.table("pharmacy_claims", {"path": "pde.psv", "adapter": "cms_pde"})
    assert values(opened, "source_row_id", "transaction_code", "date_of_service", "transaction_at") == [
        ("-0", "B1", "2014-07-10", "2014-07-11"),
        ("-1", "B3", "2014-07-10", "2014-07-11"),
        ("-2", "B3", "2014-07-10", "2014-07-11"),
        ("-3", "B2", "31-Feb-2014", "2014-07-11"),
        ("-4", "B2", None, "2014-07-11"),
        ("-5", "B1", "2014-07-10", "2014-07-11"),
        ("-6", "MERGE Q", "2014-07-01", "2014-07-11"),
    ]
    columns = ("source_row_id", "pharmacy_npi", "rx_number", "fill_number", "ndc", "quantity", "dispensing_status")
    assert values(opened, *columns)[0] == ("-0", "PCP1", "-100", "0", "24208034720", "2.5", None)
    assert values(opened, "source_row_id", "patient_key", "amount_paid", "prescriber_npi")[0] == (
        "-0",
        "-9",
        "0.60",
        "999",
    )


def test_an_ndc_that_is_a_number_is_refused(folder: Folder) -> None:
    pd.DataFrame({"NDC": [2143380], "NADAC Per Unit": [1.0], "Effective Date": ["01/19/2022"]}).to_parquet(
        folder.put("nadac.parquet", b"")
    )
    refused = folder.refusal({"market_prices": {"path": "nadac.parquet", "adapter": "nadac"}})
    assert "identifiers of table market_prices are numbers" in refused
    assert "NDC" in refused
