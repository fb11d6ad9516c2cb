"""CSV: every value text, an empty field NULL, strict about bytes, quotes and the number of fields."""

from __future__ import annotations

import gzip

import pytest

from engine.errors import InputError
from engine.sources import WorkFolder
from tests.unit.sources_folder import INVOICE_CSV, Folder, kinds, values


@pytest.fixture
def folder(spark, tmp_path) -> Folder:
    folder = Folder(spark, tmp_path)
    folder.put("invoices.csv", INVOICE_CSV)
    return folder


def read_fails(folder: Folder, table: str) -> str:
    """What is told when the rows are asked for."""
    rows = folder.table(table).rows
    with pytest.raises(InputError) as raised:
        WorkFolder(folder.spark, folder.storage, str(folder.path / "work"), resume=False).write(table, rows)
    assert "Traceback" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("name", ["labelers.csv", "labelers.csv.gz"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_quotes_line_breaks_and_blanks(folder, name, line_end):
    lines = (
        '\ufefflabeler_code, OWNER ,begin_date,end_date,"a ""note"""',
        '00001,"Acme, Inc.",,"",x',
        '00002,"say ""hi""",2020-01-01,,',
        '00003,,\\,"\\",x',
        "",
        '00004,"two',
        'lines",,,"x',
        'y"',
        "00005,Zoë — 東京,,,x",
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


def test_a_quotation_mark_within_an_unquoted_value_is_a_letter(folder):
    folder.put("labelers.csv", b'labeler_code,owner\n00001,5" pen\n00002,"a, b"\n')
    assert values(folder.table("labelers"), "labeler_code", "owner") == [("00001", '5" pen'), ("00002", "a, b")]


def test_a_file_with_two_kinds_of_line_ends(folder):
    folder.put("labelers.csv", b'labeler_code,owner\n00001,"a\nb"\r\n00002,c\n')
    assert values(folder.table("labelers"), "labeler_code", "owner") == [("00001", "a\nb"), ("00002", "c")]


def test_a_file_without_rows_and_one_without_anything(folder):
    folder.put("labelers.csv", b"labeler_code,owner\n")
    assert values(folder.table("labelers"), "labeler_code") == []
    folder.put("labelers.csv", b"")
    assert "no header: the file is empty" in folder.refusal()


@pytest.mark.parametrize("name", ["labelers.csv", "labelers.csv.gz"])
def test_bytes_that_are_not_utf8(folder, name):
    latin = "labeler_code,owner\n00001,plain\n00002,Zoë\n".encode("latin-1")
    folder.put(name, gzip.compress(latin) if name.endswith("gz") else latin)
    told = folder.refusal()
    assert name in told
    assert "bytes that are not UTF-8 in 1 lines" in told
    opened = folder.table("labelers", {"path": name, "options": {"encoding": "ISO-8859-1"}})
    assert values(opened, "owner") == [("Zoë",), ("plain",)]


def test_utf16(folder):
    folder.put("labelers.csv", "labeler_code,owner\n00001,Zoë\n".encode("utf-16"))
    told = folder.refusal()
    assert "labelers.csv" in told
    assert "bytes that are not UTF-8 in the header" in told
    assert "input.tables.labelers.options.encoding" in told


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (b"00001,a\n00002\n", "more or fewer fields"),
        (b"00001,a\n00002,b,c\n", "more or fewer fields"),
        (b'00001,a\n00002,"b\nc"\n00003\n', "more or fewer fields"),
        (b'00001,a\n00002,"b"c\n', "a quotation mark inside a quoted value that is not doubled"),
        (b'00001,"a\n00002,"b\n', "a quotation mark inside a quoted value that is not doubled"),
    ],
)
def test_rows_that_do_not_fit_stop_the_run_with_the_files_name(folder, rows, found):
    folder.put("labelers.csv", b"labeler_code,owner\n" + rows)
    told = read_fails(folder, "labelers")
    assert f"{folder.path}/labelers.csv" in told
    assert found in told
    assert "0000" not in told, "what is in the file is not told"


def test_an_open_quote_does_not_swallow_the_rest_of_the_file(folder):
    folder.put("labelers.csv", b'labeler_code,owner\n00001,"a\n00002,b\n00003,c\n')
    told = folder.refusal()
    assert "labelers.csv" in told
    assert "a quotation mark that is never closed" in told


def test_short_rows_can_be_had_by_asking_for_them(folder):
    folder.put("short.csv", b"labeler_code,owner\n00001,a\n00002\n")
    opened = folder.table("labelers", {"path": "short.csv", "options": {"mode": "PERMISSIVE"}})
    assert values(opened, "labeler_code", "owner") == [("00001", "a"), ("00002", None)]


@pytest.mark.parametrize("content", [gzip.compress(b"labeler_code\n" + b"1\n" * 99_999)[:-90], b"labeler_code\n1\n"])
def test_a_damaged_gzip_file(folder, content):
    folder.put("labelers.csv.gz", content)
    told = folder.refusal()
    assert "labelers.csv.gz" in told
    assert "Traceback" not in told


def test_a_column_that_stands_twice(folder):
    folder.put("labelers.csv", b"labeler_code,owner,Owner,note,note,\n1,a,b,c,d,e\n")
    assert "table labelers has columns of one name more than once" in folder.refusal()
    folder.put("labelers.csv", b"labeler_code,owner,note,note,\n1,a,b,c,d\n")
    assert values(folder.table("labelers"), "labeler_code", "owner") == [("1", "a")]


def test_a_folder_of_files_with_different_headers_and_another_separator(folder):
    folder.put("theirs/1.txt", b"LABELER_CODE|owner\n00001|a,b\n")
    folder.put("theirs/2.txt", b"owner|x|labeler_code\nc|y|00002\n")
    folder.put("theirs/_SUCCESS", b"")
    location = {"path": "theirs", "format": "csv", "options": {"sep": "|"}}
    assert values(folder.table("labelers", location), "labeler_code", "owner") == [("00001", "a,b"), ("00002", "c")]


def test_other_shapes_by_spark_options(folder):
    folder.put("a.csv", b"00001~|~x\n00002~|~y\n")
    location = {
        "path": "a.csv",
        "options": {"sep": "~|~", "header": "false"},
        "columns": {"labeler_code": "_c0", "owner": "_c1"},
    }
    assert values(folder.table("labelers", location), "labeler_code", "owner") == [("00001", "x"), ("00002", "y")]
    folder.put("b.tsv", b"labeler_code\towner\n00001\t'a\tb'\n")
    location = {"path": "b.tsv", "format": "csv", "options": {"sep": "\\t", "quote": "'"}}
    assert values(folder.table("labelers", location), "labeler_code", "owner") == [("00001", "a\tb")]
