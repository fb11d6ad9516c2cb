"""Two finished runs compared: which findings are new, gone or changed, and what may have caused it.

A cause is something that differs between the runs and that the finding's rules look at. Where several do, all are named:
from two runs alone nobody can tell which of them it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import Subject
from engine.findings.evidence import MODEL_RULE

FEED_OF = {
    Subject.REBATE_CLAIM.value: "rebate_claims",
    Subject.ENTITY_CLAIM.value: "entity_claims",
    Subject.INVOICE.value: "invoices",
}


class Change(StrEnum):
    NEW = "NEW"
    GONE = "GONE"
    CHANGED = "CHANGED"


class Cause(StrEnum):
    """DATA: the feeds, or the day of the run. REFERENCE: tables beside them. CODE: another version of the program."""

    DATA = "DATA"
    REFERENCE = "REFERENCE"
    CONFIG = "CONFIG"
    MODEL = "MODEL"
    CODE = "CODE"


# What makes a finding another one, beside its rules.
_COMPARED = ("evidence", "action", "units_at_issue", "amount_at_issue")
_SHOWN = ("subject", "source_row_id", "evidence", "action", "units_at_issue", "amount_at_issue")


@dataclass(frozen=True)
class Differences:
    """What differs between two runs, from their summaries.

    tables: input tables that are other ones, or in one run only. rules: rules that were on in one run only. model: by
    feed. config, day, code: whether settings, the run's day and the program differ.
    """

    tables: frozenset[str]
    rules_off: Mapping[str, tuple[str | None, str | None]]
    models: frozenset[str]
    config: bool
    day: bool
    code: bool


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Differences:
    """`before`, `after`: summary.json of the runs."""
    old, new = before["input"], after["input"]
    off_old, off_new = before["rules_off"], after["rules_off"]
    return Differences(
        frozenset(
            name
            for name in {*old, *new}
            if old.get(name, {}).get("fingerprint") != new.get(name, {}).get("fingerprint")
        ),
        {
            name: (off_old.get(name), off_new.get(name))
            for name in sorted({*off_old, *off_new})
            if off_old.get(name) != off_new.get(name)
        },
        frozenset(
            name for name in {*before["models"], *after["models"]} if before["models"].get(name) != after["models"].get(name)
        ),
        before["config_hash"] != after["config_hash"],
        before["as_of"] != after["as_of"],
        before["code_version"] != after["code_version"],
    )


def compare_findings(before: DataFrame, after: DataFrame) -> DataFrame:
    """Findings that are not the same in both runs, one row per finding_id: change, subject, source_row_id, what each
    run says (`before_*`, `after_*`: evidence, action, units and amount at issue, rules as "R001 STRONG") and `rule_ids`,
    those that say something else.
    """
    old, new = _narrow(before, "before"), _narrow(after, "after")
    joined = old.join(new, on=F.col("before_finding_id").eqNullSafe(F.col("after_finding_id")), how="full_outer")
    is_new, is_gone = F.col("before_finding_id").isNull(), F.col("after_finding_id").isNull()
    same = F.lit(True)
    for name in (*_COMPARED, "rules"):
        same = same & F.col(f"before_{name}").eqNullSafe(F.col(f"after_{name}"))
    change = F.when(is_new, Change.NEW.value).when(is_gone, Change.GONE.value).when(~same, Change.CHANGED.value)
    return (
        joined.withColumn("change", change)
        .where(F.col("change").isNotNull())
        .select(
            "change",
            F.coalesce("before_finding_id", "after_finding_id").alias("finding_id"),
            *(F.coalesce(f"before_{name}", f"after_{name}").alias(name) for name in ("subject", "source_row_id")),
            *(f"{side}_{name}" for name in (*_COMPARED, "rules") for side in ("before", "after")),
            _other_rules().alias("rule_ids"),
        )
    )


def _narrow(findings: DataFrame, side: str) -> DataFrame:
    rules = F.transform("rules", lambda hit: F.concat(hit["rule_id"], F.lit(" "), hit["evidence"]))
    return findings.select(
        F.col("finding_id").alias(f"{side}_finding_id"),
        *(F.col(name).alias(f"{side}_{name}") for name in _SHOWN),
        rules.alias(f"{side}_rules"),
    )


def _other_rules() -> Column:
    """Ids of rules that only one of the runs holds, or holds with another class; all where only figures differ."""
    none = F.array().cast("array<string>")
    old, new = F.coalesce("before_rules", none), F.coalesce("after_rules", none)
    differing = F.array_union(F.array_except(old, new), F.array_except(new, old))
    chosen = F.when(F.size(differing) > 0, differing).otherwise(F.array_union(old, new))
    return F.array_sort(F.array_distinct(F.transform(chosen, lambda hit: F.substring_index(hit, " ", 1))))


def causes(
    differ: Differences,
    subject: str,
    rule_ids: Sequence[str],
    needs: Mapping[tuple[str, str], frozenset[str]],
    feeds: frozenset[str],
) -> list[str]:
    """What can have made the change, in words, each led by its Cause; empty where nothing known can.

    `needs`: by rule and subject the tables that the rule and its guards look at. A changed price table can change any
    amount.
    """
    feed = FEED_OF[subject]
    tables = {feed, "prices", "pharmacies", "products"}.union(
        *(needs.get((rule_id, subject), frozenset()) for rule_id in rule_ids)
    )
    changed = sorted(tables & differ.tables)
    found = [f"{Cause.DATA}: {name} is another" for name in changed if name in feeds]
    found += [f"{Cause.DATA}: another --as-of day"] if differ.day else []
    found += [f"{Cause.REFERENCE}: {name} is another" for name in changed if name not in feeds]
    switched = [f"{rule_id} on {feed}" for rule_id in rule_ids if f"{rule_id} on {feed}" in differ.rules_off]
    for name in switched:
        then, now = differ.rules_off[name]
        what = f"on before, off now ({now})" if then is None else f"off before ({then}), on now" if now is None else now
        # a rule is off for want of a table as well as by the configuration
        is_missing = "missing" in f"{then} {now}" or "is there" in f"{then} {now}"
        found.append(f"{Cause.REFERENCE if is_missing else Cause.CONFIG}: {name} was {what}")
    if differ.config and not switched:
        found.append(f"{Cause.CONFIG}: settings differ")
    if MODEL_RULE in rule_ids and feed in differ.models:
        found.append(f"{Cause.MODEL}: another model version scored {feed}")
    found += [f"{Cause.CODE}: another version of the program"] if differ.code else []
    return found
