"""Published layouts, each on a few rows typed from its publisher's own file; the source is named at the rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from engine.settings import Settings
from engine.sources.adapters import ADAPTERS, Layout
from engine.sources.adapters.opais import quarter_of_file
from engine.sources.locations import locate_tables
from tests.unit.sources_folder import INVOICE_CSV, Folder, values


@pytest.fixture
def folder(spark: SparkSession, tmp_path: Path) -> Folder:
    folder = Folder(spark, tmp_path)
    folder.put("invoices.csv", INVOICE_CSV)
    return folder


def frame(spark: SparkSession, header: str, *lines: str) -> DataFrame:
    """Rows of text under a header, both separated by `|`; an empty value is NULL."""
    names = header.split("|")
    schema = ", ".join(f"`{name}` string" for name in names)
    return spark.createDataFrame([tuple(value or None for value in line.split("|")) for line in lines], schema)


def converted(
    rows: DataFrame, adapter: str, table: str, options: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    assert ADAPTERS[adapter].missing(rows.columns) == []
    result = ADAPTERS[adapter].convert(rows, table, options or {})
    return [row.asDict() for row in result.select([F.col(name).cast("string") for name in result.columns]).collect()]


# data.medicaid.gov's former API, State Drug Utilization Data 1997 (dataset c7wf-ku3w); the XX row is CMS's own.
SOCRATA_HEADER = (
    "record_id|state_code|labeler_code|product_code|package_size|period_covered|quarter|product_fda_list_name|"
    "suppression_used|units_reimbursed|number_of_prescriptions|total_amount_reimbursed|medicaid_amount_reimbursed|"
    "non_medicaid_amount_reimbursed|quarter_begin|quarter_begin_date|latitude|longitude|ndc"
)
SOCRATA_ROWS = (
    "FFSU|LA|18393|0255|42|1997|2|EC-NAPROSY|false|26792|633|28435.08|0|0|4/1|1997-04-01T00:00:00|31.2|-91.9|18393025542",
    "FFSU|PA|00054|3545|63|1997|4|MEPERID 50|true||||||10/1|1997-10-01T00:00:00|40.6|-77.3|00054354563",
)


def test_drug_utilization_of_the_former_api(spark: SparkSession) -> None:
    naprosyn, meperidine = converted(frame(spark, SOCRATA_HEADER, *SOCRATA_ROWS), "sdud", "invoices")
    assert naprosyn == {
        "program": "MDRP_FFS",
        "state": "LA",
        "ndc": "18393025542",
        "period": "1997Q2",
        "source_kind": "SDUD",
        "suppressed": "false",
        "product_name": "EC-NAPROSY",
        "units_reimbursed": "26792",
        "prescriptions": "633",
        "total_amount": "28435.08",
        "medicaid_amount": "0",
        "non_medicaid_amount": "0",
    }
    assert (meperidine["suppressed"], meperidine["units_reimbursed"]) == ("true", None)


def test_suppressed_numbers_of_drug_utilization(spark: SparkSession) -> None:
    header = "Utilization Type|State|NDC|Year|Quarter|Suppression Used|Units Reimbursed|Number of Prescriptions"
    expected = [
        # published mark, units, prescriptions: suppressed, units, prescriptions
        (("", "*", "*"), ("true", None, None)),
        (("false", "*", "633"), ("true", None, "633")),
        (("", "26792", "*"), ("true", "26792", None)),
        (("", "", ""), ("true", None, None)),
        (("", "26792", "633"), ("false", "26792", "633")),
        (("false", "", ""), ("false", None, None)),
        (("TRUE", "", ""), ("TRUE", None, None)),
    ]
    lines = [f"FFSU|LA|18393025542|1997|2|{'|'.join(received)}" for received, _ in expected]
    rows = converted(frame(spark, header, *lines), "sdud", "invoices")
    assert [(row["suppressed"], row["units_reimbursed"], row["prescriptions"]) for row in rows] == [
        result for _, result in expected
    ]


def test_drug_utilization_without_a_column_for_suppression(spark: SparkSession) -> None:
    header = "Utilization Type|State|NDC|Year|Quarter|Units Reimbursed"
    rows = frame(spark, header, "FFSU|LA|18393025542|1997|2|12", "FFSU|LA|18393025542|1997|3|")
    assert [row["suppressed"] for row in converted(rows, "sdud", "invoices")] == ["false", "true"]


def test_periods_of_drug_utilization(spark: SparkSession) -> None:
    header = "Utilization Type|State|Labeler Code|Product Code|Package Size|Year|Quarter"
    periods = {
        ("2022", "4"): "2022Q4",
        ("2022.0", "4.0"): "2022Q4",
        ("2022", "Q4"): "2022Q4",
        ("2022", "04"): "2022Q4",
        ("42022", "4"): "2022Q4",
        # what is no quarter stays as it is, for quarantine
        ("20224", "4"): "20224",
        ("2022", "5"): "2022Q5",
        ("2022", ""): None,
    }
    lines = [f"mcou|LA|2|255|4|{year}|{quarter}" for year, quarter in periods]
    rows = converted(frame(spark, header, *lines), "sdud", "invoices")
    assert [row["period"] for row in rows] == list(periods.values())
    assert {(row["ndc"], row["program"]) for row in rows} == {("00002-0255-04", "MDRP_MCO")}


def test_national_totals_are_excluded_and_counted(folder: Folder) -> None:
    # dataset c7wf-ku3w: state XX repeats what LA and others reported
    total = "FFSU|XX|54092|0010|01|1997|2|P-A-C TABL|true||||||4/1|1997-04-01T00:00:00|||54092001001"
    lines = [SOCRATA_HEADER, *SOCRATA_ROWS, total]
    folder.put("sdud_1997.csv", "\n".join(lines).replace("|", ",").encode())
    opened = folder.table("invoices", {"path": "sdud_1997.csv", "adapter": "sdud"})
    assert [state for _, state in values(opened, "ndc", "state")] == ["PA", "LA"]
    assert opened.left_out == {"NATIONAL_TOTAL": 1}


# NADAC: CMS's spellings of 2019-2020, before 2024 and since; CICLOPIROX and FENOFIBRATE are published rows of
# nadac-national-average-drug-acquisition-cost of 2020 and 2021, 24H NASAL ALLERGY of 2025.
NADAC_FILES = {
    "nadac-2020.csv": (
        '"ndc_description","ndc","nadac_per_unit","effective_date","pricing_unit","as_of_date"\n'
        '"CICLOPIROX 0.77% GEL","47781053084","0.92528","12/18/2019","GM","01/01/2020"\n'
        '"CICLOPIROX 0.77% GEL","47781053084","0.92528","12/18/2019","GM","01/08/2020"\n'
        '"CICLOPIROX 0.77% GEL","47781053084","0.90000","1/22/2020","GM","1/29/2020"\n'
    ),
    "nadac-2021.csv": (
        "NDC Description,NDC,NADAC_Per_Unit,Effective_Date,Pricing_Unit,As of Date\n"
        "FENOFIBRATE 54 MG TABLET,68180023109,0.16400,12/23/2020,EA,01/06/2021\n"
        "CICLOPIROX 0.77% GEL,47781053084,0.91000,01/22/2020,GM,01/06/2021\n"
    ),
    "nadac-2025.csv": (
        "As of Date,NDC Description,NDC,NADAC Per Unit,Effective Date,Pricing Unit\n"
        "2025-01-01,24H NASAL ALLERGY 55 MCG SPRAY,46122038576,0.72316,2024-12-18,ML\n"
        "2025-01-08,FENOFIBRATE 54 MG TABLET,68180023109,0.15000,2025-01-01T00:00:00.000,EA\n"
    ),
    "nadac-2026.csv": (
        "NDC_Description,NDC,NADAC_Per_Unit,Effective Date,Pricing_Unit,As_of_Date\n"
        "FENOFIBRATE 54 MG TABLET,68180023109,0.15000,1/1/2025 12:00:00 AM,EA,1/7/2026\n"
    ),
}


def test_price_lists_of_several_years_each_by_its_own_header(folder: Folder) -> None:
    for name, content in NADAC_FILES.items():
        folder.put(f"nadac/{name}", content.encode())
    opened = folder.table("market_prices", {"path": "nadac", "adapter": "nadac"})
    assert values(opened, "ndc", "effective_date", "end_date", "price_per_unit") == [
        ("46122038576", "2024-12-18", None, "0.72316"),
        ("47781053084", "2019-12-18", "2020-01-22", "0.92528"),
        # stated again in the list of 2021, at another price: the latest list holds
        ("47781053084", "2020-01-22", None, "0.91000"),
        ("68180023109", "2020-12-23", "2025-01-01", "0.16400"),
        ("68180023109", "2025-01-01", None, "0.15000"),
    ]


# Columns as data.medicaid.gov shows them for "Product Data for Newly Reported Drugs in the Medicaid Drug Rebate
# Program" (mdrp-newly-rprt-drug-*.csv); the rows are invented.
NEWLY_REPORTED = (
    "NDC1|NDC2|NDC3|Labeler Name|Labeler Status|FDA Name|COD Status|FDA Application Number/OTC Monograph Number|"
    "Drug Category|Drug Type|Line Extension|FDA Approval Date|Market Date|Unit Type|Units Per Package Size|"
    "Therapeutic Equivalent Code|5i Indicator|Purchased Product Date|Coverage Effective Date|Drug Termination Date|"
    "Drug Reactivation Date|Date Reported to CMS"
)


def test_newly_reported_drugs(spark: SparkSession) -> None:
    rows = frame(
        spark,
        NEWLY_REPORTED,
        "99999|0001|01|ZETA|Active|ZETAFLEX|03|021234|S|1|N|01/15/2025|02/03/2025|TAB|30.000|NR|N||02/03/2025|||"
        "03/04/2025",
        "99999|0001|01|ZETA|Active|ZETAFLEX|03|021234|S|1|N|01/15/2025|02/03/2025|CAP|30.000|NR|N||02/03/2025|||"
        "03/11/2025",
        "99999|0002|1|ZETA|Active|ZETAGEL|01|021235|N|1|N||02/10/2025|GM|45.000|NR|N|||12/31/2026||03/05/2025",
    )
    first, corrected, gel = sorted(
        converted(rows, "mdrp_products", "products"), key=lambda row: (row["ndc"], row["valid_from"] or "")
    )
    assert (first["ndc"], first["unit_type"], first["valid_to"]) == ("99999-0001-01", "TAB", "2025-03-11")
    assert (corrected["unit_type"], corrected["valid_from"], corrected["valid_to"]) == ("CAP", "2025-03-11", None)
    assert gel == {
        "ndc": "99999-0002-01",
        "labeler_name": "ZETA",
        "product_name": "ZETAGEL",
        "unit_type": "GM",
        "units_per_package": "45.000",
        "drug_category": "N",
        "cod_status": "01",
        "market_date": "2025-02-10",
        "termination_date": "2026-12-31",
        "reactivation_date": None,
        "valid_from": None,
        "valid_to": None,
        "snapshot_date": "2025-03-05",
    }


# CMS, "October 2025 ASP NDC-HCPCS Crosswalk"; header of its section 508 CSV.
CROSSWALK_HEADER = (
    "_2025_CODE|Short Description|LABELER NAME|NDC2|Drug Name|HCPCS dosage|PKG SIZE|PKG QTY|BILLUNITS|BILLUNITSPKG"
)


CROSSWALK_FACTORS = {
    # 3 ml syringe, 1 ml per HCPCS unit
    "A9573|x|Bracco|00270-7020-38|Vueway|1 ML|3|10|3|30": 1,
    # 30 ml vial of 0.5 mg units: 150 units
    "J0665|x|Fresenius|63323-0464-37|Sensorcaine-MPF|0.5 MG|30|25|150|3750": 0.2,
    # a kit of 42 mg is one NDC unit
    "J1952|x|Accord|69448-0014-63|Camcevi|1 MG|1|1|42|42": 1 / 42,
    # half a HCPCS unit in a vial; CMS rounds the units of a package to whole ones
    "J0480|x|Novartis|00078-0393-61|Simulect|20 MG|1|1|0.5|1": 2,
    "J0290|x|Sandoz|00781-3400-95|Ampicillin Sodium|500 MG|1|10|0.25|3": 4,
}
CROSSWALK_WITHOUT_FACTOR = {
    # units per vial and per package contradict each other in CMS's file
    "J1458|x|BioMarin|68135-0020-01|Naglazyme|1 MG|1|1|1|5": "BILLUNITS 1 x PKG QTY 1, BILLUNITSPKG 5",
    "J7517|x|Mylan|00378-4472-05|Mycophenolate|250 MG|1|500|1000|1000": (
        "BILLUNITS 1000 x PKG QTY 500, BILLUNITSPKG 1000"
    ),
    "J1458|x|BioMarin|68135-0020-01|Naglazyme|1 MG|1|1|0|0": None,
    "J1458|x|BioMarin|68135-0020-01|Naglazyme|1 MG|1|1||5": None,
}


def test_units_of_the_hcpcs_crosswalk(spark: SparkSession) -> None:
    rows = converted(
        frame(spark, CROSSWALK_HEADER, *CROSSWALK_FACTORS, *CROSSWALK_WITHOUT_FACTOR),
        "asp_crosswalk",
        "hcpcs_crosswalk",
    )
    given = [line.split("|") for line in (*CROSSWALK_FACTORS, *CROSSWALK_WITHOUT_FACTOR)]
    assert [(row["hcpcs_code"], row["ndc"]) for row in rows] == [(line[0], line[3]) for line in given]
    factors = [row["ndc_units_per_hcpcs_unit"] for row in rows]
    known = len(CROSSWALK_FACTORS)
    assert [float(factor) for factor in factors[:known]] == pytest.approx(list(CROSSWALK_FACTORS.values()), abs=5e-7)
    assert factors[known:] == list(CROSSWALK_WITHOUT_FACTOR.values())


def test_titles_above_the_header_of_a_text_file(folder: Folder) -> None:
    titles = ["October 2025 ASP NDC-HCPCS Crosswalk,,", "", '"Effective October 1, 2025, ""final"""', "HCPCS Code,NDC"]
    lines = [line.replace("|", ",") for line in (CROSSWALK_HEADER, *CROSSWALK_FACTORS)]
    content = "\r\n".join([*titles, *lines]).replace("Sensorcaine-MPF", "Sensorcaine\xae").encode("latin-1")
    folder.put("section 508 version of October 2025 ASP NDC-HCPCS Crosswalk.csv", content)
    location = {"path": "section 508*.csv", "adapter": "asp_crosswalk"}
    codes = [code for code, _ in values(folder.table("hcpcs_crosswalk", location), "hcpcs_code", "ndc")]
    assert codes == sorted(line[:5] for line in CROSSWALK_FACTORS)


