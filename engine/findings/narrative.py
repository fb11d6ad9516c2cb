"""One or two plain sentences on why a row is suspected."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Subject
from engine.rules import REGISTRY
from engine.rules.text import if_known

FURTHER_RULES = 3


def narrative(ranked_rules: Column, subject: Subject) -> Column:
    """The strongest rule's message, then the titles of the rules that support it, strongest first."""
    first = _sentence(F.get(ranked_rules, F.lit(0))["hit"]["message"])
    titles = F.transform(F.slice(ranked_rules, 2, FURTHER_RULES), lambda item: _title(item["rule_id"], subject))
    left = F.size(ranked_rules) - (1 + FURTHER_RULES)
    more = F.when(left > 0, F.concat(F.lit("; and "), left.cast("string"), F.lit(" more"))).otherwise(F.lit(""))
    also = F.when(
        F.size(titles) > 0, F.concat(F.lit(" Also: "), F.array_join(titles, "; "), more, F.lit("."))
    ).otherwise(F.lit(""))
    return F.concat(first, also)


def settled_since(billed: Column, settled: Column, settled_on: Column) -> Column:
    """A sentence on the units credited or repaid since the row was received, to append; empty without any."""
    return if_known(
        " {units:number} units of it were credited or repaid since, last on {day:date}, and are not at issue any more.",
        units=F.when(settled > 0, F.least(settled, F.abs(billed))),
        day=settled_on,
    )


def _sentence(message: Column) -> Column:
    return F.concat(F.regexp_replace(F.trim(message), r"\.+\z", ""), F.lit("."))


def _title(rule_id: Column, subject: Subject) -> Column:
    titles = {rule.id: _as_clause(rule.title) for rule in REGISTRY.rules(subject)}
    pairs = [F.lit(word) for pair in titles.items() for word in pair]
    return F.coalesce(F.try_element_at(F.create_map(*pairs), rule_id), rule_id)


def _as_clause(title: str) -> str:
    """The title for use inside a sentence: first letter in lower case, except for abbreviations."""
    return title[:1].lower() + title[1:] if title[1:2].islower() else title
