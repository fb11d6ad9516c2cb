"""Applies the active rules to facts: first selects rows on which any rule fires, then computes their rule results."""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Action, GuardState, Subject
from engine.contracts.facts import SPARSE_FACTS
from engine.contracts.findings import GUARD, MOST_RELATED_ROWS, REFERENCE_ROW, RULE_RESULT
from engine.rules.activation import ActiveRules
from engine.rules.evidence import EvidenceClass, at_most, class_name, is_below_medium, one_step_down
from engine.rules.hit import FACTS_OF, STRINGS, Check, Facts, Guard, Hit
from engine.rules.registry import RegistryError, Rule
from engine.runtime.column_names import column_names
from engine.runtime.expressions import all_of, any_of, nullable, to_decimal
from engine.settings import Settings

RESULTS = T.ArrayType(RULE_RESULT)
GUARDS = T.ArrayType(GUARD)
REFERENCES = T.ArrayType(REFERENCE_ROW)

# The answer of one rule on one row, for explaining the row.
ANSWER = T.StructType(
    [
        T.StructField("rule_id", T.StringType()),
        T.StructField("answer", T.StringType()),
        T.StructField("came_close", T.BooleanType()),
        T.StructField("guards", GUARDS),
        T.StructField("message", T.StringType()),
        T.StructField("unknown_facts", STRINGS),
    ]
)

# The milder action of a WEAK suspicion, which never accuses anyone (domain part 1.4).
_MILDER = {Action.DISPUTE: Action.INQUIRE, Action.WITHHOLD: Action.PAY_AND_WATCH}

_UNITS_OF = {
    Subject.REBATE_CLAIM: "units",
    Subject.ENTITY_CLAIM: "quantity",
    Subject.INVOICE: "units_reimbursed",
    Subject.INFLATION_REPORT: "total_units",
}
_DAY_OF = {
    Subject.REBATE_CLAIM: "date_of_service",
    Subject.ENTITY_CLAIM: "date_of_service",
    Subject.INVOICE: "period_start",
    Subject.INFLATION_REPORT: "period_start",
}


class Judged(NamedTuple):
    """One rule as columns over the facts.

    applies: the rule covers the row's program, day and sign of units. `holds`: it applies and its condition holds.
    fires: it is so, and no suppressing guard failed. guards, result: guard results and RULE_RESULT. facts_read: the
    facts that condition, guards and message read. phrases: further columns that `result` reads.
    """

    rule: Rule
    applies: Column
    holds: Column
    fires: Column
    guards: Column
    result: Column
    facts_read: tuple[str, ...]
    phrases: dict[str, Column]


def apply_rules(
    facts: DataFrame, active: ActiveRules, settings: Settings, also_keep: Column | None = None
) -> DataFrame:
    """The rows of `facts` on which a rule fires, or for which `also_keep` is true, with `rules`.

    `facts` has the schema of the subject's facts; if R052 is active, also anomaly_p_value, anomaly_rows and reasons.
    Result: the columns of `facts`, and `rules` (array<RULE_RESULT>, by rule id, empty if only `also_keep` is true). The
    first pass is one boolean expression; messages and structs are computed for the remaining rows only.
    """
    judged = judge(active, settings)
    keep = _any_fires(judged)
    if also_keep is not None:
        keep = keep | F.coalesce(also_keep, F.lit(False))
    none = F.array().cast(RESULTS)
    results = [F.when(rule.fires, nullable(F.array(rule.result), RESULTS)).otherwise(none) for rule in judged]
    rules = F.concat(none, *results).alias("rules")
    return _phrased(facts.where(keep), judged).select(*(F.col(f"`{name}`") for name in column_names(facts)), rules)


def _phrased(facts: DataFrame, judged: list[Judged]) -> DataFrame:
    """The facts with the phrases of rules' messages, each computed once, because messages make up most of a plan."""
    phrases = {name: words for rule in judged for name, words in rule.phrases.items()}
    return facts.withColumns(phrases) if phrases else facts


def flagged_rows(screen: DataFrame, active: ActiveRules, settings: Settings) -> DataFrame:
    """The rows of `screen` on which a rule fires: source_row_id and rule_ids (array<string>), its rules by id.

    For rebate claims, CLAIM_SCREEN is enough, because conditions read no other facts.
    """
    judged = judge(active, settings)
    ids = F.array(*(F.when(on.fires, F.lit(on.rule.id)) for on in judged if not on.rule.accompanies))
    fired = F.array_compact(ids.cast(STRINGS)).alias("rule_ids")
    return screen.where(_any_fires(judged)).select("source_row_id", fired)


def that_fired(active: ActiveRules, flagged: DataFrame) -> ActiveRules:
    """The rules that fire on rows of `flagged_rows`, and those that `flagged_rows` does not evaluate because they read
    scores. Rules that fire nowhere are removed, because planning them takes as long as planning any other rule.
    """
    ids = {row["rule_id"] for row in flagged.select(F.explode("rule_ids").alias("rule_id")).distinct().collect()}
    return active.only(
        *(rule.id for rule in active.rules if rule.id in ids or rule.accompanies or "scores" in rule.needs)
    )