def test_items_of_the_hcpcs_crosswalk_without_an_ndc(spark: SparkSession) -> None:
    # the last five are published: devices and skin substitutes with other numbers
    ndcs = ("00270-7020-38", "00270702038", "")
    numbers = (*ndcs, "CAX040400S", "382567001738", "1101-0404", "300-001-0101-001", "WP008")
    rows = frame(spark, CROSSWALK_HEADER, *(f"Q4170|x|Vivex|{number}|Cygnus|1 SQ CM|16|1|16|16" for number in numbers))
    (condition,) = ADAPTERS["asp_crosswalk"].excluded.values()
    excluded = {row["NDC2"] for row in rows.where(condition(Layout(rows))).collect()}
    assert excluded == set(numbers) - set(ndcs)


# FDA, NDC Directory (ndctext.zip): 0002-0800 and its package; the last row of each is invented.
FDA_PRODUCT = (
    b"PRODUCTID\tPRODUCTNDC\tPRODUCTTYPENAME\tPROPRIETARYNAME\tPROPRIETARYNAMESUFFIX\tNONPROPRIETARYNAME\t"
    b"DOSAGEFORMNAME\tROUTENAME\tSTARTMARKETINGDATE\tENDMARKETINGDATE\tMARKETINGCATEGORYNAME\tAPPLICATIONNUMBER\t"
    b"LABELERNAME\tSUBSTANCENAME\tNDC_EXCLUDE_FLAG\r\n"
    b"0002-0800_94c48759\t0002-0800\tHUMAN OTC DRUG\tSterile Diluent\t\tdiluent\tINJECTION, SOLUTION\tSUBCUTANEOUS\t"
    b"19870710\t\tNDA\tNDA018781\tEli Lilly and Company\tWATER\tN\r\n"
    b'99999-010_1\t99999-010\tHUMAN PRESCRIPTION DRUG\tZ\xe9ta 5" patch\tXR\tzeta\tPATCH\tTOPICAL\t20200101\t20261231\t'
    b"unapproved drug other\t\tZ\xe9ta\tZETA\tN\r\n"
)
FDA_PACKAGE = (
    b"PRODUCTID\tPRODUCTNDC\tNDCPACKAGECODE\tPACKAGEDESCRIPTION\tSTARTMARKETINGDATE\tENDMARKETINGDATE\t"
    b"NDC_EXCLUDE_FLAG\tSAMPLE_PACKAGE\r\n"
    b"0002-0800_94c48759\t0002-0800\t0002-0800-01\t1 VIAL in 1 CARTON (0002-0800-01)  > 10 mL in 1 VIAL\t19870710\t\t"
    b"N\tN\r\n"
    b'99999-010_1\t99999-010\t99999-010-30\t30 in 1 BOX, 5" wide\t20210601\t\tN\tN\r\n'
)


