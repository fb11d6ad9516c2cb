"""Facts on 340B claims: entity and pharmacy as registered, other claims of the dispense, and purchases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import WindowSpec

from engine.contracts.codes import ClaimType, Subject
from engine.contracts.facts import ENTITY_CLAIM_FACTS
from engine.contracts.findings import MOST_RELATED_ROWS
from engine.entity_families import FAMILIES, at_parent, at_parent_of_day
from engine.facts.diversion import with_diversion
from engine.facts.entities import (
    ENTITY_RECORD,
    ORPHAN_EXCLUDED_TYPES,
    is_orphan_excluded,
    with_dual_registration,
    with_entity_record,
    with_is_orphan,
)
from engine.facts.families import absent, flattened
from engine.facts.feature import AT_SERVICE, Feature
from engine.facts.history import TRAILING_QUARTERS, added_up, with_is_linked
from engine.facts.part_b import with_part_b
from engine.facts.policies import with_designation, with_manufacturer_policy, with_state_law, with_submission_window
from engine.facts.prices import with_prices
from engine.facts.products import with_product
from engine.facts.providers import (
    pharmacy_npi_valid,
    prescriber_has_dea_number,
    prescriber_npi_valid,
    with_npi_active,
)
from engine.facts.purchases import bought_by_quarter
from engine.facts.registrations import with_own_pharmacy, with_registration
from engine.intervals import quarter_index, quarter_of
from engine.runtime.column_names import column_names
from engine.runtime.expressions import collect_list_over
from engine.settings import PeerSettings

_SUM = "decimal(38,6)"
_ENTITY: dict[str, Any] = {"subject": Subject.ENTITY_CLAIM, "grain": "entity", "window": AT_SERVICE, "unit": "boolean"}
_SYSTEM: dict[str, Any] = {
    **_ENTITY,
    "grain": "parent entity and pharmacy",
    "needs": ("contract_pharmacies.pharmacy_npi",),
}
_CLAIM: dict[str, Any] = {"subject": Subject.ENTITY_CLAIM, "unit": "boolean"}
FEATURES = (
    Feature(
        "F11",
        "entity_is_active",
        "participating_start <= date of service < termination_date; unknown where no row of the entity is valid then",
        needs=("covered_entities",),
        **_ENTITY,
    ),
    Feature(
        "F12", "contract_holds", "a contract of the entity, its parent or its sites with the pharmacy holds", **_SYSTEM
    ),
    Feature(
        "F13",
        "contracts_least_confidence",
        "how sure it is which pharmacy the least sure of the system's contracts names; 0 where one has no NPI",
        **{**_SYSTEM, "grain": "parent entity", "unit": "probability"},
    ),
    Feature(
        "F55",
        "f55_orphan_ce_conflict",
        f"entity type in {', '.join(ORPHAN_EXCLUDED_TYPES)} and the NDC-11 is on the orphan list of the quarter",
        needs=("covered_entities.entity_type", "orphan_drugs|products.orphan"),
        **_ENTITY,
    ),
    Feature(
        "F60", "f60_pharmacy_npi_valid", "ten digits, the first 1 or 2, check digit right (Luhn over 80840)", **_CLAIM
    ),
    Feature(
        "F60",
        "f60_prescriber_npi_valid",
        "the same of the prescriber",
        needs=("entity_claims.prescriber_npi",),
        **_CLAIM,
    ),
    Feature(
        "F60",
        "f60_npi_active_at_dos",
        "a row of the pharmacy's NPI is valid that day; unknown where the table has no dates for the NPI",
        needs=("pharmacies.valid_from|pharmacies.valid_to",),
        **{**_ENTITY, "grain": "pharmacy"},
    ),
)
_FAMILIES = (
    "product",
    "price",
    "entity",
    "registration",
    "policy",
    "submission",
    "part_b",
    "dispense",
    "balance",
    "diversion",
)
_DISPENSE = ("pharmacy_key", "claim_type", "rx", "fill_number", "date_of_service", "ndc11", "hcpcs_code")
DISPENSE_FACTS = (
    T.StructField("other_entity_ids", T.ArrayType(T.StringType())),
    T.StructField("other_entity_count", T.LongType()),
    T.StructField("other_entity_row_ids", T.ArrayType(T.StringType())),
    T.StructField("other_entity_row_count", T.LongType()),
    T.StructField("earlier_row_ids", T.ArrayType(T.StringType())),
    T.StructField("earlier_row_count", T.LongType()),
)
BALANCE_FACTS = (
    T.StructField("units_bought_4q", T.DoubleType()),
    T.StructField("units_claimed_4q", T.DoubleType()),
    T.StructField("entity_first_claim_date", T.DateType()),
    T.StructField("is_last_of_quarter", T.BooleanType()),
)


def entity_claim_facts(
    claims: DataFrame,
    references: Mapping[str, DataFrame],
    billed: DataFrame | None,
    links_340b: DataFrame | None,
    settings: PeerSettings,
) -> DataFrame:
    """ENTITY_CLAIM_FACTS, one row per live 340B claim; entities are compared at their parent.

    `claims`: PREPARED_ENTITY_CLAIMS; `references`: conformed tables by name, a missing one makes its facts NULL.
    `billed`: live rebate claims; `links_340b`: their links to 340B claims.
    """
    day, families = F.col("date_of_service"), references.get(FAMILIES)
    entities, products = references.get("covered_entities"), references.get("products")
    rows = with_product(claims, products, day)
    prices = {"price_wac": "wac_unit", "price_ceiling": "ceiling_unit"}
    rows = with_prices(rows, references.get("prices"), quarter_of(day), prices, "price")
    rows = _with_entity(rows, entities, references.get("orphan_drugs"), products)
    rows = with_registration(rows, references.get("contract_pharmacies"), families, references.get("pharmacies"))
    rows = with_own_pharmacy(rows, references.get("entity_npis"), families)
    rows = with_manufacturer_policy(rows, references.get("manufacturer_policies"))
    rows = with_submission_window(rows, references.get("submission_windows"))
    rows = with_designation(rows, references.get("designated_pharmacies"), families)
    rows = with_state_law(rows, references.get("contract_pharmacy_laws"))
    rows = with_part_b(rows, references.get("part_b_lines"))
    rows = _with_dispense(rows, claims)
    chargebacks = _shipped_to_reporting_sites(
        references.get("chargebacks"), claims, references.get("entity_npis"), families
    )
    rows = _with_balance(rows, claims, chargebacks, families, products)
    billed = with_is_linked(billed, links_340b)
    not_linked = None if billed is None else billed.where(~F.col("is_linked"))
    rows = with_diversion(
        rows, claims, not_linked, references.get("zip_centroids"), references.get("pharmacies"), settings
    )
    rows = with_npi_active(rows, references.get("pharmacies")).withColumns(
        {
            "f60_pharmacy_npi_valid": pharmacy_npi_valid(),
            "f60_prescriber_npi_valid": prescriber_npi_valid(),
            "prescriber_has_dea_number": prescriber_has_dea_number(),
        }
    )
    flat = flattened(rows, _FAMILIES)
    return flat.select(*(F.col(field.name).cast(field.dataType).alias(field.name) for field in ENTITY_CLAIM_FACTS))


def _with_entity(
    rows: DataFrame, entities: DataFrame | None, orphan_drugs: DataFrame | None, products: DataFrame | None
) -> DataFrame:
    """Add the entity's registration at the date of service, and F55, to `rows`."""
    if entities is None:
        unknown = {
            "entity_resumed_on": F.lit(None).cast("date"),
            "entity_is_dual_registered": F.lit(None).cast("boolean"),
            "f55_orphan_ce_conflict": F.lit(None).cast("boolean"),
        }
        return rows.withColumns({"entity": absent(ENTITY_RECORD), **unknown})
    enriched = with_is_orphan(
        with_dual_registration(with_entity_record(rows, entities), entities), orphan_drugs, products
    )
    conflict = is_orphan_excluded(F.col("entity.entity_type")) & F.col("is_orphan")
    return enriched.withColumn("f55_orphan_ce_conflict", conflict).drop("is_orphan")


