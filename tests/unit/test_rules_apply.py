"""Applying rules: NULLs, guards without their tables, several rules on a row, rows kept on request."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from engine.contracts.codes import Evidence, GuardState, Subject
from engine.contracts.findings import RULE_RESULT
from engine.rules import CLAIM_SCREEN, REGISTRY, apply_rules, flagged_rows, rule_answers
from engine.rules.evidence import at_most, class_name, one_step_down, strength
from engine.rules.hit import SCORE_FACTS
from engine.rules.registry import RegistryError
from tests.spec.all_specs import all_specs
from tests.spec.rule_cases import SETTINGS, Spec, answers_to, everything, rows_of

pytestmark = pytest.mark.slow

SUBJECTS = tuple(Subject)
ALWAYS = (
    "rule_id",
    "evidence",
    "message",
    "related_source_row_ids",
    "related_count",
    "guards",
    "route",
    "party_at_fault",
    "action",
)


def specs_on(subject: Subject) -> list[Spec]:
    return [spec for spec in all_specs() if spec.subject == subject]


def spec_of(rule_id: str, subject: Subject = Subject.REBATE_CLAIM) -> Spec:
    return next(spec for spec in all_specs() if (spec.rule_id, spec.subject) == (rule_id, subject))


def firing(rule_id: str) -> dict[str, Any]:
    return spec_of(rule_id).firing.facts


def with_nulls(subject: Subject) -> dict[str, dict[str, Any]]:
    """Each rule's first firing row, with each of its facts made NULL in turn."""
    facts = {}
    for spec in specs_on(subject):
        row = spec.firing.facts
        facts |= {f"{spec.rule_id}/{name}": row | {name: None} for name, value in row.items() if value is not None}
    return facts | {"all/NULL": {}}


def all_at_once() -> dict[str, Any]:
    """A row on which many rules fire."""
    every = {}
    for spec in specs_on(Subject.REBATE_CLAIM):
        if spec.firing.facts.get("program") == "MDRP_FFS":
            every |= {name: value for name, value in spec.firing.facts.items() if value is not None}
    return every | {"period": "2025Q3", "date_of_service": date(2025, 8, 1)}


REPORTED_340B = firing("R036") | {"flags_340b": ["SCC 20"]}
FOURTH_QUARTER = firing("R020") | {"period": "2024Q4", "received_at": None}
CROWD = [f"row-{n:03}" for n in range(120)]
ONE_BY_ONE = {
    "all": all_at_once(),
    "none": {},
    "kept": {"program": "MDRP_FFS"},
    "R036 reported as 340B": REPORTED_340B,
    "R016 crowd": firing("R016") | {"duplicate_source_row_ids": CROWD[:50], "duplicate_row_count": len(CROWD)},
    "R003 crowd": firing("R003") | {"link_source_row_ids": CROWD},
    "R020 fourth quarter": FOURTH_QUARTER,
    "R020 no quarter": FOURTH_QUARTER | {"period": "2024Q5"},
    "R035 beyond": firing("R035") | {"peer_median_units": -1e300, "f24_units_per_prescription_z": float("inf")},
}


def rows_to_judge(subject: Subject) -> dict[str, dict[str, Any]]:
    """The rows of all tests that ask every rule: those with a NULL, all cases of the specifications, single ones."""
    cases = {case.row_id: case.facts for spec in specs_on(subject) for case in spec.cases}
    return with_nulls(subject) | cases | (ONE_BY_ONE if subject == Subject.REBATE_CLAIM else {})


@pytest.fixture(scope="module")
def judged(spark: SparkSession) -> dict[Subject, dict[str, dict[str, dict[str, Any]]]]:
    """{subject: {row id: {rule id: RULE_RESULT as a dictionary}}}; all rows are kept on request but "none"."""
    found = {}
    for subject in SUBJECTS:
        rows = rows_of(spark, subject, rows_to_judge(subject))
        result = apply_rules(rows, everything(subject), SETTINGS, also_keep=F.col("source_row_id") != "none")
        assert result.columns == [*rows.columns, "rules"]
        kind: Any = result.schema["rules"].dataType
        assert [(f.name, f.dataType) for f in kind.elementType] == [(f.name, f.dataType) for f in RULE_RESULT]
        collected = result.select("source_row_id", "rules").collect()
        found[subject] = {
            row["source_row_id"]: {rule["rule_id"]: rule.asDict(recursive=True) for rule in row["rules"]}
            for row in collected
        }
        assert len(found[subject]) == len(collected)
        assert all(len(found[subject][row["source_row_id"]]) == len(row["rules"]) for row in collected)
    return found


