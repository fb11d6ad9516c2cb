"""The registry, its configuration, and that every rule is specified."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from engine.contracts.codes import Action, Evidence, Party, Program, Route, Subject
from engine.contracts.facts import claim_screen_schema
from engine.contracts.tables import TABLES
from engine.errors import ConfigurationError
from engine.rules import (
    CLAIM_SCREEN,
    REGISTRY,
    Registry,
    active_rules,
    dispute_codes,
    explaining_rules,
    flagged_rows,
    thresholds_in_force,
)
from engine.rules.activation import OFF_BY_ITSELF, SWITCHED_OFF, why_off
from engine.rules.configuration import check_rules
from engine.rules.dispute_codes import DisputeCode
from engine.rules.registry import DataSource, On, RegistryError, Rule, Threshold, rule
from engine.rules.root_causes import Root, RootCause
from engine.rules.unsupported import UNSUPPORTED
from engine.settings import RuleSettings, Settings
from tests.spec.all_specs import all_specs
from tests.spec.page import page
from tests.spec.rule_cases import EVERYTHING

CONF = Path(__file__).parents[2] / "conf"
CODES = dispute_codes(str(CONF / "reference"))
DAY = date(2026, 3, 1)
ON_CLAIMS = {Subject.REBATE_CLAIM: ()}
CAUSE = RootCause("CAUSE", Root.PRODUCT, "product {} is the cause")


def enter(
    registry: Registry,
    id: str = "R900",
    on: Mapping[Subject, On | tuple[str, ...]] = ON_CLAIMS,
    evidence: Evidence = Evidence.STRONG,
    **others: Any,
) -> None:
    @rule(
        id,
        "a rule",
        on=on,
        programs=(Program.MDRP_FFS,),
        evidence=evidence,
        route=Route.STATE,
        party=Party.STATE,
        action=Action.DISPUTE,
        citation="none",
        registry=registry,
        **{"root_cause": CAUSE, "data_source": DataSource.QUANTITIES_AND_AMOUNTS, **others},
    )
    def function(_facts: Any, _given: Any) -> None:
        raise AssertionError("not called")


def settings(**rules: Any) -> Settings:
    return Settings(rules={name: RuleSettings(**values) for name, values in rules.items()})


def problems_of(
    configured: Settings, registry: Registry = REGISTRY, codes: tuple[DisputeCode, ...] = CODES
) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        check_rules(configured.rules, registry, codes)
    return [str(problem) for problem in caught.value.problems]


def test_every_rule_that_may_support_another_names_its_data() -> None:
    """Rules that only inform support none: products just terminated, invoices against claims, bars, late dates."""
    assert {rule.id for rule in REGISTRY.rules() if rule.data_source is None} == {
        *("R023", "R038", "R040", "R041", "R054", "R061"),
    }


def test_an_id_is_taken_once() -> None:
    registry = Registry()
    enter(registry)
    with pytest.raises(RegistryError, match="two rules with id R900"):
        enter(registry, on={Subject.INVOICE: ()})


def test_a_name_of_a_root_cause_means_one_thing() -> None:
    registry = Registry()
    enter(registry)
    enter(registry, "R901")
    other = RootCause(CAUSE.name, Root.NOTHING, "there is no cause")
    with pytest.raises(RegistryError, match="R902 has another root cause CAUSE"):
        enter(registry, "R902", root_cause=other)


def test_a_subject_states_only_what_differs_on_it() -> None:
    registry = Registry()
    shared, own = Threshold("z", 4.0, ""), Threshold("minimum", 20, "")
    on_lines = On(needs=("products",), thresholds=(own,), title="a line", codes=(), version=2)
    enter(registry, on={**ON_CLAIMS, Subject.INVOICE: on_lines}, codes=("X",), thresholds=(shared,))
    line, claim = registry.rules()
    assert (claim.title, claim.codes, claim.version, claim.thresholds) == ("a rule", ("X",), 1, (shared,))
    assert (line.title, line.codes, line.version, line.thresholds) == ("a line", (), 2, (shared, own))
    assert (claim.needs, line.needs) == (("rebate_claims",), ("invoices", "products"))
    assert (line.route, line.function) == (claim.route, claim.function)


def test_one_threshold_has_one_default_over_the_subjects() -> None:
    on = {
        subject: On(thresholds=(Threshold("z", default, ""),))
        for subject, default in zip(Subject, (4.0, 5.0), strict=False)
    }
    with pytest.raises(RegistryError, match="two defaults for z"):
        enter(Registry(), on=on)


@pytest.mark.parametrize(("code", "words"), [("ZZ", "not in the table"), ("T", "not verified")])
def test_a_code_that_the_table_does_not_vouch_for_is_refused(code: str, words: str) -> None:
    registry = Registry()
    enter(registry, codes=(code,))
    (problem,) = problems_of(Settings(), registry)
    assert words in problem
    assert f"code {code} of rule R900" in problem


def test_every_mistake_in_the_rules_at_once() -> None:
    problems = problems_of(
        settings(
            R053={"thresholds": {"tolerence": 1.0, "tolerance": "a lot"}},
            R022={"thresholds": {"days_after_termination": 365.5, "steady_days": 730.0}},
            R003={"thresholds": {"strong_tiers": "T1"}},
            R011={"thresholds": {"first_date_of_service": "January"}},
            R999={"enabled": False},
        )
    )
    found = "\n".join(problems)
    assert len(problems) == 6
    for words in (
        "did you mean tolerance?",
        "wrong value for rules.R053.thresholds.tolerance",
        "rules.R022.thresholds.days_after_termination",
        "a list of words",
        "an ISO date in quotes",
        "unknown rule R999",
    ):
        assert words in found


def test_an_int_is_a_number_and_a_whole_float_is_a_whole_number() -> None:
    configured = settings(
        R035={"thresholds": {"z": 5, "minimum_peers": 30.0}},
        R011={"thresholds": {"first_date_of_service": "2027-01-01"}},
    )
    claims = active_rules(configured, EVERYTHING, Subject.REBATE_CLAIM, DAY, CODES)
    invoices = active_rules(configured, EVERYTHING, Subject.INVOICE, DAY, CODES)
    assert claims.thresholds["R035"] == {"z": 5.0, "times_typical": 3.0}
    assert invoices.thresholds["R035"] == {"z": 5.0, "minimum_peers": 30, "times_own_median": 10.0}
    assert claims.thresholds["R011"]["first_date_of_service"] == date(2027, 1, 1)


def test_a_switched_off_rule_is_off_and_says_so() -> None:
    active = active_rules(settings(R001={"enabled": False}), EVERYTHING, Subject.REBATE_CLAIM, DAY, CODES)
    assert active.off == {"R001": SWITCHED_OFF, "R006": OFF_BY_ITSELF, "R007": OFF_BY_ITSELF}
    assert "R001" not in [rule.id for rule in active.rules]


def test_everything_is_on_where_everything_is_there() -> None:
    for subject in (Subject.REBATE_CLAIM, Subject.INVOICE):
        on = settings(**{rule_id: {"enabled": True} for rule_id in REGISTRY.ids})
        active = active_rules(on, EVERYTHING, subject, DAY, CODES)
        assert active.rules == REGISTRY.rules(subject)
        assert (active.off, active.guards_off, active.parts_off) == ({}, {}, {})


def test_missing_tables_and_columns_switch_off_what_needs_them() -> None:
    available = frozenset(
        {"rebate_claims", "rebate_claims.basis_of_cost", "identifiers_340b", "medicaid_exclusions", "prices"}
    )
    active = active_rules(Settings(), available, Subject.REBATE_CLAIM, DAY, CODES)
    assert [rule.id for rule in active.rules] == [
        *("R001", "R002", "R004", "R010", "R016", "R017", "R018", "R019", "R035", "R040", "R051", "R054", "R057")
    ]
    assert active.off["R003"] == "table entity_claims is missing"
    assert active.off["R011"] == (
        "table entity_claims is missing; column prices.ceiling_unit is missing; column prices.mfp_unit is missing"
    )
    assert active.off["R052"] == "no anomaly model scored the rows: too few to train one"
    assert active.guards_off == {
        "R002, STATE_METHOD": "table state_340b_policies is missing",
        "R002, NO_340B_PURCHASE": "table chargebacks is missing",
        "R002, EXCEEDS_340B_PURCHASES": "table chargebacks is missing; table products is missing",
        "R010, ONE_CONTRACT": "table rebate_contracts is missing",
        "R010, CONTRACT_TERMS": "table rebate_contracts is missing",
        "R016, OTHER_PAYERS_PART": "column rebate_claims.amount_third_party is missing",
        "R057, MEDICAID_SECONDARY": "column rebate_claims.amount_third_party is missing",
        "R016, WASTE_LINE": "column rebate_claims.modifiers is missing",
    }
    nothing = active_rules(Settings(), frozenset({"invoices"}), Subject.REBATE_CLAIM, DAY, CODES)
    assert nothing.rules == ()
    assert nothing.off["R001"] == "table rebate_claims is missing; table identifiers_340b is missing"


def test_what_a_missing_column_takes_of_a_rule_is_said() -> None:
    """R054 of fee-for-service needs the day of payment, R002 the register for billers known by an NCPDP id."""
    columns = {"pharmacy_npi", "pharmacy_ncpdp_id", "basis_of_cost"}
    available = frozenset(
        {"rebate_claims", *(f"rebate_claims.{name}" for name in columns), "identifiers_340b", "medicaid_exclusions"}
    )
    active = active_rules(Settings(), available, Subject.REBATE_CLAIM, DAY, CODES)
    assert active.parts_off == {
        "R001, modifiers": "column rebate_claims.modifiers is missing",
        "R001, submission clarification codes": "column rebate_claims.submission_clarification_codes is missing",
        "R002, by Medicaid number": "column medicaid_exclusions.medicaid_number is missing; "
        "column rebate_claims.medicaid_provider_id is missing",
        "R002, billers known by their NCPDP id alone": "table pharmacies is missing",
        "R004, modifiers": "column rebate_claims.modifiers is missing",
        "R004, submission clarification codes": "column rebate_claims.submission_clarification_codes is missing",
        "R010, modifiers": "column rebate_claims.modifiers is missing",
        "R010, submission clarification codes": "column rebate_claims.submission_clarification_codes is missing",
        "R054, fee-for-service": "column rebate_claims.paid_date is missing",
    }
    without_numbers = available - {"rebate_claims.pharmacy_ncpdp_id"}
    active = active_rules(Settings(), without_numbers, Subject.REBATE_CLAIM, DAY, CODES)
    assert "R002, billers known by their NCPDP id alone" not in active.parts_off


def test_alternatives_need_one_of_them() -> None:
    assert why_off(("a.x|b.y",), frozenset({"b", "b.y"})) is None
    assert why_off(("a.x|a.y",), frozenset({"a"})) == "none of a.x, a.y is available"
    assert why_off(("a.x|b.y",), frozenset()) == "none of a, b is available"
    assert why_off(("a.x",), frozenset({"a.x"})) == "table a is missing"


def test_the_shipped_configuration_is_the_defaults() -> None:
    shipped = yaml.safe_load((CONF / "rules.yaml").read_text())
    configured = settings(**shipped)
    check_rules(configured.rules, REGISTRY, CODES)
    for rule_id in shipped:  # a rule that has no entry runs by its defaults
        (enabled,) = {rule.enabled for rule in REGISTRY.rules() if rule.id == rule_id}
        assert configured.rules[rule_id].enabled is enabled
        defaults = REGISTRY.thresholds(rule_id)
        given = configured.rules[rule_id].thresholds
        assert set(given) == set(defaults), rule_id
        for name, threshold in defaults.items():
            value = threshold.default
            assert given[name] == (value.isoformat() if isinstance(value, date) else value), (rule_id, name)


@pytest.mark.parametrize("rule", REGISTRY.rules(), ids=lambda rule: f"{rule.id} {rule.subject}")
def test_every_rule_is_documented_and_needs_what_the_contract_has(rule: Rule) -> None:
    assert rule.explanation
    assert rule.citation
    assert rule.title
    assert rule.document or not rule.codes
    of_parts = (need for part in rule.parts for need in (*part.needs, *part.where))
    needs = (*rule.needs, *of_parts, *(need for guard in rule.guards for need in guard.needs))
    names = [name for need in needs for name in need.split("|")]
    assert all(name in EVERYTHING for name in names), names
    assert names[0] in TABLES
    assert all(threshold.means for threshold in rule.thresholds)


@pytest.mark.parametrize("rule", REGISTRY.rules(), ids=lambda rule: f"{rule.id} {rule.subject}")
def test_every_rule_and_guard_is_specified(rule: Rule) -> None:
    cases = [
        case for spec in all_specs() if (spec.rule_id, spec.subject) == (rule.id, rule.subject) for case in spec.cases
    ]
    answers = [case.expected["fires"] for case in cases]
    assert "yes" in answers, "no case in which the rule fires"
    assert {"no", "held back"} & set(answers), "no case in which the rule does not fire"
    guards = " ".join(case.expected.get("guards", "") for case in cases)
    for guard in rule.guards:
        seen = [state for state in ("PASSED", "FAILED", "UNCHECKED") if f"{guard.name} {state}" in guards]
        assert "PASSED" in seen, guard.name
        assert {"FAILED", "UNCHECKED"} & set(seen), guard.name


def test_the_page_of_rules_is_up_to_date() -> None:
    kept = (CONF.parent / "docs" / "rules.md").read_text(encoding="utf-8")
    assert kept == page(), "python -m docs_pages"


def test_what_is_not_supported_is_said_of_rules_that_there_are() -> None:
    text = page()
    for condition in UNSUPPORTED:
        assert set(condition.rules) <= set(REGISTRY.ids)
        assert f"| not supported | {condition.what}: {condition.why} |" in text


def test_the_page_of_rules_names_everything_that_an_analyst_may_set_or_ask() -> None:
    told = page()
    for known in REGISTRY.rules():
        assert f"## {known.id} on" in told
        for words in (known.title, known.explanation, known.citation, *(guard.question for guard in known.guards)):
            assert words in told
        for threshold in known.thresholds:
            assert f"| `{threshold.name}` | {threshold.means}" in told
    for section in told.split("\n## ")[1:]:
        assert "\nIt fires:\n" in section, section.splitlines()[0]
        assert "\nIt must not fire:\n" in section, section.splitlines()[0]


def test_every_specification_is_of_a_rule() -> None:
    assert {(spec.rule_id, spec.subject) for spec in all_specs()} == {rule.key for rule in REGISTRY.rules()}


def test_rules_that_explain_what_is_unusual_are_strong_or_medium_and_exist() -> None:
    # by the catalogue of the domain: rules on quantity (R034, R035, R038), conversion and package (R028 to R033),
    # payment (R021, R036), amount and price (R053, R056, R060)
    explaining = {subject: set(explaining_rules(subject)) for subject in (Subject.REBATE_CLAIM, Subject.INVOICE)}
    assert explaining[Subject.REBATE_CLAIM] == {
        *("R021", "R028", "R029", "R030", "R031", "R032", "R033", "R035", "R036", "R053", "R056", "R060")
    }
    assert explaining[Subject.INVOICE] == {"R034", "R035", "R036", "R038", "R053", "R056"}
    assert not explaining_rules(Subject.ENTITY_CLAIM)
    for known in REGISTRY.rules():
        if known.explains_unusual:
            assert known.evidence in (Evidence.STRONG, Evidence.MEDIUM), known.key


def test_a_weak_rule_explains_nothing_that_is_unusual() -> None:
    with pytest.raises(RegistryError, match="explains nothing that is unusual"):
        enter(Registry(), evidence=Evidence.WEAK, explains_unusual=True)


def test_thresholds_in_force_are_those_of_rules_that_are_on() -> None:
    by_default = thresholds_in_force(Settings(), Subject.REBATE_CLAIM)
    assert "R035" in by_default
    assert "R006" not in by_default
    set_alone = settings(R035={"thresholds": {"z": 5.0}}, R006={"thresholds": {"share_340b": 0.7}})
    in_force = thresholds_in_force(set_alone, Subject.REBATE_CLAIM)
    assert in_force["R035"]["z"] == 5.0
    assert "R006" not in in_force
    switched = settings(R035={"enabled": False}, R006={"enabled": True})
    in_force = thresholds_in_force(switched, Subject.REBATE_CLAIM)
    assert "R035" not in in_force
    assert in_force["R006"] == {"share_340b": 0.6}


def test_conditions_read_screened_facts_alone(spark: SparkSession) -> None:
    active = active_rules(Settings(), EVERYTHING, Subject.REBATE_CLAIM, DAY)
    screen = spark.createDataFrame([], CLAIM_SCREEN)
    unscreened = {}
    for one in active.rules:
        if one.accompanies or "scores" in one.needs:
            continue
        try:
            _ = flagged_rows(screen, active.only(one.id), Settings()).schema
        except AnalysisException as error:
            unscreened[one.id] = str(error).splitlines()[0]
    assert not unscreened, "declare what the condition reads: reads=(...) of the rule"


def test_a_rule_reads_what_it_declares_and_nothing_else_screens(spark: SparkSession) -> None:
    others = {*claim_screen_schema(()).names}
    reading = [one for one in active_rules(Settings(), EVERYTHING, Subject.REBATE_CLAIM, DAY).rules if one.reads]
    assert reading
    for one in reading:
        assert not others.intersection(one.reads), one.id
        for name in one.reads:
            screen = spark.createDataFrame([], CLAIM_SCREEN).drop(name)
            active = active_rules(Settings(), EVERYTHING, Subject.REBATE_CLAIM, DAY).only(one.id)
            with pytest.raises(AnalysisException):
                _ = flagged_rows(screen, active, Settings()).schema


def test_a_rule_reads_columns_that_exist() -> None:
    with pytest.raises(RegistryError, match="R900 reads days_suply"):
        enter(Registry(), reads=("days_suply",))
