"""The manufacturer's policy on contract pharmacies for a 340B claim, and state laws that protect them.

The tables go beyond the contract: docs/contract-extensions.md.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.entity_families import SPAN, at_parent, covers_day
from engine.facts.families import absent
from engine.facts.snapshots import known_from
from engine.intervals import covers, join_as_of, join_own_and_general
from engine.runtime.column_names import column_names
from engine.runtime.expressions import all_of, collect_distinct, greatest_of

POLICY_FACTS = (
    T.StructField("policy_contract_pharmacies", T.StringType()),
    T.StructField("policy_exempt_entity_types", T.ArrayType(T.StringType())),
    T.StructField("policy_ndc9", T.StringType()),
    T.StructField("policy_begin_date", T.DateType()),
    T.StructField("policy_end_date", T.DateType()),
    T.StructField("policy_known_from", T.DateType()),
)


def with_manufacturer_policy(rows: DataFrame, policies: DataFrame | None) -> DataFrame:
    """Add `policy`, a struct of POLICY_FACTS, to `rows` (labeler_code, ndc9).

    It is the policy in force at the date of service; NULL if none is. A policy for the product takes precedence over
    one for all products, then the latest begin date.
    """
    if policies is None:
        return rows.withColumn("policy", absent(POLICY_FACTS))
    values = {
        "policy_contract_pharmacies": F.col("contract_pharmacies"),
        "policy_exempt_entity_types": F.split("exempt_entity_types", r"\|"),
        "policy_ndc9": F.col("ndc9"),
        "policy_begin_date": F.col("begin_date"),
        "policy_end_date": F.col("end_date"),
        "policy_known_from": known_from(policies, "manufacturer_policies"),
    }
    labeler = {"labeler_code": F.col("labeler_code")}
    joined = join_own_and_general(
        rows, policies, own="ndc9", own_key={**labeler, "ndc9": F.col("ndc9")}, general_key=labeler, values=values
    )
    return joined.select(*column_names(rows), F.coalesce("own_policy", "general_policy").alias("policy"))


SUBMISSION_FACTS = (
    T.StructField("submission_days", T.LongType()),
    T.StructField("submission_window_begin_date", T.DateType()),
    T.StructField("submission_window_is_known", T.BooleanType()),
    T.StructField("submission_window_known_from", T.DateType()),
)
# The fields that limit a window, in order of precedence; NULL matches every claim.
_WINDOW_OF = ("ndc9", "claim_type", "state")


def with_submission_window(rows: DataFrame, windows: DataFrame | None) -> DataFrame:
    """Add `submission`, a struct of SUBMISSION_FACTS, to `rows` (labeler_code, ndc9, claim_type, `entity`).

    It is the window in force at the date of service. One for the product takes precedence over one for the claim type,
    that over one for the entity's state, and then the latest wins. NULL if none is in force; the days are NULL if the
    window in force sets none.
    """
    if windows is None:
        return rows.withColumn("submission", absent(SUBMISSION_FACTS))
    by_labeler = windows.groupBy(F.col("labeler_code").alias("window_labeler")).agg(
        F.collect_list(
            F.struct(*_WINDOW_OF, "begin_date", "days", known_from(windows, "submission_windows").alias("known_from"))
        ).alias("windows")
    )
    own = {**{name: F.col(name) for name in _WINDOW_OF}, "state": F.col("entity.entity_state")}
    beginning = F.lit("0001-01-01").cast("date")

    def holds(window: Column) -> Column:
        agrees = [window[name].isNull() | F.coalesce(window[name] == own[name], F.lit(False)) for name in _WINDOW_OF]
        return all_of([*agrees, covers(F.col("date_of_service"), window["begin_date"], F.lit(None).cast("date"))])

    def place(window: Column) -> Column:
        # The compared values contain no NULL, because engines sort NULL differently.
        begin, known = (F.coalesce(window[name], beginning) for name in ("begin_date", "known_from"))
        days = F.coalesce(window["days"], F.lit(-1).cast("bigint"))
        specifies = (window[name].isNotNull().alias(name) for name in _WINDOW_OF)
        return F.struct(*specifies, begin.alias("begin"), days.alias("days"), known.alias("known_from"))

    same = F.col("labeler_code") == F.col("window_labeler")
    joined = rows.join(F.broadcast(by_labeler), on=same, how="left")  # one row per labeler
    joined = joined.withColumn("window", greatest_of(F.transform(F.filter("windows", holds), place)))
    values = {
        "submission_days": F.when(F.col("window.days") >= 0, F.col("window.days")),
        "submission_window_begin_date": F.col("window.begin"),
        "submission_window_is_known": F.lit(True),
        "submission_window_known_from": F.nullif(F.col("window.known_from"), beginning),
    }
    family = F.struct(*(values[field.name].cast(field.dataType).alias(field.name) for field in SUBMISSION_FACTS))
    return joined.select(*column_names(rows), F.when(F.col("window").isNotNull(), family).alias("submission"))


def with_designation(rows: DataFrame, designations: DataFrame | None, families: DataFrame | None) -> DataFrame:
    """Add pharmacy_is_designated to `rows` (parent_entity_id, pharmacy_npi, labeler_code).

    True if the entity, its parent or one of the parent's sites designated the pharmacy to this manufacturer, or to all;
    NULL if the table is missing.
    """
    if designations is None:
        return rows.withColumn("pharmacy_is_designated", F.lit(None).cast("boolean"))
    by_pharmacy = (
        at_parent(designations, "entity_id", families)
        .groupBy(F.col("entity_id").alias("designating_entity"), F.col("pharmacy_npi").alias("designated_npi"), *SPAN)
        .agg(collect_distinct(F.struct("labeler_code", "begin_date", "end_date")).alias("designations"))
    )
    same = [F.col("parent_entity_id") == F.col("designating_entity"), F.col("pharmacy_npi") == F.col("designated_npi")]
    same.append(covers_day(F.col("date_of_service")))
    joined = rows.join(F.broadcast(by_pharmacy), on=same, how="left")  # one row per entity and pharmacy on a day

    def holds(each: Column) -> Column:
        is_theirs = each["labeler_code"].isNull() | (each["labeler_code"] == F.col("labeler_code"))
        return is_theirs & covers(F.col("date_of_service"), each["begin_date"], each["end_date"])

    is_designated = F.coalesce(F.exists("designations", holds), F.lit(False))
    return joined.select(*column_names(rows), is_designated.alias("pharmacy_is_designated"))


def with_state_law(rows: DataFrame, laws: DataFrame | None) -> DataFrame:
    """Add state_law_protects to `rows` (`entity`).

    True if a law of the entity's state on contract pharmacies is in force at the date of service; NULL if the table is
    missing or the state is not known.
    """
    if laws is None:
        return rows.withColumn("state_law_protects", F.lit(None).cast("boolean"))
    state = F.col("entity.entity_state")
    joined = join_as_of(
        rows,
        laws,
        key={"state": state},
        day=F.col("date_of_service"),
        start=F.col("begin_date"),
        end=F.col("end_date"),
        values={"protects": F.lit(True)},
        into="law",
    )
    return joined.select(
        *column_names(rows), F.when(state.isNotNull(), F.col("law").isNotNull()).alias("state_law_protects")
    )