@pytest.fixture(scope="module")
def with_a_null(
    judged: dict[Subject, dict[str, dict[str, dict[str, Any]]]],
) -> dict[tuple[Any, ...], dict[str, Any] | None]:
    """{(subject, rule, fact that is NULL): result}."""
    return {
        (subject, *row_id.split("/")): judged[subject][row_id].get(row_id.split("/")[0])
        for subject in SUBJECTS
        for row_id in with_nulls(subject)
    }


def test_nothing_fires_where_everything_is_null(judged: dict[Subject, dict[str, dict[str, dict[str, Any]]]]) -> None:
    assert [judged[subject]["all/NULL"] for subject in SUBJECTS] == [{}] * len(SUBJECTS)


def test_the_screen_is_enough_to_tell_on_which_claims_a_rule_fires(
    spark: SparkSession, judged: dict[Subject, dict[str, dict[str, dict[str, Any]]]]
) -> None:
    active = everything(Subject.REBATE_CLAIM)
    whole = rows_of(spark, Subject.REBATE_CLAIM, rows_to_judge(Subject.REBATE_CLAIM))
    # cut off from what it was made of: where a column is missing, Spark looks for it there
    screen = whole.select(*CLAIM_SCREEN.names, *SCORE_FACTS.names).localCheckpoint()

    def ids(rows: DataFrame) -> set[str]:
        return {row["source_row_id"] for row in rows.select("source_row_id").collect()}

    flagged = ids(flagged_rows(screen, active, SETTINGS))
    assert flagged == ids(apply_rules(whole, active, SETTINGS))
    flagging = {rule.id for rule in active.rules if not rule.accompanies}
    assert flagging < {rule.id for rule in active.rules}
    assert flagged == {row_id for row_id, rules in judged[Subject.REBATE_CLAIM].items() if flagging & {*rules}}
    assert flagged >= {spec.firing.row_id for spec in specs_on(Subject.REBATE_CLAIM) if spec.rule_id in flagging}
    assert flagged & {"all", "none", "kept"} == {"all"}


@pytest.mark.parametrize("spec", all_specs(), ids=lambda spec: f"{spec.rule_id} {spec.subject}")
def test_no_null_makes_a_rule_fire_on_nothing_or_lose_its_words(
    spec: Spec, with_a_null: dict[tuple[Subject, str, str], dict[str, Any] | None]
) -> None:
    own = {
        name: result
        for (subject, rule_id, name), result in with_a_null.items()
        if (subject, rule_id) == (spec.subject, spec.rule_id)
    }
    assert set(spec.needs) <= set(own)
    for name, result in own.items():
        if name in spec.needs:
            assert result is None, f"fires without {name}"
            continue
        assert result is not None, f"does not fire without {name}, which the specification does not call needed"
        assert all(result[field] is not None for field in ALWAYS), name
        assert None not in result["related_source_row_ids"]
        assert len(result["message"]) > 40
        assert result["evidence"] in list(Evidence)
        assert all(row["table"] for row in result["reference_rows"])


def test_fifty_related_rows_are_named_and_all_are_counted(
    judged: dict[Subject, dict[str, dict[str, dict[str, Any]]]],
) -> None:
    for rule_id in ("R003", "R016"):
        result = judged[Subject.REBATE_CLAIM][f"{rule_id} crowd"][rule_id]
        assert result["related_source_row_ids"] == CROWD[:50]
        assert result["related_count"] == 120


def test_guards_without_their_tables_are_unchecked_and_cost_one_step(
    spark: SparkSession, judged: dict[Subject, dict[str, dict[str, dict[str, Any]]]]
) -> None:
    for subject in SUBJECTS:
        needs = [need for rule in REGISTRY.rules(subject) for guard in rule.guards for need in guard.needs]
        specs = [spec for spec in specs_on(subject) if spec.rule_id != "R038"]
        facts = {spec.rule_id: spec.firing.facts for spec in specs}
        before = {spec.rule_id: judged[subject][spec.firing.row_id][spec.rule_id] for spec in specs}
        active = everything(subject, without=needs)
        after = answers_to(spark, active, facts)
        still_on = {rule.id for rule in active.rules} & set(facts)
        assert still_on
        for rule_id in still_on:
            guards = {guard["name"]: guard["state"] for guard in after[rule_id, rule_id]["guards"]}
            # the waste line is a medical matter and does not touch prescriptions
            untouched = set() if facts[rule_id].get("claim_type") == "MEDICAL" else {"WASTE_LINE"}
            # a policy that excepts no pharmacy has none to designate
            untouched |= {"DESIGNATED"} if facts[rule_id].get("policy_contract_pharmacies") == "NONE" else set()
            # Medicare's rule on modifiers binds entities of every type by then
            untouched |= {"ENTITY_TYPE"} if rule_id == "R015" else set()
            off = {name for name in guards if active.guard_is_off(rule_id, name)} - untouched
            assert {name for name, state in guards.items() if state == GuardState.UNCHECKED} == off
            steps = (
                Evidence(before[rule_id]["evidence"]).strength - Evidence(after[rule_id, rule_id]["evidence"]).strength
            )
            may_fall = before[rule_id]["evidence"] in (Evidence.STRONG, Evidence.MEDIUM)
            assert steps == (bool(off) and may_fall), rule_id


