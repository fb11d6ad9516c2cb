"""Rows that are unusual in a way that no rule names, and rows that only look so, by what the tables say.

Nothing here looks into the generator or the models: how unusual a row is follows from its amounts, units and days, the
WAC of its product and quarter, and what most rows of the product have.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from engine.settings import SyntheticSettings
from synthetic import chunks
from synthetic.dispenses import Plan
from synthetic.kinds import Label
from synthetic.references import reference_tables
from synthetic.world import build_world

# Kinds of unusual rows, each with the rows that look like it and are usual.
LOOK_ALIKES = {
    "paid_far_off": "paid_mostly_by_others",
    "units_doubled": "double_dose",
    "units_trebled": "three_months",
    "amount_shifted": "filled_in_two_parts",
    "days_contradict_units": "ten_days_fill",
    "three_months_in_one": "three_months_double_dose",
    "paid_late": "paid_after_six_weeks",
    "price_of_other_package": "own_package",
}
OF_SINGLE_ROWS = {*LOOK_ALIKES.values(), "orphan_drug", "new_product", "large_package"}
# Groups with a month that stands out, and the rows of theirs, or of groups like them, that do not.
GROUPS = {
    "pharmacy_many_claims": {"pharmacy_many_claims_later"},
    "pharmacy_dear_claims": {"pharmacy_usual_claims", "pharmacy_always_dear"},
    "prescriber_many_claims": {"prescriber_many_claims_later"},
}
# The same of covered entities, by their own claims.
MANY, LATER, REVERSED, REVERSED_LATER = (
    "entity_many_claims",
    "entity_many_claims_later",
    "entity_many_claims_reversed",
    "entity_reversed_later",
)
MONTH = "2025-08"


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Rebate claims with label, kind, paid per unit as a multiple of WAC, days to payment, and units and units per day
    as multiples of what the product's rows usually have (NaN where they are few). Every kind is there often.
    """
    plan = Plan(5, 30_000, SyntheticSettings(anomaly_rate=0.004, dispenses_per_chunk=30_000))
    world = build_world(5)
    claims = chunks.rebate_claim_rows(world, plan, 0).to_pandas()
    labels = chunks.label_rows(world, plan, 0).to_pandas()
    prices = dict(reference_tables(world))["prices"].to_pandas()
    wac = prices.assign(ndc=prices["ndc"].str.replace("-", "")).set_index(["ndc", "period"])["wac_unit"].astype(float)
    served = pd.to_datetime(claims["date_of_service"])
    claims["ndc"] = claims["ndc"].str.replace("-", "")
    units, paid = (claims[name].astype(float) for name in ("units", "amount_paid"))
    quarter = served.dt.year.astype(str) + "Q" + served.dt.quarter.astype(str)
    price = wac.reindex(pd.MultiIndex.from_arrays([claims["ndc"], quarter])).to_numpy()
    others = claims["amount_third_party"].astype(float).fillna(0)
    claims["to_wac"] = (paid + others) / (units * price)
    claims["days_to_payment"] = (pd.to_datetime(claims["paid_date"]) - served).dt.days
    claims["month"] = served.dt.strftime("%Y-%m")
    unusual = labels[labels["label"].isin([Label.ANOMALY, Label.USUAL, Label.GROUP])]
    unusual = unusual[unusual["source_row_id"].str.startswith("RC")]
    plain = claims[~claims["source_row_id"].isin(labels["source_row_id"]) & (claims["days_supply"] == 30)]
    usual = plain.assign(units=units).groupby("ndc")["units"].agg(["median", "size"])
    usual = usual.loc[usual["size"] >= 20, "median"]
    claims["fills"] = units / usual.reindex(claims["ndc"]).to_numpy()
    claims["daily_doses"] = claims["fills"] * 30 / claims["days_supply"].astype(float)
    return unusual[["source_row_id", "label", "kind"]].merge(claims, on="source_row_id")


def of_kind(rows: pd.DataFrame, kind: str, least: int = 10) -> pd.DataFrame:
    own = rows[rows["kind"] == kind]
    assert len(own) >= least, f"{len(own)} rows of {kind}"
    return own