def _any_fires(judged: list[Judged]) -> Column:
    """Whether any rule fires, except rules that only accompany others."""
    flagging = (rule.fires for rule in judged if not rule.rule.accompanies)
    return any_of(flagging)


def rule_answers(facts: DataFrame, active: ActiveRules, settings: Settings, with_messages: bool = True) -> DataFrame:
    """Every active rule's answer on each row: source_row_id, rule_id, answer, came_close, guards, message,
    unknown_facts.

    answer: FIRED, SUPPRESSED (the condition holds, a guard failed) or NOT_MET (guards and message are then NULL).
    `with_messages`: if false, message is NULL and the plan half as long. came_close: the answer is NOT_MET, although
    the rule applies to the row and the row has one of the SPARSE_FACTS that the rule reads. unknown_facts: names of the
    facts that the rule reads and that are NULL. Grain: row x rule. For explaining a few rows; `facts` as in
    `apply_rules`.
    """
    answers = []
    judged = judge(active, settings)
    kinds = {f.name: f.dataType for f in FACTS_OF[active.subject].fields if f.name in SPARSE_FACTS}
    for rule in judged:
        holds = F.coalesce(rule.holds, F.lit(False))
        answer = F.when(rule.fires, F.lit("FIRED")).when(holds, F.lit("SUPPRESSED")).otherwise(F.lit("NOT_MET"))
        traces = any_of([_is_present(name, kinds[name]) for name in rule.facts_read if name in kinds])
        values = {
            "rule_id": F.lit(rule.rule.id),
            "answer": answer,
            "came_close": F.coalesce(~holds & rule.applies & traces, F.lit(False)),
            "guards": F.when(holds, rule.guards),
            "message": F.when(holds, rule.result["message"]) if with_messages else F.lit(None).cast("string"),
            "unknown_facts": F.array_compact(
                F.array(*(F.when(F.col(name).isNull(), F.lit(name)) for name in rule.facts_read)).cast(STRINGS)
            ),
        }
        answers.append(nullable(F.struct(*(values[name].alias(name) for name in ANSWER.names)), ANSWER))
    phrased = _phrased(facts, judged) if with_messages else facts
    one_by_one = phrased.select("source_row_id", F.explode(F.array(*answers)).alias("answer"))
    return one_by_one.select("source_row_id", "answer.*")


def _is_present(name: str, kind: T.DataType) -> Column:
    """Whether a fact has a value other than NULL, false, 0 and the empty array."""
    fact = F.col(name)
    if isinstance(kind, T.ArrayType):
        present = F.size(fact) > 0
    elif isinstance(kind, T.BooleanType):
        present = fact
    elif isinstance(kind, T.NumericType):
        present = fact != 0
    else:
        present = fact.isNotNull()
    return F.coalesce(present, F.lit(False))


def judge(active: ActiveRules, settings: Settings) -> list[Judged]:
    """Each active rule as columns over the subject's facts, in the order of rule ids."""
    return [_judge(rule, active, settings) for rule in active.rules]


def _judge(rule: Rule, active: ActiveRules, settings: Settings) -> Judged:
    facts = Facts(active.subject)
    hit = rule.function(facts, active.parameters_of(rule, settings))
    if tuple(check.guard for check in hit.checks) != rule.guards:
        raise RegistryError(f"{rule.id} on {rule.subject} does not check the guards that it declares")
    checks = [_Checked.of(check, active.guard_is_off(rule.id, check.guard.name)) for check in hit.checks]
    applies = _is_judged(rule, facts)
    holds = applies & hit.when
    held_back = [check.failed for check in checks if check.failed is not None and check.guard.weakens_to is None]
    fires = all_of([holds, *(~F.coalesce(failed, F.lit(False)) for failed in held_back)])
    evidence = _evidence(rule.evidence if hit.evidence is None else hit.evidence, checks)
    guards = F.array(*(check.result for check in checks))
    related = F.coalesce(_or_default(hit.related, None).cast(STRINGS), F.array().cast(STRINGS))
    values: dict[str, Column] = {
        "rule_id": F.lit(rule.id),
        "evidence": class_name(evidence),
        "message": hit.message,
        "code": _or_default(hit.code, rule.code),
        "related_source_row_ids": F.slice(related, 1, MOST_RELATED_ROWS),
        "related_count": F.coalesce(
            _or_default(hit.related_count, None).cast("bigint"), F.size(related).cast("bigint")
        ),
        "document": F.lit(rule.document or None),
        "guards": guards,
        "route": _or_default(hit.route, rule.route),
        "party_at_fault": _or_default(hit.party, rule.party),
        "action": _action(rule.action if hit.action is None else hit.action, evidence, facts, rule.subject),
        "units_at_issue": _or_default(hit.units, None),
        "amount_at_issue": _or_default(hit.amount, None),
        "reference_rows": _references(hit),
    }
    result = F.struct(*(_typed(values[field.name], field.dataType).alias(field.name) for field in RULE_RESULT.fields))
    return Judged(rule, applies, holds, fires, nullable(guards, GUARDS), result, facts.names_read(), facts.phrases())