def test_a_guard_whose_table_is_missing_does_not_hold_back(
    spark: SparkSession, judged: dict[Subject, dict[str, dict[str, dict[str, Any]]]]
) -> None:
    """R036 on a claim that is reported as 340B: held back, but not where entity claims are no part of the input."""
    assert "R036" not in judged[Subject.REBATE_CLAIM]["R036 reported as 340B"]
    without = everything(Subject.REBATE_CLAIM, ["R036"], without=["entity_claims"])
    result = answers_to(spark, without, {"row": REPORTED_340B})["row", "R036"]
    assert {"name": "340B_ACQUISITION_COST", "state": "UNCHECKED"} in result["guards"]
    assert result["evidence"] == "WEAK"


def test_several_rules_on_one_row_come_by_id_and_rows_are_kept_on_request(
    judged: dict[Subject, dict[str, dict[str, dict[str, Any]]]],
) -> None:
    found = judged[Subject.REBATE_CLAIM]
    assert "none" not in found
    assert found["kept"] == {}
    ids = [*found["all"]]
    assert len(ids) >= 8
    assert all(a < b for a, b in pairwise(ids))


def test_no_active_rule_leaves_no_row(spark: SparkSession) -> None:
    rows = rows_of(spark, Subject.INVOICE, {"row": {"program": "MDRP_FFS"}})
    nothing = everything(Subject.INVOICE).only("none")
    assert apply_rules(rows, nothing, SETTINGS).count() == 0
    assert apply_rules(rows, nothing, SETTINGS, also_keep=F.lit(True)).first()["rules"] == []


def test_facts_without_scores_serve_where_the_model_is_off(spark: SparkSession) -> None:
    rows = rows_of(spark, Subject.REBATE_CLAIM, {"row": firing("R001")})
    active = everything(Subject.REBATE_CLAIM, ["R001", "R052"], without=["scores"])
    assert "R052" in active.off
    without = rows.drop("anomaly_p_value", "anomaly_rows", "reasons")
    assert [rule["rule_id"] for rule in apply_rules(without, active, SETTINGS).first()["rules"]] == ["R001"]


def test_every_rule_answers_every_row(spark: SparkSession) -> None:
    held_back = next(case for case in spec_of("R053").cases if case.expected["fires"] == "held back")
    rows = rows_of(spark, Subject.REBATE_CLAIM, {"row": held_back.facts})
    active = everything(Subject.REBATE_CLAIM, ["R001", "R053"])
    answers = {row["rule_id"]: row for row in rule_answers(rows, active, SETTINGS).collect()}
    assert list(answers) == ["R001", "R053"]
    assert answers["R053"]["answer"] == "SUPPRESSED"
    assert [guard.asDict() for guard in answers["R053"]["guards"]] == [{"name": "ZERO_URA", "state": "FAILED"}]
    assert answers["R001"]["answer"] == "NOT_MET"
    assert answers["R001"]["guards"] is None


def test_a_rule_comes_close_if_the_row_has_what_it_looks_for_and_the_rule_is_about_such_rows(
    spark: SparkSession,
) -> None:
    linked = {**firing("R003"), "link_is_ambiguous": False}
    rows = rows_of(
        spark,
        Subject.REBATE_CLAIM,
        {
            "commercial": {**linked, "program": "COMMERCIAL", "contract_excludes_340b": False},
            "not linked": {**linked, "program": "COMMERCIAL", "contract_excludes_340b": False, "link_tier": None},
            "fires": linked,
        },
    )
    answers = rule_answers(rows, everything(Subject.REBATE_CLAIM, ["R003", "R008"]), SETTINGS, with_messages=False)
    close = {(row["source_row_id"], row["rule_id"]) for row in answers.collect() if row["came_close"]}
    # R003 is about fee-for-service claims, R008 about commercial ones; a rule that fires did more than come close
    assert close == {("commercial", "R008")}
    assert {row["message"] for row in answers.collect()} == {None}