# The columns in which a claim is compared with others of its dispense.
_OWN = T.StructType(
    [
        T.StructField("submitted_at", T.TimestampType()),
        T.StructField("source_row_id", T.StringType()),
        T.StructField("entity_id", T.StringType()),
        T.StructField("parent_entity_id", T.StringType()),
        T.StructField("is_undated", T.BooleanType()),
    ]
)


def _with_dispense(rows: DataFrame, claims: DataFrame) -> DataFrame:
    """Add `dispense`, a struct of DISPENSE_FACTS on other live claims of the same dispense, to `rows`.

    Claims of a dispense are never paired: each reads the MOST_RELATED_ROWS before it, and what is collected for the
    dispense is bounded by that number too.
    """
    is_rx = F.col("claim_type") == ClaimType.RX.value
    has_key = F.col("script_key").isNotNull() & (is_rx | F.col("hcpcs_code").isNotNull())
    key = {
        "pharmacy_key": F.col("pharmacy_key"),
        "claim_type": F.col("claim_type"),
        "rx": F.col("script_key"),
        "fill_number": F.col("fill_number"),
        "date_of_service": F.col("date_of_service"),
        "ndc11": F.col("ndc11"),
        "hcpcs_code": F.when(~is_rx, F.col("hcpcs_code")),
    }
    narrow = claims.select(
        *(column.alias(name) for name, column in key.items()),
        # A filter only: the windows test equality on the columns themselves.
        F.xxhash64(*key.values()).alias("key_hash"),
        "source_row_id",
        "entity_id",
        "parent_entity_id",
        "submitted_at",
        has_key.alias("has_key"),
    )
    shared = narrow.groupBy("key_hash").agg(F.count(F.lit(1)).alias("rows")).where(F.col("rows") > 1)
    several = narrow.join(F.broadcast(shared), on="key_hash", how="left_semi").repartition("key_hash")
    each = _with_claims_before(_with_rivals(several))
    values = {field.name: F.when(F.col("has_key"), F.col(field.name)) for field in DISPENSE_FACTS}
    enriched = each.select(F.col("source_row_id").alias("dispense_row_id"), _dispense_facts(values).alias("dispense"))
    joined = rows.join(enriched, on=F.col("source_row_id") == F.col("dispense_row_id"), how="left")  # one row per claim
    none = {T.ArrayType(T.StringType()): F.array(), T.LongType(): F.lit(0)}
    alone = {field.name: F.when(has_key, none[field.dataType].cast(field.dataType)) for field in DISPENSE_FACTS}
    nothing = _dispense_facts(alone)
    return joined.select(*column_names(rows), F.coalesce("dispense", nothing).alias("dispense"))


