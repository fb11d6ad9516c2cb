"""Records of text files in any encoding, strict about bytes, quotes and the number of fields.

Plain Python without Spark: the driver reads headers with it, executors complete files. No message quotes the content of
a file: an error has a line number.
"""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO, TextIO

from engine.errors import counted
from engine.sources.frames import plain
from engine.sources.text_format import TextFormat

# A field that consists only of these is empty.
BLANKS = " \t\n\r\v\f\0\x1a\x1c\x1d\x1e\x1f\x85\xa0\u2028\u2029\u202f\u3000"

Opener = Callable[[], BinaryIO]

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OF_TWO_BYTES = {"utf-16": ("utf-16-be", "utf-16-le"), "utf-32": ("utf-32-be", "utf-32-le")}
# Encodings that a message suggests, if every byte of a file fits; the usual ones first.
_LAST_RESORT = "cp437"
_SUGGESTED = ("utf-8", "windows-1252", "shift_jis", "gb18030", _LAST_RESORT)
_GZIP, _BZIP2 = b"\x1f\x8b", b"BZh"
_OTHER_CODECS = (".xz", ".zst", ".lz4", ".snappy", ".deflate", ".7z", ".lzo", ".z")
_SAMPLE = 4096
_CHUNK = 1 << 20
_LONGEST_FIELD = 1 << 20
_MOST_TITLES = 100
# Placeholder for a separator of several characters during parsing; Unicode assigns no character to this code.
_ONE_SEPARATOR = "\ufdd0"


class DamagedTextError(Exception):
    """A damaged text file: the damage, its line (0: the complete file), and encodings that fit the file."""

    def __init__(self, damage: str, line: int = 0, fits: Sequence[str] = ()):
        super().__init__(damage, line, fits)
        self.damage = damage
        self.line = line
        self.fits = tuple(fits)

    def __str__(self) -> str:
        """The damage, with its line if it is known."""
        return f"{self.damage}, line {self.line:,}" if self.line else self.damage


def decompressed(stream: BinaryIO, name: str) -> io.BufferedReader[Any]:
    """The bytes of a file, unpacked if its extension or first bytes are those of gzip or bzip2.

    Raises DamagedTextError for other codecs.
    """
    codec = next((ending for ending in _OTHER_CODECS if name.lower().endswith(ending)), None)
    if codec is not None:
        raise DamagedTextError(f"a file compressed as {codec}; text is read from plain, .gz and .bz2 files")
    content: io.BufferedReader[Any] = io.BufferedReader(stream, _CHUNK)
    start = content.peek(len(_BZIP2))
    if name.lower().endswith(".gz") or start.startswith(_GZIP):
        return io.BufferedReader(gzip.GzipFile(fileobj=content), _CHUNK)
    if name.lower().endswith(".bz2") or start.startswith(_BZIP2):
        return io.BufferedReader(bz2.BZ2File(content), _CHUNK)
    return content


def is_packed(sample: bytes) -> bool:
    """Whether these first bytes are those of gzip or bzip2."""
    return sample.startswith((_GZIP, _BZIP2))


def unpacked_start(sample: bytes) -> bytes:
    """The unpacked beginning of a file, from the beginning of the packed file."""
    if sample.startswith(_GZIP):
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(sample)
    return bz2.BZ2Decompressor().decompress(sample)


