"""Text files on Spark: every value text, an empty field NULL, strict about bytes, quotes and the number of fields.

What records of a file are, in whatever encoding, is tested in test_sources_text_records.py without Spark.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from engine.contracts.codes import Step
from engine.errors import InputError
from engine.runs import WorkFolder, WorkTable
from tests.unit.sources_folder import INVOICE_CSV, Folder, kinds, values

pytestmark = pytest.mark.both_engines


@pytest.fixture
def folder(spark: SparkSession, tmp_path: Path) -> Folder:
    folder = Folder(spark, tmp_path)
    folder.put("invoices.csv", INVOICE_CSV)
    return folder


@pytest.mark.parametrize("name", ["labelers.csv", "labelers.csv.gz"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_quotes_line_breaks_and_blanks(folder: Folder, name: str, line_end: str) -> None:
    lines = (
        '\ufefflabeler_code, OWNER ,begin_date,end_date,"a ""note"""',
        '00001,"Acme, Inc.",,"",x',
        '00002,"say ""hi""",2020-01-01,,',
        '00003,,\\,"\\",x',
        "",
        '00004,"two',
        'lines",,,"x',
        'y"',
        "00005,Zoë — 東京, ,\0,x",
    )
    content = line_end.join(lines).encode()
    folder.put(name, gzip.compress(content) if name.endswith("gz") else content)
    opened = folder.table("labelers")
    assert values(opened, "labeler_code", "owner", "begin_date", "end_date") == [
        ("00001", "Acme, Inc.", None, None),
        ("00002", 'say "hi"', "2020-01-01", None),
        ("00003", None, "\\", "\\"),
        ("00004", "two\nlines", None, None),
        ("00005", "Zoë — 東京", None, None),
    ]
    assert set(kinds(opened).values()) == {"string"}
    assert opened.unknown_columns == ('a "note"',)


def test_a_quotation_mark_within_an_unquoted_value_is_a_letter(folder: Folder) -> None:
    folder.put("labelers.csv", b'labeler_code,owner\n00001,5" pen\n00002,"a, b"\n')
    assert values(folder.table("labelers"), "labeler_code", "owner") == [("00001", '5" pen'), ("00002", "a, b")]


def test_a_file_with_two_kinds_of_line_ends(folder: Folder) -> None:
    folder.put("labelers.csv", b'labeler_code,owner\n00001,"a\nb"\r\n00002,c\n')
    assert values(folder.table("labelers"), "labeler_code", "owner") == [("00001", "a\nb"), ("00002", "c")]


def test_a_file_without_rows_and_one_without_anything(folder: Folder) -> None:
    folder.put("labelers.csv", b"labeler_code,owner\n")
    assert values(folder.table("labelers"), "labeler_code") == []
    folder.put("labelers.csv", b"")
    assert "no header: the file is empty" in folder.refusal()


@pytest.mark.parametrize("name", ["labelers.csv", "labelers.csv.gz"])
def test_bytes_that_are_not_utf8(folder: Folder, name: str) -> None:
    latin = "labeler_code,owner\n00001,plain\n00002,Zoë\n".encode("latin-1")
    folder.put(name, gzip.compress(latin) if name.endswith("gz") else latin)
    message = folder.refusal()
    assert f"{folder.path}/{name}" in message
    assert "bytes that are not UTF-8, line 3" in message
    assert "fits windows-1252" in message
    assert "set input.tables.labelers.options.encoding: windows-1252" in message
    opened = folder.table("labelers", {"path": name, "options": {"encoding": "windows-1252"}})
    assert values(opened, "owner") == [("Zoë",), ("plain",)]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_half_a_character_in_a_file_that_says_it_is_utf16(folder: Folder, encoding: str) -> None:
    text = "\ufefflabeler_code,owner\n00001,plain\n00002,Z\ud800\n"
    folder.put("labelers.csv", text.encode(encoding, "surrogatepass"))
    message = folder.refusal()
    assert "a damaged character of UTF-16, line 3" in message
    assert "ask the sender for the file again" in message
    assert "windows-1252" not in message


