"""Standardization of pharmacy descriptions into comparable fields: names, store number, street, suite, phone, ZIP.

Registers have no fixed spelling: in OPAIS the address often contains the trade name and the store number, or "trade
name, street". So names are taken from both name and address, and a street is a line that begins with a house number.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.runtime.expressions import NOT_SPACE, SPACE, WORD_BOUNDARY

# USPS Publication 28, appendices B and C1 (those that occur in pharmacies' addresses), and spelled-out ordinals.
_ABBREVIATED = """
    NORTH=N SOUTH=S EAST=E WEST=W NORTHEAST=NE NORTHWEST=NW SOUTHEAST=SE SOUTHWEST=SW
    STREET=ST STR=ST AVENUE=AVE AV=AVE ROAD=RD DRIVE=DR LANE=LN BOULEVARD=BLVD COURT=CT PLACE=PL PLAZA=PLZ SQUARE=SQ
    CIRCLE=CIR HIGHWAY=HWY PARKWAY=PKWY TURNPIKE=TPKE TERRACE=TER TRAIL=TRL ALLEY=ALY CENTER=CTR CENTRE=CTR
    CROSSING=XING EXPRESSWAY=EXPY EXTENSION=EXT HEIGHTS=HTS JUNCTION=JCT LANDING=LNDG POINT=PT RIDGE=RDG SPRING=SPG
    SPRINGS=SPGS STATION=STA VALLEY=VLY VILLAGE=VLG ROUTE=RTE RT=RTE SAINT=ST MOUNT=MT FORT=FT
    FIRST=1ST SECOND=2ND THIRD=3RD FOURTH=4TH FIFTH=5TH SIXTH=6TH SEVENTH=7TH EIGHTH=8TH NINTH=9TH TENTH=10TH