def test_the_ndc_directory(folder: Folder) -> None:
    folder.put("ndc/product.txt", FDA_PRODUCT)
    folder.put("ndc/package.txt", FDA_PACKAGE)
    opened = folder.table("products", {"path": "ndc", "adapter": "fda_ndc"})
    assert values(opened, "ndc", "product_name", "labeler_name", "cod_status", "market_date") == [
        ("0002-0800-01", "Sterile Diluent", "Eli Lilly and Company", "03", "1987-07-10"),
        ("99999-010-30", 'Zéta 5" patch XR', "Zéta", None, "2021-06-01"),
    ]
    assert "termination_date" not in opened.columns


def test_packages_without_the_product_file(spark: SparkSession) -> None:
    header, line = FDA_PACKAGE.decode("cp1252").splitlines()[:2]
    (row,) = converted(frame(spark, header.replace("\t", "|"), line.replace("\t", "|")), "fda_ndc", "products")
    assert (row["ndc"], row["product_name"], row["market_date"]) == ("0002-0800-01", None, "1987-07-10")


def test_a_fallback_supplies_the_ndcs_that_the_main_list_does_not_have(folder: Folder) -> None:
    folder.put("products.csv", b"ndc,product_name,unit_type\n00002080001,OUR NAME,ML\n99999-0009-09,OURS ONLY,EA\n")
    folder.put("other.csv", b"ndc,product_name,labeler_name\n0002-0800-01,A,LILLY\n99999-010-30,B,ZETA\nbad,C,\n")
    opened = folder.table("products", {"path": "products.csv", "fallback": {"path": "other.csv"}})
    assert values(opened, "ndc", "product_name", "unit_type", "labeler_name") == [
        ("00002080001", "OUR NAME", "ML", None),
        ("99999-0009-09", "OURS ONLY", "EA", None),
        ("99999-010-30", "B", None, "ZETA"),
        ("bad", "C", None, None),
    ]
    assert opened.left_out == {"IN_MAIN_TABLE": 1}
    assert not opened.complete
    assert opened.fingerprint != folder.table("products").fingerprint