def encoding_of(sample: bytes, declared: str) -> tuple[str, int]:
    """The encoding of a file by its first bytes, and the length of its byte-order mark.

    A byte-order mark takes precedence over the declared encoding. UTF-16 and UTF-32 without one are recognized by the
    position of zero bytes.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if sample.startswith(mark):
            return encoding, len(mark)
    if declared in _OF_TWO_BYTES:
        big, little = _OF_TWO_BYTES[declared]
        return (big if _zeros(sample, 0) > _zeros(sample, 1) else little), 0
    return declared, 0


def looks_like_utf16(sample: bytes) -> str | None:
    """UTF-16 of Latin letters, in which every other byte is 0."""
    first, second = _zeros(sample, 0), _zeros(sample, 1)
    if max(first, second) > 0.4 and min(first, second) < 0.05:
        return "utf-16-be" if first > second else "utf-16-le"
    return None


def _zeros(sample: bytes, place: int) -> float:
    bytes_there = sample[place:_SAMPLE:2]
    return bytes_there.count(0) / len(bytes_there) if bytes_there else 0.0


def records(
    opener: Opener, name: str, written: TextFormat, wrong_bytes: str = "strict"
) -> Iterator[tuple[int, list[str]]]:
    """Every record of a file with the number of its first line, the header first if there is one; no blank lines.

    Args:
        opener: opens the stored file; called again to diagnose an error.
        name: of the file; its extension may name a codec.
        written: the format of the file.
        wrong_bytes: `replace` reads bytes that are invalid in the encoding as U+FFFD.

    Raises:
        DamagedTextError: bytes that are invalid in the encoding, an open quotation mark, a damaged archive, a record of
            the wrong length in fixed-width files.
    """
    with opener() as stored:
        content = decompressed(stored, name)
        try:
            sample = content.peek(_SAMPLE)
            encoding, mark = encoding_of(sample, written.encoding)
            likely = looks_like_utf16(sample) if not encoding.startswith(("utf-16", "utf-32")) else None
            if likely:
                raise DamagedTextError(f"every other byte is 0, which {_usual(encoding)} does not have", 1, [likely])
            content.read(mark)
            text = io.TextIOWrapper(content, encoding, errors=wrong_bytes, newline="")
            yield from _fixed_width(text, written) if written.spans else _delimited(text, written)
        except UnicodeDecodeError:
            raise _wrong_bytes(opener, name, encoding) from None
        except gzip.BadGzipFile:
            raise DamagedTextError("a file that is not gzip, despite its extension") from None
        except (EOFError, zlib.error, OSError) as error:
            if getattr(error, "errno", None) is not None:
                raise
            raise DamagedTextError("a compressed file that is truncated or damaged") from None


def first_record(
    opener: Opener, name: str, written: TextFormat, wrong_bytes: str = "strict"
) -> tuple[int, list[str]] | None:
    """The header, or the first record of files without one, with the number of its line; None in an empty file.

    The header of a file with titles above it is the first of its first 100 records that has all `header_names`.
    """
    first = list(islice(records(opener, name, written, wrong_bytes), _MOST_TITLES if written.header_names else 1))
    known = (record for record in first if written.header_names <= {plain(value) for value in record[1]})
    return next(known, first[0] if first else None)


def rows(opener: Opener, name: str, written: TextFormat, width: int) -> Iterator[tuple[int, list[str]]]:
    """Every record below the header with the number of its first line; all of `width` fields.

    Raises:
        DamagedTextError: as `records`, and a record of more or fewer fields.
    """
    numbered = records(opener, name, written)
    if written.has_header:
        header = first_record(opener, name, written)
        numbered = (record for record in numbered if header is not None and record[0] > header[0])
    for line, record in numbered:
        if len(record) != width:
            if not (written.fills_short_rows and len(record) < width):
                raise DamagedTextError(f"a row of {counted(len(record), 'field', 'fields')} instead of {width}", line)
            record = [*record, *[""] * (width - len(record))]
        yield line, record


def _delimited(text: TextIO, written: TextFormat) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_LONGEST_FIELD)
    separator, is_long = written.separator, len(written.separator) > 1
    lines: Iterable[str] = (line.replace(separator, _ONE_SEPARATOR) for line in text) if is_long else text
    reader = csv.reader(
        lines,
        delimiter=_ONE_SEPARATOR if is_long else separator,
        quotechar=written.quote,
        quoting=csv.QUOTE_MINIMAL if written.quote else csv.QUOTE_NONE,
        escapechar=written.escape,
        strict=True,
    )
    while True:
        first_line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _wrong_quotes(str(error), first_line, reader.line_num) from None
        if reader.line_num > first_line:
            record = [value.replace("\r\n", "\n").replace("\r", "\n") for value in record]
        if is_long:
            record = [value.replace(_ONE_SEPARATOR, separator) for value in record]
        if len(record) > 1 or (record and record[0].strip(BLANKS)):
            yield first_line, record


def _wrong_quotes(message: str, first_line: int, last_line: int) -> DamagedTextError:
    if "field larger" in message or "unexpected end" in message:
        return DamagedTextError("a quotation mark that is never closed", first_line)
    return DamagedTextError("a quotation mark inside a quoted value that is not doubled", last_line)


def _fixed_width(text: TextIO, written: TextFormat) -> Iterator[tuple[int, list[str]]]:
    end = max(last for _, last in written.spans)
    for number, line in enumerate(text, 1):
        record = line.rstrip("\r\n\x1a")
        if not record.strip(BLANKS):
            continue
        is_header = written.has_header and number == 1
        if len(record) < end and not (written.fills_short_rows or is_header):
            raise DamagedTextError(
                f"a line of {counted(len(record), 'character', 'characters')} instead of {end}", number
            )
        if record[end:].strip(BLANKS) and not is_header:
            raise DamagedTextError(
                f"a line of {counted(len(record), 'character', 'characters')}, text after position {end}", number
            )
        yield number, [record[start:last] for start, last in written.spans]


def _wrong_bytes(opener: Opener, name: str, encoding: str) -> DamagedTextError:
    """The line of the first byte that is invalid in the encoding, and encodings that fit the complete file."""
    line, wrong = 1, False
    decoder = codecs.getincrementaldecoder(encoding)()
    suggested = [candidate for candidate in _SUGGESTED if codecs.lookup(candidate).name != encoding]
    others = {candidate: codecs.getincrementaldecoder(candidate)() for candidate in suggested}
    with opener() as stored:
        content = decompressed(stored, name)
        ends_with_return = False
        if content.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            others = {}  # its first bytes state the encoding, so the file is damaged
        while True:
            chunk = content.read(_CHUNK)
            if not wrong:
                try:
                    text = decoder.decode(chunk, final=not chunk)
                except UnicodeDecodeError as error:
                    wrong = True
                    text = error.object[: error.start].decode(encoding, "replace")
                line += _line_ends(text) - (ends_with_return and text.startswith("\n"))
                ends_with_return = text.endswith("\r") if text else ends_with_return
            for candidate in list(others):
                try:
                    others[candidate].decode(chunk, final=not chunk)
                except UnicodeDecodeError:
                    del others[candidate]
            if not chunk:
                break
    # every byte is valid in cp437, so it is only suggested if nothing else fits
    fits = [candidate for candidate in others if candidate != _LAST_RESORT] or list(others)
    if not fits:
        return DamagedTextError(f"a damaged character of {_usual(encoding)}", line)
    return DamagedTextError(f"bytes that are not {_usual(encoding)}", line, fits)


def _line_ends(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _usual(encoding: str) -> str:
    return {
        "cp1252": "windows-1252",
        "utf-8": "UTF-8",
        "utf-16-le": "UTF-16",
        "utf-16-be": "UTF-16",
        "ascii": "ASCII",
    }.get(encoding, encoding)
