"""Two finished runs compared: which findings are new, gone or changed, and what may have caused it.

A cause is a difference between the runs in something that the finding's rules read. If several differ, all are named,
because two runs alone do not show which of them changed the finding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import Subject
from engine.contracts.tables import FEEDS, SUBJECT_FEEDS
from engine.rules import ANOMALY_RULE, REGISTRY, SWITCHED_OFF
from engine.runtime.expressions import array_except


class Change(StrEnum):
    """How a finding differs between two runs."""

    NEW = "NEW"
    GONE = "GONE"
    CHANGED = "CHANGED"


class Cause(StrEnum):
    """DATA: the feeds, or the day of the run. REFERENCE: all other tables. CODE: another version of the program."""

    DATA = "DATA"
    REFERENCE = "REFERENCE"
    CONFIG = "CONFIG"
    MODEL = "MODEL"
    CODE = "CODE"


_FEEDS = frozenset(table.name for table in FEEDS)
# Every amount and every claim key depends on these tables.
_ALWAYS = frozenset(("prices", "products", "pharmacies"))
# Columns that, in addition to its rules, make a finding a changed one.
_COMPARED = ("evidence", "dispute_code", "route", "party_at_fault", "action", "units_at_issue", "amount_at_issue")
_SHOWN = ("subject", "source_row_id", *_COMPARED)
# Tables on which the facts about a table also depend, if they are available.
_RELATED_TABLES = {
    "entity_claims": frozenset(("covered_entities",)),
    "chargebacks": frozenset(("covered_entities",)),
    "contract_pharmacies": frozenset(("covered_entities", "entity_npis")),
    "rebate_contracts": frozenset(("contract_pharmacy_lists", "entity_npis")),
}


@dataclass(frozen=True)
class Differences:
    """What differs between two runs, from their summaries.

    tables: input tables with other content, or in one run only. rules_off: by "rule id on feed", why the rule was off
    before and after, if that differs. thresholds: rules on a feed whose thresholds differ. models: feeds that another
    model version scored. config, day, code: whether any setting, the runs' day, or the program differs.
    """

    tables: frozenset[str]
    rules_off: Mapping[str, tuple[str | None, str | None]]
    thresholds: frozenset[str]
    models: frozenset[str]
    config: bool
    day: bool
    code: bool


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Differences:
    """`before`, `after`: summary.json of the runs."""

    def differing(name: str) -> list[str]:
        # the summary of a run of an earlier version may lack it
        old, new = before.get(name, {}), after.get(name, {})
        return [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]

    fingerprints = [
        {name: table["fingerprint"] for name, table in summary["input"].items()} for summary in (before, after)
    ]
    old, new = fingerprints
    both_on = before.get("thresholds", {}).keys() & after.get("thresholds", {}).keys()
    return Differences(
        tables=frozenset(name for name in {*old, *new} if old.get(name) != new.get(name)),
        rules_off={
            name: (before["rules_off"].get(name), after["rules_off"].get(name)) for name in differing("rules_off")
        },
        thresholds=frozenset(both_on.intersection(differing("thresholds"))),
        models=frozenset(differing("models")),
        config=before["config_hash"] != after["config_hash"],
        day=before["as_of"] != after["as_of"],
        code=before["code_version"] != after["code_version"],
    )


def compare_findings(before: DataFrame, after: DataFrame) -> DataFrame:
    """Findings that are not the same in both runs, one row per finding_id.

    Columns: change, subject, source_row_id; the values of each run (`before_*`, `after_*`: evidence, code, route,
    party, action, units and amount at issue, rules as "R001 STRONG", rule_figures as "R001 X 30.000 60.00": code, units
    and dollars of each rule); and rule_ids: the rules whose results differ. Runs of earlier versions have no figures of
    single rules; these are then not compared.
    """
    old, new = _narrow(before, "before"), _narrow(after, "after")
    joined = old.join(new, on=F.col("before_finding_id").eqNullSafe(F.col("after_finding_id")), how="full_outer")
    is_new, is_gone = F.col("before_finding_id").isNull(), F.col("after_finding_id").isNull()
    same = F.lit(True)
    for name in (*_COMPARED, "rules"):
        same = same & F.col(f"before_{name}").eqNullSafe(F.col(f"after_{name}"))
    same = same & ~F.coalesce(F.col("before_rule_figures") != F.col("after_rule_figures"), F.lit(False))
    change = F.when(is_new, Change.NEW.value).when(is_gone, Change.GONE.value).when(~same, Change.CHANGED.value)
    return (
        joined.withColumn("change", change)
        .where(F.col("change").isNotNull())
        .select(
            "change",
            F.coalesce("before_finding_id", "after_finding_id").alias("finding_id"),
            *(F.coalesce(f"before_{name}", f"after_{name}").alias(name) for name in ("subject", "source_row_id")),
            *(f"{side}_{name}" for name in (*_COMPARED, "rules", "rule_figures") for side in ("before", "after")),
            _other_rules().alias("rule_ids"),
        )
    )


def _narrow(findings: DataFrame, side: str) -> DataFrame:
    rules = F.transform("rules", lambda hit: F.concat(hit["rule_id"], F.lit(" "), hit["evidence"]))
    figures = F.transform(
        "rules",
        lambda hit: F.concat_ws(
            " ",
            hit["rule_id"],
            *(
                F.coalesce(hit[name].cast("string"), F.lit("-"))
                for name in ("code", "units_at_issue", "amount_at_issue")
            ),
        ),
    )
    has_figures = F.exists("rules", lambda hit: hit["units_at_issue"].isNotNull() | hit["document"].isNotNull())
    return findings.select(
        F.col("finding_id").alias(f"{side}_finding_id"),
        *(F.col(name).alias(f"{side}_{name}") for name in _SHOWN),
        rules.alias(f"{side}_rules"),
        F.when(has_figures, figures).alias(f"{side}_rule_figures"),
    )


def _other_rules() -> Column:
    """Ids of rules that are in one of the runs only, or have another class or other figures there; all rules of the
    finding if only other values differ.
    """
    differing = F.array_union(_in_one_only("rules"), _in_one_only("rule_figures"))
    none = F.array().cast("array<string>")
    every = F.array_union(F.coalesce("before_rules", none), F.coalesce("after_rules", none))
    chosen = F.when(F.size(differing) > 0, differing).otherwise(every)
    return F.array_sort(F.array_distinct(F.transform(chosen, lambda hit: F.split_part(hit, F.lit(" "), F.lit(1)))))


def _in_one_only(name: str) -> Column:
    """Elements of an array that only one of the runs has. Figures are not compared if a run did not record them."""
    none = F.array().cast("array<string>")
    is_known = F.col("before_rule_figures").isNotNull() & F.col("after_rule_figures").isNotNull()
    old, new = F.coalesce(f"before_{name}", none), F.coalesce(f"after_{name}", none)
    differing = F.array_union(array_except(old, new), array_except(new, old))
    return differing if name == "rules" else F.when(is_known, differing).otherwise(none)


def causes(differ: Differences, subject: str, rule_ids: Sequence[str]) -> list[str]:
    """Possible causes of a change, in words, each prefixed with its Cause; empty if no known difference explains it."""
    feed = SUBJECT_FEEDS[Subject(subject)]
    changed = sorted(_tables_of(subject, rule_ids) & differ.tables)
    possible = [f"{Cause.DATA}: {name} differs" for name in changed if name in _FEEDS]
    possible += [f"{Cause.DATA}: another --as-of day"] if differ.day else []
    possible += [f"{Cause.REFERENCE}: {name} differs" for name in changed if name not in _FEEDS]
    tables = [table for feed_subject, table in SUBJECT_FEEDS.items() if feed_subject.in_findings == subject]
    named = [f"{rule_id} on {table}" for rule_id in rule_ids for table in tables]
    switched = [name for name in named if name in differ.rules_off]
    possible += [_switched(name, *differ.rules_off[name]) for name in switched]
    of_rules = [name for name in named if name in differ.thresholds]
    possible += [f"{Cause.CONFIG}: thresholds of {name} differ" for name in of_rules]
    if differ.config and not switched and not of_rules:
        possible.append(f"{Cause.CONFIG}: settings differ, and none of these rules' thresholds is known to")
    if ANOMALY_RULE in rule_ids and feed in differ.models:
        possible.append(f"{Cause.MODEL}: another model version scored {feed}")
    return possible + ([f"{Cause.CODE}: another version of the program"] if differ.code else [])


def _switched(name: str, then: str | None, now: str | None) -> str:
    """The cause, in words, of a rule that was switched on or off: the configuration, or a missing table."""
    by_configuration = SWITCHED_OFF in (then, now)
    states = [f"off ({why})" if why else "on" for why in (then, now)]
    return f"{Cause.CONFIG if by_configuration else Cause.REFERENCE}: {name} was {states[0]} before, {states[1]} after"


def _tables_of(subject: str, rule_ids: Sequence[str]) -> frozenset[str]:
    """Tables that the rules, their guards and the amount at issue depend on."""
    rules = [rule for rule in REGISTRY.rules() if rule.subject.in_findings == subject and rule.id in rule_ids]
    needs = [need for rule in rules for need in (*rule.needs, *(need for guard in rule.guards for need in guard.needs))]
    named = _ALWAYS | {name.partition(".")[0] for need in needs for name in need.split("|")}
    return named.union(*(related for table, related in _RELATED_TABLES.items() if table in named))
