"""Decisions of analysts and answers of counterparties: labels for models, and input to the next run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from engine.contracts.findings import FINDINGS
from engine.rules import ANOMALY_RULE
from engine.runtime.expressions import greatest_of, greatest_of_groups, least_of, sort

# The fields of an answer by which the last one is chosen.
_ANSWER = ("answered_on", "answer", "units_credited")
_OF_DECISION = ("decision", "decided_on", "changed_since_decision", "is_dismissed")


def judged_findings(decisions: DataFrame, as_of: date) -> DataFrame:
    """finding_id, is_valid (DISPUTE; DISMISS: false) and is_random (drawn at random): one row per decided finding.

    The last decision up to the end of the `as_of` day (UTC) counts. Findings whose last decision is WATCH or PAY are
    excluded, because these do not state whether the finding was right. An unknown selection counts as the queue, which
    is biased. `decisions`: conformed.
    """
    return _decided(decisions, as_of).select("finding_id", "is_valid", "is_random")


def reviewed_findings(decisions: DataFrame, outcomes: DataFrame | None, as_of: date) -> DataFrame:
    """finding_id, is_valid, is_random and decided_on: one row per finding drawn at random and decided, or answered.

    The last answer up to `as_of` takes precedence over the decision: ACCEPTED is valid, as is PARTIAL unless it states
    that no units were credited; REJECTED is not valid; NO_ANSWER is ignored. Decisions of the queue count only with an
    answer; is_random is then false. decided_on is NULL if no decision counts. Answers that name only a case are
    excluded. Both tables are conformed.
    """
    decided = _decided(decisions, as_of)
    if outcomes is None:
        return decided.where("is_random")
    is_answer = F.col("finding_id").isNotNull() & (F.col("answer") != "NO_ANSWER")
    was_credited = F.coalesce(F.col("last.units_credited") > 0, F.lit(True))
    answers = outcomes.where(is_answer & (F.col("answered_on") <= F.lit(as_of)))
    answered = greatest_of_groups(answers, ["finding_id"], _ANSWER, into="last").select(
        "finding_id",
        ((F.col("last.answer") == "ACCEPTED") | ((F.col("last.answer") == "PARTIAL") & was_credited)).alias("is_due"),
    )
    # one row per finding on both sides, and finding_id is never NULL in either
    both = decided.join(answered, on="finding_id", how="full_outer").fillna(False, subset=["is_random"])
    return both.where(F.col("is_random") | F.col("is_due").isNotNull()).select(
        "finding_id", F.coalesce("is_due", "is_valid").alias("is_valid"), "is_random", "decided_on"
    )


def answers_by_rule(findings: DataFrame, outcomes: DataFrame, runs: DataFrame, as_of: date) -> DataFrame:
    """rule_id, payer, accepted and answers (both counts): one row per deciding rule and payer of answered findings.

    The last answer up to `as_of` counts; PARTIAL is accepted if units were credited, NO_ANSWER is not an answer (part
    7.19). Answers that name only a case are excluded. `findings`, `runs`: see `as_reviewed`; `outcomes`: conformed.
    """
    is_accepted = (F.col("last.answer") == "ACCEPTED") | (
        (F.col("last.answer") == "PARTIAL") & F.coalesce(F.col("last.units_credited") > 0, F.lit(False))
    )
    answers = outcomes.where(
        F.col("finding_id").isNotNull() & (F.col("answer") != "NO_ANSWER") & (F.col("answered_on") <= F.lit(as_of))
    )
    answered = greatest_of_groups(answers, ["finding_id"], _ANSWER, into="last").select(
        "finding_id", is_accepted.alias("is_accepted"), F.col("last.answered_on").alias("decided_on")
    )
    answered_findings = as_reviewed(findings, answered, runs)
    return (
        answered_findings.select(deciding_rule().alias("rule_id"), payer_of().alias("payer"), "is_accepted")
        .groupBy("rule_id", "payer")
        .agg(
            F.sum(F.col("is_accepted").cast("bigint")).alias("accepted"),
            F.count(F.lit(1)).alias("answers"),
        )
    )


def sampled_by_rule(findings: DataFrame, decisions: DataFrame, runs: DataFrame, as_of: date) -> DataFrame:
    """rule_id, valid and decided (both counts): one row per deciding rule of findings drawn at random and decided.

    Decided means DISPUTE (valid) or DISMISS. `findings`, `runs`: see `as_reviewed`; `decisions`: conformed.
    """
    sampled = _decided(decisions, as_of).where("is_random")
    sampled_findings = as_reviewed(findings, sampled, runs)
    return (
        sampled_findings.select(deciding_rule().alias("rule_id"), "is_valid")
        .groupBy("rule_id")
        .agg(F.sum(F.col("is_valid").cast("bigint")).alias("valid"), F.count(F.lit(1)).alias("decided"))
    )


def payer_of() -> Column:
    """The payer that billed a finding's row; empty for 340B claims."""
    return F.coalesce("payer_id", "state", F.lit(""))


def deciding_rule() -> Column:
    """Id of the deciding rule: of the rules with the finding's class and code, the one with the most units at issue,
    then the first by id.
    """
    own = F.filter(
        "rules",
        lambda hit: (
            (hit["evidence"] == F.col("evidence"))
            & (F.col("dispute_code").isNull() | hit["code"].eqNullSafe(F.col("dispute_code")))
        ),
    )
    most = greatest_of(F.transform(own, lambda hit: F.coalesce(hit["units_at_issue"], F.lit(0))))
    deciding = F.filter(own, lambda hit: F.coalesce(hit["units_at_issue"], F.lit(0)) == most)
    return least_of(F.transform(deciding, lambda hit: hit["rule_id"]))