def _dispense_facts(values: Mapping[str, Column]) -> Column:
    return F.struct(*(values[field.name].cast(field.dataType).alias(field.name) for field in DISPENSE_FACTS))


def _in_order(*within: str) -> WindowSpec:
    """Claims of a dispense, in the order of submission; `within` narrows them, for example to one entity."""
    submitted = F.col("submitted_at").asc_nulls_first()
    return Window.partitionBy("key_hash", *_DISPENSE, *within).orderBy(submitted, "source_row_id")


def _with_claims_before(rows: DataFrame) -> DataFrame:
    """Add the parent entity's earlier claims of the dispense in another submission.

    Rows with the same submission time are one file; rows without a time belong to no common file.
    """
    of_parent = _in_order("parent_entity_id")
    of_file = _in_order("parent_entity_id", "submitted_at")
    before = F.struct(
        collect_list_over(F.col("source_row_id"), of_parent.rowsBetween(-MOST_RELATED_ROWS, -1)).alias("ids"),
        (F.row_number().over(of_parent) - 1).alias("count"),
    )
    counted = rows.withColumn("before", before)
    before_file = F.first("before").over(of_file)
    before = F.when(F.col("submitted_at").isNull(), F.col("before")).otherwise(before_file)
    enriched = counted.withColumn("before", before)
    none = F.array().cast("array<string>")
    return enriched.withColumns(
        {
            "earlier_row_ids": F.coalesce(F.reverse(F.col("before.ids")), none),
            "earlier_row_count": F.col("before.count"),
        }
    ).drop("before")