def test_files_of_one_table_in_several_encodings_by_their_byte_order_marks(folder: Folder) -> None:
    folder.put("in/1.csv", "labeler_code,owner\r\n00001,Zoë\r\n".encode("utf-16"))
    folder.put("in/2.csv", "Owner,Labeler Code\r\nZoë,00002\r\n".encode("utf-8-sig"))
    folder.put("in/3.csv", "LABELER-CODE,OWNER\r00003,Zoë\r".encode("cp1252"))
    opened = folder.table("labelers", {"path": "in/*.csv", "options": {"encoding": "cp1252"}})
    assert values(opened, "labeler_code", "owner") == [("00001", "Zoë"), ("00002", "Zoë"), ("00003", "Zoë")]
    assert opened.unknown_columns == ()


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (b"00001,a\n00002\n", "a row of 1 field instead of 2, line 3"),
        (b"00001,a\n00002,b,c\n", "a row of 3 fields instead of 2, line 3"),
        (b'00001,a\n00002,"b\nc"\n00003\n', "a row of 1 field instead of 2, line 5"),
        (b'00001,a\n00002,"b"c\n', "a quotation mark inside a quoted value that is not doubled, line 3"),
        (b'00001,"a\n00002,"b\n', "a quotation mark inside a quoted value that is not doubled, line 3"),
        (b'00001,"a\n00002,b\n00003,c\n', "a quotation mark that is never closed, line 2"),
    ],
)
def test_rows_that_do_not_fit_stop_the_run_with_file_and_line(folder: Folder, rows: bytes, found: str) -> None:
    folder.put("labelers.csv", b"labeler_code,owner\n" + rows)
    message = folder.refusal()
    assert f"{folder.path}/labelers.csv" in message
    assert found in message
    assert "0000" not in message, "what is in the file is not in the message"


def test_short_rows_can_be_had_by_asking_for_them(folder: Folder) -> None:
    folder.put("short.csv", b"labeler_code,owner\n00001,a\n00002\n")
    opened = folder.table("labelers", {"path": "short.csv", "options": {"mode": "PERMISSIVE"}})
    assert values(opened, "labeler_code", "owner") == [("00001", "a"), ("00002", None)]


@pytest.mark.parametrize("content", [gzip.compress(b"labeler_code\n" + b"1\n" * 99_999)[:-90], b"labeler_code\n1\n"])
def test_a_damaged_gzip_file(folder: Folder, content: bytes) -> None:
    folder.put("labelers.csv.gz", content)
    told = folder.refusal()
    assert "labelers.csv.gz" in told
    assert "Traceback" not in told


def test_a_column_that_stands_twice(folder: Folder) -> None:
    folder.put("labelers.csv", b"labeler_code,owner,O_wner,note,note,\n1,a,b,c,d,e\n")
    assert "table labelers has columns of one name more than once" in folder.refusal()
    folder.put("labelers.csv", b"labeler_code,owner,note,note,\n1,a,b,c,d\n")
    assert values(folder.table("labelers"), "labeler_code", "owner") == [("1", "a")]


def test_a_folder_of_files_with_different_headers_and_another_separator(folder: Folder) -> None:
    folder.put("theirs/1.txt", b"LABELER_CODE|owner\n00001|a,b\n")
    folder.put("theirs/2.txt", b"owner|x|labeler_code\nc|y|00002\n")
    folder.put("theirs/_SUCCESS", b"")
    location = {"path": "theirs", "format": "csv", "options": {"sep": "|"}}
    assert values(folder.table("labelers", location), "labeler_code", "owner") == [("00001", "a,b"), ("00002", "c")]


