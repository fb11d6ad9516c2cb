"""Facts on claims: references as of the date of service, what a missing table means, the screen and the whole.

The cases of one fixture are claims and reference tables apart from each other, all looked at in one job.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from engine.contracts.facts import claim_screen_schema
from engine.facts import (
    ALL_CLAIM_FACTS,
    Background,
    FoundOnClaims,
    claim_facts,
    claim_features,
    claim_peers,
    claim_screen,
    duplicates,
    feature_inputs,
    with_claim_peers,
)
from engine.facts.identifiers_340b import flags_340b
from engine.facts.quantities import with_conversion
from engine.settings import PeerSettings
from tests.unit.facts_rows import NDC, apart, by_case, claim, claims, in_one, reference, with_families

pytestmark = pytest.mark.slow

PEERS = PeerSettings()
SCREEN = claim_screen_schema(())
AS_OF = date(2025, 6, 30)

LISTING = {"entity_id": "DSH1", "medicaid_state": "GA", "quarter": "2025Q1"}
LISTED = {  # listing, what is changed on the claim, as what it is listed
    "npi": ({"npi": "1003000126"}, {}, "NPI 1003000126 (GA)"),
    "medicaid number": ({"medicaid_number": "77"}, {"medicaid_provider_id": "77"}, "Medicaid number 77 (GA)"),
    "another state": ({"npi": "1003000126"}, {"state": "AL", "payer_id": "AL"}, None),
    "another quarter": ({"npi": "1003000126"}, {"date_of_service": "2025-04-01"}, None),
    "not medicaid": ({"npi": "1003000126"}, {"program": "PARTD"}, None),
}

CONTRACT = {"payer_id": "PBM", "excludes_340b": True, "exclusion_scope": "ALL"}
COMMERCIAL = {"program": "COMMERCIAL", "payer_id": "PBM", "state": None}
OF_PRODUCT = CONTRACT | {"ndc9": NDC[:9]}
GOVERNED = {  # contracts, what is changed on the claim, key of the contract that governs it
    "any": ([CONTRACT], {}, "PBM"),
    "of the product": ([CONTRACT, OF_PRODUCT], {}, f"PBM/{NDC[:9]}"),
    "named": ([CONTRACT | {"contract_id": "C1"}, OF_PRODUCT], {"contract_id": "C1"}, "PBM/C1"),
    "another": ([CONTRACT | {"contract_id": "C1"}], {"contract_id": "C2"}, None),
    "not named: one that excludes every 340B claim, before one of some pharmacies": (
        [
            CONTRACT | {"contract_id": "C1", "exclusion_scope": "ALL"},
            CONTRACT | {"contract_id": "C2", "exclusion_scope": "LISTED_PHARMACIES"},
        ],
        {},
        "PBM/C1",
    ),
    "ended": ([CONTRACT | {"end_date": "2025-02-10"}], {}, None),
    "of another program": ([CONTRACT | {"program": "PARTD"}], {}, None),
}
LISTS = [{"contract_id": "C1", "pharmacy_npi": "1003000126"}, {"contract_id": "C2", "pharmacy_npi": "1003000999"}]
ON_LIST = {  # contracts, what is changed on the claim, whether the pharmacy is on the list of its contract
    "named": ([CONTRACT | {"contract_id": "C1"}], {"contract_id": "C1"}, True),
    "named by the claim alone": ([CONTRACT], {"contract_id": "C2"}, False),
    "governing": ([CONTRACT | {"contract_id": "C1"}], {}, True),
    "governing, not on its list": ([CONTRACT | {"contract_id": "C2"}], {}, False),
    "without an id": ([CONTRACT], {}, None),
    "no contract": ([], {}, None),
}

SETTLEMENT = {
    "program": "MDRP_FFS",
    "state": "GA",
    "ndc11": NDC,
    "period": "2025Q1",
    "claim_id": "71",
    "claim_line": 1,
    "kind": "STATE_CREDIT",
    "settled_on": "2025-05-01",
    "units": "30",
}
LATER, SNAPSHOT = {"snapshot_date": "2025-06-01"}, date(2025, 6, 1)
_MEDICAL = {"hcpcs_code": "J1", "claim_type": "MEDICAL"}
_PAIR = {"ndc11": NDC, "hcpcs_code": "J1", "ndc_units_per_hcpcs_unit": "2"}
_POLICY = {"method": "MEF", "contract_pharmacy_carved_out": True}
UNDATED = {  # what is changed on the claim, tables, a fact, and the snapshot of an undated row
    "product": ({}, {"products": [{"ndc11": NDC, **LATER}]}, "product_known_from", SNAPSHOT),
    "product with a market date": (
        {},
        {"products": [{"ndc11": NDC, "market_date": "2010-01-01", **LATER}]},
        "product_known_from",
        None,
    ),
    "product without a snapshot": ({}, {"products": [{"ndc11": NDC}]}, "product_known_from", None),
    "a dated row goes first": (
        {},
        {"products": [{"ndc11": NDC, **LATER}, {"ndc11": NDC, "valid_from": "2025-02-01", **LATER}]},
        "product_known_from",
        None,
    ),
    "state policy": (
        {"state": "X0"},
        {"state_340b_policies": [{"state": "X0"} | _POLICY | LATER]},
        "state_340b_method_known_from",
        SNAPSHOT,
    ),
    "state policy, ended": (
        {"state": "X1"},
        {"state_340b_policies": [{"state": "X1"} | _POLICY | LATER | {"end_date": "2026-01-01"}]},
        "state_340b_method_known_from",
        None,
    ),
    "carve-out of all programs": (
        {"state": "X2"},
        {
            "state_340b_policies": [
                {"state": "X2"} | _POLICY | LATER,
                {"state": "X2", "program": "MDRP_FFS", "method": "MEF", "begin_date": "2020-01-01"},
            ]
        },
        "state_carve_out_known_from",
        SNAPSHOT,
    ),
    "contract": (COMMERCIAL, {"rebate_contracts": [CONTRACT | LATER]}, "contract_known_from", SNAPSHOT),
    "contract since": (
        COMMERCIAL,
        {"rebate_contracts": [CONTRACT | LATER | {"begin_date": "2024-01-01"}]},
        "contract_known_from",
        None,
    ),
    "list of a contract": (
        COMMERCIAL | {"contract_id": "C1"},
        {"contract_pharmacy_lists": [LISTS[0] | LATER]},
        "contract_listing_known_from",
        SNAPSHOT,
    ),
    "own pharmacy": (
        {},
        {"entity_npis": [{"entity_id": "DSH1", "npi": "1003000126", **LATER}]},
        "contract_ownership_known_from",
        SNAPSHOT,
    ),
    "own pharmacy of two": (
        {},
        {
            "entity_npis": [
                {"entity_id": "DSH1", "npi": "1003000126", "snapshot_date": "2025-12-01"},
                {"entity_id": "DSH2", "npi": "1003000126", **LATER},
            ]
        },
        "contract_ownership_known_from",
        SNAPSHOT,
    ),
    "pair": (_MEDICAL, {"hcpcs_crosswalk": [_PAIR | LATER]}, "hcpcs_pair_known_from", SNAPSHOT),
    "another code": (
        _MEDICAL,
        {"hcpcs_crosswalk": [_PAIR | LATER | {"hcpcs_code": "J2"}]},
        "hcpcs_pair_known_from",
        SNAPSHOT,
    ),
    "other codes, one dated": (
        _MEDICAL,
        {
            "hcpcs_crosswalk": [
                _PAIR | LATER | {"hcpcs_code": "J2"},
                _PAIR | LATER | {"hcpcs_code": "J3", "begin_date": "2020-01-01"},
            ]
        },
        "hcpcs_pair_known_from",
        None,
    ),
}
SCREENED = {
    "product as of": (
        [claim("before", date_of_service="2025-01-31"), claim("after", date_of_service="2025-02-01")],
        {
            "products": [
                {"ndc11": NDC, "units_per_package": "30", "valid_to": "2025-02-01"},
                {"ndc11": NDC, "units_per_package": "100", "valid_from": "2025-02-01"},
            ]
        },
    ),
    "several rows of a product": (
        [claim("a")],
        {
            "products": [
                {"ndc11": NDC, "unit_type": "ML", "market_date": "2025-02-01", "valid_to": "2025-03-01"},
                {"ndc11": NDC, "unit_type": "TAB", "market_date": "2025-01-01", "valid_from": "2025-03-01"},
            ]
        },
    ),
    "unknown product": ([claim("a")], {"products": [{"ndc11": "99999999999"}]}),
    "prices of two quarters": (
        [claim("late", date_of_service="2025-03-31", period="2025Q2", amount_paid="60")],
        {
            "prices": [
                {"ndc11": NDC, "period": "2025Q1", "unit_rebate_amount": "1", "wac_unit": "4"},
                {"ndc11": NDC, "period": "2025Q2", "unit_rebate_amount": "3", "wac_unit": "5"},
            ]
        },
    ),
    "two snapshots": (
        [claim("a")],
        {
            "prices": [
                {"ndc11": NDC, "period": "2025Q1", "wac_unit": "9", "snapshot_date": "2025-01-01"},
                {"ndc11": NDC, "period": "2025Q1", "wac_unit": "4", "snapshot_date": "2025-02-01"},
            ]
        },
    ),
    "state policies": (
        [claim("ffs"), claim("mco", program="MDRP_MCO"), claim("partd", program="PARTD")],
        {
            "state_340b_policies": [
                {"state": "GA", "method": "MEF", "contract_pharmacy_carved_out": True},
                {"state": "GA", "program": "MDRP_MCO", "method": "CLAIM_FLAG", "contract_pharmacy_carved_out": False},
            ]
        },
    ),
    "standing of the pharmacy": (
        [claim("a", contract_id="C1")],
        {
            "contract_pharmacy_lists": [{"contract_id": "C1", "pharmacy_npi": "1003000126", "end_date": "2025-02-10"}],
            "entity_npis": [{"entity_id": "DSH1", "npi": "1003000126"}],
        },
    ),
    "settled": (
        [
            claim("before", claim_id="71", received_at=datetime(2025, 5, 2, tzinfo=UTC)),
            claim("the same day", claim_id="71", received_at=datetime(2025, 5, 1, tzinfo=UTC)),
            claim("before all", claim_id="71", received_at=datetime(2025, 3, 31, tzinfo=UTC)),
            claim("not known when", claim_id="71"),
            claim("another line", claim_id="71", claim_line=2),
            claim("another claim", claim_id="72"),
        ],
        {
            "settlements": [
                SETTLEMENT,
                SETTLEMENT | {"settled_on": "2025-04-01", "units": "5", "claim_line": None, "state": None},
                SETTLEMENT | {"kind": "PAID", "units": "7"},
                SETTLEMENT | {"state": "AL", "units": "9"},
                SETTLEMENT | {"settled_on": str(AS_OF + timedelta(days=1)), "units": "11"},
            ]
        },
    ),
    **{f"undated: {name}": ([claim("a", **changed)], tables) for name, (changed, tables, _, _) in UNDATED.items()},
    **{
        f"listed: {name}": ([claim("a", **changed)], {"medicaid_exclusions": [LISTING | listing]})
        for name, (listing, changed, _) in LISTED.items()
    },
    **{
        f"contract: {name}": ([claim("a", **COMMERCIAL, **changed)], {"rebate_contracts": contracts})
        for name, (contracts, changed, _) in GOVERNED.items()
    },
    **{
        f"on a list: {name}": (
            [claim("a", **COMMERCIAL, **changed)],
            {"rebate_contracts": contracts, "contract_pharmacy_lists": LISTS},
        )
        for name, (contracts, changed, _) in ON_LIST.items()
    },
}

PURCHASE = {"entity_id": "DSH1", "ndc11": NDC, "contract_type": "340B"}
BOUGHT = {  # (entity, invoice date, packages), whether the entity bought the product at the 340B price
    "in time": ([("DSH1", "2025-01-05", 2)], True),
    "by a child site": ([("DSH1A", "2024-08-05", 2)], True),
    "too long ago": ([("DSH1", "2024-05-05", 2)], False),
    "returned": ([("DSH1", "2025-01-05", 2), ("DSH1", "2025-02-05", -2)], False),
    "by another": ([("CH2", "2025-01-05", 2)], False),
}

WITHOUT_PRODUCTS = {
    **{
        name: (
            [claim("a")],
            {
                "medicaid_exclusions": [LISTING | {"npi": "1003000126"}],
                "covered_entities": [{"entity_id": "DSH1A", "parent_entity_id": "DSH1"}],
                "chargebacks": [
                    PURCHASE | {"entity_id": entity, "invoice_date": day, "packages": packages}
                    for entity, day, packages in bought
                ],
            },
        )
        for name, (bought, _) in BOUGHT.items()
    },
    "package not known": (
        [claim("a")],
        {
            "medicaid_exclusions": [LISTING | {"npi": "1003000126"}],
            "chargebacks": [PURCHASE | {"invoice_date": "2025-01-05", "packages": 2}],
        },
    ),
    "no entity known": ([claim("a")], {"chargebacks": []}),
}
SERVED = {"long ago": "2024-03-31", "before": "2024-07-01", "now": "2025-02-10"}
WHOLE = {
    "four quarters": (
        [claim(name, date_of_service=day, claim_id=name) for name, day in SERVED.items()],
        {
            "medicaid_exclusions": [
                LISTING | {"npi": "1003000126", "quarter": quarter} for quarter in ("2024Q1", "2024Q3", "2025Q1")
            ],
            "products": [{"ndc11": NDC, "units_per_package": "30"}],
            "chargebacks": [
                PURCHASE | {"invoice_date": day, "packages": packages}
                for day, packages in [("2024-03-31", 1), ("2024-07-01", 2), ("2025-02-10", 4), ("2025-04-01", 8)]
            ],
        },
    ),
    "left out by the screen": (
        [claim("a", claim_id="77", fill_number=3, days_supply=10), claim("b", claim_id="78", fill_number=3)],
        {"market_prices": [{"ndc11": NDC, "effective_date": "2025-02-01", "price_per_unit": "1.5"}]},
    ),
}


def references_of(spark: SparkSession, tables: dict[str, list[dict[str, Any]]]) -> dict[str, DataFrame]:
    return {name: reference(spark, name, *given) for name, given in tables.items()}


@pytest.fixture(scope="module")
def screened(spark: SparkSession) -> dict[str, dict[str, Row]]:
    """{case: {row id: row of the screen before peers}} of the cases in SCREENED."""
    rows, tables = in_one(SCREENED)
    feed = claims(spark, rows)
    found = FoundOnClaims(None, None, duplicates(feed).localCheckpoint(), None)
    return by_case(SCREENED, claim_screen(feed, found, references_of(spark, tables), AS_OF, SCREEN).collect())


def whole_of(
    spark: SparkSession, cases: dict[str, tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]]
) -> dict[str, dict[str, Row]]:
    """{case: {row id: row of ALL_CLAIM_FACTS}} of the cases."""
    rows, tables = in_one(cases)
    feed = claims(spark, rows)
    found = FoundOnClaims(None, None, duplicates(feed).localCheckpoint(), None)
    references = with_families(references_of(spark, tables))
    screen = claim_screen(feed, found, references, AS_OF, SCREEN).localCheckpoint()
    peers = claim_peers(screen, PEERS).localCheckpoint()
    flagged = with_claim_peers(screen, peers, PEERS, SCREEN)
    background = Background(feed, None, None, None, AS_OF, PEERS)
    asked = feature_inputs(flagged, feed, found, references).localCheckpoint()
    features = claim_features(asked, found, references, background).localCheckpoint()
    facts = claim_facts(flagged, feed, found, features, references, AS_OF)
    assert facts.schema.simpleString() == ALL_CLAIM_FACTS.simpleString()
    return by_case(cases, facts.collect())


@pytest.fixture(scope="module")
def whole(spark: SparkSession) -> dict[str, dict[str, Row]]:
    return whole_of(spark, WHOLE)


@pytest.fixture(scope="module")
def without_products(spark: SparkSession) -> dict[str, dict[str, Row]]:
    return whole_of(spark, WITHOUT_PRODUCTS)


def test_screen_has_the_schema_that_it_promises(spark: SparkSession) -> None:
    feed = claims(spark, [claim("a")])
    screen = claim_screen(feed, FoundOnClaims(None, None, duplicates(feed).localCheckpoint(), None), {}, AS_OF, SCREEN)
    complete = with_claim_peers(screen, claim_peers(screen, PEERS), PEERS, SCREEN)
    assert complete.schema.simpleString() == SCREEN.simpleString()


def test_without_tables_their_facts_are_null(spark: SparkSession) -> None:
    feed = claims(spark, [claim("a")])
    (row,) = claim_screen(
        feed, FoundOnClaims(None, None, duplicates(feed).localCheckpoint(), None), {}, AS_OF, SCREEN
    ).collect()
    nothing = ("product_is_known", "price_ura", "mef_entity_id", "state_340b_method", "contract_excludes_340b")
    assert [row[name] for name in nothing] == [None] * len(nothing)
    assert row["contract_pharmacy_is_entity_owned"] is None
    assert row["flags_340b"] is None


def test_product_is_the_one_valid_at_the_date_of_service(screened: dict[str, dict[str, Row]]) -> None:
    found = screened["product as of"]
    assert found["before"]["units_per_package"] == 30
    assert found["after"]["units_per_package"] == 100


def test_other_rows_of_a_product_are_known_of(screened: dict[str, dict[str, Row]]) -> None:
    names = ("product_unit_type", "product_other_unit_type", "market_date", "product_first_market_date")
    found = screened["several rows of a product"]["a"]
    assert [found[name] for name in names] == ["ML", "TAB", date(2025, 2, 1), date(2025, 1, 1)]
    assert screened["product as of"]["before"]["product_other_unit_type"] is None


def test_unknown_product_is_said_to_be_unknown(screened: dict[str, dict[str, Row]]) -> None:
    assert screened["unknown product"]["a"]["product_is_known"] is False


def test_rebate_amount_is_of_the_period_and_wac_of_the_quarter_of_service(screened: dict[str, dict[str, Row]]) -> None:
    found = screened["prices of two quarters"]["late"]
    assert (found["price_ura"], found["price_wac"]) == (Decimal(3), Decimal(4))
    assert found["f20_paid_per_unit_to_wac"] == pytest.approx(60 / (30 * 4))
    assert found["f23_rebate_to_paid"] == pytest.approx(30 * 3 / 60)


def test_latest_snapshot_of_a_price_counts(screened: dict[str, dict[str, Row]]) -> None:
    assert screened["two snapshots"]["a"]["price_wac"] == 4


@pytest.mark.parametrize("name", UNDATED)
def test_an_undated_row_is_used_and_its_snapshot_kept(screened: dict[str, dict[str, Row]], name: str) -> None:
    *_, fact, known_from = UNDATED[name]
    assert screened[f"undated: {name}"]["a"][fact] == known_from


def test_a_pair_of_the_product_s_own_row_is_known_from_its_snapshot(spark: SparkSession) -> None:
    feed = claims(spark, [claim("a", hcpcs_code="J1")])
    (row,) = with_conversion(feed, None, reference(spark, "products", _PAIR | LATER)).collect()
    assert (row["conversion"]["f29_hcpcs_ndc_pair_valid"], row["conversion"]["hcpcs_pair_known_from"]) == (
        True,
        SNAPSHOT,
    )


FLAGS = {  # rows for SCC 20, day from which the flag is known
    "undated": ([{**LATER}], SNAPSHOT),
    "dated": ([{"begin_date": "2012-01-01", **LATER}], None),
    "two snapshots": ([{**LATER}, {"claim_type": "RX", "snapshot_date": "2025-05-01"}], date(2025, 5, 1)),
    "one of two is dated": ([{**LATER}, {"claim_type": "RX", "valid_from": "2012-01-01"}], None),
    "the surest counts": ([{**LATER}, {"claim_type": "RX", "confidence": "LOW", "begin_date": "2012-01-01"}], SNAPSHOT),
}


def test_a_flag_is_known_from_the_earliest_of_the_surest_rows(spark: SparkSession) -> None:
    feed = claims(
        spark, [claim(name, submission_clarification_codes="20", state=f"S{n}") for n, name in enumerate(FLAGS)]
    )
    rows = [
        {"state": f"S{n}", "field": "SCC", "value": "20", **row}
        for n, (rows, _) in enumerate(FLAGS.values())
        for row in rows
    ]
    found = flags_340b(feed, reference(spark, "identifiers_340b", *rows)).collect()
    assert {row["source_row_id"]: row["flags_340b_known_from"] for row in found} == {
        name: known_from for name, (_, known_from) in FLAGS.items()
    }


@pytest.mark.parametrize("name", LISTED)
def test_exclusion_file_is_of_the_state_billed_and_the_quarter_of_service(
    screened: dict[str, dict[str, Row]], name: str
) -> None:
    case = f"listed: {name}"
    assert screened[case]["a"]["mef_listed_as"] == written(SCREENED, case, LISTED[name][-1])


def test_policy_for_the_program_goes_before_one_for_all(screened: dict[str, dict[str, Row]]) -> None:
    facts = ("state_340b_method", "state_carves_out_contract_pharmacies")
    assert {name: tuple(row[fact] for fact in facts) for name, row in screened["state policies"].items()} == {
        "ffs": ("MEF", True),
        "mco": ("CLAIM_FLAG", False),
        "partd": (None, None),
    }


@pytest.mark.parametrize("name", GOVERNED)
def test_contract_that_says_most_of_the_claim_governs_it(screened: dict[str, dict[str, Row]], name: str) -> None:
    case, key = f"contract: {name}", GOVERNED[name][-1]
    found = screened[case]["a"]
    assert found["contract_key"] == written(SCREENED, case, key)
    assert found["contract_excludes_340b"] == (True if key else None)


@pytest.mark.parametrize("name", ON_LIST)
def test_pharmacy_is_looked_up_on_the_list_of_the_contract_that_is_named_or_governs(
    screened: dict[str, dict[str, Row]], name: str
) -> None:
    assert screened[f"on a list: {name}"]["a"]["contract_pharmacy_is_listed"] is ON_LIST[name][-1]


def test_standing_of_the_pharmacy_is_false_where_its_table_knows_nothing(screened: dict[str, dict[str, Row]]) -> None:
    found = screened["standing of the pharmacy"]["a"]
    assert found["contract_pharmacy_is_listed"] is False
    assert found["contract_pharmacy_is_entity_owned"] is True


def test_settlements_of_a_claim_came_before_its_rows_or_since_and_count_once(
    screened: dict[str, dict[str, Row]],
) -> None:
    names = ("settled_units", "settled_on", "settled_since_units", "settled_since_on")
    found = {row_id: tuple(row[name] for name in names) for row_id, row in screened["settled"].items()}
    assert found == {
        "before": (30, date(2025, 5, 1), None, None),
        "the same day": (None, None, None, None),  # the row that came first has taken the credit
        "before all": (None, None, 30, date(2025, 5, 1)),
        "not known when": (None, None, None, None),
        "another line": (5, date(2025, 4, 1), None, None),  # line 1 has no room left for the claim's credit
        "another claim": (None, None, None, None),
    }


@pytest.mark.parametrize("name", BOUGHT)
def test_purchase_counts_for_the_parent_within_two_quarters(
    without_products: dict[str, dict[str, Row]], name: str
) -> None:
    assert without_products[name]["a"]["entity_bought_at_340b"] is BOUGHT[name][-1]


def test_units_asked_for_and_bought_are_added_up_over_four_quarters(whole: dict[str, dict[str, Row]]) -> None:
    totals = {
        name: (row["entity_units_asked_for"], row["entity_units_bought"])
        for name, row in whole["four quarters"].items()
    }
    assert totals == {"long ago": (30.0, 30.0), "before": (60.0, 90.0), "now": (60.0, 180.0)}


def test_units_bought_are_not_known_where_a_package_is_not(without_products: dict[str, dict[str, Row]]) -> None:
    found = without_products["package not known"]["a"]
    assert found["entity_bought_at_340b"] is True
    assert found["entity_units_bought"] is None


def test_purchase_is_unchecked_where_no_entity_is_known(without_products: dict[str, dict[str, Row]]) -> None:
    assert without_products["no entity known"]["a"]["entity_bought_at_340b"] is None


def test_facts_of_flagged_claims_show_what_the_screen_leaves_out(whole: dict[str, dict[str, Row]]) -> None:
    found = whole["left out by the screen"]
    assert found["a"]["claim_id"] == "77"
    assert found["a"]["market_price"] == Decimal("1.5")
    assert found["a"]["f25_units_per_day"] == 3.0
    assert found["b"]["duplicate_source_row_ids"] == ["left out by the screen/a"]
    assert found["b"]["duplicate_claim_id"] == "77"


def written(
    cases: dict[str, tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]], case: str, text: str | None
) -> str:
    """`text` as it is written in the rows of a case."""
    return apart(list(cases).index(case), text)
