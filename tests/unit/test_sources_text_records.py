"""Records of text files, in plain Python: encodings x line ends x headers, and what is wrong with a file."""

from __future__ import annotations

import gzip
import io
from typing import Any

import pytest

from engine.errors import ConfigurationError
from engine.sources.text_format import text_format
from engine.sources.text_records import DamagedTextError, records, rows

TEXT = "Drug,Owner\nZoë,1\nNuñez – €,2\n"
PARSED = [["Drug", "Owner"], ["Zoë", "1"], ["Nuñez – €", "2"]]


def read(content: bytes, name: str = "claims.csv", **options: Any) -> list[list[str]]:
    written = text_format("invoices", options)
    return [record for _, record in records(lambda: io.BytesIO(content), name, written)]


def damage(content: bytes, width: int, name: str = "claims.csv", **options: Any) -> DamagedTextError:
    written = text_format("invoices", options)
    with pytest.raises(DamagedTextError) as raised:
        list(rows(lambda: io.BytesIO(content), name, written, width))
    return raised.value


def refused(**options: Any) -> str:
    with pytest.raises(ConfigurationError) as raised:
        text_format("invoices", options)
    return str(raised.value)


@pytest.mark.parametrize("name", ["claims.csv", "CLAIMS.CSV.GZ", "claims.gz.csv"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("declared", "written_as"),
    [
        ("utf-8", "utf-8"),
        ("utf-8", "utf-8-sig"),
        ("utf-8-sig", "utf-8"),
        ("UTF-8-SIG", "utf-8-sig"),
        ("windows-1252", "cp1252"),
        ("Windows1252", "cp1252"),
        ("CP1252", "cp1252"),
        ("ansi", "cp1252"),
        ("utf-16", "utf-16"),
        ("utf-16", "utf-16-le"),
        ("utf-16", "utf-16-be"),
        ("UTF-16LE", "utf-16-le"),
        ("utf_16_be", "utf-16-be"),
        ("utf-32", "utf-32"),
        ("iso-8859-15", "iso-8859-15"),
    ],
)
def test_every_encoding_reads_the_same(name: str, line_end: str, declared: str, written_as: str) -> None:
    text = TEXT.replace("\n", line_end).replace("–", "-" if written_as == "iso-8859-15" else "–")
    content = text.encode(written_as)
    expected = [[value.replace("–", "-") if written_as == "iso-8859-15" else value for value in row] for row in PARSED]
    stored = gzip.compress(content) if "gz" in name.lower() else content
    assert read(stored, name, encoding=declared) == expected


@pytest.mark.parametrize(("declared", "text"), [("shift_jis", "品,値\n東京,1\n"), ("cp437", "a,b\nZürich,½\n")])
def test_encodings_of_other_scripts(declared: str, text: str) -> None:
    assert read(text.encode(declared), encoding=declared) == [line.split(",") for line in text.split("\n") if line]


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("declared", ["utf-8", "windows-1252"])
def test_a_byte_order_mark_overrules_the_declared_encoding(mark: str, declared: str) -> None:
    assert read(TEXT.encode(mark), encoding=declared) == PARSED


@pytest.mark.parametrize(
    ("content", "declared", "line", "fits"),
    [
        ("a,b\n1,2\nZoë,3\n".encode("latin-1"), "utf-8", 3, "windows-1252"),
        ("a,b\r\n1,2\r\nZoë,3\r\n".encode("latin-1"), "utf-8", 3, "windows-1252"),
        ("a,b\r1,2\rZoë,3\r".encode("latin-1"), "utf-8", 3, "windows-1252"),
        ("a,b\nZü,3\n".encode("cp437"), "utf-8", 2, "cp437"),
        ("a,b\nZoë 東,3\n".encode(), "ascii", 2, "utf-8"),
        ("a,b\n—,3\n".encode(), "shift_jis", 2, "utf-8"),
        ("a,b\n1,2\n".encode("utf-16-le"), "utf-8", 1, "utf-16-le"),
        ("a,b\n1,2\n".encode("utf-16-be"), "windows-1252", 1, "utf-16-be"),
    ],
)
@pytest.mark.parametrize("name", ["claims.csv", "claims.csv.gz"])
def test_bytes_of_another_encoding_are_found_with_line_and_one_that_fits(
    content: bytes, declared: str, line: int, fits: str, name: str
) -> None:
    error = damage(gzip.compress(content) if name.endswith("gz") else content, 2, name, encoding=declared)
    assert error.line == line
    assert error.fits[0] == fits


def test_the_line_is_right_beyond_the_first_piece_of_a_large_file() -> None:
    line = b"a" * 98 + b",\n"
    assert damage(line * 30_000 + b"\xff,\n" + line, 2).line == 30_001


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_quoted_values(line_end: str) -> None:
    text = '"a","b ""c"""\n"1, 2",5" pen\n"two\nlines",""\n'.replace("\n", line_end)
    assert read(text.encode()) == [["a", 'b "c"'], ["1, 2", '5" pen'], ["two\nlines", ""]]


def test_blank_lines_and_the_mark_that_ends_a_file_of_dos_are_no_rows() -> None:
    assert read(b"a,b\n\n  \n1,2\r\n\r\n\x1a") == [["a", "b"], ["1", "2"]]


@pytest.mark.parametrize("separator", [";", "|", "\t", "\\t", "||", "~|~", "\\x01", "\u0001", "§"])
def test_separators(separator: str) -> None:
    character = {"\\t": "\t", "\\x01": "\x01"}.get(separator, separator)
    text = f'a{character}"b{character}c"\n1{character}2\n'
    assert read(text.encode(), sep=separator) == [["a", f"b{character}c"], ["1", "2"]]


def test_other_quotes_and_escapes() -> None:
    assert read(b"a,b\n'1,2',3\n", quote="'") == [["a", "b"], ["1,2", "3"]]
    assert read(b'a,b\n"1,2\n', quote="") == [["a", "b"], ['"1', "2"]]
    assert read(b'a,b\n"1 \\" 2",3\n', escape="\\") == [["a", "b"], ['1 " 2', "3"]]


@pytest.mark.parametrize(
    ("content", "found", "line"),
    [
        (b"a,b\n1\n2,3\n", "a row of 1 field instead of 2", 2),
        (b"a,b\n1,2\n3,4,5\n", "a row of 3 fields instead of 2", 3),
        (b'a,b\n"1\n2",3\n4\n', "a row of 1 field instead of 2", 4),
        (b'a,b\n1,"2\n3,4\n', "a quotation mark that is never closed", 2),
        (b'a,b\n1,"2"3\n', "a quotation mark inside a quoted value that is not doubled", 2),
    ],
)
def test_rows_that_do_not_fit_are_found_with_their_line(content: bytes, found: str, line: int) -> None:
    error = damage(content, 2)
    assert (error.damage, error.line) == (found, line)


def test_short_rows_can_be_filled_and_long_ones_cannot() -> None:
    written = text_format("invoices", {"mode": "permissive"})
    assert [row for _, row in rows(lambda: io.BytesIO(b"a,b\n1\n"), "x", written, 2)] == [["1", ""]]
    assert "3 fields instead of 2" in damage(b"a,b\n1,2,3\n", 2, mode="PERMISSIVE").damage


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.csv.gz", gzip.compress(b"a,b\n" * 9999, mtime=0)[:-40]), ("x.gz", b"a,b\n")],
    ids=["cut off", "not compressed"],
)
def test_damaged_archives(name: str, content: bytes) -> None:
    error = damage(content, 2, name)
    assert "gzip" in error.damage or "truncated" in error.damage
    assert "a,b" not in str(error)