def test_the_tables_name_every_kind(rows: Any) -> None:
    kinds = {label: set(of_label["kind"]) for label, of_label in rows.groupby("label")}
    before = {"units_times_ten", "price_shifted", "refill_rhythm_broken"}
    assert kinds[Label.ANOMALY] == {*LOOK_ALIKES, *before}
    assert kinds[Label.USUAL] == OF_SINGLE_ROWS.union(*GROUPS.values())
    assert kinds[Label.GROUP] == set(GROUPS)


def test_large_packages_are_whole_and_dearer_than_the_usual_package_by_units_alone(rows: Any) -> None:
    large = of_kind(rows, "large_package")
    large = large[large["ndc"].str.len() == 11]  # some are written without a zero
    products = dict(reference_tables(build_world(5)))["products"].to_pandas()
    products["ndc"] = products["ndc"].str.replace("-", "")
    per_package = products.set_index("ndc")["units_per_package"].astype(float)
    assert (large["units"].astype(float) == per_package.reindex(large["ndc"]).to_numpy()).all()
    # another package of the product is usual: of an eighth
    ours = set(large["ndc"])
    usual = [ndc for ndc in per_package.index if ndc not in ours and ndc[:9] in {one[:9] for one in ours}]
    smaller = {ndc[:9]: per_package[ndc] for ndc in usual}
    assert {per_package[ndc] / smaller[ndc[:9]] for ndc in ours} == {8.0}
    # paid as a unit of this package costs
    assert large["to_wac"].between(0.9, 1.6).all()
    assert set(large["days_supply"]) == {30}
    assert large["ndc"].value_counts().max() < 20


@pytest.fixture(scope="module")
def of_entities() -> pd.DataFrame:
    """340B claims of the labelled kinds of covered entities' months, with label, kind and month of service."""
    plan = Plan(5, 30_000, SyntheticSettings(anomaly_rate=0.004, dispenses_per_chunk=30_000))
    world = build_world(5)
    claims = chunks.entity_claim_rows(world, plan, 0).to_pandas()
    labels = chunks.label_rows(world, plan, 0).to_pandas()
    claims["month"] = pd.to_datetime(claims["date_of_service"]).dt.strftime("%Y-%m")
    kinds = labels.loc[labels["kind"].isin([MANY, LATER, REVERSED, REVERSED_LATER]), ["source_row_id", "label", "kind"]]
    return kinds.merge(claims, on="source_row_id", how="left")


def test_a_covered_entity_has_one_month_of_many_claims(of_entities: Any) -> None:
    many, later = (of_kind(of_entities, kind, least=100) for kind in (MANY, LATER))
    assert set(many["label"]) == {Label.GROUP}
    assert set(later["label"]) == {Label.USUAL}
    assert many["entity_id"].unique().tolist() == later["entity_id"].unique().tolist()
    assert many["entity_id"].nunique() == 1
    usual = many["month"].mode()[0]
    assert usual == MONTH
    # dates that an entity reports may be some days off
    assert (many["month"] == MONTH).mean() > 0.9
    assert later["month"].nunique() == 18
    assert later["month"].value_counts().max() < len(many) / 4


def test_another_entity_reversed_the_many_claims_of_its_month(of_entities: Any) -> None:
    reversed_claims, later = (of_kind(of_entities, kind, least=100) for kind in (REVERSED, REVERSED_LATER))
    assert set(reversed_claims["label"]) == set(later["label"]) == {Label.USUAL}
    entity = later["entity_id"].unique().tolist()
    assert reversed_claims["entity_id"].unique().tolist() == entity
    assert entity != of_kind(of_entities, MANY)["entity_id"].unique().tolist()
    plan = Plan(5, 30_000, SyntheticSettings(anomaly_rate=0.004, dispenses_per_chunk=30_000))
    claims = chunks.entity_claim_rows(build_world(5), plan, 0).to_pandas()
    cancelled = claims[(claims["status"] == "REVERSED") & (claims["entity_id"] == entity[0])]
    assert len(cancelled) >= len(reversed_claims)


