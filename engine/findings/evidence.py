"""How several rules on one subject become one evidence class, one action and one counterparty (domain part 1.4)."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Action, Evidence, GuardState
from engine.runtime.expressions import nullable, sort

MODEL_RULE = "R052"
BAR_RULE = "R040"
COUNSEL_RULE = "R044"

# What a rule's suspicion rests on. Two WEAK rules support each other only where these differ: the isolation forest
# sees the same quantities and amounts that R035-R037 judge, so it never lifts them. Rules that only inform (R023, R054)
# support none.
DATA_SOURCES: dict[str, tuple[str, ...]] = {
    "flags on the claim": ("R001", "R004", "R010"),
    "Medicaid Exclusion File": ("R002", "R007"),
    "claims of covered entities": ("R003", "R005", "R006", "R008", "R009", "R011", "R046"),
    "settlements": ("R059",),
    "sales": ("R034",),
    "manufacturer's policies": ("R044",),
    "Medicare's inflation rebates": ("R014", "R015"),
    "numbers of providers": ("R051",),
    "the claim's program": ("R058",),
    "Medicare facilitator": ("R013", "R060"),
    "other rows of the same dispense": ("R012", "R016", "R017", "R018", "R019", "R057"),
    "the pharmacy's transactions": ("R020", "R055"),
    "product file": ("R022", "R024", "R025", "R026", "R027", "R028", "R029", "R030"),
    "unit conversion": ("R031", "R032"),
    "register of covered entities": ("R042", "R043", "R045"),
    "other submissions of entities": ("R047", "R048", "R062"),
    "prescriber, distance and volume": ("R050",),
    "purchases at the 340B price": ("R049",),
    "quantities and amounts": ("R021", "R033", "R035", "R036", "R037", "R039", MODEL_RULE, "R053", "R056"),
}


def ranked(rules: Column, hit_type: T.StructType) -> Column:
    """array<struct<rank, comes_last, rule_id, hit>> of an array of `hit_type` (RULE_RESULT, RULE_HIT), strongest first.

    Ties go to the smallest rule id; the model's rule, and the one that asks for nothing, come after every other rule of
    their class, whose action and counterparty they would hide.
    """
    places = F.transform(
        rules,
        lambda hit: F.struct(
            _rank(hit["evidence"]).alias("rank"),
            hit["rule_id"].isin(MODEL_RULE, COUNSEL_RULE).alias("comes_last"),
            hit["rule_id"].alias("rule_id"),
            hit.alias("hit"),
        ),
    )
    kind = (
        T.StructType()
        .add("rank", T.LongType())
        .add("comes_last", T.BooleanType())
        .add("rule_id", T.StringType())
        .add("hit", hit_type)
    )
    return sort(nullable(places, T.ArrayType(kind)))


def _rank(evidence: Column) -> Column:
    position = F.array_position(F.array(*(F.lit(e.value) for e in Evidence)), evidence)
    return F.when(position > 0, position).otherwise(F.lit(len(Evidence) + 1))


def combined_evidence(rules: Column, strongest: Column) -> Column:
    """The finding's class: its strongest rule's.

    Rules carry their class after guards. WEAK rules combine at most to MEDIUM, and only where two of them rest on
    different data sources and none of their guards failed: a failed guard speaks against the suspicion.
    """
    supporting = F.filter(
        rules,
        lambda hit: (
            (hit["evidence"] == Evidence.WEAK.value)
            & ~F.exists(_guards(hit), lambda guard: guard["state"] == GuardState.FAILED.value)
        ),
    )
    sources = F.array_distinct(F.filter(F.transform(supporting, lambda hit: _source(hit["rule_id"])), F.isnotnull))
    weak_from_two_sources = (strongest["evidence"] == Evidence.WEAK.value) & (F.size(sources) > 1)
    return F.when(weak_from_two_sources, F.lit(Evidence.MEDIUM.value)).otherwise(strongest["evidence"])


def _guards(hit: Column) -> Column:
    return F.coalesce(hit["guards"], F.array().cast("array<struct<name:string,state:string>>"))


def _source(rule_id: Column) -> Column:
    pairs = [F.lit(word) for source, rules in DATA_SOURCES.items() for rule in rules for word in (rule, source)]
    return F.try_element_at(F.create_map(*pairs), rule_id)


def is_barred(rules: Column) -> Column:
    """Whether the twelve-quarter bar stands against a dispute by every reading of it (R040, all guards passed)."""
    return F.exists(
        rules,
        lambda hit: (
            (hit["rule_id"] == BAR_RULE)
            & F.forall(_guards(hit), lambda guard: guard["state"] == GuardState.PASSED.value)
        ),
    )


def gated_action(strongest: Column, deadline: Column, today: Column, barred: Column, settled: Column) -> Column:
    """The strongest rule's action as far as its own class allows; a dispute that is barred is none.

    Where all that was at issue is settled nobody is asked for anything; a reference that looks wrong is still checked.
    STRONG may draft a dispute; MEDIUM goes to an analyst as its rule says; WEAK may ask, CONTEXT does nothing.
    An MFP refund is withheld only on documented evidence inside the 14 days of prompt payment
    (42 U.S.C. 1320f-2(d); CMS guidance for 2027, section 40.4); else it is paid and watched.
    """
    action, evidence = strongest["action"], strongest["evidence"]
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