def test_a_fallback_of_a_fallback(folder: Folder) -> None:
    for name, ndcs in (("products", "1"), ("weekly", "12"), ("fda", "123")):
        lines = "".join(f"9999900010{ndc},{name}\n" for ndc in ndcs)
        folder.put(f"{name}.csv", b"ndc,product_name\n" + lines.encode())
    weekly = {"path": "weekly.csv", "fallback": {"path": "fda.csv"}}
    opened = folder.table("products", {"path": "products.csv", "fallback": weekly})
    assert values(opened, "ndc", "product_name") == [
        ("99999000101", "products"),
        ("99999000102", "weekly"),
        ("99999000103", "fda"),
    ]
    assert opened.left_out == {"IN_MAIN_TABLE": 3}


@pytest.mark.parametrize(
    ("main", "fallback", "message"),
    [
        ({"complete": True}, {}, "cannot be complete"),
        ({}, {"complete": True}, "cannot be complete"),
        ({}, {"dates": "MM/dd/yyyy"}, "formats of values"),
        ({}, {"nulls": ["NULL"]}, "formats of values"),
    ],
)
def test_settings_that_a_fallback_cannot_have(main: dict[str, bool], fallback: dict[str, Any], message: str) -> None:
    location = {"path": "products.csv", **main, "fallback": {"path": "other.csv", **fallback}}
    with pytest.raises(ValueError, match=message):
        Settings.model_validate({"input": {"tables": {"products": location}}})