def as_reviewed(findings: DataFrame, reviewed: DataFrame, runs: DataFrame) -> DataFrame:
    """The reviewed findings as of their decision, with is_valid and is_random: one row per finding.

    The version of a finding is that of the last run whose day is not after the decision: later runs may contain
    consequences of the decision, such as a settlement. If there is no such run, it is that of the first run with the
    finding. `findings`: FINDINGS of all `runs` (run_id, run_number in order of publication, run_day).
    """
    was_there = F.coalesce(F.col("run_day") <= F.col("decided_on"), F.lit(False))
    nearest = F.when(was_there, F.col("run_number")).otherwise(-F.col("run_number"))
    order = Window.partitionBy("finding_id").orderBy(was_there.desc(), nearest.desc())
    return (
        findings.drop("decided_on")  # from an earlier decision; `reviewed` has the day that counts
        .join(F.broadcast(reviewed), on="finding_id", how="inner")
        .join(F.broadcast(runs), on="run_id", how="inner")
        .withColumn("place", F.row_number().over(order))
        .where(F.col("place") == 1)
        .drop("place", "run_number", "run_day", "decided_on")
    )


def latest_decisions(decisions: DataFrame, as_of: date) -> DataFrame:
    """finding_id, decision and decided_on (UTC) of the last decision up to the end of the `as_of` day: one row each."""
    return _latest(decisions, as_of).select(
        "finding_id", F.col("last.decision").alias("decision"), F.to_date("last.decided_at").alias("decided_on")
    )


def with_decisions(findings: DataFrame, latest: DataFrame, decided_findings: DataFrame | None) -> DataFrame:
    """FINDINGS with the decision on each, and what has changed since the decision.

    A dismissed finding that has changed returns to the queue, and its narrative states why. Changes of scores, or of
    results of the model's rule, do not count. `findings`: FINDINGS. `latest`: see `latest_decisions`.
    `decided_findings`: findings as of their decision (see `as_reviewed`); None without an earlier run.
    """
    rows = findings.drop(*_OF_DECISION).join(F.broadcast(latest), on="finding_id", how="left")
    if decided_findings is None:
        changed = F.lit(None).cast("array<string>")
    else:
        then = decided_findings.select(
            "finding_id", *(value.alias(f"then_{name}") for name, value in _compared().items())
        )
        rows = rows.join(F.broadcast(then), on="finding_id", how="left")
        changed = F.when(F.col("decision").isNotNull() & F.col("then_rules").isNotNull(), _differing())
    rows = rows.withColumn("changed_since_decision", changed)
    has_changed = F.coalesce(F.size("changed_since_decision") > 0, F.lit(False))
    was_dismissed = F.coalesce(F.col("decision") == "DISMISS", F.lit(False))
    again = F.concat(
        F.lit(" Dismissed on "),
        F.col("decided_on").cast("string"),
        F.lit("; otherwise since then: "),
        F.array_join("changed_since_decision", ", "),
        F.lit("."),
    )
    returns = was_dismissed & has_changed
    rows = rows.withColumns(
        {
            "is_dismissed": was_dismissed & ~has_changed,
            "narrative": F.when(returns, F.concat("narrative", again)).otherwise(F.col("narrative")),
        }
    )
    return rows.select(*(F.col(field.name).cast(field.dataType) for field in FINDINGS.fields))


def _compared() -> dict[str, Column]:
    """The values whose change can matter to the person who decided the finding, by name; arrays of text."""
    of_rules = F.filter("rules", lambda hit: hit["rule_id"] != ANOMALY_RULE)

    def listed(part: Callable[[Column], Column]) -> Column:
        return sort(F.transform(of_rules, lambda hit: F.concat(hit["rule_id"], F.lit(" "), part(hit))))

    return {
        "rules": sort(F.transform(of_rules, lambda hit: hit["rule_id"])),
        "classes": listed(lambda hit: hit["evidence"]),
        "units": F.array(F.coalesce(F.col("units_at_issue").cast("string"), F.lit(""))),
        "related": listed(lambda hit: F.array_join(F.array_sort(hit["related_source_row_ids"]), " ")),
        "guards": listed(
            lambda hit: F.array_join(
                F.array_sort(F.transform(hit["guards"], lambda guard: F.concat(guard["name"], guard["state"]))), " "
            )
        ),
    }


_CHANGE_WORDS = {
    "rules": "rules",
    "classes": "evidence classes",
    "units": "units at issue",
    "related": "related rows",
    "guards": "guards",
}


def _differing() -> Column:
    """Names of the values that differ; if other rules fire, classes, related rows and guards are not named as well."""
    same_rules = F.col("then_rules") == _compared()["rules"]
    words = []
    for name, now in _compared().items():
        differs = ~F.coalesce(F.col(f"then_{name}") == now, F.lit(False))
        counts = differs if name in ("rules", "units") else differs & same_rules
        words.append(F.when(counts, F.lit(_CHANGE_WORDS[name])))
    return F.array_compact(F.array(*words))


def _latest(decisions: DataFrame, as_of: date) -> DataFrame:
    until_then = decisions.where(F.to_date("decided_at") <= F.lit(as_of))
    return greatest_of_groups(until_then, ["finding_id"], ("decided_at", "decision", "selection"), into="last")


def _decided(decisions: DataFrame, as_of: date) -> DataFrame:
    return (
        _latest(decisions, as_of)
        .where(F.col("last.decision").isin("DISPUTE", "DISMISS"))
        .select(
            "finding_id",
            (F.col("last.decision") == "DISPUTE").alias("is_valid"),
            F.coalesce(F.col("last.selection") == "RANDOM", F.lit(False)).alias("is_random"),
            F.to_date("last.decided_at").alias("decided_on"),
        )
    )
