"""Identifiers, example by example (contract part 3, domain part 2.12)."""

from __future__ import annotations

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from engine.npi import npi_is_valid
from engine.prepare import identifiers

NDC11 = {
    "0002-7597-01": "00002759701",
    "50242-040-62": "50242004062",
    "60575-4112-1": "60575411201",
    "60575-4112-01": "60575411201",
    "00002759701": "00002759701",
    "0002759701": None,
    "00002759701\n": None,
    "0000275970": None,
    "000027597011": None,
    "0002-7597-1": None,
    "00002-7597-01-": None,
    "+1234567890": None,
    "0000275970A": None,
    "": None,
}
RX = {
    "0001234567": ("1234567", None, True),
    "1234567-01": ("1234567", 1, True),
    "12345670 1": ("12345670", 1, True),
    "0001234567/12": ("1234567", 12, True),
    "  1234567\n": ("1234567", None, True),
    "0000123": ("0123", None, True),
    "123": ("123", None, False),
    "rx-12": ("RX-12", None, False),
    "rx-1234a": ("RX-1234A", None, True),
    "1234567890123": ("1234567890123", None, True),
    "1234567890-1": ("1234567890-1", None, True),
    "１２３４５": ("１２３４５", None, False),
}
NPI = {
    "1234567893": True,
    "1215284153": True,
    "1740252501": True,
    "1234567890": False,
    "1234567893\n": False,
    "": False,
}
ENTITY = {" dsh 330214\t": "DSH330214", "CAH161342-00": "CAH161342-00", "bl03074a": "BL03074A"}


@pytest.fixture(scope="module")
def answers(spark: SparkSession) -> dict[str, Row]:
    """Each expression's answer to each text, from one job."""
    texts = sorted({*NDC11, *RX, *NPI, *ENTITY})
    text = F.col("text")
    rows = spark.createDataFrame([(one,) for one in [*texts, None]], "text string").select(
        "text",
        identifiers.ndc11(text).alias("ndc11"),
        F.struct(
            identifiers.rx_number(identifiers.stripped(text)).alias("number"),
            identifiers.rx_fill_number(identifiers.stripped(text)).alias("fill"),
            identifiers.rx_is_key(identifiers.rx_number(identifiers.stripped(text))).alias("is_key"),
        ).alias("rx"),
        npi_is_valid(text).alias("npi"),
        identifiers.entity_id(text).alias("entity"),
        identifiers.ndc10_spellings(identifiers.ndc11(text)).alias("spellings"),
        identifiers.quarter(text).alias("quarter"),
    )
    return {one.text: one for one in rows.collect()}


def test_ndc(answers: dict[str, Row]) -> None:
    assert {text: answers[text].ndc11 for text in NDC11} == NDC11


def test_ten_digit_spellings_drop_one_leading_zero_of_a_segment(answers: dict[str, Row]) -> None:
    assert sorted(answers["00002759701"].spellings) == ["0000275971", "0002759701"]
    assert answers["50242-040-62"].spellings == ["5024204062"]
    assert answers["60575-4112-1"].spellings == ["6057541121"]


def test_prescription_number(answers: dict[str, Row]) -> None:
    assert {text: tuple(answers[text].rx) for text in RX} == RX


def test_npi_check_digit(answers: dict[str, Row]) -> None:
    assert {text: answers[text].npi for text in NPI} == NPI


def test_340b_id_is_upper_case_without_white_space(answers: dict[str, Row]) -> None:
    assert {text: answers[text].entity for text in ENTITY} == ENTITY


def test_null_stays_null(answers: dict[str, Row]) -> None:
    nothing = answers[None]
    assert (nothing.ndc11, nothing.npi, nothing.entity, nothing.quarter) == (None, None, None, None)
    assert tuple(nothing.rx) == (None, None, None)


def test_hashes_of_two_schemes_never_make_one_key(spark: SparkSession) -> None:
    pairs = [("A", "B:C"), ("A:B", "C"), ("A%3AB", "C"), ("A", "b:c"), ("A", None), (None, "B")]
    rows = spark.createDataFrame(pairs, "scheme string, hash string")
    keys = rows.select(identifiers.hashed_rx_key(F.col("scheme"), F.col("hash")).alias("key")).collect()
    assert [one.key for one in keys[4:]] == [None, None]
    assert len({one.key for one in keys[:4]}) == 4