def test_fallbacks_that_make_no_sense(folder: Folder) -> None:
    folder.put("other.csv", b"ndc,effective_date\n")
    refused = folder.refusal(
        {
            "market_prices": {"path": "other.csv", "fallback": {"path": "other.csv"}},
            "products": {"path": "other.csv", "fallback": {"path": "gone.csv"}},
        }
    )
    assert "table market_prices cannot have a fallback" in refused
    assert "input.tables.products.fallback.path" in refused


# HRSA OPAIS, Medicaid Exclusion File: `Program Code`, `340BID`, `State`, `Start Date` and `Termination Date` are seen
# headers, the others as HRSA's update of October 2015 names them; NPI and Medicaid number are of OPAIS' own sample.
MEF_HEADER = "Program Code|340BID|Entity Name|State|Start Date|Termination Date|Medicaid Number|NPI|Medicaid State"


def test_the_medicaid_exclusion_file(spark: SparkSession) -> None:
    rows = frame(
        spark,
        MEF_HEADER,
        "BL|BL030740|CLINIC|VA|10/01/1999||64036072||KY",
        "BL|BL030740|CLINIC|VA|10/01/1999|||1215284153|VA",
    )
    name = {"file_name": "340B_Medicaid_Exclusion_File_for_20260401-20260630.xlsx"}
    by_number, by_npi = converted(rows, "medicaid_exclusion_file", "medicaid_exclusions", name)
    assert by_number == {
        "entity_id": "BL030740",
        "npi": None,
        "medicaid_number": "64036072",
        "medicaid_state": "KY",
        "quarter": "2026Q2",
    }
    assert (by_npi["npi"], by_npi["medicaid_number"], by_npi["medicaid_state"]) == ("1215284153", None, "VA")


