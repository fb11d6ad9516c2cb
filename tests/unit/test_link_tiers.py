"""Tier, score and differing fields of one pair per prescription, against domain part 4.3 read by hand."""

from __future__ import annotations

from datetime import date

import pytest
from link_rows import entity, frame, rebate

from engine.contracts.links import LINKS_340B
from engine.contracts.prepared import PREPARED_ENTITY_CLAIMS, PREPARED_REBATE_CLAIMS
from engine.link import link_340b
from engine.settings import LinkSettings

SETTINGS = LinkSettings(fill_offsets={"CE1": 1, "CE0": 0})
OTHER_PACKAGE, OTHER_PRODUCT = "00002000102", "00002000201"
MEDICAL = {"claim_type": "MEDICAL", "fill_number": None}

# what: (rebate claim, entity claim, tier, log2 score, fields that differ)
# key 14; date 6, near 2; fill 3 or -3; NDC-11 7, NDC-9 5; quantity 3, near 1.5, far -3; prescriber 2 or -2
PAIRS = {
    "all equal": ({}, {}, "T1", 33.0, []),
    "quantity at 1 %": ({"ndc_units": "30.3"}, {}, "T1", 33.0, []),
    "quantity just over 1 %": ({"ndc_units": "30.301"}, {}, "T3", 31.5, ["quantity"]),
    "quantity at 5 %": ({"ndc_units": "28.5"}, {}, "T3", 31.5, ["quantity"]),
    "quantity over 5 %": ({"ndc_units": "28.499"}, {}, "T4", 27.0, ["quantity"]),
    "quantity unknown": ({"ndc_units": None}, {}, "T4", 30.0, ["quantity"]),
    "entity quantity zero": ({}, {"quantity": "0"}, "T4", 27.0, ["quantity"]),
    "both fills missing": ({"fill_number": None}, {"fill_number": None}, "T1", 30.0, []),
    "payer has no fill": ({"fill_number": None}, {}, "T2", 30.0, ["fill_number"]),
    "entity has no fill": ({}, {"fill_number": None}, "T2", 30.0, ["fill_number"]),
    "no fill, far quantity": ({"ndc_units": "60"}, {"fill_number": None}, "T2", 24.0, ["fill_number", "quantity"]),
    "fills as the entity counts": ({}, {"fill_number": 1, "entity_id": "CE1"}, "T2", 33.0, ["fill_number"]),
    "fills as the parent counts": (
        {},
        {"fill_number": 1, "entity_id": "CE1A", "parent_entity_id": "CE1"},
        "T2",
        33.0,
        ["fill_number"],
    ),
    "fills shifted the other way": ({"fill_number": 1}, {"entity_id": "CE1"}, "T3", 27.0, ["fill_number"]),
    "fills differ": ({"fill_number": 1}, {}, "T3", 27.0, ["fill_number"]),
    "an offset of nothing changes nothing": ({"ndc_units": "60"}, {"entity_id": "CE0"}, "T4", 27.0, ["quantity"]),
    "three days later": ({"date_of_service": date(2025, 2, 13)}, {}, "T3", 29.0, ["date_of_service"]),
    "three days earlier": ({"date_of_service": date(2025, 2, 7)}, {}, "T3", 29.0, ["date_of_service"]),
    "four days": ({"date_of_service": date(2025, 2, 14)}, {}, None, None, None),
    "near day, no fill": (
        {"date_of_service": date(2025, 2, 11), "fill_number": None},
        {},
        "T3",
        26.0,
        ["date_of_service", "fill_number"],
    ),
    "near day, far quantity": (
        {"date_of_service": date(2025, 2, 11), "ndc_units": "60"},
        {},
        "T4",
        23.0,
        ["date_of_service", "quantity"],
    ),
    "other package": ({"ndc11": OTHER_PACKAGE}, {}, "T4", 31.0, ["ndc11"]),
    "other product": ({"ndc11": OTHER_PRODUCT}, {}, None, None, None),
    "other pharmacy": ({"pharmacy_key": "1003000134"}, {}, None, None, None),
    "other Rx number": ({"script_key": "7654321"}, {}, None, None, None),
    "no Rx number at all": ({"script_key": None}, {"script_key": None}, None, None, None),
    "no pharmacy at all": ({"pharmacy_key": None}, {"pharmacy_key": None}, None, None, None),
    "hashes of one scheme": ({"script_key": "v1:ab"}, {"script_key": "v1:ab"}, "T1", 33.0, []),
    "hashes of two schemes": ({"script_key": "v1:ab"}, {"script_key": "v2:ab"}, None, None, None),
    "same prescriber": ({"prescriber_npi": "1"}, {"prescriber_npi": "1"}, "T1", 35.0, []),
    "other prescriber": ({"prescriber_npi": "1"}, {"prescriber_npi": "2"}, "T1", 31.0, ["prescriber_npi"]),
    "one prescriber unknown": ({"prescriber_npi": "1"}, {}, "T1", 33.0, []),
    "RX against MEDICAL": ({}, MEDICAL, None, None, None),
    "medical": (MEDICAL | {"hcpcs_code": "J1"}, MEDICAL | {"hcpcs_code": "J1"}, "T1", 30.0, []),
    "medical, no HCPCS with the entity": (MEDICAL | {"hcpcs_code": "J1"}, MEDICAL, "T1", 30.0, []),
    "medical, other HCPCS": (MEDICAL | {"hcpcs_code": "J1"}, MEDICAL | {"hcpcs_code": "J2"}, None, None, None),
    "medical, other day": (MEDICAL | {"date_of_service": date(2025, 2, 11)}, MEDICAL, None, None, None),
    "medical, other quantity": (MEDICAL | {"ndc_units": "2"}, MEDICAL, "T1", 24.0, ["quantity"]),
    "HCPCS says nothing on RX": ({"hcpcs_code": "J1"}, {"hcpcs_code": "J2"}, "T1", 33.0, []),
}