def test_reference_rows_carry_their_dates(judged: dict[Subject, dict[str, dict[str, dict[str, Any]]]]) -> None:
    chosen = {
        ("R002", Subject.REBATE_CLAIM): [
            (
                "medicaid_exclusions",
                "DSH330214/NPI 1234567893/KY/2025Q3",
                date(2025, 7, 1),
                date(2025, 10, 1),
                date(2025, 6, 16),
            )
        ],
        ("R008", Subject.REBATE_CLAIM): [("rebate_contracts", "C-9", date(2025, 1, 1), None, None)],
        ("R011", Subject.REBATE_CLAIM): [("prices", "00002759701/2026Q1", date(2026, 1, 1), date(2026, 4, 1), None)],
        ("R022", Subject.REBATE_CLAIM): [("products", "00002759701", None, date(2024, 7, 31), date(2025, 7, 1))],
        ("R036", Subject.INVOICE): [("market_prices", "00002759701", date(2025, 6, 18), None, None)],
        ("R035", Subject.INVOICE): [],
    }
    for (rule_id, subject), expected in chosen.items():
        rows = judged[subject][spec_of(rule_id, subject).firing.row_id][rule_id]["reference_rows"]
        assert [tuple(row.values()) for row in rows] == expected


def test_quarters_at_the_turn_of_the_year(judged: dict[Subject, dict[str, dict[str, dict[str, Any]]]]) -> None:
    """The cut-off of a fourth quarter lies in the next year: 2024-12-31 and 60 days is 2025-03-01."""
    found = judged[Subject.REBATE_CLAIM]
    assert "the cut-off for this row is 2025-03-01" in found["R020 fourth quarter"]["R020"]["message"]
    assert found["R020 no quarter"]["R020"]["evidence"] == "WEAK"


def test_steps_of_evidence(spark: SparkSession) -> None:
    ladder = ["STRONG", "MEDIUM", "WEAK", "CONTEXT"]
    holds, open_ = F.lit(True), F.lit(None).cast("boolean")
    rows = spark.createDataFrame([(Evidence(e).strength,) for e in ladder], "e int")

    def steps(evidence: Evidence | Column, where: Column) -> tuple[Evidence | Column, ...]:
        return (one_step_down(evidence, where), *(at_most(evidence, Evidence(cap), where) for cap in ladder))

    found = [tuple(row) for row in rows.select(*map(class_name, steps(F.col("e"), holds))).collect()]
    one_row = spark.range(1)
    constant = [
        tuple(one_row.select(*(class_name(strength(e)) for e in steps(Evidence(of), holds))).head()) for of in ladder
    ]
    assert found == constant
    unchanged = [tuple(row) for row in rows.select(*map(class_name, steps(F.col("e"), open_))).collect()]
    assert unchanged == [(e,) * 5 for e in ladder]
    assert [row[0] for row in found] == ["MEDIUM", "WEAK", "WEAK", "CONTEXT"]
    assert [row[1] for row in found] == ladder
    assert [row[2] for row in found] == ["MEDIUM", "MEDIUM", "WEAK", "CONTEXT"]
    assert [row[3] for row in found] == ["WEAK", "WEAK", "WEAK", "CONTEXT"]
    assert [row[4] for row in found] == ["CONTEXT"] * 4


def test_units_at_issue_beyond_the_contracts_type_become_null_and_stop_nothing(
    judged: dict[Subject, dict[str, dict[str, dict[str, Any]]]],
) -> None:
    found = judged[Subject.REBATE_CLAIM]
    assert found["R035 beyond"]["R035"]["units_at_issue"] is None
    assert found[spec_of("R035").firing.row_id]["R035"]["units_at_issue"] == Decimal("270.000")


def test_a_rule_that_does_not_check_its_guards_is_a_mistake_in_the_code(spark: SparkSession) -> None:
    from dataclasses import replace

    active = everything(Subject.REBATE_CLAIM, ["R016"])
    broken = replace(active, rules=(replace(active.rules[0], guards=()),))
    with pytest.raises(RegistryError, match="R016"):
        apply_rules(rows_of(spark, Subject.REBATE_CLAIM, {}), broken, SETTINGS)
