"""Tier and differing fields of one pair per prescription, against domain part 4.3 read by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import chain
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from engine.contracts.links import LINKS_340B
from engine.contracts.prepared import PREPARED_ENTITY_CLAIMS, PREPARED_REBATE_CLAIMS
from engine.link import link_340b
from engine.link.weights import configured_weights
from engine.settings import LinkSettings
from tests.unit.link_rows import entity, frame, keep, rebate

pytestmark = pytest.mark.slow

MAIL = "1003000142"
SETTINGS = LinkSettings(fill_offsets={"CE1": 1, "CE0": 0, "NC": 1}, learn_weights=False, mail_pharmacies=(MAIL,))
OTHER_PACKAGE, OTHER_PRODUCT = "00002000102", "00002000201"
PENS, SINGLE = "00002000301", "00002000401"
NEW, OLD, OLDER, SPLIT = "1003000159", "1003000167", "1003000175", "1003000183"
SUCCESSORS = [(OLDER, OLD), (OLD, NEW), (SPLIT, NEW), (SPLIT, "1003000191"), ("1", "2"), ("2", "1"), (NEW, None)]
# Tuple pairs are told apart by their doctors; each test pair gets one of its own.
DOCTOR = {"prescriber_npi": "doctor"}
MEDICAL = {"claim_type": "MEDICAL", "fill_number": None}

# what: (rebate claim, entity claim, tier, fields that differ)
PAIRS: dict[str, Any] = {
    "all equal": ({}, {}, "T1", []),
    "quantity at 1 %": ({"ndc_units": "30.3"}, {}, "T1", []),
    "quantity just over 1 %": ({"ndc_units": "30.301"}, {}, "T3", ["quantity"]),
    "quantity at 5 %": ({"ndc_units": "28.5"}, {}, "T3", ["quantity"]),
    "quantity over 5 %": ({"ndc_units": "28.499"}, {}, "T4", ["quantity"]),
    "quantity unknown": ({"ndc_units": None}, {}, "T4", ["quantity"]),
    "entity quantity zero": ({}, {"quantity": "0"}, "T4", ["quantity"]),
    "both fills missing": ({"fill_number": None}, {"fill_number": None}, "T1", []),
    "payer has no fill": ({"fill_number": None}, {}, "T2", ["fill_number"]),
    "entity has no fill": ({}, {"fill_number": None}, "T2", ["fill_number"]),
    "no fill, near quantity": ({"ndc_units": "28.5"}, {"fill_number": None}, "T2", ["fill_number", "quantity"]),
    "no fill, far quantity": ({"ndc_units": "90"}, {"fill_number": None}, "T4", ["fill_number", "quantity"]),
    "no fill, quantity unknown": ({"ndc_units": None}, {"fill_number": None}, "T4", ["fill_number", "quantity"]),
    "fills shifted, far quantity": (
        {"ndc_units": "90"},
        {"fill_number": 1, "entity_id": "CE1"},
        "T4",
        ["fill_number", "quantity"],
    ),
    "fills as the entity counts": ({}, {"fill_number": 1, "entity_id": "CE1"}, "T2", ["fill_number"]),
    "fills as the parent counts": (
        {},
        {"fill_number": 1, "entity_id": "CE1A", "parent_entity_id": "CE1"},
        "T2",
        ["fill_number"],
    ),
    "fills shifted the other way": ({"fill_number": 1}, {"entity_id": "CE1"}, "T3", ["fill_number"]),
    "fills differ": ({"fill_number": 1}, {}, "T3", ["fill_number"]),
    "an offset of nothing changes nothing": ({"ndc_units": "60"}, {"entity_id": "CE0"}, "T4", ["quantity"]),
    "fills as the payer counts": ({"fill_number": 1, "payer_id": "NC"}, {}, "T2", ["fill_number"]),
    "fills as both count": (
        {"fill_number": 1, "payer_id": "NC"},
        {"fill_number": 1, "entity_id": "CE1"},
        "T1",
        [],
    ),
    "packages for units": (
        {"ndc_units": "90", "ndc11": PENS},
        {"quantity": "6", "ndc11": PENS},
        "T1",
        ["quantity_unit"],
    ),
    "units for packages": (
        {"ndc_units": "6", "ndc11": PENS},
        {"quantity": "90", "ndc11": PENS},
        "T1",
        ["quantity_unit"],
    ),
    "packages of an unknown product": ({"ndc_units": "90"}, {"quantity": "6"}, "T4", ["quantity"]),
    "a package is one unit": ({"ndc_units": "60", "ndc11": SINGLE}, {"ndc11": SINGLE}, "T4", ["quantity"]),
    "other BIN": ({"bin": "610014"}, {"bin": "004336"}, "T1", ["bin"]),
    "three days later": ({"date_of_service": date(2025, 2, 13)}, {}, "T3", ["date_of_service"]),
    "three days earlier": ({"date_of_service": date(2025, 2, 7)}, {}, "T3", ["date_of_service"]),
    "four days": ({"date_of_service": date(2025, 2, 14)}, {}, None, None),
    "seven days by mail": (
        {"date_of_service": date(2025, 2, 17), "pharmacy_key": MAIL},
        {"pharmacy_key": MAIL},
        "T3",
        ["date_of_service"],
    ),
    "seven days by mail, other package": (
        {"date_of_service": date(2025, 2, 17), "pharmacy_key": MAIL, "ndc11": OTHER_PACKAGE},
        {"pharmacy_key": MAIL},
        None,
        None,
    ),
    "eight days by mail": (
        {"date_of_service": date(2025, 2, 18), "pharmacy_key": MAIL},
        {"pharmacy_key": MAIL},
        None,
        None,
    ),
    "the pharmacy's former number": ({"pharmacy_key": NEW}, {"pharmacy_key": OLD}, "T5", ["pharmacy_npi"]),
    "the pharmacy's later number": ({"pharmacy_key": OLD}, {"pharmacy_key": NEW}, "T5", ["pharmacy_npi"]),
    "two numbers of one line, next day": (
        {"pharmacy_key": OLD, "date_of_service": date(2025, 2, 11)},
        {"pharmacy_key": OLDER},
        "T5",
        ["pharmacy_npi", "date_of_service"],
    ),
    "former number, other package": ({"pharmacy_key": NEW, "ndc11": OTHER_PACKAGE}, {"pharmacy_key": OLD}, None, None),
    "number of two heirs": ({"pharmacy_key": SPLIT}, {"pharmacy_key": NEW}, None, None),
    "numbers that succeed each other in a circle": ({"pharmacy_key": "1"}, {"pharmacy_key": "2"}, None, None),
    "filled elsewhere": ({"service_npi": NEW}, {"pharmacy_key": NEW}, "T5", ["pharmacy_npi"]),
    "filled elsewhere, under its former number": (
        {"service_npi": NEW},
        {"pharmacy_key": OLDER},
        "T5",
        ["pharmacy_npi"],
    ),
    "filled elsewhere, far quantity": ({"service_npi": NEW, "ndc_units": "60"}, {"pharmacy_key": NEW}, None, None),
    "near day, no fill": (
        {"date_of_service": date(2025, 2, 11), "fill_number": None},
        {},
        "T3",
        ["date_of_service", "fill_number"],
    ),
    "near day, far quantity": (
        {"date_of_service": date(2025, 2, 11), "ndc_units": "60"},
        {},
        "T4",
        ["date_of_service", "quantity"],
    ),
    "other package": ({"ndc11": OTHER_PACKAGE}, {}, "T4", ["ndc11"]),
    "other product": ({"ndc11": OTHER_PRODUCT}, {}, None, None),
    "other pharmacy": ({"pharmacy_key": "1003000134"}, {}, None, None),
    "other Rx number": ({"script_key": "7654321"}, {}, None, None),
    "no Rx number at all": ({"script_key": None}, {"script_key": None}, None, None),
    "no pharmacy at all": ({"pharmacy_key": None}, {"pharmacy_key": None}, None, None),
    "hashes of one scheme": ({"script_key": "v1:ab"}, {"script_key": "v1:ab"}, "T1", []),
    "hashes of two schemes": ({"script_key": "v1:ab"}, {"script_key": "v2:ab"}, None, None),
    "same prescriber": ({"prescriber_npi": "1"}, {"prescriber_npi": "1"}, "T1", []),
    "other prescriber": ({"prescriber_npi": "1"}, {"prescriber_npi": "2"}, "T1", ["prescriber_npi"]),
    "one prescriber unknown": ({"prescriber_npi": "1"}, {}, "T1", []),
    "hash against number": (DOCTOR, DOCTOR | {"script_key": "v1:ab"}, "T6", ["rx_number"]),
    "number against hash, fills differ": (
        DOCTOR | {"script_key": "v1:ab", "fill_number": 2},
        DOCTOR,
        "T6",
        ["rx_number", "fill_number"],
    ),
    "no Rx number, same doctor": (DOCTOR | {"script_key": None}, DOCTOR, "T6", ["rx_number"]),
    "neither has an Rx number, same doctor": (
        DOCTOR | {"script_key": None},
        DOCTOR | {"script_key": None},
        "T6",
        ["rx_number"],
    ),
    "no Rx number, near quantity": (DOCTOR | {"script_key": None, "ndc_units": "31"}, DOCTOR, None, None),
    "no Rx number, next day": (DOCTOR | {"script_key": None, "date_of_service": date(2025, 2, 11)}, DOCTOR, None, None),
    "no Rx number, other package": (DOCTOR | {"script_key": None, "ndc11": OTHER_PACKAGE}, DOCTOR, None, None),
    "no Rx number, former pharmacy number": (
        DOCTOR | {"script_key": None, "pharmacy_key": NEW},
        DOCTOR | {"pharmacy_key": OLD},
        None,
        None,
    ),
    "other Rx number, same doctor": (DOCTOR | {"script_key": "7654321"}, DOCTOR, None, None),
    "RX against MEDICAL": ({}, MEDICAL, None, None),
    "medical": (MEDICAL | {"hcpcs_code": "J1"}, MEDICAL | {"hcpcs_code": "J1"}, "T1", []),
    "medical, no HCPCS with the entity": (MEDICAL | {"hcpcs_code": "J1"}, MEDICAL, "T1", []),
    "medical, other HCPCS": (MEDICAL | {"hcpcs_code": "J1"}, MEDICAL | {"hcpcs_code": "J2"}, None, None),
    "medical, other day": (MEDICAL | {"date_of_service": date(2025, 2, 11)}, MEDICAL, None, None),
    "medical, near quantity": (MEDICAL | {"ndc_units": "31"}, MEDICAL, "T3", ["quantity"]),
    "medical, other quantity": (MEDICAL | {"ndc_units": "2"}, MEDICAL, "T4", ["quantity"]),
    "medical, quantity not converted": (MEDICAL | {"ndc_units": None}, MEDICAL, "T4", ["quantity"]),
    "medical, provider's former number": (
        MEDICAL | {"pharmacy_key": NEW},
        MEDICAL | {"pharmacy_key": OLD},
        "T5",
        ["pharmacy_npi"],
    ),
    "HCPCS says nothing on RX": ({"hcpcs_code": "J1"}, {"hcpcs_code": "J2"}, "T1", []),
}


# case: (rebate claims, entity claims, those rebate claims that are linked); a doctor per case
TUPLES = {
    "alone": ([{"script_key": None}], [{}], ["alone 0"]),
    "two claimed": ([{"script_key": None}, {"script_key": None}], [{}], []),
    "another claimed, comparable": ([{"script_key": None}, {"script_key": "999999"}], [{}], []),
    "two given": ([{"script_key": None}], [{}, {"script_key": "888888"}], []),
    "one given twice": ([{"script_key": None}], [{}, {"entity_id": "DSH2"}], ["one given twice 0"]),
    "another quantity": (
        [{"script_key": None}, {"script_key": None, "ndc_units": "60"}],
        [{}],
        ["another quantity 0"],
    ),
    "used by a better tier": ([{}, {"script_key": None}], [{}], ["used by a better tier 0"]),
}

SECOND_FILL = {"fill_number": 1, "date_of_service": date(2025, 2, 12)}
# case: (rebate claims, entity claims), each with a name of its own; a prescription per case
COMPETING: dict[str, Any] = {
    "neighbour": ([("first", {}), ("second", SECOND_FILL)], [("given", {})]),
    "programs": (
        [
            ("ffs", {}),
            ("mco", {"program": "MDRP_MCO"}),
            ("other state", {"payer_id": "NY"}),
            ("supplemental", {"rebate_type": "SUPPLEMENTAL"}),
            ("again", {"claim_id": "2"}),
        ],
        [("given", {})],
    ),
    "two entities": ([("asked", {}), ("next", SECOND_FILL)], [("one", {}), ("two", {"entity_id": "DSH2"})]),
    "parts": (
        [
            ("part", {"ndc_units": "10", "dispensing_status": "P"}),
            ("rest", {"ndc_units": "20", "dispensing_status": "C", "date_of_service": date(2025, 2, 12)}),
        ],
        [("given", {})],
    ),
    "part twice": (
        [
            ("part", {"ndc_units": "10", "dispensing_status": "P"}),
            ("part again", {"ndc_units": "10", "dispensing_status": "P", "period": "2025Q2"}),
            ("rest", {"ndc_units": "20", "dispensing_status": "C"}),
        ],
        [("given", {})],
    ),
}


def pair_rows() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Each pair with a prescription and a doctor of its own."""
    claims, given = [], []
    for number, (claim, claim_of_entity, *_) in enumerate(PAIRS.values()):
        for side, make, fields in ((claims, rebate, claim), (given, entity, claim_of_entity)):
            row = make(f"{make.__name__}-{number}", **fields)
            for key in ("script_key", "rx_key", "rx_number"):
                row[key] = f"{row[key]}/{number}" if row[key] is not None else None
            if row.get("prescriber_npi") == "doctor":
                row["prescriber_npi"] = f"doctor {number}"
            side.append(row)
    return claims, given


