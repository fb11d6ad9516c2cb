"""What holds of generated chunks whatever the seed, the number of dispenses and the size of a chunk."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.contracts.tables import TABLES
from engine.settings import SyntheticSettings
from synthetic import chunks
from synthetic.dispenses import Plan, draw_dispenses
from synthetic.fills import Reversal, draw_fills
from synthetic.kinds import Entity, Label
from synthetic.planning import PLAIN, SCENARIOS
from synthetic.products import Pool
from synthetic.references import reference_tables
from synthetic.world import build_world

FEEDS = {
    "rebate_claims": chunks.rebate_claim_rows,
    "pharmacy_claims": chunks.pharmacy_claim_rows,
    "entity_claims": chunks.entity_claim_rows,
}
seeds = st.integers(min_value=0, max_value=2**63 - 1)
few = settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def plan_of(seed: int, claims: int, per_chunk: int, **values: Any) -> Plan:
    return Plan(seed, claims, SyntheticSettings(dispenses_per_chunk=per_chunk, **values))


def whole(maker: Any, plan: Plan) -> pa.Table:
    world = build_world(plan.seed)
    return pa.Table.from_batches([maker(world, plan, chunk) for chunk in range(plan.chunks)])


@few
@given(seed=seeds)
def test_a_chunk_is_the_same_each_time_and_whatever_others_are_made(seed: int) -> None:
    plan = plan_of(seed, 2_500, 1_000)
    one, other, next_one = build_world(seed), build_world(seed), build_world(seed + 1)
    for maker in FEEDS.values():
        alone = maker(one, plan, 1)
        after_others = [maker(other, plan, chunk) for chunk in (0, 2, 1)][-1]
        assert alone.equals(after_others)
        assert not alone.equals(maker(next_one, plan_of(seed + 1, 2_500, 1_000), 1))


@few
@given(seed=seeds, claims=st.integers(1, 3_000), per_chunk=st.integers(1, 1_000))
def test_ids_are_unique_and_required_values_are_there(seed: int, claims: Any, per_chunk: Any) -> None:
    plan = plan_of(seed, claims, max(per_chunk, claims // 5))
    for name, maker in FEEDS.items():
        rows = whole(maker, plan)
        assert len(pc.unique(rows["source_row_id"])) == rows.num_rows
        for column in TABLES[name].required_names:
            assert rows[column].null_count == 0, (name, column)
    rebate = whole(chunks.rebate_claim_rows, plan)
    has_pharmacy = pc.or_(pc.is_valid(rebate["pharmacy_npi"]), pc.is_valid(rebate["pharmacy_ncpdp_id"]))
    assert pc.all(has_pharmacy, min_count=0).as_py()
    is_medical = pc.equal(rebate["claim_type"], "MEDICAL")
    assert pc.all(pc.equal(is_medical, pc.is_null(rebate["rx_number"])), min_count=0).as_py()


@few
@given(seed=seeds, claims=st.integers(20_000, 60_000), per_chunk=st.sampled_from([700, 20_000, 50_000]))
def test_every_kind_of_case_comes_up_as_often_as_its_rate_says(seed: int, claims: Any, per_chunk: Any) -> None:
    plan = plan_of(seed, claims, per_chunk)
    world = build_world(seed)
    codes = np.concatenate([draw_dispenses(world, plan, chunk).scenario for chunk in range(plan.chunks)])
    counts = Counter(codes.tolist())
    for code, scenario in enumerate(SCENARIOS):
        assert abs(counts[code] - scenario.rate(plan.settings) * claims) < 1, scenario.kind
    per_rule = Counter()
    for code, scenario in enumerate(SCENARIOS):
        for part in scenario.parts or (scenario,):
            per_rule[part.label, part.rule] += counts[code]
    assert min(per_rule.values()) >= 9


@few
@given(seed=seeds)
def test_rates_are_near_the_settings(seed: int) -> None:
    plan = plan_of(seed, 40_000, 20_000)
    world = build_world(seed)
    drawn = [draw_dispenses(world, plan, chunk) for chunk in range(plan.chunks)]
    filled = [draw_fills(world, plan, chunk, d) for chunk, d in enumerate(drawn)]
    fill, scenario, is_medical, pharmacy = (
        np.concatenate([getattr(d, name) for d in drawn]) for name in ("fill", "scenario", "is_medical", "pharmacy")
    )
    reversal, report = (np.concatenate([getattr(f, name) for f in filled]) for name in ("reversal", "entity_report"))
    s = plan.settings
    assert (fill > 0).mean() == pytest.approx(s.refill_rate, rel=0.05)
    plain_rx = (scenario == PLAIN) & ~is_medical
    assert (reversal != Reversal.NONE)[plain_rx].mean() == pytest.approx(s.reversal_rate, rel=0.15)
    # planned cases come on top
    assert is_medical.mean() == pytest.approx(s.medical_rate, rel=0.3)
    assert np.isin(report, (Entity.LIVE, Entity.REVERSED)).mean() == pytest.approx(s.medicaid_share_340b, rel=0.1)
    assert 0.02 < np.bincount(pharmacy).max() / plan.claims < 0.07
    rebate = whole(chunks.rebate_claim_rows, plan)
    assert 0.8 < rebate.num_rows / plan.claims < 0.97


def not_about(rule: str, rows: pa.Table, plan: Plan) -> pa.Table:
    """`rows` but for those that are planned around a rule."""
    labels = whole(chunks.label_rows, plan)
    planned = labels.filter(pc.equal(labels["rule_id"], rule))["source_row_id"]
    return rows.filter(pc.invert(pc.is_in(rows["source_row_id"], value_set=planned.combine_chunks())))


def without_unknown(ndcs: pa.ChunkedArray, plan: Plan) -> pa.ChunkedArray:
    """But for those that R025 must find."""
    products = build_world(plan.seed).products
    unknown = pa.array([products.ndc[product] for product in products.pools[Pool.UNKNOWN]])
    return ndcs.filter(pc.invert(pc.is_in(ndcs, value_set=unknown)))


@few
@given(seed=seeds)
def test_feeds_refer_to_the_reference_tables(seed: int) -> None:
    plan = plan_of(seed, 3_000, 3_000)
    reference = dict(reference_tables(build_world(seed)))
    rebate, pharmacy, entity = (whole(maker, plan) for maker in FEEDS.values())

    def known(values: Any, name: Any, column: Any) -> Any:
        found = pc.is_in(values.drop_null(), value_set=reference[name][column].combine_chunks())
        return pc.all(found, min_count=0).as_py()

    for rows in (rebate, pharmacy, entity):
        assert known(rows["pharmacy_npi"], "pharmacies", "npi")
        bare = rows["ndc"].filter(pc.invert(pc.match_substring(rows["ndc"], "-")))
        assert known(without_unknown(bare, plan), "products", "ndc")
    assert known(rebate["pharmacy_ncpdp_id"], "pharmacies", "ncpdp_id")
    assert known(rebate["contract_id"], "rebate_contracts", "contract_id")
    assert known(entity["entity_id"], "covered_entities", "entity_id")
    assert known(not_about("R032", rebate, plan)["hcpcs_code"], "hcpcs_crosswalk", "hcpcs_code")
    for name, rows in reference.items():
        for column in TABLES[name].required_names:
            assert rows[column].null_count == 0, (name, column)
        # a row of the register holds for a time
        names = (*TABLES[name].key, "valid_from") if name == "covered_entities" else TABLES[name].key
        key = [column for column in names if column in rows.column_names]
        assert rows.group_by(key).aggregate([]).num_rows == rows.num_rows, name


@few
@given(seed=seeds)
def test_entity_claims_come_from_registered_pharmacies(seed: int) -> None:
    """In-house, or under contract with the entity's system, but where R043 is planned."""
    plan = plan_of(seed, 5_000, 5_000)
    reference = {name: table.to_pylist() for name, table in reference_tables(build_world(seed))}
    allowed = {(row["entity_id"], row["npi"]) for row in reference["entity_npis"]}
    allowed |= {(row["entity_id"], row["pharmacy_npi"]) for row in reference["contract_pharmacies"]}
    entity = not_about("R043", whole(chunks.entity_claim_rows, plan), plan)
    claimed = set(zip(entity["entity_id"].to_pylist(), entity["pharmacy_npi"].to_pylist(), strict=True))
    assert claimed
    assert claimed <= allowed


