"""Text of the input made safe to show in a spreadsheet or on a page: one line, bounded, no hidden characters."""

from __future__ import annotations

import hashlib
import re
import string
import unicodedata
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from engine.exports.column_bytes import begins_with_any, has_any

# The most characters in a cell of Excel, which counts UTF-16 units: an emoji is two.
LONGEST_CELL = 32_767
_LINE_BREAKS = re.compile("[\r\n\u2028\u2029\x0b\x0c\x85]+")
# Includes what XML or UTF-8 cannot hold: two noncharacters, and halves of surrogate pairs.
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Separators of cells in spreadsheets of other locales.
_AFTER_SEPARATOR = re.compile("([;\t][\\W_]*?)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])")
_FORMULA_STARTS = "=+-@"
# Categories of invisible characters: spaces, format and control characters.
_INVISIBLE = {"Cc", "Cf", "Zs", "Zl", "Zp"}
# Most text needs no change, which one check of a column's bytes shows; patterns identify the other texts. Both can
# match text that needs no change, but never miss one: they check single bytes and single characters.
_MAY_NOT_BE_PLAIN = "[\\x00-\\x1f\\x7f-\\x9f\u2028\u2029\ufffe\uffff]"
_MAY_NOT_BE_PLAIN_IN_A_LINE = "[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\u2028\u2029\ufffe\uffff]"
_MAY_NOT_BE_SAFE = f"^[^0-9A-Za-z(]|;[^0-9A-Za-z]*[-=+@\uff1d\uff0b\uff0d\uff20]|{_MAY_NOT_BE_PLAIN}"
_UNSAFE = re.compile(f"{_MAY_NOT_BE_SAFE}|[\ud800-\udfff]")  # Arrow holds no half of a pair
# In UTF-8: C0 controls and DEL; the first bytes of C1 controls (0xC2), of U+2028 (0xE2) and of U+FFFE (0xEF).
_UNPLAIN_BYTES = bytes([*range(0x20), 0x7F, 0xC2, 0xE2, 0xEF])
_UNPLAIN_BYTES_IN_A_LINE = _UNPLAIN_BYTES.replace(b"\n", b"")
_UNSAFE_FIRST_BYTES = bytes(set(range(256)) - set(string.ascii_letters.encode() + string.digits.encode() + b"("))


def plain(text: str, longest: int = LONGEST_CELL) -> str:
    r"""Text on one line of at most `longest` UTF-16 units, cut with an ellipsis.

    Line breaks become blanks; other control characters, and what no file can hold, a visible escape such as `\x1b`.
    """
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    return cut(_CONTROLS.sub(_escape, _LINE_BREAKS.sub(" ", text)), longest)


def cut(text: str, longest: int) -> str:
    """The text, or its beginning and an ellipsis, of at most `longest` UTF-16 units."""
    if _fits(text, longest):
        return text
    units = text[:longest].encode("utf-16-le", "surrogatepass")[: 2 * (longest - 1)]
    return units.decode("utf-16-le", "ignore") + "…"


def _fits(text: str, longest: int) -> bool:
    if 2 * len(text) <= longest:
        return True
    return len(text) <= longest and len(text.encode("utf-16-le", "surrogatepass")) <= 2 * longest


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def safe_text(text: str | None) -> str | None:
    """Text that no spreadsheet runs when it opens a CSV file (OWASP, CSV injection).

    An apostrophe precedes anything that would begin a formula, including after invisible characters, in full-width
    form, and at the start of a cell for a spreadsheet that separates by `;` or tabs.
    """
    if not text or (_fits(text, LONGEST_CELL) and _UNSAFE.search(text) is None):
        return text
    starts_with_control = text[0] in "\t\r\n"
    shown = _AFTER_SEPARATOR.sub(r"\1'", plain(text))
    first = next((letter for letter in shown if unicodedata.category(letter) not in _INVISIBLE), "")
    is_formula = unicodedata.normalize("NFKC", first)[:1] in _FORMULA_STARTS if first else False
    return cut(f"'{shown}", LONGEST_CELL) if is_formula or starts_with_control else shown


def file_name(text: str) -> str:
    """The text if it is valid as a file name, else its valid characters and a hash of the text."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", text)[:100]
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}"


def plain_texts(values: pa.Array) -> pa.Array:
    """`plain` of each text of a column; NULL stays NULL."""
    may_change = has_any(values, _UNPLAIN_BYTES)
    return _changed(values, _MAY_NOT_BE_PLAIN, plain, may_change)


def plain_lines(values: pa.Array) -> pa.Array:
    """`plain` of each line of each text of a column; line breaks that the engine adds between parts stay."""
    may_change = has_any(values, _UNPLAIN_BYTES_IN_A_LINE)
    return _changed(values, _MAY_NOT_BE_PLAIN_IN_A_LINE, _plain_in_lines, may_change)


def safe_texts(values: pa.Array) -> pa.Array:
    """`safe_text` of each text of a column; NULL stays NULL."""
    may_change = has_any(values, _UNPLAIN_BYTES + b";") or begins_with_any(values, _UNSAFE_FIRST_BYTES)
    return _changed(values, _MAY_NOT_BE_SAFE, safe_text, may_change)


def _plain_in_lines(text: str) -> str:
    bounded = text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"
    return cut("\n".join(plain(line) for line in bounded.split("\n")), LONGEST_CELL)


def _changed(values: pa.Array, pattern: str, change: Callable[[str], str | None], may_change: bool) -> pa.Array:
    """A column with `change` applied to each text that the pattern matches or that is too long."""
    is_found = pc.greater(pc.binary_length(values), LONGEST_CELL)  # in bytes: at least as many as UTF-16 units
    if may_change:
        is_found = pc.or_(is_found, pc.match_substring_regex(values, pattern))
    is_found = pc.fill_null(is_found, False)
    if not is_found.true_count:
        return values
    changed = [change(text) for text in values.filter(is_found).to_pylist()]
    return pc.replace_with_mask(values, is_found, pa.array(changed, values.type))