@pytest.fixture(scope="module")
def links(spark):
    """The links of all pairs at once, each pair with a prescription of its own."""
    claims, given = [], []
    for number, (claim, claim_of_entity, *_) in enumerate(PAIRS.values()):
        for side, make, fields in ((claims, rebate, claim), (given, entity, claim_of_entity)):
            row = make(f"{make.__name__}-{number}", **fields)
            for key in ("script_key", "rx_key"):
                row[key] = f"{row[key]}/{number}" if row[key] is not None else None
            side.append(row)
    found = link_340b(
        frame(spark, claims, PREPARED_REBATE_CLAIMS), frame(spark, given, PREPARED_ENTITY_CLAIMS), SETTINGS
    )
    assert found.schema.simpleString() == LINKS_340B.simpleString()
    return {row.source_row_id: row for row in found.collect()}


@pytest.mark.parametrize("what", PAIRS)
def test_pair(links, what):
    number = list(PAIRS).index(what)
    _, claim_of_entity, tier, score, differ = PAIRS[what]
    link = links.get(f"rebate-{number}")
    if tier is None:
        assert link is None
        return
    assert (link.link_tier, link.link_score, link.link_fields_differ) == (tier, score, differ)
    assert link.link_source_row_ids == [f"entity-{number}"]
    assert (link.link_is_ambiguous, link.link_candidates) == (False, 1)
    assert link.link_entity_id == claim_of_entity.get("entity_id", "DSH1")
    assert link.link_date_of_service == claim_of_entity.get("date_of_service", date(2025, 2, 10))


def test_who_competes_for_a_claim(spark):
    """Neighbouring fills do, other programs, payers, rebate types and duplicates do not; tied claims are all listed."""
    second_fill = {"fill_number": 1, "date_of_service": date(2025, 2, 12)}
    cases = {
        "neighbour": ([("first", {}), ("second", second_fill)], [("given", {})]),
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
        "two entities": ([("asked", {}), ("next", second_fill)], [("one", {}), ("two", {"entity_id": "DSH2"})]),
        "parts": (
            [
                ("part", {"ndc_units": "10", "dispensing_status": "P"}),
                (
                    "rest",
                    {"ndc_units": "20", "dispensing_status": "C", "date_of_service": date(2025, 2, 12)},
                ),
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
    claims = [rebate(f"{c}: {n}", script_key=c, **f) for c, (rows, _) in cases.items() for n, f in rows]
    given = [entity(f"{c}: {n}", script_key=c, **f) for c, (_, rows) in cases.items() for n, f in rows]
    found = link_340b(
        frame(spark, claims, PREPARED_REBATE_CLAIMS, 3), frame(spark, given, PREPARED_ENTITY_CLAIMS, 3), SETTINGS
    )
    links = {
        row.source_row_id: (row.link_tier, [name.partition(": ")[2] for name in row.link_source_row_ids])
        for row in found.collect()
    }
    assert links == {
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


def test_no_claims_no_links(spark):
    none = link_340b(
        frame(spark, [], PREPARED_REBATE_CLAIMS), frame(spark, [entity("e")], PREPARED_ENTITY_CLAIMS), SETTINGS
    )
    assert none.collect() == []
