"""The pharmacy: its contracts with entities, its 340B share of a product, and how it submits its claims."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.entity_families import SPAN, at_parent, covers_day
from engine.facts.families import absent
from engine.facts.feature import AT_SERVICE, BEFORE, Feature, NotBuilt
from engine.facts.history import added_up, before, near, share, with_history, with_is_linked
from engine.facts.peers import NORMAL_CONSISTENCY, quantile
from engine.intervals import covers, quarter_index
from engine.runtime.column_names import column_names
from engine.runtime.expressions import all_of, collect_distinct, greatest_of
from engine.settings import PeerSettings

MATCH_CONFIDENCE = "pharmacy_match_confidence"
LEAST_SPREAD = 1.0  # claims per day: counts are whole numbers
_PHARMACY_PRODUCT = ("pharmacy_key", "ndc9")
_CONTRACT = ("contract_pharmacies.pharmacy_npi", "entity_claims|medicaid_exclusions")
FEATURES = (
    Feature(
        "F12",
        "f12_cp_active_at_dos",
        "a contract of the entity in question, its parent or its sites with the pharmacy holds; unknown where "
        "contracts without a pharmacy NPI may be the one, or the table holds none of the entity's",
        needs=_CONTRACT,
        grain="entity in question and pharmacy",
        window=AT_SERVICE,
        unit="boolean",
    ),
    Feature(
        "F13",
        "f13_cp_match_conf",
        "how sure it is that the contract of F12 names this pharmacy: 1 where the source gave the NPI; the surest of "
        "several contracts",
        needs=(*_CONTRACT, f"contract_pharmacies.{MATCH_CONFIDENCE}"),
        grain="entity in question and pharmacy",
        window=AT_SERVICE,
        unit="probability",
    ),
    Feature(
        "F14",
        "f14_n_ce_per_pharmacy",
        "distinct parent entities with a contract that holds, less those known not to participate",
        needs=("contract_pharmacies.pharmacy_npi",),
        grain="pharmacy",
        window=AT_SERVICE,
        unit="entities",
    ),
    Feature(
        "F15",
        "f15_pharm_340b_share",
        "claims linked to a 340B claim / all claims of the pharmacy for the NDC-9",
        needs=("entity_claims",),
        grain="pharmacy and NDC-9",
        window=BEFORE,
    ),
    Feature(
        "F59",
        "f59_batch_size_rz",
        "(n - median) / max(1.4826 MAD, 1), n = claims of the pharmacy for the NDC-9 on the day; median and MAD over "
        "its days with claims, NULL under 20 days; within +/- 10",
        grain="pharmacy, NDC-9 and day",
        window=f"date of service; and days of the {BEFORE}",
        unit="robust z-score",
    ),
)
NOT_BUILT = (NotBuilt("F19", "dist_pat_pharm_km", "no table holds a patient's ZIP code"),)
CONTRACT_FACTS = (
    T.StructField("f12_cp_active_at_dos", T.BooleanType()),
    T.StructField("f13_cp_match_conf", T.DoubleType()),
    T.StructField("f14_n_ce_per_pharmacy", T.IntegerType()),
)
_CONTRACTS = "array<struct<parent:string,confidence:double,takes_part:boolean>>"


def with_contract_status(
    rows: DataFrame,
    flagged: DataFrame,
    contract_pharmacies: DataFrame | None,
    entities: DataFrame | None,
    families: DataFrame | None,
) -> DataFrame:
    """Add `cp`, a struct of CONTRACT_FACTS, and `contracts` to `rows` (pharmacy_key, parent_entity_id).

    `contracts`: the pharmacy's contracts in force at the date of service, with any entity. Both are NULL if the
    pharmacy's NPI is not known. An entity's own pharmacy needs no contract: see `contract_pharmacy_is_entity_owned`.
    """
    if contract_pharmacies is None:
        return rows.withColumns({"cp": absent(CONTRACT_FACTS), "contracts": F.lit(None).cast(_CONTRACTS)})
    day, parent = F.col("date_of_service"), F.col("parent_entity_id")
    npi = F.when(~F.col("pharmacy_key").startswith("NCPDP:"), F.col("pharmacy_key"))
    known = at_parent(_with_participation(contract_pharmacies, entities), "entity_id", families)
    entry = F.struct("entity_id", "confidence", *_SPANS, *SPAN, "participations")
    by_pharmacy = near(flagged, known.withColumnRenamed("pharmacy_npi", "pharmacy_key"), ["pharmacy_key"])
    assert by_pharmacy is not None
    all_of_pharmacy = by_pharmacy.groupBy(F.col("pharmacy_key").alias("of_npi")).agg(
        F.collect_list(entry).alias("all_contracts")
    )
    names_all = known.groupBy(F.col("entity_id").alias("of_entity_id"), *SPAN).agg(
        F.bool_and(F.col("pharmacy_npi").isNotNull()).alias("names_all")
    )
    joined = rows.join(F.broadcast(all_of_pharmacy), on=F.col("pharmacy_key") == F.col("of_npi"), how="left").join(
        F.broadcast(names_all), on=[parent == F.col("of_entity_id"), covers_day(day)], how="left"
    )  # one row per pharmacy, one per entity on a day
    in_force = F.transform(
        F.filter("all_contracts", lambda each: _holds(each, day)), lambda each: _contract_entry(each, day)
    )
    contracts = F.when(npi.isNotNull(), F.coalesce(in_force, F.array().cast(_CONTRACTS)))
    enriched = joined.select(*column_names(rows), "names_all", contracts.alias("contracts"))
    own = F.filter("contracts", lambda each: each["parent"] == parent)
    is_active = F.when(F.size(own) > 0, True).when(F.col("names_all"), F.lit(False))
    taking_part = F.transform(F.filter("contracts", lambda each: each["takes_part"]), lambda each: each["parent"])
    facts = F.struct(
        F.when(parent.isNotNull() & F.col("contracts").isNotNull(), is_active).alias("f12_cp_active_at_dos"),
        greatest_of(F.transform(own, lambda each: each["confidence"])).alias("f13_cp_match_conf"),
        F.size(F.array_distinct(taking_part)).alias("f14_n_ce_per_pharmacy"),
    )
    known_facts = F.when(F.col("contracts").isNotNull(), facts)
    return enriched.select(*column_names(rows), known_facts.alias("cp"), "contracts")


_SPANS = ("begin_date", "termination_date", "valid_from", "valid_to")


def _holds(contract: Column, day: Column) -> Column:
    spans = (("begin_date", "termination_date"), ("valid_from", "valid_to"), SPAN)
    return all_of(covers(day, contract[start], contract[end]) for start, end in spans)


def _contract_entry(contract: Column, day: Column) -> Column:
    """Parent, confidence, and whether the entity participates: true if nothing is known of its participation."""
    spans = contract["participations"]
    takes_part = spans.isNull() | F.exists(spans, lambda span: covers(day, span["start"], span["end"]))
    return F.struct(
        contract["entity_id"].alias("parent"),
        contract["confidence"].alias("confidence"),
        takes_part.alias("takes_part"),
    )


def _with_participation(contract_pharmacies: DataFrame, entities: DataFrame | None) -> DataFrame:
    """Add the periods in which the entity took part in 340B, and the confidence of the pharmacy, to the contracts."""
    has_confidence = MATCH_CONFIDENCE in column_names(contract_pharmacies)
    confidence = F.col(MATCH_CONFIDENCE) if has_confidence else F.lit(None).cast("double")
    contracts = contract_pharmacies.select("entity_id", "pharmacy_npi", *_SPANS, confidence.alias("confidence"))
    span = "struct<start:date,end:date>"
    if entities is None:
        return contracts.withColumn("participations", F.lit(None).cast(f"array<{span}>"))
    spans = F.struct(F.col("participating_start").alias("start"), F.col("termination_date").alias("end"))
    by_entity = entities.groupBy(F.col("entity_id").alias("of_entity_id")).agg(
        collect_distinct(spans).alias("participations")
    )
    joined = contracts.join(F.broadcast(by_entity), on=F.col("entity_id") == F.col("of_entity_id"), how="left")
    return joined.drop("of_entity_id")


def with_pharmacy_history(
    rows: DataFrame, flagged: DataFrame, claims: DataFrame, links_340b: DataFrame | None, settings: PeerSettings
) -> DataFrame:
    """Add F15 and F59 to `rows`, from one pass over the pharmacy's claims for the product, counted by day."""
    day = F.col("date_of_service")
    of_product = near(flagged, claims, _PHARMACY_PRODUCT)
    linked = with_is_linked(of_product, links_340b)
    by = {"day": day, "quarter": quarter_index(day)}
    sums = {"linked": F.count_if("is_linked")} if linked is not None else {}
    events = linked if linked is not None else of_product
    enriched = with_history(rows, events, _PHARMACY_PRODUCT, by, "of_pharmacy", sums)
    of_340b = share(before("of_pharmacy"), "linked") if linked is not None else F.lit(None).cast("double")
    today = added_up(F.filter("of_pharmacy", lambda entry: entry["day"] == day), "n").cast("double")
    enriched = enriched.withColumn(
        "usual", F.array_sort(F.transform(before("of_pharmacy"), lambda entry: entry["n"].cast("double")))
    )
    enriched = enriched.withColumn("usual_median", quantile(F.col("usual"), 0.5))
    deviations = F.array_sort(F.transform("usual", lambda n: F.abs(n - F.col("usual_median"))))
    spread = F.greatest(quantile(deviations, 0.5) * NORMAL_CONSISTENCY, F.lit(LEAST_SPREAD))
    z = (today - F.col("usual_median")) / spread
    capped = F.greatest(F.lit(-settings.cap), F.least(F.lit(settings.cap), z)) if settings.cap else z
    return enriched.select(
        *column_names(rows),
        of_340b.alias("f15_pharm_340b_share"),
        F.when(F.size("usual") >= settings.minimum, capped).alias("f59_batch_size_rz"),
    )