"""
_NUMBER_WORDS = "ONE=1 TWO=2 THREE=3 FOUR=4 FIVE=5 SIX=6 SEVEN=7 EIGHT=8 NINE=9 TEN=10"
_STREET_WORDS, _SPELLED_NUMBERS = (
    dict(pair.split("=") for pair in text.split()) for text in (_ABBREVIATED, _NUMBER_WORDS)
)
_LEGAL_FORMS = "INC INCORPORATED LLC LC LLP LP LTD LIMITED CO COMPANY CORP CORPORATION PC PLLC PA"
_OF_ANY_PHARMACY = (
    "PHARMACY PHARMACIES PHARM PHARMA PHARMAC PHCY PHY DRUG DRUGS DRUGSTORE DRUGSTORES RX STORE STORES DEPT DEPARTMENT "
    "OUTPATIENT RETAIL NO NUMBER THE AND OF AT"
)
_UNINFORMATIVE = [*_LEGAL_FORMS.split(), *_OF_ANY_PHARMACY.split()]

_B, _S = WORD_BOUNDARY, SPACE
_BETWEEN_NAMES = rf"{_B}D{_S}?/?{_S}?B{_S}?/?{_S}?A{_B}|{_B}C/O{_B}|{_B}ATTN{_B}"
_NUMBER = rf"^(?:[0-9]+(?:-[0-9]+)?(?:-?[A-Z])?|{'|'.join(_SPELLED_NUMBERS)}){_S}+"
_HOUSE = rf"{_NUMBER}[A-Z0-9]"
_NO_HOUSE = rf"{_NUMBER}(?:HOUR|PHARMACY|DRUG|RX)"
_SUITE = rf"(?:{_B}(?:STE|SUITE|UNIT|ROOM|RM|APT){_B}\.?{_S}*#?|#){_S}*([A-Z0-9-]+)"
_SUITE_ALONE = rf"^{_SUITE}{_S}*\z"
_BUILDING = rf"{_B}(?:BLDG|BUILDING){_B}\.?{_S}*[A-Z0-9-]+"
_FLOOR = rf"{_B}(?:FLOOR|FL){_B}\.?{_S}*[0-9]+|{_B}[0-9]+(?:ST|ND|RD|TH){_S}+(?:FLOOR|FL){_B}"
_WITHIN = rf"{_BUILDING}|{_FLOOR}"
_MARKED_NUMBER = rf"#{_S}*(?:[A-Z]+-?|[0-9]+-)?0*([1-9][0-9]*){_B}"
# Placeholder for the dot after an initial; it occurs in no text.
_DOT = "\x1e"
_SAME_TEN_DIGITS = [10 * str(digit) for digit in range(10)]


def described(
    rows: DataFrame, *, name: Column, address: Column, city: Column, state: Column, zip_code: Column, phone: Column
) -> DataFrame:
    """`rows` with the comparable fields of each description; a field is NULL if it is missing or a known filler.

    names: the distinct names without legal forms, numbers and words common to pharmacies. suite: only with a street.
    store_number and house_number: without leading zeros or hyphens. street and city: abbreviated. zip5, phone10:
    digits.
    """
    lines = F.split(_upper(address), rf"{_S}*,{_S}*")
    street_line = F.get(F.filter(lines, _is_street), F.lit(0))
    names = _names(_upper(name), lines, street_line)
    of_street = F.filter(lines, lambda line: _is_street(line) | line.rlike(_SUITE_ALONE))
    suite = F.get(F.array_compact(F.transform(of_street, lambda line: _first_group(line, _SUITE))), F.lit(0))
    house = _replaced(F.regexp_extract(street_line, f"^{NOT_SPACE}+", 0), _SPELLED_NUMBERS)
    return rows.withColumns(
        {
            "names": F.array_distinct(F.array_compact(F.transform(names, _core))),
            "store_number": F.get(F.array_compact(F.transform(names, _store_number)), F.lit(0)),
            "house_number": F.regexp_replace(F.replace(house, F.lit("-"), F.lit("")), r"^0+([0-9])", "$1"),
            "street": _street(street_line),
            "suite": F.when(street_line.isNotNull(), F.replace(suite, F.lit("-"), F.lit(""))),
            "city": F.regexp_replace(_words(_upper(city)), rf"^SAINT{_B}", "ST"),
            "state": _upper(state),
            "zip5": _five_digits(zip_code),
            "phone10": _ten_digits(phone),
        }
    )


def _is_street(line: Column) -> Column:
    """True if the line begins with a house number; `24 HOUR` and the like do not count."""
    return line.rlike(_HOUSE) & ~line.rlike(_NO_HOUSE)


def _names(name: Column, lines: Column, street_line: Column) -> Column:
    """Every name as received, trade names first: the address lines before the street, or all lines if there is no
    street.

    Lines after a street (`1201 UNION AVENUE, ROUTE 300`) describe the location, not the name.
    """
    before_street = F.slice(lines, F.lit(1), (F.array_position(lines, street_line) - 1).cast("int"))
    trade_names = F.filter(F.coalesce(before_street, lines), lambda line: ~line.rlike(_SUITE_ALONE))
    nothing = F.array().cast("array<string>")
    all_names = F.concat(F.coalesce(trade_names, nothing), F.array_compact(F.array(name)))
    return F.flatten(F.transform(all_names, lambda line: F.split(line, _BETWEEN_NAMES)))


def _street(line: Column) -> Column:
    """The street without house number, suite, building and floor."""
    words = F.split(_words(F.regexp_replace(F.regexp_replace(line, _SUITE, " "), _WITHIN, " ")), " ")
    after_house = F.slice(words, F.lit(2), F.size(words))
    if_hyphenated = F.slice(words, F.lit(3), F.size(words))
    street = F.when(line.rlike(r"^[0-9]+-"), if_hyphenated).otherwise(after_house)
    return F.nullif(F.array_join(F.transform(street, lambda word: _replaced(word, _STREET_WORDS)), " "), F.lit(""))


def _upper(text: Column) -> Column:
    """Upper case, initials joined (`L.L.C.` is `LLC`), no apostrophes; blank is NULL."""
    marked = F.regexp_replace(F.upper(F.trim(text)), rf"{_B}([A-Z])\.", f"$1{_DOT}")
    joined = F.regexp_replace(marked, rf"{_DOT}([A-Z]){_B}", "$1")
    upper = F.replace(joined, F.lit(_DOT), F.lit("."))
    return F.nullif(F.regexp_replace(upper, r"['’`]", ""), F.lit(""))


def _words(text: Column) -> Column:
    """Letters, digits and `#`, with one blank between words; NULL if nothing remains."""
    return F.nullif(F.trim(F.regexp_replace(text, r"[^\p{L}\p{N}#]+", " ")), F.lit(""))


def _distinctive_words(text: Column) -> Column:
    """Words that distinguish pharmacies; PHARMACY is recognized with up to two typos."""
    return F.filter(
        F.split(_words(text), " "),
        lambda word: (word != "") & ~word.isin(_UNINFORMATIVE) & (F.levenshtein(word, F.lit("PHARMACY")) > 2),
    )


def _core(text: Column) -> Column:
    without_number = F.regexp_replace(text, _MARKED_NUMBER, " ")
    distinctive = F.filter(_distinctive_words(without_number), lambda word: ~word.rlike(r"^[0-9#]+\z"))
    return F.nullif(F.array_join(distinctive, " "), F.lit(""))


def _store_number(text: Column) -> Column:
    """The number after `#`, else a number at the end (`OPTUM PHARMACY 701, LLC`, `WAL-MART PHARMACY 10-2596`)."""
    at_end = _first_group(F.array_join(_distinctive_words(text), " "), rf"(?:^|{_S})0*([1-9][0-9]*)\z")
    return F.coalesce(_first_group(text, _MARKED_NUMBER), at_end)


def _first_group(text: Column, pattern: str) -> Column:
    return F.nullif(F.regexp_extract(text, pattern, 1), F.lit(""))


def _replaced(word: Column, words: dict[str, str]) -> Column:
    pairs = F.create_map(*(F.lit(part) for pair in words.items() for part in pair))
    return F.coalesce(pairs[word], word)


def _five_digits(zip_code: Column) -> Column:
    digits = F.regexp_replace(zip_code, r"[^0-9]", "")
    is_filler = digits.rlike(r"^(00000|99999)")
    return F.when(digits.rlike(r"^[0-9]{5}([0-9]{4})?\z") & ~is_filler, F.substring(digits, 1, 5))


def _ten_digits(phone: Column) -> Column:
    before_extension = F.regexp_replace(F.upper(phone), r"(?:EXT|X)[^\n\r]*", "")
    digits = F.regexp_replace(F.regexp_replace(before_extension, r"[^0-9]", ""), r"^1([0-9]{10})\z", "$1")
    is_filler = digits.isin(*_SAME_TEN_DIGITS)
    return F.when(digits.rlike(r"^[2-9][0-9]{9}\z") & ~is_filler, digits)