def _with_rivals(rows: DataFrame) -> DataFrame:
    """Add the other parent entities' claims in the order of submission, those entities by id, and has_key.

    Enough candidates are kept per dispense to serve whichever parent is excluded: among the first 2 x
    MOST_RELATED_ROWS, counting at most MOST_RELATED_ROWS of each parent, at least half are of other parents.
    """
    dispense, of_parent = _in_order(), _in_order("parent_entity_id")
    so_far = (Window.unboundedPreceding, Window.currentRow)
    everything = (Window.unboundedPreceding, Window.unboundedFollowing)
    is_first = F.row_number().over(_in_order("entity_id")) == 1
    counted = rows.withColumns({"is_first": is_first, "nth_of_parent": F.row_number().over(of_parent)}).withColumns(
        {
            "is_kept": F.col("nth_of_parent") <= MOST_RELATED_ROWS,
            "is_entity_kept": F.col("is_first")
            & (F.count_if("is_first").over(of_parent.rowsBetween(*so_far)) <= MOST_RELATED_ROWS),
            "other_entity_row_count": F.count(F.lit(1)).over(dispense.rowsBetween(*everything))
            - F.count(F.lit(1)).over(of_parent.rowsBetween(*everything)),
            "other_entity_count": F.count_if("is_first").over(dispense.rowsBetween(*everything))
            - F.count_if("is_first").over(of_parent.rowsBetween(*everything)),
        }
    )
    placed = counted.withColumns(
        {
            "place": F.when(F.col("is_kept"), F.count_if("is_kept").over(dispense.rowsBetween(*so_far))),
            "entity_place": F.when(
                F.col("is_entity_kept"), F.count_if("is_entity_kept").over(dispense.rowsBetween(*so_far))
            ),
        }
    )
    most = 2 * MOST_RELATED_ROWS
    candidate = F.struct("place", "entity_place", "source_row_id", "entity_id", "parent_entity_id").cast(
        "struct<place:bigint,entity_place:bigint,source_row_id:string,entity_id:string,parent_entity_id:string>"
    )
    candidates = (
        placed.where((F.col("other_entity_row_count") > 0) & (F.least("place", "entity_place") <= most))
        .groupBy("key_hash", *_DISPENSE)
        .agg(F.collect_list(candidate).alias("candidates"))
        .withColumnsRenamed({name: f"of_{name}" for name in ("key_hash", *_DISPENSE)})
    )
    same = [F.col(name).eqNullSafe(F.col(f"of_{name}")) for name in _DISPENSE]
    same.append(F.col("key_hash") == F.col("of_key_hash"))
    joined = placed.join(candidates, on=same, how="left")  # one row per dispense
    rivals = F.filter("candidates", lambda each: each["parent_entity_id"] != F.col("parent_entity_id"))
    none = F.array().cast("array<string>")
    ids = {
        "other_entity_row_ids": _first_by("place", "source_row_id", rivals),
        "other_entity_ids": F.array_sort(_first_by("entity_place", "entity_id", rivals)),
    }
    enriched = joined.withColumns({name: F.coalesce(column, none) for name, column in ids.items()})
    return enriched.select(*column_names(rows), *ids, "other_entity_row_count", "other_entity_count")


def _first_by(place: str, name: str, candidates: Column) -> Column:
    """`name` of the first MOST_RELATED_ROWS candidates that have a place, in its order."""
    placed = F.filter(candidates, lambda each: each[place] <= 2 * MOST_RELATED_ROWS)
    pairs = F.transform(placed, lambda each: F.struct(each[place].alias("place"), each[name].alias("name")))
    in_order = F.sort_array(pairs.cast("array<struct<place: bigint, name: string>>"))
    return F.slice(F.transform(in_order, lambda pair: pair["name"]), 1, MOST_RELATED_ROWS)