def tuple_rows() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    claims, given = [], []
    for case, (claimed, reported, _) in TUPLES.items():
        for side, make, rows in ((claims, rebate, claimed), (given, entity, reported)):
            for number, fields in enumerate(rows):
                script = {"script_key": f"{fields.get('script_key', '123456')}/{case}"}
                script = {"script_key": None} if fields.get("script_key", "") is None else script
                side.append(make(f"{case} {number}", **(fields | script | {"prescriber_npi": case})))
    return claims, given


def competing_rows() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    claims = [rebate(f"{c}: {n}", script_key=c, **f) for c, (rows, _) in COMPETING.items() for n, f in rows]
    given = [entity(f"{c}: {n}", script_key=c, **f) for c, (_, rows) in COMPETING.items() for n, f in rows]
    return claims, given


@pytest.fixture(scope="module")
def links(spark: SparkSession) -> dict[str, Row]:
    """The links of all cases at once, which meet nowhere."""
    sides = zip(pair_rows(), tuple_rows(), competing_rows(), strict=True)
    claims, given = (list(chain(*side)) for side in sides)
    found = linked(spark, claims, given, partitions=3)
    assert found.schema.simpleString() == LINKS_340B.simpleString()
    return {row.source_row_id: row for row in found.collect()}


def linked(
    spark: SparkSession,
    claims: list[dict[str, Any]],
    given: list[dict[str, Any]],
    settings: LinkSettings = SETTINGS,
    partitions: int = 1,
) -> DataFrame:
    return link_340b(
        frame(spark, claims, PREPARED_REBATE_CLAIMS, partitions),
        frame(spark, given, PREPARED_ENTITY_CLAIMS, partitions),
        settings,
        keep,
        pharmacies=spark.createDataFrame(SUCCESSORS, "npi string, successor_npi string"),
        products=spark.createDataFrame(
            [(PENS, 15, None, None, None), (SINGLE, 1, None, None, None)],
            "ndc11 string, units_per_package int, valid_from date, valid_to date, snapshot_date date",
        ),
    ).links