@few
@given(seed=seeds)
def test_everything_was_received_by_the_end_of_september_2026(seed: int) -> None:
    plan = plan_of(seed, 5_000, 5_000)
    as_of = datetime(2026, 9, 30, tzinfo=UTC)
    for maker, column in zip(FEEDS.values(), ("received_at", "received_at", "submitted_at"), strict=True):
        rows = whole(maker, plan)
        assert rows[column].null_count == 0
        assert pc.max(rows[column]).as_py() < as_of


@few
@given(seed=seeds)
def test_periods_follow_payment_for_fee_for_service_and_service_for_all_others(seed: int) -> None:
    plan = plan_of(seed, 5_000, 5_000)
    rows = not_about("R054", whole(chunks.rebate_claim_rows, plan), plan)
    basis = pc.if_else(pc.equal(rows["program"], "MDRP_FFS"), rows["paid_date"], rows["date_of_service"])
    expected = pc.binary_join_element_wise(
        pc.cast(pc.year(basis), pa.string()), pc.cast(pc.quarter(basis), pa.string()), "Q"
    )
    assert pc.replace_substring(rows["period"], "-", "").equals(expected)


@few
@given(seed=seeds)
def test_a_prescription_number_belongs_to_one_prescription_of_a_pharmacy(seed: int) -> None:
    rows = whole(chunks.pharmacy_claim_rows, plan_of(seed, 6_000, 2_000))
    digits = pc.ascii_ltrim(rows["rx_number"], "0")
    scripts = pa.table({"npi": rows["pharmacy_npi"], "rx": digits, "patient": rows["patient_key"]})
    patients = scripts.group_by(["npi", "rx"]).aggregate([("patient", "count_distinct")])
    assert pc.max(patients["patient_count_distinct"]).as_py() == 1


def test_a_labelled_row_has_one_label_of_truth_but_for_combinations() -> None:
    plan = plan_of(11, 20_000, 20_000, combination_rate=0)
    labels = whole(chunks.label_rows, plan)
    truth = labels.filter(pc.equal(labels["label"], Label.TRUTH.value))
    # neither the twelve-quarter bar nor a line that the invoice lacks asks what else is wrong with a claim
    truth = truth.filter(pc.invert(pc.is_in(truth["rule_id"], value_set=pa.array(["R040", "R061"]))))
    odd = labels.filter(pc.equal(labels["label"], Label.ANOMALY.value))
    assert len(pc.unique(truth["source_row_id"])) == truth.num_rows
    assert {"units_times_ten", "price_shifted", "refill_rhythm_broken"} <= set(odd["kind"].to_pylist())
    assert set(odd["source_row_id"].to_pylist()).isdisjoint(truth["source_row_id"].to_pylist())