def test_other_shapes_by_spark_options(folder: Folder) -> None:
    folder.put("a.csv", b"00001~|~x\n00002~|~y\n")
    location = {
        "path": "a.csv",
        "options": {"sep": "~|~"},
        "header": False,
        "columns": {"labeler_code": "_c0", "owner": "_c1"},
    }
    assert values(folder.table("labelers", location), "labeler_code", "owner") == [("00001", "x"), ("00002", "y")]
    folder.put("b.tsv", b"labeler_code\towner\n00001\t'a\tb'\n")
    location = {"path": "b.tsv", "format": "csv", "options": {"sep": "\\t", "quote": "'"}}
    assert values(folder.table("labelers", location), "labeler_code", "owner") == [("00001", "a\tb")]
    folder.put("c.dat", b"00001 Acme  \r\n00002 Beta\0\0\r\n")
    location = {"path": "c.dat", "widths": {"labeler_code": [1, 5], "owner": [7, 10]}}
    assert values(folder.table("labelers", location), "labeler_code", "owner") == [("00001", "Acme"), ("00002", "Beta")]


def test_a_file_without_header_by_names_and_by_position(folder: Folder) -> None:
    # as SQL Server's bcp writes it: an empty string is a NUL character
    folder.put("labelers.dat", b"00001|\0|2020-01-01\r\n00002|Beta|\r\n")
    named = {"path": "labelers.dat", "options": {"sep": "|"}, "header": False}
    by_name = folder.table("labelers", {**named, "names": ["Labeler Code", "owner", "begin_date"]})
    by_position = folder.table(
        "labelers", {**named, "columns": {"labeler_code": "_c0", "owner": "_c1", "begin_date": "_c2"}}
    )
    expected = [("00001", None, "2020-01-01"), ("00002", "Beta", None)]
    assert values(by_name, "labeler_code", "owner", "begin_date") == expected
    assert values(by_position, "labeler_code", "owner", "begin_date") == expected
    message = folder.refusal({"labelers": {**named, "names": ["labeler_code", "owner"]}})
    assert "a row of 3 fields, for which 2 names are set" in message
    assert "Beta" not in message


@pytest.mark.parametrize(("separator", "written"), [(";", ";"), ("|", "|"), ("\t", "\\t"), ("~", "~")])
def test_another_separator_is_one_problem(folder: Folder, separator: str, written: str) -> None:
    lines = (
        f"program{separator}state{separator}ndc{separator}period\nMDRP_FFS{separator}AK{separator}1{separator}2025Q3\n"
    )
    folder.put("invoices.csv", lines.encode())
    message = folder.refusal()
    assert message.count("where:") == 1
    assert f'input.tables.invoices.options: {{sep: "{written}"}}' in message
    opened = folder.table("invoices", {"path": "invoices.csv", "options": {"sep": written}})
    assert values(opened, "program", "period") == [("MDRP_FFS", "2025Q3")]


def test_a_file_that_seems_to_have_no_header_is_not_quoted(folder: Folder) -> None:
    folder.put("labelers.csv", b"00002143380,ACME,2020-01-01\n00002143381,BETA,2020-01-01\n")
    message = folder.refusal()
    assert "seems to have no header" in message
    assert "input.tables.labelers.header: false" in message
    assert "ACME" not in message
    assert "2143380" not in message


def test_options_that_the_reader_does_not_have_are_refused(folder: Folder) -> None:
    folder.put("theirs.json", b'{"labeler_code": "1"}\n')
    message = folder.refusal(
        {
            "invoices": {"path": "invoices.csv", "options": {"dateFormat": "MM/dd/yyyy"}},
            "labelers": {"path": "theirs.json", "options": {"dateFormat": "MM/dd/yyyy"}},
            "prices": {"path": "invoices.csv", "format": "parquet", "header": False},
        }
    )
    assert "declare the format in input.tables.invoices.dates" in message
    assert "declare the format in input.tables.labelers.dates" in message
    assert "unknown option header of table prices" in message


