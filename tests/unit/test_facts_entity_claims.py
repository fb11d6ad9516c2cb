"""Facts on 340B claims: register, contracts, other claims of the dispense, purchases."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from engine.contracts.facts import ENTITY_CLAIM_FACTS
from engine.contracts.links import LINKS_340B
from engine.contracts.prepared import PREPARED_ENTITY_CLAIMS, PREPARED_REBATE_CLAIMS
from engine.facts import entity_claim_facts
from engine.settings import PeerSettings
from tests.unit.facts_rows import NDC, frame, reference, with_families

NPI, OTHER_NPI, OLD_NPI = "1003000126", "1003000134", "1003000142"
_CLAIM = {
    "entity_id": "DSH1",
    "claim_type": "RX",
    "pharmacy_npi": NPI,
    "rx_number": "1234567",
    "rx_number_raw": "1234567",
    "fill_number": 0,
    "date_of_service": "2025-02-10",
    "ndc11": NDC,
    "quantity": "30",
    "submitted_at": datetime(2025, 3, 1),
}


def given(row_id: str, **fields: Any) -> dict[str, Any]:
    row = {**_CLAIM, "source_row_id": row_id, **fields}
    row.setdefault("script_key", row["rx_number"])
    row.setdefault("parent_entity_id", row["entity_id"])
    return {**row, "rx_key": row["script_key"], "pharmacy_key": row["pharmacy_npi"], "ndc9": row["ndc11"][:9]}


def facts_of(
    spark: SparkSession,
    rows: list[dict[str, Any]],
    asked_for: DataFrame | None = None,
    links_340b: DataFrame | None = None,
    **tables: list[dict[str, Any]],
) -> dict[str, dict[str, Any]]:
    references = with_families({name: reference(spark, name, *given_rows) for name, given_rows in tables.items()})
    claims = frame(spark, rows, PREPARED_ENTITY_CLAIMS)
    found = entity_claim_facts(claims, references, asked_for, links_340b, PeerSettings(minimum=3))
    assert found.schema.names == ENTITY_CLAIM_FACTS.names
    collected = found.collect()
    assert len(collected) == len(rows)
    return {row["source_row_id"]: row.asDict() for row in collected}


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[str, dict[str, Any]]:
    """One claim or more per question, told apart by prescription, all in one job."""
    later = datetime(2025, 3, 15)
    policy = {"entity_id": "PED3A", "parent_entity_id": "PED3", "labeler_code": NDC[:5], "rx_number": "9",
              "date_of_service": "2025-06-01"}  # fmt: skip
    given_drug = {"claim_type": "MEDICAL", "hcpcs_code": "J1234", "rx_number": "10", "entity_id": "XX8"}
    lines = [
        {"source_row_id": "B3", "date_of_service": "2025-02-10", "ndc11": NDC, "modifiers": "JW|RT"},
        {"source_row_id": "B1", "date_of_service": "2025-02-10"},
        {"source_row_id": "B2", "date_of_service": "2025-02-10", "ndc11": NDC, "modifiers": "JZ|TB"},
        {"source_row_id": "B4", "date_of_service": "2025-02-11", "modifiers": "JG"},
        {"source_row_id": "B5", "date_of_service": "2025-02-10", "provider_npi": OTHER_NPI},
        {"source_row_id": "B6", "date_of_service": "2025-02-10", "hcpcs_code": "J9999"},
    ]
    rows = [
        given("plain"),
        given("site", entity_id="DSH1A", parent_entity_id="DSH1", rx_number="2"),
        given("ended", entity_id="CAH2", rx_number="3", pharmacy_npi=OTHER_NPI),
        given("unregistered", entity_id="XX9", rx_number="4"),
        given("first", rx_number="5"),
        given("again", rx_number="5", submitted_at=later),
        given("same file", rx_number="5", submitted_at=later),
        given("another's", rx_number="5", entity_id="CAH2"),
        given("other fill", rx_number="5", fill_number=None),
        given("no key 1", rx_number="12", script_key=None, rx_number_raw="12"),
        given("no key 2", rx_number="12", script_key=None, rx_number_raw="12"),
        given("numbers", rx_number="7", pharmacy_npi="1003000127", prescriber_npi="AB1234563", entity_id="XX9"),
        given("old number", rx_number="8", pharmacy_npi=OLD_NPI, entity_id="XX9"),
        *(
            given(f"policy {name}", **(policy | fields))
            for name, fields in {
                "of the product": {},
                "of the labeler": {"ndc11": f"{NDC[:5]}999901"},
                "not yet": {"ndc11": f"{NDC[:5]}999901", "date_of_service": "2025-05-31"},
                "of nobody": {"labeler_code": "99999"},
                "elsewhere": {"pharmacy_npi": OTHER_NPI, "entity_id": "XX9", "parent_entity_id": "XX9"},
            }.items()
        ),
        *(
            given(f"part B {name}", **(given_drug | fields))
            for name, fields in {
                "unmarked": {},
                "marked": {"date_of_service": "2025-02-11"},
                "other drug": {"ndc11": f"{NDC[:9]}99"},
                "no code": {"hcpcs_code": None},
                "at a pharmacy": {"claim_type": "RX"},
            }.items()
        ),
        given("next quarter", rx_number="6", date_of_service="2025-04-01", quantity="10"),
    ]
    return facts_of(
        spark,
        rows,
        covered_entities=[
            {"entity_id": "DSH1", "entity_type": "DSH", "participating_start": "2010-01-01", "street": "1 Main St ",
             "zip": "30301-0001"},
            {"entity_id": "DSH1A", "parent_entity_id": "DSH1", "participating_start": "2010-01-01",
             "termination_date": "2025-02-10"},
            {"entity_id": "DSH1A", "parent_entity_id": "DSH1", "participating_start": "2025-04-01"},
            {"entity_id": "PED3A", "parent_entity_id": "PED3", "state": "ga "},
            {"entity_id": "CAH2", "entity_type": "CAH", "participating_start": "2010-01-01", "street": "1 main st",
             "zip": "30301"},
        ],
        orphan_drugs=[{"ndc11": NDC, "quarter": "2025Q1"}],
        contract_pharmacies=[
            {"entity_id": "DSH1", "pharmacy_npi": NPI, "begin_date": "2020-01-01"},
            {"entity_id": "DSH1", "pharmacy_npi": None},
            {"entity_id": "CAH2", "pharmacy_npi": NPI, "begin_date": "2020-01-01", "termination_date": "2025-03-01"},
        ],
        pharmacies=[
            {"npi": NPI, "successor_npi": OTHER_NPI},
            {"npi": OLD_NPI, "valid_to": "2025-02-10"},
        ],
        manufacturer_policies=[
            {"labeler_code": NDC[:5], "begin_date": "2025-06-01", "contract_pharmacies": "DESIGNATED",
             "exempt_entity_types": "RWI|FQHCLA"},
            {"labeler_code": NDC[:5], "ndc9": NDC[:9], "begin_date": "2025-01-01", "end_date": "2025-07-01",
             "contract_pharmacies": "NONE"},
        ],
        designated_pharmacies=[
            {"entity_id": "PED3", "pharmacy_npi": NPI, "labeler_code": NDC[:5], "begin_date": "2025-06-01"},
        ],
        contract_pharmacy_laws=[{"state": "GA", "begin_date": "2025-06-01"}],
        part_b_lines=[{"provider_npi": NPI, "hcpcs_code": "J1234", **line} for line in lines],
        entity_npis=[{"entity_id": "DSH1A", "npi": NPI}],
        chargebacks=[
            {"chargeback_id": "1", "entity_id": "DSH1A", "ndc11": NDC, "invoice_date": "2024-07-01",
             "packages": "2", "contract_type": "340B"},
            {"chargeback_id": "2", "entity_id": "DSH1", "ndc11": NDC, "invoice_date": "2024-06-30",
             "packages": "9", "contract_type": "340B"},
        ],
        products=[{"ndc11": NDC, "units_per_package": "100"}],
    )  # fmt: skip


def test_the_register_is_read_as_of_the_date_of_service(found: dict[str, dict[str, Any]]) -> None:
    assert (found["plain"]["entity_is_active"], found["plain"]["entity_type"]) == (True, "DSH")
    site = found["site"]
    assert (site["entity_is_active"], site["entity_termination_date"]) == (False, date(2025, 2, 10))
    assert site["entity_resumed_on"] == date(2025, 4, 1)
    assert found["unregistered"]["entity_is_active"] is None


def test_an_orphan_drug_is_in_conflict_at_an_excluded_type_and_a_second_registration_is_seen(
    found: dict[str, dict[str, Any]],
) -> None:
    assert (found["ended"]["f55_orphan_ce_conflict"], found["ended"]["entity_is_dual_registered"]) == (True, True)
    assert found["plain"]["f55_orphan_ce_conflict"] is False


def test_contracts_of_the_whole_system_count_and_a_moved_pharmacy_is_known(found: dict[str, dict[str, Any]]) -> None:
    assert (found["plain"]["contract_holds"], found["site"]["contract_holds"]) == (True, True)
    assert (found["plain"]["contracts_of_entity"], found["plain"]["contracts_least_confidence"]) == (2, 0.0)
    ended = found["ended"]
    assert (ended["contract_holds"], ended["contract_other_npi"]) == (False, NPI)
    assert (ended["contracts_of_entity"], ended["contracts_least_confidence"]) == (1, 1.0)
    alone = found["unregistered"]
    assert (alone["contract_holds"], alone["contracts_of_entity"]) == (False, 0)
    assert (found["plain"]["pharmacy_is_entity_owned"], ended["pharmacy_is_entity_owned"]) == (True, False)


def test_other_claims_of_a_dispense(found: dict[str, dict[str, Any]]) -> None:
    def seen(row_id: str) -> tuple[list[str] | None, list[str] | None, list[str] | None]:
        row = found[row_id]
        return row["other_entity_ids"], row["other_entity_row_ids"], row["earlier_row_ids"]

    assert seen("plain") == ([], [], [])
    assert seen("first") == (["CAH2"], ["another's"], [])
    assert seen("again") == (["CAH2"], ["another's"], ["first"])
    assert seen("same file") == (["CAH2"], ["another's"], ["first"])
    assert seen("another's") == (["DSH1"], ["first", "again", "same file"], [])
    assert seen("other fill") == ([], [], [])
    assert [seen(f"no key {n}") for n in (1, 2)] == [(None, None, None), (None, None, None)]


def test_purchases_and_claims_of_four_quarters_stand_on_the_last_claim_of_a_quarter(
    found: dict[str, dict[str, Any]],
) -> None:
    told = {row_id: row for row_id, row in found.items() if row["is_last_of_quarter"]}
    assert {row_id for row_id in told if not row_id.startswith(("policy", "part B"))} == {
        "site",
        "ended",
        "unregistered",
        "next quarter",
    }
    assert (told["site"]["units_bought_4q"], told["site"]["units_claimed_4q"]) == (200 + 900, 8 * 30)
    assert (told["next quarter"]["units_bought_4q"], told["next quarter"]["units_claimed_4q"]) == (200, 8 * 30 + 10)
    assert told["site"]["entity_first_claim_date"] == date(2025, 2, 10)
    assert told["unregistered"]["units_bought_4q"] is None


def test_the_policy_of_a_product_goes_before_the_labeler_s_and_designation_and_law_are_dated(
    found: dict[str, dict[str, Any]],
) -> None:
    def told(row_id: str) -> list[Any]:
        row = found[f"policy {row_id}"]
        names = ("policy_contract_pharmacies", "policy_exempt_entity_types", "policy_ndc9", "pharmacy_is_designated")
        return [row[name] for name in (*names, "state_law_protects")]

    assert told("of the product") == ["NONE", None, NDC[:9], True, True]
    assert told("of the labeler") == ["DESIGNATED", ["RWI", "FQHCLA"], None, True, True]
    assert told("not yet") == [None, None, None, False, False]
    assert told("of nobody") == [None, None, None, False, True]
    assert told("elsewhere") == ["NONE", None, NDC[:9], False, None]


def test_part_b_lines_of_a_dispense_by_their_modifiers(found: dict[str, dict[str, Any]]) -> None:
    def told(row_id: str) -> tuple[list[str] | None, int | None]:
        row = found[f"part B {row_id}"]
        return row["part_b_unmarked_row_ids"], row["part_b_lines_marked"]

    assert told("unmarked") == (["B1", "B3"], 1)
    assert told("marked") == ([], 1)
    assert told("other drug") == (["B1"], 0)
    assert [told(row_id) for row_id in ("no code", "at a pharmacy")] == [(None, None)] * 2


def test_numbers_of_providers_are_checked_and_a_pharmacy_s_is_dated(found: dict[str, dict[str, Any]]) -> None:
    def told(row_id: str) -> list[bool | None]:
        row = found[row_id]
        names = ("f60_pharmacy_npi_valid", "f60_npi_active_at_dos", "f60_prescriber_npi_valid")
        return [row[name] for name in (*names, "prescriber_has_dea_number")]

    assert told("plain") == [True, None, None, None]
    assert told("numbers") == [False, None, False, True]
    assert told("old number") == [True, False, None, None]


def test_prescriber_distance_and_volume_of_an_entity(spark: SparkSession) -> None:
    prescribed = {"prescriber_npi": "1003000134", "ndc9": NDC[:9], "date_of_service": "2024-11-10"}
    payers = {
        "a": {},
        "b": {},
        "linked": {},
        "same quarter": {"date_of_service": "2025-01-02"},
        "unknown": {"ndc9": None},
    }
    rows = [
        given("asked", prescriber_npi="1003000134", quantity="270"),
        given("no prescriber", rx_number="2"),
        given("before", rx_number="3", **(prescribed | {"ndc11": NDC})),
        given("of another", rx_number="4", entity_id="CAH2", **(prescribed | {"ndc11": NDC})),
        *(given(f"peer {n}", rx_number="5", entity_id=f"P{n}", pharmacy_npi=OLD_NPI) for n in range(3)),
    ]
    found = facts_of(
        spark,
        rows,
        frame(
            spark, [{"source_row_id": row, **prescribed, **own} for row, own in payers.items()], PREPARED_REBATE_CLAIMS
        ),
        frame(spark, [{"source_row_id": "linked"}], LINKS_340B),
        covered_entities=[{"entity_id": "DSH1", "zip": "00001"}, {"entity_id": "P0", "zip": "00001"}],
        pharmacies=[{"npi": NPI, "zip": "00002-1234"}, {"npi": OLD_NPI, "zip": "00003"}],
        zip_centroids=[
            {"zip": "00001", "latitude": "0", "longitude": "-179.5"},
            {"zip": "00002", "latitude": "0", "longitude": "179.5"},
        ],
    )

    def told(row_id: str) -> list[Any]:
        row = found[row_id]
        return [row[name] for name in ("f17_prescriber_ce_share", "prescriptions_known", "ce_volume_z")]

    # one of its own, one of another entity, two of payers; ten times as many units as each of three others
    assert told("asked") == [0.25, 4, 10.0]
    assert told("no prescriber") == [None, None, 10.0]
    assert told("before") == [None, 0, None]
    assert told("peer 0") == [None, None, 0.0]
    assert (found["asked"]["ce_quarter_units"], found["before"]["ce_usual_quarter_units"]) == (300.0, None)
    assert found["asked"]["ce_usual_quarter_units"] == pytest.approx(30)
    # a degree of longitude at the equator
    assert found["asked"]["f18_dist_ce_pharm_km"] == pytest.approx(111.195, abs=0.001)
    assert [found[row_id]["f18_dist_ce_pharm_km"] for row_id in ("of another", "peer 0")] == [None, None]


def test_without_reference_tables_only_the_claims_speak(spark: SparkSession) -> None:
    alone = facts_of(spark, [given("plain")])["plain"]
    unknown = ("entity_is_active", "contract_holds", "pharmacy_is_entity_owned", "price_wac", "units_bought_4q")
    assert [alone[name] for name in unknown] == [None] * len(unknown)
    assert (alone["other_entity_row_ids"], alone["earlier_row_ids"]) == ([], [])


def test_the_most_telling_window_of_submission_that_has_begun_holds(spark: SparkSession) -> None:
    rows = [
        given("any", entity_id="E1", ndc11="00003000101"),
        given("of the product", entity_id="E1"),
        given("of the kind", entity_id="E1", ndc11="00003000101", claim_type="MEDICAL"),
        given("of the state", entity_id="E2", ndc11="00003000101"),
        given("exempt", entity_id="E3", ndc11="00003000101"),
        given("too early", entity_id="E1", ndc11="00003000101", date_of_service="2024-12-31"),
        given("of another labeler", entity_id="E1", ndc11="00009000101"),
    ]
    for row in rows:
        row["labeler_code"] = row["ndc11"][:5]
    found = facts_of(
        spark,
        rows,
        covered_entities=[{"entity_id": f"E{n}", "state": state} for n, state in ((1, "GA"), (2, "CO"), (3, "VT"))],
        submission_windows=[
            {"labeler_code": "00003", "begin_date": "2025-01-01", "days": 45},
            {"labeler_code": "00003", "begin_date": "2025-01-15", "days": 40},
            {"labeler_code": "00003", "begin_date": "2026-01-01", "days": 10},
            {"labeler_code": "00003", "claim_type": "MEDICAL", "begin_date": "2025-01-01", "days": 60},
            {"labeler_code": "00003", "state": "CO", "begin_date": "2025-01-01", "days": 50},
            {"labeler_code": "00003", "state": "VT", "begin_date": "2025-01-01"},
            {"labeler_code": NDC[:5], "ndc9": NDC[:9], "days": 30},
            {"labeler_code": NDC[:5], "claim_type": "RX", "begin_date": "2025-01-01", "days": 20},
        ],
    )
    names = ("submission_days", "submission_window_is_known")
    assert {row_id: tuple(row[name] for name in names) for row_id, row in found.items()} == {
        "any": (40, True),
        "of the product": (30, True),
        "of the kind": (60, True),
        "of the state": (50, True),
        "exempt": (None, True),
        "too early": (None, None),
        "of another labeler": (None, None),
    }


def test_undated_rows_are_used_and_their_snapshots_kept(spark: SparkSession) -> None:
    later = {"snapshot_date": "2025-06-01"}
    labeler, dated = {"labeler_code": NDC[:5]}, {"begin_date": "2020-01-01"}
    rows = [
        given("undated", entity_id="E1", **labeler),
        given("dated", entity_id="E2", ndc11="00003000101", labeler_code="00003"),
    ]
    found = facts_of(
        spark,
        rows,
        covered_entities=[
            {"entity_id": "E1", **later},
            {"entity_id": "E2", "participating_start": "2010-01-01", **later},
        ],
        products=[{"ndc11": NDC, **later}, {"ndc11": "00003000101", "valid_from": "2010-01-01", **later}],
        manufacturer_policies=[
            {**labeler, "contract_pharmacies": "NONE", **later},
            {"labeler_code": "00003", "contract_pharmacies": "NONE", **dated, **later},
        ],
        submission_windows=[
            {**labeler, "days": 45, **later},
            {"labeler_code": "00003", "days": 45, **dated, **later},
        ],
    )
    names = ("entity_known_from", "product_known_from", "policy_known_from", "submission_window_known_from")
    assert [found["undated"][name] for name in names] == [date(2025, 6, 1)] * len(names)
    assert [found["dated"][name] for name in names] == [None] * len(names)


def test_of_two_rows_that_apply_the_one_that_states_a_date_decides(spark: SparkSession) -> None:
    contract = {"entity_id": "E1", "pharmacy_npi": NPI}
    found = facts_of(
        spark,
        [given("row", entity_id="E1", parent_entity_id="E1")],
        covered_entities=[
            {"entity_id": "E1", "entity_type": "PED", "participating_start": None},
            {"entity_id": "E1", "entity_type": "DSH", "participating_start": "2010-01-01"},
        ],
        contract_pharmacies=[
            {**contract, "begin_date": None, "termination_date": "2030-01-01"},
            {**contract, "begin_date": "2015-01-01", "termination_date": "2029-01-01"},
        ],
    )
    row = found["row"]
    assert row["entity_type"] == "DSH"
    assert (row["contract_begin_date"], row["contract_termination_date"]) == (date(2015, 1, 1), date(2029, 1, 1))


SHIPPED = {  # ship_to_npi of a purchase of 300 units, entity_npis, units that count as bought
    "to the pharmacy that reports": (NPI, [OTHER_NPI], 300),
    "to nobody named": (None, [OTHER_NPI], 300),
    "to its own silent site": (OTHER_NPI, [OTHER_NPI], None),
    "to a silent pharmacy of others": (OTHER_NPI, [OLD_NPI], 300),
    "to a silent site, none known": (OTHER_NPI, None, None),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_purchases_shipped_to_own_sites_that_report_nothing_do_not_count(spark: SparkSession, name: str) -> None:
    """Audit, section F: entities often report claims of contract pharmacies alone."""
    ship_to, own, units = SHIPPED[name]
    tables = {} if own is None else {"entity_npis": [{"entity_id": "DSH1A", "npi": npi} for npi in own]}
    purchase = {"entity_id": "DSH1A", "ndc11": NDC, "contract_type": "340B", "invoice_date": "2025-02-01"}
    found = facts_of(
        spark,
        [given("plain")],
        products=[{"ndc11": NDC, "units_per_package": "30"}],
        covered_entities=[{"entity_id": "DSH1A", "parent_entity_id": "DSH1"}],
        chargebacks=[purchase | {"packages": "10", "ship_to_npi": ship_to}],
        **tables,
    )
    assert found["plain"]["units_bought_4q"] == units
