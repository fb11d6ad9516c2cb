"""What is compared of the spellings in which registers describe a pharmacy."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from engine.link.place_description import described

# name; address: names, store number, house number, street, suite
SPELLINGS = """
Smith's Pharmacy, Inc.          ; 12 North Main Street, Suite 4   : SMITHS, -, 12, N MAIN ST, 4
SMITHS PHCY                     ; 12 N. MAIN ST STE 4             : SMITHS, -, 12, N MAIN ST, 4
WALGREEN CO.                    ; DBA: WALGREENS # 06901          : WALGREENS+WALGREEN, 6901, -, -, -
OHIO CVS STORES, L.L.C.         ; DBA CVS/PHARMACY #11155, 5 A RD : CVS+OHIO CVS, 11155, 5, A RD, -
CVS/PHAMRACY #00513             ;                                 : CVS, 513, -, -, -
SINA DRUG, LLC D/B/A ONCO360    ; 15990 N Greenway Loop STE D-100 : SINA+ONCO360, -, 15990, N GREENWAY LOOP, D100
WAL-MART PHARMACY 10-2596       ; 2301 FREEWAY DRIVE              : WAL MART, 2596, 2301, FREEWAY DR, -
KROGER PHARMACY 856             ; 126 W. HIGH STREET 2ND FLOOR    : KROGER, 856, 126, W HIGH ST, -
OPTUM PHARMACY 701, LLC         ; ONE THIRD AVENUE # 3            : OPTUM, 701, 1, 3RD AVE, 3
DUANE READE                     ; 84-32 JAMAICA AVENUE BLDG D     : DUANE READE, -, 8432, JAMAICA AVE, -
WEGMANS FOOD MARKETS, INC       ; ATTN: PHARMACY                  : WEGMANS FOOD MARKETS, -, -, -, -
TOPS MARKETS                    ; C/O PHARMACY DEPT               : TOPS MARKETS, -, -, -, -
ELM RX                          ; 1201 UNION AVE, ROUTE 300       : ELM, -, 1201, UNION AVE, -
OAK RX                          ; 839-B PROSPECT AVE              : OAK, -, 839B, PROSPECT AVE, -
ELM RX                          ; 24 HOUR PHARMACY                : HOUR+ELM, -, -, -, -
                                ; D B A MORIAH PHARMACY           : MORIAH, -, -, -, -
THE PHARMACY                    ; P.O. BOX 12                     : PO BOX, 12, -, -, -
                                ;                                 : , -, -, -, -
"""
ZIPS = {"10001": "10001", "10001-1234": "10001", "100011234": "10001", "1001": None, "00000": None, "": None}
PHONES = {
    "(212) 555-0142": "2125550142",
    "1-212-555-0142 x7": "2125550142",
    "212.555.0142 ext. 12": "2125550142",
    "000-000-0000": None,
    "999-999-9999": None,
    "555-0142": None,
    "": None,
}


def test_spellings(spark: SparkSession) -> None:
    lines = [line for line in SPELLINGS.splitlines() if line.strip()]
    given, expected = [], {}
    for number, line in enumerate(lines):
        received, _, parts = line.rpartition(" : ")
        given.append((number, *(text.strip() or None for text in received.split(";"))))
        names, *others = (part.strip() for part in parts.split(","))
        expected[number] = (sorted(filter(None, names.split("+"))), *(None if part == "-" else part for part in others))
    rows = spark.createDataFrame(given, "number int, name string, address string")
    found = {
        row.number: (sorted(row.names), row.store_number, row.house_number, row.street, row.suite)
        for row in _described(rows).collect()
    }
    for number, line in enumerate(lines):
        assert found[number] == expected[number], line


@pytest.mark.parametrize(("column", "cases"), [("zip5", ZIPS), ("phone10", PHONES)])
def test_digits(spark: SparkSession, column: str, cases: dict[str, str | None]) -> None:
    rows = spark.createDataFrame([(text, text) for text in cases], "zip string, phone string")
    rows = rows.withColumns({"name": F.lit("Elm"), "address": F.lit(None).cast("string")})
    received = "zip" if column == "zip5" else "phone"
    assert {row[received]: row[column] for row in _described(rows).collect()} == cases


def _described(rows: DataFrame) -> DataFrame:
    nothing = F.lit(None).cast("string")
    zip_code, phone = (F.col(name) if name in rows.columns else nothing for name in ("zip", "phone"))
    return described(
        rows,
        name=F.col("name"),
        address=F.col("address"),
        city=nothing,
        state=nothing,
        zip_code=zip_code,
        phone=phone,
    )