@pytest.mark.parametrize(
    ("options", "quarter"),
    [
        ({"file_name": "340B_Medicaid_Exclusion_File_for_20251001-20251231.xlsx"}, "2025Q4"),
        ({"file_name": "340B_Medicaid_Exclusion_File_for_20260101-20260331 (1).xlsx"}, "2026Q1"),
        ({"file_name": "mef.xlsx", "quarter": "2025Q3"}, "2025Q3"),
        ({"file_name": "340B_..._for_20260701-20260930.xlsx", "quarter": "2025Q3"}, "2026Q3"),
    ],
)
def test_the_quarter_of_a_medicaid_exclusion_file(options: dict[str, str], quarter: str) -> None:
    assert quarter_of_file(options, "medicaid_exclusions") == quarter


def test_a_medicaid_exclusion_file_of_no_known_quarter(folder: Folder) -> None:
    folder.put("mef.csv", MEF_HEADER.replace("|", ",").encode() + b"\n")
    refused = folder.refusal({"medicaid_exclusions": {"path": "mef.csv", "adapter": "medicaid_exclusion_file"}})
    assert "quarter" in refused
    assert "input.tables.medicaid_exclusions.options.quarter" in refused


def test_quarterly_files_of_one_folder_keep_their_quarters(folder: Folder) -> None:
    for first, last, state in (("20260101", "20260331", "KY"), ("20260401", "20260630", "VA")):
        line = f"BL,BL030740,CLINIC,VA,,,64036072,,{state}\n"
        folder.put(
            f"mef/340B_Medicaid_Exclusion_File_for_{first}-{last}.csv",
            (MEF_HEADER.replace("|", ",") + "\n" + line).encode(),
        )
    location = {"path": "mef", "format": "csv", "adapter": "medicaid_exclusion_file"}
    opened = folder.table("medicaid_exclusions", location)
    assert values(opened, "quarter", "medicaid_state") == [("2026Q1", "KY"), ("2026Q2", "VA")]


# HRSA OPAIS, Covered Entity Daily Report (Excel): the headers of addresses, dates and ids are seen ones, the others
# those of OPAIS' earlier export.
def test_the_excel_export_of_covered_entities(spark: SparkSession) -> None:
    rows = frame(
        spark,
        "CE ID|340B ID|Parent 340B ID|Entity Type|Entity Name|Participating|Participating Start Date|Termination Date|"
        "Medicare Provider Number|Street Address 1|Street Address 2|Street Address 3|Street City|Street State|"
        "Street Zip",
        "1|DSH330214A|DSH330214|DSH|CLINIC|TRUE|1999-10-01|||1 MAIN ST|STE 2||X|NY|01234",
        "2|DSH2||DSH|NEW|FALSE||||||||NY|",
        "3|DSH3||DSH|GONE|FALSE|10/1/1999|12/31/2010||||||NY|",
    )
    child, pending, gone = converted(rows, "opais_excel_entities", "covered_entities")
    assert child == {
        "entity_id": "DSH330214A",
        "parent_entity_id": "DSH330214",
        "entity_type": "DSH",
        "name": "CLINIC",
        "city": "X",
        "state": "NY",
        "zip": "01234",
        "street": "1 MAIN ST, STE 2",
        "participating_start": "1999-10-01",
        "termination_date": None,
    }
    assert (pending["participating_start"], pending["street"]) == ("9999-12-30", None)
    assert (gone["participating_start"], gone["termination_date"]) == ("1999-10-01", "2010-12-31")


def test_the_excel_export_of_contract_pharmacies(spark: SparkSession) -> None:
    rows = frame(
        spark,
        "340B ID|Participating|Contract ID|Pharmacy Name|Pharmacy Address 1|Pharmacy Address 2|Pharmacy City|"
        "Pharmacy State|Pharmacy Zip|Begin Date|Termination Date",
        "BL030740|TRUE|17|RX|2 ELM||Y|VA|00002|2020-01-01|3/31/2024",
    )
    assert converted(rows, "opais_excel_contract_pharmacies", "contract_pharmacies") == [
        {
            "entity_id": "BL030740",
            "contract_id": "17",
            "pharmacy_name": "RX",
            "city": "Y",
            "state": "VA",
            "zip": "00002",
            "address": "2 ELM",
            "begin_date": "2020-01-01",
            "termination_date": "2024-03-31",
        }
    ]


def workbook(folder: Folder, name: str, **sheets: list[list[Any]]) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for sheet, rows in sheets.items():
        added = book.create_sheet(sheet.replace("_", " "))
        for row in rows:
            added.append(row)
    book.save(folder.put(name, b""))