@pytest.mark.parametrize("what", PAIRS)
def test_pair(links: dict[str, Row], what: str) -> None:
    number = list(PAIRS).index(what)
    _, claim_of_entity, tier, differ = PAIRS[what]
    link = links.get(f"rebate-{number}")
    if tier is None:
        assert link is None
        return
    assert (link.link_tier, link.link_fields_differ) == (tier, differ)
    assert link.link_source_row_ids == [f"entity-{number}"]
    assert (link.link_is_ambiguous, link.link_candidates) == (False, 1)
    assert link.link_entity_id == claim_of_entity.get("entity_id", "DSH1")
    assert link.link_date_of_service == claim_of_entity.get("date_of_service", date(2025, 2, 10))


def test_a_score_is_the_sum_of_what_the_fields_add(links: dict[str, Row]) -> None:
    weights = configured_weights(SETTINGS)
    link = links[f"rebate-{list(PAIRS).index('quantity at 5 %')}"]
    assert [tuple(part) for part in link.link_contributions] == [
        ("met_by", "PRESCRIPTION", weights.priors["PRESCRIPTION"]),
        ("date_of_service", "SAME", weights.weight("date_of_service", "SAME")),
        ("product_and_quantity", "NDC11/NEAR", weights.weight("product_and_quantity", "NDC11/NEAR")),
        ("fill_number", "EQUAL", weights.weight("fill_number", "EQUAL")),
    ]
    for one in links.values():
        assert one.link_score == pytest.approx(sum(part.weight for part in one.link_contributions), abs=1e-6)
        assert one.link_probability == pytest.approx(1 / (1 + 2**-one.link_score), abs=1e-6)
    by_tuple = links[f"rebate-{list(PAIRS).index('hash against number')}"]
    assert [part.field for part in by_tuple.link_contributions] == ["met_by", "fill_number"]