def test_unusual_rows_are_not_what_rules_on_claims_are_planted_for(rows: Any) -> None:
    assert set(rows[rows["kind"].isin(LOOK_ALIKES)]["program"]) == {"COMMERCIAL", "PARTD"}


@pytest.mark.parametrize(
    ("kind", "measure", "ranges"),
    [
        # a dispensing fee of $10.50 comes on top of every amount
        ("paid_far_off", "to_wac", [(0.04, 0.2), (7, 16)]),
        ("amount_shifted", "to_wac", [(0.08, 0.3), (9, 20)]),
        ("units_doubled", "to_wac", [(0.45, 0.65)]),
        ("units_doubled", "fills", [(1.8, 2.2)]),
        ("units_trebled", "to_wac", [(0.3, 0.45)]),
        ("units_trebled", "fills", [(2.7, 3.3)]),
        ("price_of_other_package", "to_wac", [(0.4, 0.6), (1.8, 2.3)]),
        # 90 units and 30 days are each usual, three times the daily dose is not
        ("three_months_in_one", "daily_doses", [(2.7, 3.3)]),
        ("three_months_in_one", "to_wac", [(0.9, 1.1)]),
        ("three_months_in_one", "days_supply", [(30, 30)]),
        ("days_contradict_units", "days_supply", [(3, 3)]),
        ("days_contradict_units", "daily_doses", [(9, 11)]),
        ("paid_late", "days_to_payment", [(120, 180)]),
    ],
)
def test_unusual_rows(rows: Any, kind: str, measure: str, ranges: list[tuple[float | int, float | int]]) -> None:
    values = of_kind(rows, kind)[measure].astype(float)
    values = values[values.notna()]
    within = [(values >= low) & (values <= high) for low, high in ranges]
    assert sum(within).all(), values[~sum(within).astype(bool)].tolist()
    assert all(one.any() for one in within)


@pytest.mark.parametrize(
    ("kind", "measure", "low", "high"),
    [
        ("paid_mostly_by_others", "to_wac", 0.85, 1.6),
        ("double_dose", "to_wac", 0.9, 1.1),
        ("double_dose", "daily_doses", 1.8, 2.2),
        ("three_months", "days_supply", 90, 90),
        ("three_months", "daily_doses", 0.9, 1.1),
        ("ten_days_fill", "days_supply", 10, 10),
        ("ten_days_fill", "daily_doses", 0.9, 1.1),
        ("three_months_double_dose", "days_supply", 90, 90),
        ("three_months_double_dose", "daily_doses", 1.8, 2.2),
        ("paid_after_six_weeks", "days_to_payment", 35, 42),
        ("own_package", "to_wac", 0.9, 1.1),
        ("pharmacy_usual_claims", "to_wac", 0.85, 1.6),
    ],
)
def test_look_alikes_have_what_makes_them_usual(
    rows: Any, kind: str, measure: str, low: float | int, high: float | int
) -> None:
    values = of_kind(rows, kind)[measure].astype(float)
    assert values[values.notna()].between(low, high).all()


@pytest.mark.parametrize("kind", GROUPS)
def test_a_group_has_one_month_that_stands_out_and_others_that_do_not(rows: Any, kind: Any) -> None:
    identifier = "prescriber_npi" if kind.startswith("prescriber") else "pharmacy_npi"
    own = of_kind(rows, kind, least=100)
    group = own[identifier].dropna().unique()
    assert len(group) == 1
    assert set(own["month"]) == {MONTH}
    later = of_kind(rows, min(GROUPS[kind] - {"pharmacy_always_dear"}), least=100)
    assert later[identifier].dropna().unique().tolist() == group.tolist()
    assert later["month"].nunique() == 18
    assert later["month"].value_counts().max() < len(own) / 4


def test_dear_claims_are_each_only_a_little_dearer(rows: Any) -> None:
    dear, usual, always = (
        of_kind(rows, kind)["to_wac"].median()
        for kind in ("pharmacy_dear_claims", "pharmacy_usual_claims", "pharmacy_always_dear")
    )
    assert 1.1 < dear / usual < 1.15
    assert 0.98 < dear / always < 1.02