def test_workbooks_with_titles_above_the_header(folder: Folder) -> None:
    titles = [["340B Medicaid Exclusion File"], ["Start Date and Termination Date: see the help"], [None]]
    header = MEF_HEADER.split("|")
    for days, state in (("20260101-20260331", "KY"), ("20260401-20260630", "VA")):
        name = f"mef/340B_Medicaid_Exclusion_File_for_{days}.xlsx"
        rows = [
            ["BL", "BL030740", "CLINIC", "VA", date(1999, 10, 1), None, "064036072", None, state],
            ["BL", "BL030740", "CLINIC", "VA", date(1999, 10, 1), None, None, 1215284153, state],
        ]
        workbook(folder, name, MEF=[*titles, header, *rows])
    entity = [
        "1",
        "DSH330214A",
        "DSH330214",
        "DSH",
        "CLINIC",
        "TRUE",
        date(1999, 10, 1),
        "1 MAIN ST",
        "X",
        "NY",
        "01234",
    ]
    workbook(
        folder,
        "OPA_CE_DAILY_PUBLIC.xlsx",
        Covered_Entities=[
            ["340B Covered Entities"],
            [None],
            [
                *("CE ID", "340B ID", "Parent 340B ID", "Entity Type", "Entity Name", "Participating"),
                *("Participating Start Date", "Street Address 1", "Street City", "Street State", "Street Zip"),
            ],
            entity,
        ],
        Shipping_Addresses=[["340B ID", "Shipping City"], ["DSH330214A", "X"]],
        Contract_Pharmacies=[
            ["Contract Pharmacies"],
            ["340B ID", "Contract ID", "Pharmacy Name", "Pharmacy Address 1", "Pharmacy City", "Pharmacy Zip"],
            ["DSH330214A", "17", "RX", "2 ELM", "Y", "00002"],
        ],
    )
    crosswalk = ["J0665", "x", "Fresenius", "63323-0464-37", "Sensorcaine-MPF", "0.5 MG", 30, 25, 150, 3750]
    workbook(
        folder,
        "crosswalk.xlsx",
        ASP=[["October 2025 ASP NDC-HCPCS Crosswalk"], [None], CROSSWALK_HEADER.split("|"), crosswalk],
    )
    opened = folder.open(
        {
            "medicaid_exclusions": {"path": "mef", "format": "excel", "adapter": "medicaid_exclusion_file"},
            "covered_entities": {"path": "OPA_CE_DAILY_PUBLIC.xlsx", "adapter": "opais_excel_entities"},
            "contract_pharmacies": {
                "path": "OPA_CE_DAILY_PUBLIC.xlsx",
                "adapter": "opais_excel_contract_pharmacies",
            },
            "hcpcs_crosswalk": {"path": "crosswalk.xlsx", "adapter": "asp_crosswalk"},
        }
    )
    exclusions = opened["medicaid_exclusions"].rows.selectExpr(
        "quarter", "string(npi)", "medicaid_number", "medicaid_state"
    )
    assert sorted(map(tuple, exclusions.collect()), key=str) == [
        ("2026Q1", "1215284153", None, "KY"),
        ("2026Q1", None, "064036072", "KY"),
        ("2026Q2", "1215284153", None, "VA"),
        ("2026Q2", None, "064036072", "VA"),
    ]
    assert values(opened["covered_entities"], "entity_id", "participating_start", "street", "zip") == [
        ("DSH330214A", "1999-10-01", "1 MAIN ST", "01234")
    ]
    assert values(opened["contract_pharmacies"], "entity_id", "pharmacy_name", "zip") == [("DSH330214A", "RX", "00002")]
    (factor,) = values(opened["hcpcs_crosswalk"], "ndc", "hcpcs_code", "ndc_units_per_hcpcs_unit")
    assert (*factor[:2], float(factor[2])) == ("63323-0464-37", "J0665", 0.2)


def test_a_number_in_a_column_of_identifiers_is_refused(folder: Folder) -> None:
    row = ["BL", "BL030740", "CLINIC", "VA", None, None, 64036072, None, "KY"]
    workbook(folder, "340B_for_20260101-20260331.xlsx", MEF=[["title"], MEF_HEADER.split("|"), row])
    location = {"path": "340B_for_20260101-20260331.xlsx", "adapter": "medicaid_exclusion_file"}
    assert "MEF!G3" in folder.refusal({"medicaid_exclusions": location})


# CMS-R-144, data definitions effective July 1, 2021: fields and codes as defined there, values invented.
R144_HEADER = (
    "record_id|state_code|labeler_code|product_code|package_size|period_covered|product_fda_name|unit_rebate_amount|"
    "units_reimbursed|rebate_amount_claimed|number_of_prescriptions|medicaid_amount_reimbursed|"
    "non_medicaid_amount_reimbursed|total_amount_reimbursed|correction_flag"
)
R144_OPTIONS = {
    "decimals": {"unit_rebate_amount": 6, "units_reimbursed": 3, "rebate_amount_claimed": 2},
    "line_kinds": {"0": "CURRENT", "1": "PRIOR_REPLACEMENT"},
}


