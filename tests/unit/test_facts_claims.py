"""Facts on claims: references as of the date of service, what a missing table means, the screen and the whole."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from engine.contracts.facts import CLAIM_FACTS, CLAIM_SCREEN
from engine.facts import (
    Background,
    FoundOnClaims,
    asked_of_flagged,
    claim_facts,
    claim_features,
    claim_peers,
    claim_screen,
    duplicates,
    with_claim_peers,
)
from engine.settings import PeerSettings
from tests.unit.facts_rows import NDC, claim, claims, reference

PEERS = PeerSettings()
AS_OF = date(2025, 6, 30)


def screened(spark, rows, **tables):
    """{row id: row of the screen before peers} of claims beside reference tables."""
    feed = claims(spark, rows)
    found = FoundOnClaims(None, None, duplicates(feed), None)
    references = {name: reference(spark, name, *given) for name, given in tables.items()}
    return {row["source_row_id"]: row for row in claim_screen(feed, found, references).collect()}


def whole(spark, rows, **tables):
    """{row id: row of CLAIM_FACTS} of the same."""
    feed = claims(spark, rows)
    found = FoundOnClaims(None, None, duplicates(feed), None)
    references = {name: reference(spark, name, *given) for name, given in tables.items()}
    screen = claim_screen(feed, found, references).localCheckpoint()
    flagged = with_claim_peers(screen, claim_peers(screen, PEERS), PEERS)
    background = Background(feed, None, None, None, AS_OF, PEERS)
    asked = asked_of_flagged(flagged, feed, found, references).localCheckpoint()
    features = claim_features(asked, found, references, background).localCheckpoint()
    facts = claim_facts(flagged, feed, found, features, references, AS_OF)
    assert facts.schema.simpleString() == CLAIM_FACTS.simpleString()
    return {row["source_row_id"]: row for row in facts.collect()}


def test_screen_has_the_schema_that_it_promises(spark):
    feed = claims(spark, [claim("a")])
    screen = claim_screen(feed, FoundOnClaims(None, None, duplicates(feed), None), {})
    complete = with_claim_peers(screen, claim_peers(screen, PEERS), PEERS)
    assert complete.schema.simpleString() == CLAIM_SCREEN.simpleString()


def test_without_tables_their_facts_are_null(spark):
    row = screened(spark, [claim("a")])["a"]
    nothing = ("product_is_known", "price_ura", "mef_entity_id", "state_340b_method", "contract_excludes_340b")
    assert [row[name] for name in nothing] == [None] * len(nothing)
    assert row["contract_pharmacy_is_entity_owned"] is None
    assert row["flags_340b"] is None


def test_product_is_the_one_valid_at_the_date_of_service(spark):
    rows = [claim("before", date_of_service="2025-01-31"), claim("after", date_of_service="2025-02-01")]
    found = screened(
        spark,
        rows,
        products=[
            {"ndc11": NDC, "units_per_package": "30", "valid_to": "2025-02-01"},
            {"ndc11": NDC, "units_per_package": "100", "valid_from": "2025-02-01"},
        ],
    )
    assert found["before"]["units_per_package"] == 30
    assert found["after"]["units_per_package"] == 100


def test_unknown_product_is_said_to_be_unknown(spark):
    found = screened(spark, [claim("a")], products=[{"ndc11": "99999999999"}])
    assert found["a"]["product_is_known"] is False


def test_rebate_amount_is_of_the_period_and_wac_of_the_quarter_of_service(spark):
    late = claim("late", date_of_service="2025-03-31", period="2025Q2", amount_paid="60")
    found = screened(
        spark,
        [late],
        prices=[
            {"ndc11": NDC, "period": "2025Q1", "unit_rebate_amount": "1", "wac_unit": "4"},
            {"ndc11": NDC, "period": "2025Q2", "unit_rebate_amount": "3", "wac_unit": "5"},
        ],
    )["late"]
    assert (found["price_ura"], found["price_wac"]) == (Decimal(3), Decimal(4))
    assert found["f20_paid_per_unit_to_wac"] == pytest.approx(60 / (30 * 4))
    assert found["f23_rebate_to_paid"] == pytest.approx(30 * 3 / 60)


def test_latest_snapshot_of_a_price_counts(spark):
    prices = [
        {"ndc11": NDC, "period": "2025Q1", "wac_unit": "9", "snapshot_date": "2025-01-01"},
        {"ndc11": NDC, "period": "2025Q1", "wac_unit": "4", "snapshot_date": "2025-02-01"},
    ]
    assert screened(spark, [claim("a")], prices=prices)["a"]["price_wac"] == 4


LISTING = {"entity_id": "DSH1", "medicaid_state": "GA", "quarter": "2025Q1"}


@pytest.mark.parametrize(
    ("listing", "changed", "listed_as"),
    [
        ({"npi": "1003000126"}, {}, "NPI 1003000126 (GA)"),
        ({"medicaid_number": "77"}, {"medicaid_provider_id": "77"}, "Medicaid number 77 (GA)"),
        ({"npi": "1003000126"}, {"state": "AL", "payer_id": "AL"}, None),
        ({"npi": "1003000126"}, {"date_of_service": "2025-04-01"}, None),
        ({"npi": "1003000126"}, {"program": "PARTD"}, None),
    ],
    ids=["npi", "medicaid number", "another state", "another quarter", "not medicaid"],
)
def test_exclusion_file_is_of_the_state_billed_and_the_quarter_of_service(spark, listing, changed, listed_as):
    found = screened(spark, [claim("a", **changed)], medicaid_exclusions=[LISTING | listing])
    assert found["a"]["mef_listed_as"] == listed_as


def test_policy_for_the_program_goes_before_one_for_all(spark):
    rows = [claim("ffs"), claim("mco", program="MDRP_MCO"), claim("partd", program="PARTD")]
    found = screened(
        spark,
        rows,
        state_340b_policies=[
            {"state": "GA", "method": "MEF"},
            {"state": "GA", "program": "MDRP_MCO", "method": "CLAIM_FLAG"},
        ],
    )
    assert {name: row["state_340b_method"] for name, row in found.items()} == {
        "ffs": "MEF",
        "mco": "CLAIM_FLAG",
        "partd": None,
    }


CONTRACT = {"payer_id": "PBM", "excludes_340b": True, "exclusion_scope": "ALL"}
COMMERCIAL = {"program": "COMMERCIAL", "payer_id": "PBM", "state": None}


@pytest.mark.parametrize(
    ("contracts", "changed", "key"),
    [
        ([CONTRACT], {}, "PBM"),
        ([CONTRACT, CONTRACT | {"ndc9": NDC[:9]}], {}, f"PBM/{NDC[:9]}"),
        ([CONTRACT | {"contract_id": "C1"}, CONTRACT | {"ndc9": NDC[:9]}], {"contract_id": "C1"}, "PBM/C1"),
        ([CONTRACT | {"contract_id": "C1"}], {"contract_id": "C2"}, None),
        ([CONTRACT | {"end_date": "2025-02-10"}], {}, None),
        ([CONTRACT | {"program": "PARTD"}], {}, None),
    ],
    ids=["any", "of the product", "named", "another", "ended", "of another program"],
)
def test_contract_that_says_most_of_the_claim_governs_it(spark, contracts, changed, key):
    found = screened(spark, [claim("a", **COMMERCIAL, **changed)], rebate_contracts=contracts)
    assert found["a"]["contract_key"] == key
    assert found["a"]["contract_excludes_340b"] == (True if key else None)


def test_standing_of_the_pharmacy_is_false_where_its_table_knows_nothing(spark):
    found = screened(
        spark,
        [claim("a", contract_id="C1")],
        contract_pharmacy_lists=[{"contract_id": "C1", "pharmacy_npi": "1003000126", "end_date": "2025-02-10"}],
        entity_npis=[{"entity_id": "DSH1", "npi": "1003000126"}],
    )["a"]
    assert found["contract_pharmacy_is_listed"] is False
    assert found["contract_pharmacy_is_entity_owned"] is True


@pytest.mark.parametrize(
    ("bought", "answer"),
    [
        ([("DSH1", "2025-01-05", 2)], True),
        ([("DSH1A", "2024-08-05", 2)], True),
        ([("DSH1", "2024-05-05", 2)], False),
        ([("DSH1", "2025-01-05", 2), ("DSH1", "2025-02-05", -2)], False),
        ([("CH2", "2025-01-05", 2)], False),
    ],
    ids=["in time", "by a child site", "too long ago", "returned", "by another"],
)
def test_purchase_counts_for_the_parent_within_two_quarters(spark, bought, answer):
    found = whole(
        spark,
        [claim("a")],
        medicaid_exclusions=[LISTING | {"npi": "1003000126"}],
        covered_entities=[{"entity_id": "DSH1A", "parent_entity_id": "DSH1"}],
        chargebacks=[
            {"entity_id": entity, "ndc11": NDC, "invoice_date": day, "packages": packages, "contract_type": "340B"}
            for entity, day, packages in bought
        ],
    )
    assert found["a"]["entity_bought_at_340b"] is answer


def test_units_asked_for_and_bought_are_added_up_over_four_quarters(spark):
    listing = [LISTING | {"npi": "1003000126", "quarter": quarter} for quarter in ("2024Q1", "2024Q3", "2025Q1")]
    served = {"long ago": "2024-03-31", "before": "2024-07-01", "now": "2025-02-10"}
    bought = [("2024-03-31", 1), ("2024-07-01", 2), ("2025-02-10", 4), ("2025-04-01", 8)]
    found = whole(
        spark,
        [claim(name, date_of_service=day, claim_id=name) for name, day in served.items()],
        medicaid_exclusions=listing,
        products=[{"ndc11": NDC, "units_per_package": "30"}],
        chargebacks=[
            {"entity_id": "DSH1", "ndc11": NDC, "invoice_date": day, "packages": packages, "contract_type": "340B"}
            for day, packages in bought
        ],
    )
    totals = {name: (row["entity_units_asked_for"], row["entity_units_bought"]) for name, row in found.items()}
    assert totals == {"long ago": (30.0, 30.0), "before": (60.0, 90.0), "now": (60.0, 180.0)}


def test_units_bought_are_not_known_where_a_package_is_not(spark):
    purchase = {"entity_id": "DSH1", "ndc11": NDC, "invoice_date": "2025-01-05", "packages": 2, "contract_type": "340B"}
    found = whole(spark, [claim("a")], medicaid_exclusions=[LISTING | {"npi": "1003000126"}], chargebacks=[purchase])
    assert found["a"]["entity_bought_at_340b"] is True
    assert found["a"]["entity_units_bought"] is None


def test_purchase_is_unchecked_where_no_entity_is_known(spark):
    assert whole(spark, [claim("a")], chargebacks=[])["a"]["entity_bought_at_340b"] is None


def test_facts_of_flagged_claims_show_what_the_screen_leaves_out(spark):
    rows = [claim("a", claim_id="77", fill_number=3, days_supply=10), claim("b", claim_id="78", fill_number=3)]
    found = whole(spark, rows, market_prices=[{"ndc11": NDC, "effective_date": "2025-02-01", "price_per_unit": "1.5"}])
    assert found["a"]["claim_id"] == "77"
    assert found["a"]["market_price"] == Decimal("1.5")
    assert found["a"]["f25_units_per_day"] == 3.0
    assert found["b"]["duplicate_source_row_ids"] == ["a"]
    assert found["b"]["duplicate_claim_id"] == "77"
