"""Identifier expressions against plain Python, on strings made to lie close to the border of what is valid."""

from __future__ import annotations

import random
import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine.npi import npi_is_valid
from engine.prepare import identifiers

STRINGS = 1_500
NOISE = [
    *("\n", "\t", " ", "\x0b", "\x00", "\r\n", "-", "/", "+", ".", "e5", "0", "00", "7", "|", "é", "ß", "x", "RX"),
    *("٣", "５", "²", "\u00a0", "\u2003"),  # digits and blanks that are not ASCII
]
SHAPES = ["dddd-dddd-dd", "ddddd-ddd-dd", "ddddd-dddd-d", "ddddd-dddd-dd", "d" * 10, "d" * 11, "ddddddd-dd"]


def test_identifiers_equal_those_of_the_reference(spark: SparkSession) -> None:
    @settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32))
    def check(seed: int) -> None:
        texts = strings(seed)
        text = F.col("text")
        stripped = identifiers.stripped(text)
        columns = {
            "ndc11": identifiers.ndc11(text),
            "is_ndc10": identifiers.is_ndc10(text),
            "npi": npi_is_valid(text),
            "rx": identifiers.rx_number(stripped),
            "fill": identifiers.rx_fill_number(stripped),
            "is_key": identifiers.rx_is_key(identifiers.rx_number(stripped)),
            "quarter": identifiers.quarter(text),
            "blank": identifiers.blank_to_null(stripped),
        }
        rows = spark.createDataFrame([(one,) for one in texts], "text string")
        found = rows.select("text", *(column.alias(name) for name, column in columns.items())).collect()
        for one in found:
            assert one.asDict() == {"text": one.text, **reference(one.text)}, repr(one.text)
        seen = (
            [one for one in found if one.ndc11],
            [one for one in found if one.npi],
            [one for one in found if one.fill],
        )
        assert all(len(kind) >= 5 for kind in seen), "generated examples no longer cover every case"

    check()


def strings(seed: int) -> Any:
    source = random.Random(seed)
    made = ["", " ", "\n", "1234567893", "1234567893\n", "00002759701\n", "0002759701", "2025Q3", "2025-q3", "2025Q3\n"]
    while len(made) < STRINGS:
        kind = source.random()
        if kind < 0.4:
            shape = source.choice(SHAPES)
            one = "".join(source.choice("0123456789") if place == "d" else place for place in shape)
        elif kind < 0.7:
            one = "0" * source.choice([0, 0, 0, 1, 4, 9]) + str(source.randrange(10 ** source.randrange(1, 15)))
            one += source.choice(
                ["", "", f"-{source.randrange(130)}", f"/{source.randrange(9)}", f" {source.randrange(9)}"]
            )
        elif kind < 0.8:
            one = npi(source)
        elif kind < 0.9:
            one = f"{source.randrange(10_000)}{source.choice(['Q', 'q', '-Q', '-q', ' Q', ''])}{source.randrange(7)}"
        else:
            one = "".join(source.choice(NOISE) for _ in range(source.randrange(5)))
        if source.random() < 0.3:
            place = source.choice([0, len(one), source.randrange(len(one) + 1)])
            one = one[:place] + source.choice(NOISE) + one[place:]
        made.append(one)
    return made


def npi(source: Any) -> Any:
    nine = source.choice("123") + "".join(source.choice("0123456789") for _ in range(8))
    return nine + str((10 - luhn_sum("80840" + nine + "0") % 10) % 10)


def luhn_sum(digits: Any) -> Any:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + place % 2)
        total += number - 9 if number > 9 else number
    return total


def reference(text: Any) -> Any:
    rx, fill = rx_number(text)
    return {
        "ndc11": ndc11(text),
        "is_ndc10": bool(re.fullmatch("[0-9]{10}", text)),
        "npi": bool(re.fullmatch("[12][0-9]{9}", text)) and luhn_sum("80840" + text) % 10 == 0,
        "rx": rx,
        "fill": fill,
        "is_key": sum(place in "0123456789" for place in rx) >= 4,
        "quarter": text.upper().replace("-", "") if re.fullmatch("[0-9]{4}-?[Qq][1-4]", text) else None,
        "blank": without_white_space(text) or None,
    }


def ndc11(text: Any) -> Any:
    if re.fullmatch("[0-9]{11}", text):
        return text
    parts = text.split("-")
    if not all(re.fullmatch("[0-9]+", part) for part in parts):
        return None
    if tuple(map(len, parts)) not in {(4, 4, 2), (5, 3, 2), (5, 4, 1), (5, 4, 2)}:
        return None
    return parts[0].zfill(5) + parts[1].zfill(4) + parts[2].zfill(2)


def without_white_space(text: Any) -> Any:
    return re.sub(r"\A[\s\0]+|[\s\0]+\Z", "", text)


def rx_number(text: Any) -> Any:
    trimmed = without_white_space(text)
    if digits := re.fullmatch("0*([0-9]{4,12})", trimmed):
        return digits[1], None
    if with_fill := re.fullmatch("0*([0-9]{4,9})[-/ ]([0-9]{1,2})", trimmed):
        return with_fill[1], int(with_fill[2])
    return trimmed.upper(), None