def _is_judged(rule: Rule, facts: Facts) -> Column:
    """Whether the rule covers the row.

    The day is one on which the rule is in force, the program one of the rule's (340B claims and reports have none), and
    numbers are not withheld. Unless the rule covers any units, units are above zero and later lines did not credit all
    of them.
    """
    units = _UNITS_OF[rule.subject]
    judged = F.lit(True) if rule.any_units else F.col(units) > 0
    if rule.subject == Subject.REBATE_CLAIM and not rule.any_units:
        # not through `facts`, which would record it as read by every rule
        left = F.col("taken_back_units") < F.coalesce("ndc_units", "units")
        judged = judged & F.coalesce(left, F.lit(True))
    begin, end = rule.in_force
    if begin is not None:
        judged = judged & (F.col(_DAY_OF[rule.subject]) >= F.lit(begin))
    if end is not None:
        judged = judged & (F.col(_DAY_OF[rule.subject]) < F.lit(end))
    if rule.subject in (Subject.ENTITY_CLAIM, Subject.INFLATION_REPORT):
        return judged
    judged = judged & facts.program.isin(*(program.value for program in rule.programs))
    if rule.subject == Subject.INVOICE:
        judged = judged & ~F.coalesce(facts.suppressed, F.lit(False))
    return judged


class _Checked(NamedTuple):
    """A guard with its result: `failed` (None: never), `unchecked`, and both as one struct."""

    guard: Guard
    failed: Column | None
    unchecked: Column
    result: Column

    @staticmethod
    def of(check: Check, is_off: bool) -> _Checked:
        failed = None if is_off else check.failed
        unchecked = F.lit(True) if is_off else check.unchecked
        if unchecked is None:
            unchecked = check.failed.isNull()
        if check.only_where is not None:
            failed = None if failed is None else check.only_where & failed
            unchecked = check.only_where & unchecked
        state = F.when(unchecked, F.lit(GuardState.UNCHECKED.value)).otherwise(F.lit(GuardState.RULED_OUT.value))
        if failed is not None:
            state = F.when(failed, F.lit(GuardState.EXPLAINED.value)).otherwise(state)
        result = F.struct(F.lit(check.guard.name).alias("name"), state.alias("state"))
        return _Checked(check.guard, failed, unchecked, result)


def _evidence(evidence: EvidenceClass, checks: list[_Checked]) -> EvidenceClass:
    """The rule's class, weakened by failed guards, then lowered by one step if any guard is unchecked."""
    for check in checks:
        if check.failed is not None and check.guard.weakens_to is not None:
            evidence = at_most(evidence, check.guard.weakens_to, where=check.failed)
    unchecked = [
        check.unchecked if check.failed is None else check.unchecked & ~F.coalesce(check.failed, F.lit(False))
        for check in checks
    ]
    if not unchecked:
        return evidence
    return one_step_down(evidence, where=any_of(unchecked))


def _action(action: Column | Action, evidence: EvidenceClass, facts: Facts, subject: Subject) -> Column:
    """The action, limited by the class. Public totals (SDUD), and lines whose kind could not be read, are not invoices
    that can be disputed.
    """
    is_weak = is_below_medium(evidence)
    is_public = ~F.coalesce(facts.source_kind == "INVOICE", F.lit(False)) if subject == Subject.INVOICE else False
    if isinstance(action, Action):
        milder = _MILDER.get(action)
        return F.lit(action.value) if milder is None else _where(is_weak, is_public, milder, F.lit(action.value))
    for wanted, milder in _MILDER.items():
        action = F.when(action == wanted.value, _where(is_weak, is_public, milder, action)).otherwise(action)
    return action


def _where(first: Column | bool, second: Column | bool, action: Action, otherwise: Column) -> Column:
    """`action` if one of the conditions holds, else `otherwise`."""
    if first is True or second is True:
        return F.lit(action.value)
    for condition in (first, second):
        if isinstance(condition, Column):
            otherwise = F.when(condition, F.lit(action.value)).otherwise(otherwise)
    return otherwise


def _references(hit: Hit) -> Column:
    none = F.array().cast(REFERENCES)
    return F.concat(
        none, *(F.when(row.isNotNull(), nullable(F.array(row), REFERENCES)).otherwise(none) for row in hit.references)
    )


def _or_default(column: Column | None, default: str | None) -> Column:
    return F.lit(None if default is None else str(default)) if column is None else column


def _typed(column: Column, kind: T.DataType) -> Column:
    if isinstance(kind, T.DecimalType):
        return to_decimal(column, kind.precision, kind.scale)
    return nullable(column, kind)