def test_state_invoice_records(spark: SparkSession) -> None:
    rows = frame(
        spark,
        R144_HEADER,
        "FFSU|AK|00002|1433|80|32025|TRULICITY|00000012.345678|000000000481.000|0000000005938.27|00000201|"
        "0000000198526.95|0000000006648.54|0000000205175.49|0",
        "MCOU|AK|00002|1433|80|12024|TRULICITY|000000012345678|0000000000481000|0000000000593827-|00000201||||1",
        "XXXX|AK|00002|1433|80|20241|TRULICITY|x|-0000000000001500|||||| 7",
    )
    fee, managed, bad = converted(rows, "r144", "invoices", R144_OPTIONS)
    assert fee["program"] == "MDRP_FFS"
    assert (fee["ndc"], fee["period"], fee["line_kind"]) == ("00002-1433-80", "2025Q3", "CURRENT")
    numbers = ("unit_rebate_amount", "units_reimbursed", "rebate_amount", "prescriptions", "total_amount")
    assert [float(fee[name]) for name in numbers] == [12.345678, 481, 5938.27, 201, 205175.49]
    assert (managed["program"], managed["period"], managed["line_kind"]) == ("MDRP_MCO", "2024Q1", "PRIOR_REPLACEMENT")
    assert [float(managed[name]) for name in numbers[:4]] == [12.345678, 481, -5938.27, 201]
    assert managed["total_amount"] is None
    # what cannot be read stays as it is, for quarantine; a period of CCYYQ is no QYYYY
    assert (bad["program"], bad["period"], bad["line_kind"]) == ("XXXX", "20241", "7")
    assert (bad["unit_rebate_amount"], float(bad["units_reimbursed"])) == ("x", -1.5)


def test_state_invoices_in_the_positions_of_the_reference_folder(folder: Folder) -> None:
    record = (
        "FFSUAK0000214338032025TRULICITY 00000012.345678000000000481.0000000000005938.2700000201"
        "0000000198526.950000000006648.540000000205175.490"
    )
    folder.put("AK_2025Q3.txt", f"{record}\r\n".encode())
    location = {"path": "AK_2025Q3.txt", "adapter": "r144"}
    opened = folder.open({"invoices": location}, reference_folder="conf/reference")["invoices"]
    assert values(opened, "ndc", "period", "units_reimbursed", "total_amount", "line_kind", "product_name") == [
        ("00002-1433-80", "2025Q3", "000000000481.000", "0000000205175.49", "CURRENT", "TRULICITY")
    ]


def test_a_file_of_another_header_is_named(folder: Folder) -> None:
    folder.put("prices/2020.csv", b"NDC,NADAC_Per_Unit,Effective_Date\n00000000001,1.5,1/1/2020\n")
    folder.put("prices/2021.csv", b"NDC,Price,Effective_Date\n00000000001,1.5,1/1/2021\n")
    refused = folder.refusal({"market_prices": {"path": "prices", "adapter": "nadac"}})
    assert "market_prices: NADAC Per Unit" in refused
    assert "2021.csv" in refused
    assert "2020.csv" not in refused


def test_positions_of_the_state_invoice_come_from_the_reference_folder(folder: Folder) -> None:
    folder.put("invoice.txt", b"")
    location = {"path": "invoice.txt", "adapter": "r144"}
    settings = {"input": {"root": str(folder.path), "tables": {"invoices": location}}}
    located, problems = locate_tables(folder.storage, Settings.model_validate(settings))
    assert not problems
    shipped = next(one for one in located if one.table.name == "invoices")
    assert shipped.options["widths"]["record_id"] == [1, 4]
    ends = [last for _, last in shipped.options["widths"].values()]
    starts = [first for first, _ in shipped.options["widths"].values()]
    assert starts == [1, *(last + 1 for last in ends[:-1])]
    folder.put("own/r144.yaml", b"widths: {record_id: [3, 6]}\n")
    (own,), _ = locate_tables(
        folder.storage, Settings.model_validate({**settings, "reference_folder": str(folder.path / "own")})
    )
    assert own.options == {"widths": {"record_id": [3, 6]}}


def test_a_value_comes_from_whichever_alternative_has_one(spark: SparkSession) -> None:
    rows = frame(spark, "NDC|Year|2025 Year|period_covered", "1|2022||", "2||2023|", "3||  |2024", "4|||")
    years = rows.select(Layout(rows).text("Year", "period_covered").alias("year")).collect()
    assert [row.year for row in years] == ["2022", "2023", "2024", None]