def test_entity_quantity_in_units(links: dict[str, Row]) -> None:
    def units(what: str) -> Decimal:
        return links[f"rebate-{list(PAIRS).index(what)}"].link_ndc_units

    assert (units("packages for units"), units("units for packages"), units("all equal")) == (
        Decimal(90),
        Decimal(90),
        Decimal(30),
    )


def test_a_tuple_must_be_the_only_one_of_its_day_on_both_sides(links: dict[str, Row]) -> None:
    claims, _ = tuple_rows()
    found = {row["source_row_id"] for row in claims} & links.keys()
    assert found == {name for _, _, names in TUPLES.values() for name in names}


def test_a_crowded_key_is_set_aside_and_counted(spark: SparkSession) -> None:
    """A junk number shared by more claims than a prescription can have links nothing; others are not touched."""
    claims = [rebate(f"junk {n}", script_key="9999999") for n in range(5)] + [rebate("good")]
    given = [entity(f"junk {n}", script_key="9999999") for n in range(3)] + [entity("good")]
    found = link_340b(
        frame(spark, claims, PREPARED_REBATE_CLAIMS),
        frame(spark, given, PREPARED_ENTITY_CLAIMS),
        SETTINGS.model_copy(update={"most_pairs_per_key": 14}),
        keep,
    )
    assert [row.source_row_id for row in found.links.collect()] == ["good"]
    assert found.set_aside == {"rebate_claims": 5, "entity_claims": 3}


