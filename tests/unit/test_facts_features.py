"""Features of a claim by formula, and references at the edges of their intervals."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Subject
from engine.contracts.facts import ENTITY_CLAIM_FACTS, INVOICE_FACTS
from engine.contracts.links import LINKS_340B
from engine.facts import ALL_CLAIM_FACTS, Background, FoundOnClaims, claim_features, feature_inputs, off_features
from engine.facts import links as linked
from engine.facts.availability import FEATURES, NOT_BUILT
from engine.facts.lineage import reversal_lag
from engine.facts.page import features_page
from engine.facts.payments import lookback_quarters, third_party_share, zero_paid
from engine.facts.prices import aac_gap, amount_paid_to_market_price, mfp_ceiling_gap
from engine.facts.products import days_before_market, days_past_termination, is_cod_ineligible, with_labeler
from engine.facts.providers import pharmacy_npi_valid, prescriber_has_dea_number, prescriber_npi_valid, with_npi_active
from engine.facts.quantities import factor_error, with_conversion
from engine.settings import PeerSettings
from tests.unit.facts_rows import NDC, apart, by_case, claim, claims, frame, in_one, reference, with_families

AS_OF = date(2025, 6, 30)


def _lookback() -> Column:
    return lookback_quarters(AS_OF)


# Feature, what is changed on a claim of 30 units that was paid with $90, and its value.
MEASURED = [
    (linked.dos_delta_days, {"link_date_of_service": date(2025, 2, 8)}, 2),
    (linked.quantity_ratio_340b, {"link_ndc_units": Decimal(60)}, 0.5),
    (linked.quantity_ratio_340b, {"link_ndc_units": Decimal(0)}, None),
    (amount_paid_to_market_price, {"market_price": Decimal(2)}, 1.5),
    (aac_gap, {"price_wac": Decimal(10), "price_ceiling": Decimal(3)}, 0.0),
    (aac_gap, {"price_wac": Decimal(10), "price_ceiling": Decimal(6)}, 0.3),
    (aac_gap, {"price_wac": Decimal(0), "price_ceiling": Decimal(6)}, None),
    (aac_gap, {"price_wac": Decimal(10)}, None),
    (factor_error, {"hcpcs_units": Decimal(30), "hcpcs_factor": Decimal("0.5")}, 2.0),
    (factor_error, {"hcpcs_units": Decimal(0), "hcpcs_factor": Decimal("0.5")}, None),
    (days_past_termination, {"termination_date": date(2025, 2, 9)}, 1),
    (days_past_termination, {"termination_date": None}, None),
    (days_before_market, {"market_date": date(2025, 2, 11)}, 1),
    (is_cod_ineligible, {"cod_status": "05"}, True),
    (is_cod_ineligible, {"cod_status": "03"}, False),
    (is_cod_ineligible, {"cod_status": "08"}, None),
    (is_cod_ineligible, {"cod_status": None}, None),
    (reversal_lag, {"pharmacy_reversed_at": datetime(2025, 5, 31, 23, 59)}, 1),
    (reversal_lag, {"pharmacy_reversed_at": datetime(2025, 5, 1), "received_at": datetime(2025, 5, 2)}, -1),
    (reversal_lag, {"pharmacy_reversed_at": None}, None),
    (zero_paid, {"amount_paid": Decimal(0)}, True),
    (zero_paid, {"amount_paid": Decimal(-1), "amount_third_party": Decimal(0)}, True),
    (zero_paid, {"amount_paid": Decimal(0), "amount_third_party": Decimal(5)}, False),
    (zero_paid, {"amount_paid": None}, None),
    (third_party_share, {"amount_third_party": Decimal(30)}, 0.25),
    (third_party_share, {"amount_third_party": None}, None),
    (_lookback, {"period": "2022Q2"}, 12),
    (_lookback, {"period": "2025Q1"}, 1),
    (mfp_ceiling_gap, {"price_ceiling": Decimal("1.5"), "price_mfp": Decimal(2)}, -0.5),
    (mfp_ceiling_gap, {"price_ceiling": Decimal("1.5")}, None),
    (pharmacy_npi_valid, {"pharmacy_npi": "1234567893"}, True),
    (pharmacy_npi_valid, {"pharmacy_npi": "1234567890"}, False),
    (prescriber_npi_valid, {"prescriber_npi": "AB1234563"}, False),
    (prescriber_npi_valid, {"prescriber_npi": None}, None),
    (prescriber_has_dea_number, {"prescriber_npi": "AB1234563"}, True),
    (prescriber_has_dea_number, {"prescriber_npi": "1234567893"}, False),
]


def test_features_of_the_claim_itself_are_by_formula(spark: SparkSession) -> None:
    schema = T.StructType.fromDDL(
        "n int, ndc_units decimal(15,3), amount_paid decimal(18,2), amount_third_party decimal(18,2), "
        "date_of_service date, period string, received_at timestamp, hcpcs_units decimal(15,3), "
        "hcpcs_factor decimal(15,6), link_date_of_service date, link_ndc_units decimal(15,3), "
        "price_wac decimal(15,6), price_ceiling decimal(15,6), price_mfp decimal(15,6), market_price decimal(15,6), "
        "termination_date date, market_date date, cod_status string, pharmacy_reversed_at timestamp, "
        "pharmacy_npi string, prescriber_npi string"
    )
    ordinary = {"ndc_units": 30, "amount_paid": 90, "date_of_service": "2025-02-10", "period": "2025Q1"}
    rows = frame(spark, [{**ordinary, **changed, "n": n} for n, (_, changed, _) in enumerate(MEASURED)], schema)
    values = F.coalesce(
        *(F.when(F.col("n") == n, feature().cast("string")) for n, (feature, _, _) in enumerate(MEASURED))
    )
    found = {row["n"]: row["value"] for row in rows.select("n", values.alias("value")).collect()}
    shown = {n: None if value is None else str(value).lower() for n, (_, _, value) in enumerate(MEASURED)}
    as_numbers = {n: pytest.approx(float(value)) if _is_number(value) else value for n, value in shown.items()}
    assert {n: float(value) if _is_number(value) else value for n, value in found.items()} == as_numbers


def _is_number(text: str | None) -> bool:
    return text is not None and text not in ("true", "false")


START, END = "2025-02-10", "2025-03-10"
EDGES = {"before": "2025-02-09", "first": START, "last": "2025-03-09", "end": END}


MEDICAL = {"claim_type": "MEDICAL", "hcpcs_code": "J1234", "labeler_code": "00002"}
SPAN = {"valid_from": START, "valid_to": END}
BY_NAME_ALONE = {"entity_id": "DSH1", "pharmacy_npi": None, "pharmacy_name": "Main Street"}
OF_ANOTHER = {"entity_id": "DSH1", "pharmacy_npi": "1"}


def on(days: Any, **changed: Any) -> Any:
    return [claim(name, date_of_service=day, claim_id=name, **changed) for name, day in days.items()]


# Claims and the reference tables beside them, one job for each dictionary: a table that one has, all of it have.
AT_EDGES = {
    "edges": (
        on(EDGES | {"next quarter": "2025-04-01"}, **MEDICAL),
        {
            "covered_entities": [
                {"entity_id": "DSH1", "entity_type": "CAH", "participating_start": START, "termination_date": END}
            ],
            "contract_pharmacies": [
                {"entity_id": "DSH1", "pharmacy_npi": "1003000126", "begin_date": START, "termination_date": END}
            ],
            "pharmacies": [{"npi": "1003000126", **SPAN}],
            "labelers": [{"labeler_code": "00002", "begin_date": "2000-01-01", "end_date": END}],
            "hcpcs_crosswalk": [
                {
                    "ndc11": NDC,
                    "hcpcs_code": "J1234",
                    "ndc_units_per_hcpcs_unit": "0.5",
                    "begin_date": START,
                    "end_date": END,
                }
            ],
            "orphan_drugs": [{"ndc11": NDC, "quarter": "2025Q1"}],
        },
    )
}
OF_OTHERS = {
    "held by others": (
        on({"a": START}, **MEDICAL),
        {
            "covered_entities": [{"entity_id": "CH9"}],
            "contract_pharmacies": [{"entity_id": "CH9", "pharmacy_npi": "1"}],
            "pharmacies": [{"npi": "1003000126"}, {"npi": "1", **SPAN}],
            "labelers": [{"labeler_code": "99999", "end_date": START}],
            "hcpcs_crosswalk": [{"ndc11": "99999999999", "hcpcs_code": "J1234", "ndc_units_per_hcpcs_unit": "1"}],
        },
    ),
    "a contract by name alone": (on({"a": START}), {"contract_pharmacies": [BY_NAME_ALONE, OF_ANOTHER]}),
    "a contract of another": (on({"a": START}), {"contract_pharmacies": [OF_ANOTHER]}),
}
# without crosswalk and list of orphan drugs the product tells
OPEN_ENDS = {
    "open ends": (
        on({"a": START}, **MEDICAL),
        {
            "covered_entities": [{"entity_id": "DSH1", "entity_type": "DSH"}],
            "contract_pharmacies": [{"entity_id": "DSH1", "pharmacy_npi": "1003000126"}],
            "pharmacies": [{"npi": "1003000126", "valid_from": "2020-01-01"}],
            "labelers": [{"labeler_code": "00002"}],
            "products": [{"ndc11": NDC, "hcpcs_code": "J9999", "ndc_units_per_hcpcs_unit": "0.5", "orphan": True}],
        },
    )
}


def features(
    spark: SparkSession, cases: dict[str, tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]]
) -> dict[str, dict[str, Row]]:
    """{case: {name: features}} of claims of an entity that the exclusion file lists."""
    rows, tables = in_one(cases)
    feed = claims(spark, rows)
    screen = [
        {"source_row_id": f"{case}/{row['source_row_id']}", "mef_entity_id": apart(number, "DSH1"), "ndc_units": 30}
        for number, (case, (own, _)) in enumerate(cases.items())
        for row in own
    ]
    schema = (
        "source_row_id string, mef_entity_id string, state_340b_method string, contract_excludes_340b boolean, "
        "price_ceiling decimal(15,6), price_mfp decimal(15,6), ndc_units decimal(15,3)"
    )
    flagged = frame(spark, screen, T.StructType.fromDDL(schema))
    found = FoundOnClaims(frame(spark, [], LINKS_340B), None, feed, None)
    references = with_families({name: reference(spark, name, *given) for name, given in tables.items()})
    asked = feature_inputs(flagged, feed, found, references).localCheckpoint()
    background = Background(feed, None, None, None, AS_OF, PeerSettings())
    told = claim_features(asked, found, references, background)
    return by_case(cases, told.join(_screened(feed, references), on="source_row_id", how="inner").collect())


def _screened(feed: DataFrame, references: dict[str, DataFrame]) -> DataFrame:
    """Features that the screen holds already."""
    rows = feed.select("source_row_id", "ndc11", "hcpcs_code", "labeler_code", "pharmacy_npi", "date_of_service")
    rows = with_conversion(rows, references.get("hcpcs_crosswalk"), references.get("products"))
    rows = with_labeler(rows, references.get("labelers"), F.col("date_of_service"))
    rows = with_npi_active(rows, references.get("pharmacies"))
    return rows.select("source_row_id", "conversion.*", "labeler.*", "f60_npi_active_at_dos")


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[str, dict[str, Row]]:
    return features(spark, OF_OTHERS)


def test_intervals_hold_from_their_first_day_to_the_day_before_their_end(spark: SparkSession) -> None:
    edges = features(spark, AT_EDGES)["edges"]
    held = {
        "f11_ce_active_at_dos": (False, True, True, False, False),
        "f12_cp_active_at_dos": (False, True, True, False, False),
        "f13_cp_match_conf": (None, None, None, None, None),
        "f14_n_ce_per_pharmacy": (0, 1, 1, 0, 0),
        "f29_hcpcs_ndc_pair_valid": (False, True, True, False, False),
        "hcpcs_factor": (None, Decimal("0.5"), Decimal("0.5"), None, None),
        "hcpcs_pair_at_another_date": (True, False, False, True, True),
        "f33_labeler_terminated": (False, False, False, True, True),
        "labeler_standing": ("OURS", "OURS", "OURS", "NOT_THEN", "NOT_THEN"),
        "f55_orphan_ce_conflict": (True, True, True, True, None),
        "f60_npi_active_at_dos": (False, True, True, False, False),
    }
    assert {name: tuple(row[name] for row in map(edges.get, [*EDGES, "next quarter"])) for name in held} == held


def test_open_ends_hold_for_ever_and_what_no_table_holds_is_unknown(
    spark: SparkSession, found: dict[str, dict[str, Row]]
) -> None:
    told = {
        "f11_ce_active_at_dos": (True, None),
        "f12_cp_active_at_dos": (True, None),
        "f14_n_ce_per_pharmacy": (1, 0),
        "f29_hcpcs_ndc_pair_valid": (False, None),
        "f33_labeler_terminated": (False, None),
        "labeler_standing": ("OURS", "NOT_HELD"),
        "f55_orphan_ce_conflict": (False, None),
        "f60_npi_active_at_dos": (True, None),
    }
    both = features(spark, OPEN_ENDS)["open ends"]["a"], found["held by others"]["a"]
    assert {name: tuple(row[name] for row in both) for name in told} == told


def test_a_contract_without_an_npi_may_be_the_one(found: dict[str, dict[str, Row]]) -> None:
    assert found["a contract by name alone"]["a"]["f12_cp_active_at_dos"] is None
    assert found["a contract of another"]["a"]["f12_cp_active_at_dos"] is False


def test_every_feature_is_told_once_and_there_or_not_built() -> None:
    ids = {feature.id for feature in FEATURES} | {feature.id for feature in NOT_BUILT}
    assert ids == {f"F{number:02}" for number in range(1, max(60, len(ids)) + 1)}, "a new feature has the next number"
    told = {subject: {one.column for one in FEATURES if one.subject is subject} for subject in Subject}
    for subject, facts in (
        (Subject.REBATE_CLAIM, ALL_CLAIM_FACTS),
        (Subject.INVOICE, INVOICE_FACTS),
        (Subject.ENTITY_CLAIM, ENTITY_CLAIM_FACTS),
    ):
        assert told[subject] <= {*facts.names}, "a feature has a kind, or a column in engine/contracts/facts.py"
        named = {name for name in facts.names if name[0] == "f" and name[1:3].isdigit() and not name.endswith("_z")}
        assert named - {"f27_unit_factor"} <= told[subject]
    assert not told[Subject.REBATE_CLAIM] & told[Subject.INVOICE]


def test_a_feature_is_off_where_a_table_or_column_that_it_needs_is_missing() -> None:
    off = off_features(frozenset({"rebate_claims", "rebate_claims.modifiers", "identifiers_340b", "entity_claims"}))
    assert off["f13_cp_match_conf"] == (
        "missing: contract_pharmacies.pharmacy_match_confidence, contract_pharmacies.pharmacy_npi"
    )
    assert off["f46_units_to_own_median"] == "missing: invoices, invoices.units_reimbursed"
    assert "f24_units_per_prescription" not in off
    # one of the three identifiers can be read
    assert "flags_340b" not in off
    assert "flags_340b" in off_features(frozenset({"rebate_claims", "identifiers_340b"}))


def test_page_of_features_is_what_the_modules_say() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "features.md"
    assert page.read_text(encoding="utf-8") == features_page(), "python -m docs_pages"
