"""Tables in workbooks: values as they were entered, identifiers as text, everything else refused with its cell."""

from __future__ import annotations

import base64
import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from engine.contracts.tables import TABLES
from engine.errors import InputError
from engine.sources.cells import Kind, read_cells
from engine.sources.file_formats.spreadsheet import Workbooks
from engine.sources.location import Location
from engine.sources.staging import staging_folder
from engine.sources.workbook import WorkbookError, open_workbook
from tests.unit.sources_folder import INVOICE_CSV, Folder, kinds, values

HEADER = ["program", "state", "ndc", "period"]
ROW = ["MDRP_FFS", "AK", "00002143380", "2025Q3"]


@pytest.fixture
def folder(spark: SparkSession, tmp_path: Path) -> Folder:
    return Folder(spark, tmp_path)


def workbook(
    sheets: Mapping[str, Sequence[Sequence[Any]]], hidden: Sequence[str] = (), top: int = 1, left: int = 1
) -> bytes:
    """The bytes of a workbook; each sheet's rows begin at the cell (top, left)."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        sheet.sheet_state = "hidden" if name in hidden else "visible"
        for down, row in enumerate(rows):
            for right, value in enumerate(row):
                sheet.cell(top + down, left + right, value)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def claiming_2_gib(archive: bytes) -> bytes:
    """The archive, with another unpacked size of its first member in the central directory."""
    place = archive.index(b"PK\x01\x02") + 24
    return archive[:place] + (1 << 31).to_bytes(4, "little") + archive[place + 4 :]


# An Excel 97 workbook, compressed: sheet Data with a table at B2, a formula 1/0 in E3 and the number 2143380 in B4.
XLS = zlib.decompress(
    base64.b85decode(
        "c-rk)O=uHA6#iy+^J|)<H5FPhgo3r!7TTtVUfNZO_LNe4@drWECI_jc5{jS)t*to<f+xjGp&q<cz4(I)dJ_>U^&kjBqDN1Hf`>Nio430"
        "*tqKijp=G{h-pqS5@6FqJ^SAqUp}sWxpt+1S7=Vt76@a%&CMX45CJL&zELn7OKP5|HQz77|KzcoRTKC2$V<_WYhKBpbOQOIhN+)p+Llg"
        "O2VgqrIeaHyuLqAc0+aw92iM?uII>vN6(|g?V8PokNxyH1g+Lpu#ESN*>ea<XCrnPWg7}D+|*7?AaZZzVRoW+-~3%jic2MT90XE#|z+z"
        "4R~6wtw3K39-@1a}YwjuSf5>CRNDgct>T4&SW=@XcM-FA_?=v2p>D|5z>e{YCDlAg-0)&<tP-)@fcOMT8JBWQ~DTW-_ycHkuRQqyzcv7"
        ")_Ksr7We~HlT~p)7_g)_H_m2_RiZubk%lH$IB!{G>ZtA>v^$6$)BaWUl-G(!{#ZLOz{z59~8T#U$AgRYLIf6rG_(0fp*r|$8?&l?&NYa"
        "(-^g(ymh$IDIA{RHdnc}mHJ6C-kE!<%579GemU|uUi@tCrSkk>`C@GTy*Y~(I=Hf=FP|B7hz@b<ro<D|&4sh6d}P}6+Xmy;qWlIPSk7q"
        "}!7?o=!Q&xea~g5t7pFU8Wpf5`x?@ZGgDrb(<rqC@Z=|gr-tNx7)=1NfT_kg@$ivoF_aQD2r)WvTI){42@Fgusyfi$rI1QZwp|jy$XV3"
        "<;20WDB(7w5XAQTi76ciK`6cn~1<W*I(KMwff>2WUoKIgyAGNp?8O|oS%f(d#i>7()x@{|{Fp{Dt>10Lbp66@4){})OerQQn|$0++TUi"
        "18=&m>X(KI>MD{<|eqYyXv6{QS@T{{&SC*Te"
    )
)


def open_document(rows: str) -> bytes:
    """A workbook of LibreOffice with one sheet Data."""
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
    )
    content = (
        f'<office:document-content {names}><office:body><office:spreadsheet><table:table table:name="Data">{rows}'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    members = {
        "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
        "META-INF/manifest.xml": b'<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        "content.xml": content.encode(),
    }
    return zipped(members, zipfile.ZIP_STORED)


def open_document_row(*cells: str | float) -> str:
    texts = (
        f'<table:table-cell office:value-type="float" office:value="{cell}"><text:p>{cell}</text:p></table:table-cell>'
        if isinstance(cell, float)
        else f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
        for cell in cells
    )
    return f"<table:table-row>{''.join(texts)}</table:table-row>"


# Cells of one column each, and the type and values that must be read.
CELLS = {
    "ndc": (["00002143380", "00003-0893-21", None], "string", ["00002143380", "00003-0893-21", None]),
    "units_reimbursed": ([0.1 + 0.2, 1e-7, 1234567.891], "double", [0.3, 1e-7, 1234567.891]),
    "total_amount": ([2.675, 100, None], "double", [2.675, 100.0, None]),
    "prescriptions": ([7.0, 12, -3], "bigint", [7, 12, -3]),
    "rebate_amount": ([12345678.9, "(1,5)", 3.0], "string", ["12345678.9", "(1,5)", "3"]),
    # never like 1.234, which may stand for 1234 in the texts next to it
    "medicaid_amount": ([1.234, "5.678,50", 1e300], "string", ["1.2340", "5.678,50", f"1{'0' * 300}"]),
    "suppressed": ([True, False, None], "boolean", [True, False, None]),
    "postmark_date": (
        [date(2025, 3, 9), datetime(9999, 12, 31), None],
        "date",
        [date(2025, 3, 9), date(9999, 12, 31), None],
    ),
    "received_date": (
        [datetime(2025, 3, 9, 1, 2, 3), date(2025, 3, 10), None],
        "timestamp",
        ["2025-03-09 01:02:03", "2025-03-10 00:00:00", None],
    ),
    "product_name": ([date(2025, 3, 9), time(13, 5), "é "], "string", ["2025-03-09", "13:05:00", "é "]),
    "period": ([None, None, None], "string", [None, None, None]),
}


@pytest.fixture(scope="module")
def typed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], dict[str, list[Any]]]:
    """Every kind of cell, in a table that begins at C4."""
    folder = Folder(spark, tmp_path_factory.mktemp("cells"))
    names = list(CELLS)
    rows = [names, *zip(*(CELLS[name][0] for name in names), strict=True)]
    folder.put("invoices.xlsx", workbook({"Any": rows}, top=4, left=3))
    opened = folder.table("invoices")
    types = {name: kind.removesuffix("_ntz") for name, kind in kinds(opened).items()}
    read = opened.rows.selectExpr(
        *(f"cast({name} as string) {name}" if types[name] == "timestamp" else name for name in names)
    ).collect()
    return types, {name: [row[name] for row in read] for name in names}


@pytest.mark.parametrize("name", CELLS)
def test_each_kind_of_cell(typed: tuple[dict[str, str], dict[str, list[Any]]], name: str) -> None:
    types, read = typed
    _, kind, expected = CELLS[name]
    assert types[name] == kind
    assert read[name] == expected


def test_empty_and_formatted_rows_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(workbook({"S": [["a", "b"], [None, None], ["1", None], [" ", None], [None, "2"]]}))
    book = openpyxl.load_workbook(path)
    book["S"].merge_cells("A7:B9")
    book["S"]["A500"].font = openpyxl.styles.Font(bold=True)
    book.save(path)
    cells = read_cells(open_workbook(path).sheet("S"), 1, 1, None, None)
    assert cells.rows == 2
    assert [column.values("string").to_pylist() for column in cells.columns] == [["1", None], [None, "2"]]


@pytest.mark.parametrize(
    ("cell", "kind"),
    [(2143380, "number"), (1.5, "number with decimals"), (date(2025, 3, 1), "date"), (True, "boolean")],
)
@pytest.mark.parametrize(("top", "left", "address"), [(1, 1, "C4"), (5, 3, "E8")])
def test_a_cell_that_is_no_text_in_an_identifier_column_is_named(
    folder: Folder, cell: float | int | date, kind: str, top: int, left: int, address: str
) -> None:
    rows = [HEADER, ROW, [None] * 4, ["MDRP_FFS", "AK", cell, "2025Q3"]]
    folder.put("invoices.xlsx", workbook({"Q3 2025": rows}, top=top, left=left))
    message = folder.refusal()
    assert "identifier column ndc of table invoices has cells that are not text" in message
    assert f"Q3 2025!{address} is a {kind}; 1 such cells" in message
    assert "2143380" not in message


def test_npis_may_be_numbers(folder: Folder) -> None:
    folder.put("invoices.csv", INVOICE_CSV)
    folder.put("pharmacies.xlsx", workbook({"S": [["npi", "successor_npi"], [1234567893.0, "1245319599"]]}))
    assert values(folder.table("pharmacies"), "npi", "successor_npi") == [(1234567893, "1245319599")]


@pytest.mark.parametrize("cell", ["#N/A", "#REF!", "=1+1"])
def test_cells_without_a_value_are_named_if_their_column_is_read(folder: Folder, cell: str) -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook({"S": [[*HEADER, "note"], [*ROW, "x"], [*ROW, "x"]]})))
    for address in ("B3", "E2"):
        book["S"][address] = cell
    content = io.BytesIO()
    book.save(content)
    folder.put("invoices.xlsx", content.getvalue())
    message = folder.refusal()
    assert "column state of table invoices has cells without a value that can be read" in message
    assert "found:    S!B3\n" in message
    assert "E2" not in message


SHEETS = {"Notes": [["see Data"]], "Data": [["Report of 2025"], [], HEADER, ROW], "Hidden": [HEADER, ROW]}


@pytest.mark.parametrize(
    "options",
    [
        {"sheet": "Data", "header_row": "3"},
        {"sheet": " data", "range": "A3:D4"},
        {"sheet": "2", "range": "a3:D"},
        {"sheet": "Hidden"},
    ],
)
def test_sheet_header_and_range_as_options(folder: Folder, options: dict[str, str]) -> None:
    folder.put("book.xlsx", workbook(SHEETS, hidden=["Hidden"]))
    opened = folder.table("invoices", {"path": "book.xlsx", "options": options})
    assert values(opened, *HEADER) == [tuple(ROW)]


@pytest.mark.parametrize(
    ("sheets", "hidden"),
    [
        ({"A": [HEADER, ROW]}, ()),
        ({"A": [], "B": [HEADER, ROW], "Old": [["x"]]}, ("Old",)),
        ({"Notes": [["x"]], "INVOICES": [HEADER, ROW]}, ()),
    ],
    ids=["only one", "only one with data", "named like the table"],
)
def test_the_sheet_without_options(folder: Folder, sheets: dict[str, list[list[str]]], hidden: tuple[str, ...]) -> None:
    folder.put("invoices.xlsx", workbook(sheets, hidden))
    assert values(folder.table("invoices"), *HEADER) == [tuple(ROW)]


@pytest.mark.parametrize(
    ("sheets", "options", "parts"),
    [
        ({"A": [HEADER], "B": [HEADER]}, {}, ["has several sheets", "found:    A, B", "options.sheet"]),
        ({"A": [HEADER], "B": [HEADER]}, {"sheet": "C"}, ["has no sheet C", "sheets A, B"]),
        ({"A": []}, {}, ["has no visible sheet with data"]),
        ({"A": [HEADER]}, {"range": "A1-B2"}, ["range is not a range of cells", "A1-B2"]),
        ({"A": [HEADER]}, {"header_row": "0"}, ["header_row is not a row of a sheet"]),
        ({"A": [HEADER]}, {"sep": ","}, ["a workbook has no such option", "sep"]),
        ({"A": [["ndc", "NDC"], ["1", "2"]]}, {}, ["has columns of one name more than once"]),
    ],
)
def test_what_is_not_found_is_refused(
    folder: Folder, sheets: dict[str, list[list[str]]], options: dict[str, str], parts: list[str]
) -> None:
    folder.put("invoices.xlsx", workbook(sheets))
    message = folder.refusal({"invoices": {"path": "invoices.xlsx", "options": options}})
    assert all(part in message for part in parts), message


def test_a_folder_of_workbooks(folder: Folder) -> None:
    """One with another column order and a further column, one without rows, and the owner file of an open one."""
    folder.put("invoices/a.xlsx", workbook({"S": [HEADER, ROW]}))
    other = [["ndc", " State", "Period", "PROGRAM", "prescriptions"], ["1", "NY", "2025Q1", "MDRP_MCO", 5]]
    folder.put("invoices/b.xlsx", workbook({"T": other}))
    folder.put("invoices/c.xlsx", workbook({"T": [HEADER]}))
    folder.put("invoices/~$a.xlsx", b"owner")
    opened = folder.table("invoices")
    assert values(opened, "ndc", "state", "period", "prescriptions") == [
        ("00002143380", "AK", "2025Q3", None),
        ("1", "NY", "2025Q1", 5),
    ]
    assert opened.notes == ("invoices: column prescriptions is NULL for the rows of a.xlsx, c.xlsx, which lack it",)
    folder.put("invoices/d.xlsx", workbook({"T": [["ndc"]]}))
    assert "required column is missing in some files: invoices.state" in folder.refusal()


@pytest.mark.parametrize("noise", [[], [["340B ID"], ["Entity"]]], ids=["titles", "titles with some of the names"])
def test_adapters_find_the_header_by_its_names(folder: Folder, noise: list[list[str]]) -> None:
    names = ("340B ID", "Entity Name")
    sheets = {
        "Cover": [["x"]],
        "Export": [["Daily report"], *noise, ["Entity  name", "State", "340B-ID"], ["Clinic", "AK", "C1"]],
    }
    location = Location(
        TABLES["covered_entities"], str(folder.put("x.xlsx", workbook(sheets))), "excel", "opais_entities"
    )
    reader = Workbooks(folder.spark, folder.storage, location, names)
    assert reader.names == ("Entity  name", "State", "340B-ID")
    assert [tuple(row) for row in reader.rows(reader.names, ()).collect()] == [("Clinic", "AK", "C1")]


def test_workbooks_of_other_formats(tmp_path: Path) -> None:
    """Opened by their content, whatever their name; an error cell of `.xls` is not told apart from an empty one."""
    rows = [open_document_row("ndc", "n"), open_document_row("00002143380", 12.0), open_document_row(2143380.0, "#N/A")]
    for name, content in {"of Excel 97.xlsx": XLS, "of LibreOffice.xlsx": open_document("".join(rows))}.items():
        (tmp_path / name).write_bytes(content)
    old = read_cells(open_workbook(tmp_path / "of Excel 97.xlsx").sheet("data"), 2, 1, None, None)
    assert old.names == ("ndc", "n", "d", "e")
    assert old.first_column == 2
    assert [column.values("string").to_pylist() for column in old.columns] == [
        ["00002143380", "2143380"],
        ["12", "0.3"],
        ["2025-03-09", None],
        [None, None],
    ]
    assert old.columns[0].first_rows == {Kind.TEXT: 3, Kind.INTEGER: 4}
    new = read_cells(open_workbook(tmp_path / "of LibreOffice.xlsx").sheet("1"), 1, 1, None, None)
    assert [column.values("string").to_pylist() for column in new.columns] == [
        ["00002143380", "2143380"],
        ["12", "#N/A"],
    ]
    assert new.columns[1].unreadable_rows == [3]


def test_a_workbook_that_hides_errors_is_noted(folder: Folder) -> None:
    folder.put("invoices.csv", INVOICE_CSV)
    folder.put("prices.xls", XLS)
    opened = folder.table("prices", {"path": "prices.xls", "options": {"header_row": "2", "range": "B2:C3"}})
    assert values(opened, "ndc") == [("00002143380",)]
    assert [note for note in opened.notes if "prices.xls with errors such as #N/A are read as empty" in note]


_ENCRYPTED = bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le") + b"\0" * 100


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_ENCRYPTED, "is protected by a password"),
        (b"<html><table><tr><td>1</td></tr></table></html>", "web page or XML"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Workbook/>", "web page or XML"),
        (b"ndc\tstate\n1\tAK\n", "a text file named like one"),
        (b"", "cannot be read"),
        (zipped({"readme.txt": b"x"}), "cannot be read"),
        (workbook({"S": [HEADER]})[:-300], "cannot be read"),
        (claiming_2_gib(zipped({"xl/workbook.xml": b"x"})), "may be malicious"),
    ],
    ids=["password", "html", "xml", "text", "empty", "zip", "cut short", "bomb"],
)
def test_files_that_are_no_workbooks_are_refused_in_words(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "book.xlsx"
    path.write_bytes(content)
    with pytest.raises(WorkbookError) as raised:
        open_workbook(path)
    assert words in f"{raised.value.what} {raised.value.found}"


class TestArchives:
    def parquet(self, tmp_path: Path) -> bytes:
        pq.write_table(pa.table({name: [value] for name, value in zip(HEADER, ROW, strict=True)}), tmp_path / "p")
        return (tmp_path / "p").read_bytes()

    @pytest.mark.parametrize("kind", ["csv", "txt", "json", "xlsx", "parquet"])
    def test_one_table_file_is_read_like_that_file(self, folder: Folder, tmp_path: Path, kind: str) -> None:
        content = {
            "csv": INVOICE_CSV,
            "txt": INVOICE_CSV,
            "json": b'{"program": "MDRP_FFS", "state": "AK", "ndc": "00002143380", "period": "2025Q3"}\n',
            "xlsx": workbook({"S": [HEADER, ROW]}),
            "parquet": self.parquet(tmp_path),
        }[kind]
        beside = {"__MACOSX/._x.csv": b"x", "folder/": b"", "folder/.hidden.csv": b"x", "readme.pdf": b"x"}
        folder.put("invoices.zip", zipped({**beside, f"folder/Q3 data.{kind}": content}))
        opened = folder.table("invoices")
        assert values(opened, *HEADER) == [tuple(ROW)]
        assert opened.location.endswith("/invoices.zip")

    def test_a_member_by_its_name(self, folder: Folder) -> None:
        folder.put("two.zip", zipped({"a.csv": b"ndc\n1\n", "x/b.csv": INVOICE_CSV}, zipfile.ZIP_BZIP2))
        opened = folder.table("invoices", {"path": "two.zip", "options": {"member": "b.csv"}})
        assert values(opened, "ndc") == [("00002143380",)]

    def test_what_cannot_be_unpacked_is_refused(self, folder: Folder) -> None:
        encrypted = bytearray(zipped({"a.csv": INVOICE_CSV}, zipfile.ZIP_STORED))
        encrypted[6] |= 1
        encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
        damaged = bytearray(zipped({"a.csv": INVOICE_CSV}, zipfile.ZIP_STORED))
        damaged[damaged.index(b"MDRP")] ^= 1
        refused = {
            "invoices": (
                zipped({"a.csv": INVOICE_CSV, "b.json": b"{}"}),
                "without exactly one table file",
                "a.csv, b.json",
            ),
            "prices": (zipped({"a.pdf": b"x"}), "without exactly one table file", "a.pdf"),
            "products": (bytes(encrypted), "archive that is not unpacked", "a.csv is protected by a password"),
            "labelers": (bytes(damaged), "a file of table labelers cannot be read", "Bad CRC-32"),
            "pharmacies": (b"PK no zip", "a file of table pharmacies cannot be read", "not a zip file"),
            "outcomes": (claiming_2_gib(zipped({"a.csv": b"x"})), "archive that is not unpacked", "malicious"),
        }
        for table, (content, *_) in refused.items():
            folder.put(f"{table}.zip", content)
        message = folder.refusal()
        for table, (_, what, found) in refused.items():
            assert what in message, table
            assert found in message, table

    def test_problems_name_the_archive_and_its_member(self, folder: Folder) -> None:
        folder.put("invoices.zip", zipped({"lines.csv": b"ndc\n\xff\n"}))
        message = folder.refusal()
        assert f"{folder.path}/invoices.zip/lines.csv" in message

    def test_a_folder_of_archives(self, folder: Folder) -> None:
        for name in ("a", "b"):
            folder.put(f"invoices/{name}.zip", zipped({"lines.csv": b"ndc,state\n" + name.encode() + b",AK\n"}))
        opened = folder.table("invoices", {"path": "invoices", "format": "zip"})
        assert values(opened, "ndc") == [("a",), ("b",)]


def test_on_a_cluster_archives_are_refused() -> None:
    class Session:
        class conf:
            @staticmethod
            def get(key: str, default: str) -> str:
                return "yarn" if key == "spark.master" else default

    with pytest.raises(InputError, match="run in local mode"):
        staging_folder(Session(), "x", "/in/x.zip", "the archive of table invoices")
