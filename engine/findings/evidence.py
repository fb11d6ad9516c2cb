"""Combines several rules on one row into one evidence class, one action and one counterparty (domain part 1.4)."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Action, Evidence, GuardState
from engine.findings.codes import precedence
from engine.rules import BARRING_RULES, DATA_SOURCES
from engine.runtime.expressions import nullable, sort

_ACCUSING = (Action.DISPUTE.value, Action.WITHHOLD.value)
_UNITS = T.DecimalType(15, 3)


def ranked(hits: Column, hit_type: T.StructType) -> Column:
    """array<struct<rank, ..., hit>> of an array of `hit_type` (JUDGED, or RULE_HIT with code_kind), strongest first.

    The first is the deciding one (contract part 7.5). The order is: the strongest class, DISPUTE and WITHHOLD before
    other actions, the most units, the precedence of codes, the rule id. A rule without units comes after one with 0
    units.
    """
    has_action = "action" in hit_type.names
    places = F.transform(
        hits,
        lambda hit: F.struct(
            _rank(hit["evidence"]).alias("rank"),
            (F.when(hit["action"].isin(*_ACCUSING), 0).otherwise(1) if has_action else F.lit(0)).alias("accuses"),
            F.coalesce(-hit["units_at_issue"], F.lit(1)).cast(_UNITS).alias("units"),
            precedence(hit["code"]).alias("place"),
            hit["code"].alias("code"),
            hit["rule_id"].alias("rule_id"),
            hit.alias("hit"),
        ),
    )
    kind = (
        T.StructType()
        .add("rank", T.LongType())
        .add("accuses", T.LongType())
        .add("units", _UNITS)
        .add("place", T.LongType())
        .add("code", T.StringType())
        .add("rule_id", T.StringType())
        .add("hit", hit_type)
    )
    return sort(nullable(places, T.ArrayType(kind)))


def _rank(evidence: Column) -> Column:
    position = F.array_position(F.array(*(F.lit(e.value) for e in Evidence)), evidence)
    return F.when(position > 0, position).otherwise(F.lit(len(Evidence) + 1))


def raised(hits: Column, hit_type: T.StructType) -> Column:
    """The hits of an array of `hit_type`, WEAK ones raised to MEDIUM if two of them support each other (part 7.10).

    Two rules support each other if they use different data sources, none of their guards failed (a failed guard is
    evidence against the suspicion), and no rule is stronger than WEAK. The class of a finding is that of its strongest
    rule, so the rules of that class determine it.
    """
    none_stronger = ~F.exists(hits, lambda hit: hit["evidence"].isin(Evidence.STRONG.value, Evidence.MEDIUM.value))
    sources = F.array_distinct(F.transform(F.filter(hits, _supports), lambda hit: _source(hit["rule_id"])))
    are_raised = none_stronger & (F.size(sources) > 1)

    def with_class(hit: Column) -> Column:
        evidence = F.when(_supports(hit), F.lit(Evidence.MEDIUM.value)).otherwise(hit["evidence"])
        values = {name: hit[name] for name in hit_type.names} | {"evidence": evidence}
        return F.struct(*(value.alias(name) for name, value in values.items()))

    kind = T.ArrayType(hit_type)
    return F.when(are_raised, nullable(F.transform(hits, with_class), kind)).otherwise(nullable(hits, kind))


def _supports(hit: Column) -> Column:
    return (
        (hit["evidence"] == Evidence.WEAK.value)
        & hit["rule_id"].isin(*DATA_SOURCES)
        & ~F.exists(_guards(hit), lambda guard: guard["state"] == GuardState.EXPLAINED.value)
    )


def _guards(hit: Column) -> Column:
    return F.coalesce(hit["guards"], F.array().cast("array<struct<name:string,state:string>>"))


def _source(rule_id: Column) -> Column:
    pairs = [F.lit(word) for rule, source in DATA_SOURCES.items() for word in (rule, source.value)]
    return F.try_element_at(F.create_map(*pairs), rule_id)


def is_barred(rules: Column) -> Column:
    """Whether the twelve-quarter limit bars a dispute under every interpretation of it (R040, all guards passed)."""
    return F.exists(
        rules,
        lambda hit: (
            hit["rule_id"].isin(*BARRING_RULES)
            & F.forall(_guards(hit), lambda guard: guard["state"] == GuardState.RULED_OUT.value)
        ),
    )


def gated_action(deciding: Column, deadline: Column, today: Column, barred: Column, settled: Column) -> Column:
    """The deciding rule's action, limited by its own class and the deadline.

    If everything at issue is settled, the action is NONE; a reference that looks wrong is still checked. A dispute by a
    STRONG rule may be drafted, one by a MEDIUM rule goes to an analyst, one by a WEAK rule becomes an inquiry, and one
    that is barred or by a CONTEXT rule becomes NONE. An MFP refund is withheld only on documented evidence within the
    14 days of prompt payment (42 U.S.C. 1320f-2(d); CMS guidance for 2027, section 40.4); otherwise it is paid and
    watched.
    """
    action, evidence = deciding["action"], deciding["evidence"]
    disputes, withholds = action == Action.DISPUTE.value, action == Action.WITHHOLD.value
    is_weak, is_context = evidence == Evidence.WEAK.value, evidence == Evidence.CONTEXT.value
    is_late = F.coalesce(deadline < today, F.lit(False))
    return (
        F.when(settled & (action != Action.CHECK_REFERENCE.value), F.lit(Action.NONE.value))
        .when(withholds & ((evidence != Evidence.STRONG.value) | is_late), F.lit(Action.PAY_AND_WATCH.value))
        .when(disputes & (is_context | barred), F.lit(Action.NONE.value))
        .when(disputes & is_weak, F.lit(Action.INQUIRE.value))
        .otherwise(action)
    )
