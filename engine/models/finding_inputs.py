"""Inputs of a re-ranker: indicators of a finding (0 or 1), and a few numbers of similar size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Evidence, GuardState, Program, Subject
from engine.runtime.expressions import log10

_TIERS = ("T1", "T2", "T3", "T4", "T5", "T6")
_RAREST = 6.0  # smaller p-values count as one millionth
_MOST_GUARDS = 5.0
_LOG2_ODDS = 10.0  # match scores are log2 odds of a few tens at most


def input_names(features: Iterable[str], rule_ids: Iterable[str]) -> tuple[str, ...]:
    """Names of the inputs of FINDING_FEATURES, in their order; `rule_ids`: ids of all rules."""
    of_feature = {
        "evidence": [f"evidence={name.value}" for name in Evidence],
        "rules": [f"rule={name}" for name in sorted(rule_ids)],
        "guards": [f"guards_{name.value.lower()}" for name in (GuardState.EXPLAINED, GuardState.UNCHECKED)],
        "match": [*(f"match_tier={name}" for name in _TIERS), "match_score", "match_ambiguous"],
        "anomaly": ["anomaly_known", "anomaly_rarity"],
        "amount": ["amount_known", "amount_log10"],
        "program": [f"program={name.value}" for name in Program],
        "subject": [f"subject={name.value}" for name in Subject],
    }
    return tuple(name for feature in features for name in of_feature[feature])


def input_columns(names: Sequence[str]) -> list[Column]:
    """The inputs as doubles without NULL, from columns of FINDINGS.

    NULL becomes 0: no tier, no program (340B claims), no score. If 0 could also be a known value (p-value 1, no
    dollars), a separate input indicates that the value is known.
    """
    return [F.coalesce(_input(name).cast("double"), F.lit(0.0)).alias(name) for name in names]


def _input(name: str) -> Column:
    kind, _, level = name.partition("=")
    if kind == "rule":
        return F.exists("rules", lambda hit: hit["rule_id"] == level)
    if kind.startswith("guards_"):
        return F.least(_guards(kind.removeprefix("guards_").upper()), F.lit(_MOST_GUARDS)) / F.lit(_MOST_GUARDS)
    if level:
        return F.col(kind) == level
    p_value = F.col("anomaly_p_value")
    return {
        "match_score": F.col("match_score") / F.lit(_LOG2_ODDS),
        "match_ambiguous": F.col("match_ambiguous"),
        "anomaly_known": p_value.isNotNull(),
        # `least` alone would ignore NULL
        "anomaly_rarity": F.when(p_value.isNotNull(), F.least(-log10(p_value), F.lit(_RAREST)) / F.lit(_RAREST)),
        "amount_known": F.col("amount_at_issue").isNotNull(),
        "amount_log10": log10(F.lit(1.0) + F.abs(F.col("amount_at_issue").cast("double"))),
    }[name]


def _guards(state: str) -> Column:
    """Number of guards of the finding's rules in the state."""
    none = F.array().cast("array<struct<name:string,state:string>>")
    guards = F.flatten(F.transform("rules", lambda hit: F.coalesce(hit["guards"], none)))
    return F.size(F.filter(guards, lambda guard: guard["state"] == state))