WIDTHS = {"state": [1, 2], "ndc": [3, 13], "units": [15, 18]}


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "options",
    [
        {"widths": WIDTHS},
        {"widths": [2, 11, 1, 4], "names": ["state", "ndc", "filler", "units"]},
        {"widths": [2, 11, 1, 4], "names": "state, ndc, filler, units", "header": "false"},
    ],
)
def test_fixed_width_records(line_end: str, options: dict[str, Any]) -> None:
    content = "AK00002143380 1234\nNY00003000001    5\n".replace("\n", line_end).encode()
    written = text_format("invoices", options)
    places = [written.names.index(name) for name in ("state", "ndc", "units")]
    found = [[record[place] for place in places] for record in read(content, **options)]
    assert found == [["AK", "00002143380", "1234"], ["NY", "00003000001", "   5"]]


@pytest.mark.parametrize(
    ("content", "found", "line"),
    [
        (b"AK00002143380 1234\nNY0000\n", "a line of 6 characters instead of 18", 2),
        (b"AK00002143380 1234X\n", "a line of 19 characters, text after position 18", 1),
    ],
)
def test_fixed_width_lines_that_do_not_fit(content: bytes, found: str, line: int) -> None:
    error = damage(content, 3, widths=WIDTHS)
    assert (error.damage, error.line) == (found, line)


def test_blanks_after_the_last_field_are_no_text() -> None:
    assert read(b"AK00002143380 1234   \n", widths=WIDTHS) == [["AK", "00002143380", "1234"]]


@pytest.mark.parametrize("value", [False, "false", "no", 0])
def test_options_as_yaml_or_text(value: int | str) -> None:
    written = text_format("invoices", {"header": value, "names": ["a", 1]})
    assert (written.has_header, written.names) == (False, ("a", "1"))


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"dateFormat": "MM/dd/yyyy"}, ["unknown option dateFormat", "input.tables.invoices.dates"]),
        ({"nullValue": "NULL"}, ["unknown option nullValue", "input.tables.invoices.nulls"]),
        ({"seperator": ";"}, ["unknown option seperator", "one of sep, encoding"]),
        ({"encodng": "latin-1"}, ["did you mean encoding?"]),
        ({"encoding": "windows-1525"}, ["wrong value for encoding", "did you mean windows-125"]),
        ({"encoding": "base64"}, ["an encoding of text"]),
        ({"header": "maybe"}, ["wrong value for header", "true or false"]),
        ({"names": ["a", "b"]}, ["add header: false"]),
        ({"header": False, "names": ["a", "A"]}, ["names more than once", "a"]),
        ({"header": False, "names": []}, ["a list of names"]),
        ({"widths": [2, 3], "names": ["a"]}, ["2 widths, 1 name"]),
        ({"widths": {"a": [1, 4], "b": [4, 6]}}, ["a and b overlap"]),
        ({"widths": {"a": [0, 4]}}, ["positions from 1"]),
        ({"sep": ""}, ["wrong value for sep"]),
        ({"sep": '"'}, ["separator and quotation mark are the same"]),
        ({"quote": "ab"}, ["one character"]),
        ({"mode": "DROPMALFORMED"}, ["FAILFAST"]),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], parts: list[str]) -> None:
    told = refused(**options)
    assert all(part in told for part in parts), told


def test_every_wrong_option_is_reported_at_once() -> None:
    told = refused(dateFormat="x", encoding="nosuch", header="maybe")
    assert all(part in told for part in ("dateFormat", "nosuch", "maybe"))