FILES_OF_ONE_TABLE = {
    "in/1.csv": "Labeler Code,OWNER,Begin.Date\n00001,a,2020-01-01\n",
    "in/2.csv": "\ufeffbegin_date,LABELER_CODE\n2020-01-02,00002\n",
    "in/3.csv": "owner\u00a0,labeler-code\nc,00003\n",
}


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252"])
def test_each_file_is_read_by_its_own_header(folder: Folder, encoding: str) -> None:
    for name, text in FILES_OF_ONE_TABLE.items():
        folder.put(
            name,
            text.encode("utf-8-sig" if "\ufeff" in text else encoding).replace(b"\xef\xbb\xbf" * 2, b"\xef\xbb\xbf"),
        )
    location = {"path": "in", "options": {"encoding": encoding}, "columns": {"Begin-Date": "BEGIN DATE"}}
    opened = folder.table("labelers", location)
    assert values(opened, "labeler_code", "owner", "begin_date") == [
        ("00001", "a", "2020-01-01"),
        ("00002", None, "2020-01-02"),
        ("00003", "c", None),
    ]
    assert opened.notes == (
        "labelers: column owner is NULL for the rows of 2.csv, which lack it",
        "labelers: column begin_date is NULL for the rows of 3.csv, which lack it",
    )


def test_a_required_column_that_one_file_lacks_stops_the_run(folder: Folder) -> None:
    folder.put("in/1.csv", b"labeler_code,owner\n1,a\n")
    folder.put("in/2.csv", b"owner\nb\n")
    message = folder.refusal({"labelers": {"path": "in"}})
    assert "required column is missing in some files: labelers.labeler_code" in message
    assert "in/2.csv" in message
    assert "in/1.csv" not in message


@pytest.mark.parametrize(
    ("ending", "content"),
    [
        ("csv", "labeler_code,owner\n{}\n"),
        ("json", '{{"labeler_code": "{}", "owner": "x"}}\n'),
    ],
)
def test_partition_folders_of_text(folder: Folder, ending: str, content: str) -> None:
    """Names that Spark writes URL-encoded in its own metadata, too."""
    rows = {"2025-01-01": "00001", "A%2FB+ %25": "00002", "__HIVE_DEFAULT_PARTITION__": "00003"}
    for value, code in rows.items():
        line = f"{code},x" if ending == "csv" else code
        folder.put(f"labelers/begin_date={value}/part #1 [2] 50%.{ending}", content.format(line).encode())
    folder.put("labelers/_SUCCESS", b"")
    opened = folder.table("labelers")
    expected = [("00001", "2025-01-01", "x"), ("00002", "A/B+ %", "x"), ("00003", None, "x")]
    assert values(opened, "labeler_code", "begin_date", "owner") == expected


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252"])
def test_a_column_of_folder_and_file(folder: Folder, encoding: str) -> None:
    location = {"path": "in", "options": {"encoding": encoding}}
    folder.put("in/owner=a/1.csv", b"labeler_code,OWNER\n00001,a\n00002,\n")
    assert values(folder.table("labelers", location), "labeler_code", "owner") == [("00001", "a"), ("00002", "a")]
    folder.put("in/owner=a/1.csv", b"labeler_code,OWNER\n00001,a\n00002,other\n")
    rows = folder.table("labelers", location).rows
    with pytest.raises(InputError) as raised:
        WorkFolder(folder.spark, folder.storage, str(folder.path / "work"), resume=False).write(
            WorkTable("labelers", Step.PREPARE, "row", rows.schema), rows
        )
    assert "one value in the folder's name and another in the file" in str(raised.value)
    assert "other," not in str(raised.value)


def test_a_file_on_another_file_system_than_this_machines(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes reach the executors through Spark."""
    folder.put("a b%20#.csv.gz", gzip.compress("labeler_code,owner\n00001,Zoë\n".encode("cp1252")))
    monkeypatch.setattr(type(folder.storage), "local_path", lambda *_: None)
    location = {"path": "a b%20#.csv.gz", "options": {"encoding": "cp1252"}}
    assert values(folder.table("labelers", location), "labeler_code", "owner") == [("00001", "Zoë")]