def _shipped_to_reporting_sites(
    chargebacks: DataFrame | None, claims: DataFrame, entity_npis: DataFrame | None, families: DataFrame | None
) -> DataFrame | None:
    """`chargebacks` without shipments to the entity's own sites at which no claim of its family was dispensed.

    Many entities report only claims of contract pharmacies. If `entity_npis` is missing, any site may be the entity's
    own. A purchase that names no site stays.
    """
    if chargebacks is None:
        return None
    shipped = at_parent_of_day(
        chargebacks.withColumn("buyer", F.col("entity_id")), "buyer", F.col("invoice_date"), families
    )
    reporting = claims.select(
        F.col("parent_entity_id").alias("reporting_entity"), F.col("pharmacy_key").alias("reporting_npi")
    ).distinct()
    same = [F.col("buyer") == F.col("reporting_entity"), F.col("ship_to_npi") == F.col("reporting_npi")]
    rows = shipped.join(reporting, on=same, how="left")  # one row per entity and pharmacy
    may_be_own = F.lit(True)
    if entity_npis is not None:
        own = at_parent(entity_npis, "entity_id", families).select(
            F.col("entity_id").alias("own_entity"), F.col("npi").alias("own_npi")
        )
        same = [F.col("buyer") == F.col("own_entity"), F.col("ship_to_npi") == F.col("own_npi")]
        rows = rows.join(F.broadcast(own.distinct()), on=same, how="left")  # one row per entity and NPI
        may_be_own = F.col("own_npi").isNotNull()
    is_left_out = F.col("ship_to_npi").isNotNull() & F.col("reporting_npi").isNull() & may_be_own
    return rows.where(~is_left_out).select(*column_names(chargebacks))


def _with_balance(
    rows: DataFrame,
    claims: DataFrame,
    chargebacks: DataFrame | None,
    families: DataFrame | None,
    products: DataFrame | None,
) -> DataFrame:
    """Add `balance`, a struct of BALANCE_FACTS, to `rows`.

    It compares what a parent entity bought of an NDC-9 at the 340B price with what it claimed, both summed over four
    quarters. Units bought are NULL if no purchases are known or a package's units are not.
    """
    if chargebacks is None:
        return rows.withColumn("balance", absent(BALANCE_FACTS))
    quarter = quarter_index(F.col("date_of_service"))
    keys = ("parent_entity_id", "ndc9", "quarter")
    dated = claims.select(*keys[:2], quarter.alias(keys[2]), "date_of_service", "source_row_id", "quantity")
    latest_first = Window.partitionBy(*keys).orderBy(
        *(F.col(name).desc_nulls_last() for name in ("date_of_service", "source_row_id"))
    )
    of_quarter = (
        dated.withColumn("is_last", F.row_number().over(latest_first) == 1)
        .groupBy(*keys)
        .agg(
            F.sum("quantity").cast(_SUM).alias("claimed"),
            F.min("date_of_service").alias("first_day"),
            F.max(F.when(F.col("is_last"), F.col("source_row_id"))).alias("last_row_id"),
        )
    )
    of_product = Window.partitionBy("parent_entity_id", "ndc9").orderBy("quarter")
    four_quarters = of_product.rangeBetween(1 - TRAILING_QUARTERS, 0)
    claimed = of_quarter.select(
        "parent_entity_id",
        "ndc9",
        "quarter",
        "last_row_id",
        F.sum("claimed").over(four_quarters).cast("double").alias("claimed"),
        F.min("first_day").over(Window.partitionBy("parent_entity_id")).alias("first_day"),
    )
    bought = bought_by_quarter(chargebacks, families, products)
    joined = claimed.join(
        F.broadcast(bought),
        on=[F.col("parent_entity_id") == F.col("bought_entity_id"), F.col("ndc9") == F.col("bought_ndc9")],
        how="left",  # one row per entity and product
    )
    # Claims count for the parent of their day, so purchases count for the parent of theirs.
    bought_then = F.filter("bought", lambda each: each["then"] == 1)
    in_window = F.filter(
        bought_then, lambda each: (F.col("quarter") - each["quarter"]).between(0, TRAILING_QUARTERS - 1)
    )
    # The imbalance of a quarter is reported once, on its last claim.
    enriched = joined.select(
        F.col("last_row_id").alias("balance_row_id"),
        F.struct(
            added_up(in_window, "units", _SUM).cast("double").alias("units_bought_4q"),
            F.col("claimed").alias("units_claimed_4q"),
            F.col("first_day").alias("entity_first_claim_date"),
            F.lit(True).alias("is_last_of_quarter"),
        ).alias("balance"),
    )
    with_last = rows.join(
        enriched, on=F.col("source_row_id") == F.col("balance_row_id"), how="left"
    )  # one row per claim
    return with_last.select(*column_names(rows), "balance")