def test_an_oversized_block_without_rx_numbers_is_set_aside_and_counted(spark: SparkSession) -> None:
    """Claims without a usable Rx number that share pharmacy, product, day and prescriber are never all paired."""
    unusable = {"script_key": None, "rx_key": None, "prescriber_npi": "1003000134"}
    claims = [rebate(f"junk {n}", **unusable) for n in range(5)] + [rebate("good")]
    given = [entity(f"junk {n}", **unusable) for n in range(3)] + [entity("good")]
    written = []

    def counted(name: str, rows: DataFrame) -> DataFrame:
        kept = keep(name, rows)
        written.append((name, kept.count()))
        return kept

    found = link_340b(
        frame(spark, claims, PREPARED_REBATE_CLAIMS),
        frame(spark, given, PREPARED_ENTITY_CLAIMS),
        SETTINGS.model_copy(update={"most_pairs_per_key": 14}),
        counted,
    )
    assert [row.source_row_id for row in found.links.collect()] == ["good"]
    assert found.set_aside == {"rebate_claims": 5, "entity_claims": 3}
    assert dict(written)["pairs_tuple"] == 0


def test_who_competes_for_a_claim(links: dict[str, Row]) -> None:
    """Neighbouring fills do, other programs, payers, rebate types and duplicates do not; tied claims are all listed."""
    claims, _ = competing_rows()
    found = {
        name: (link.link_tier, [other.partition(": ")[2] for other in link.link_source_row_ids])
        for name in (row["source_row_id"] for row in claims)
        if (link := links.get(name))
    }
    assert found == {
        "neighbour: first": ("T1", ["given"]),
        "programs: ffs": ("T1", ["given"]),
        "programs: mco": ("T1", ["given"]),
        "programs: other state": ("T1", ["given"]),
        "programs: supplemental": ("T1", ["given"]),
        "programs: again": ("T1", ["given"]),
        "two entities: asked": ("T1", ["one", "two"]),
        "parts: part": ("T1", ["given"]),
        "parts: rest": ("T3", ["given"]),
        "part twice: part": ("T1", ["given"]),
        "part twice: part again": ("T1", ["given"]),
        "part twice: rest": ("T1", ["given"]),
    }


def test_no_claims_no_links(spark: SparkSession) -> None:
    assert linked(spark, [], [entity("e")]).collect() == []
