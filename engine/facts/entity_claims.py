"""Facts on 340B claims: the entity and the pharmacy as registered, other claims of the dispense, what was bought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import ClaimType, Subject
from engine.contracts.facts import ENTITY_CLAIM_FACTS
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
from engine.facts.policies import with_designation, with_manufacturer_policy, with_state_law
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
from engine.intervals import quarter_number, quarter_of
from engine.runtime.expressions import max_struct, nullable
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
_FAMILIES = ("product", "price", "entity", "registration", "policy", "part_b", "dispense", "balance", "diversion")
_DISPENSE = ("pharmacy_key", "claim_type", "rx", "fill_number", "date_of_service", "ndc11", "hcpcs_code")
DISPENSE_FACTS = (
    T.StructField("claim_ordinal", T.IntegerType()),
    T.StructField("other_entity_ids", T.ArrayType(T.StringType())),
    T.StructField("other_entity_row_ids", T.ArrayType(T.StringType())),
    T.StructField("earlier_row_ids", T.ArrayType(T.StringType())),
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
    asked_for: DataFrame | None,
    links_340b: DataFrame | None,
    settings: PeerSettings,
) -> DataFrame:
    """ENTITY_CLAIM_FACTS, one row per live 340B claim; entities are compared at their parent.

    `claims`: PREPARED_ENTITY_CLAIMS; `references`: conformed tables by name, a missing one makes its facts NULL.
    `asked_for`: live rebate claims, `links_340b` what they were linked to.
    """
    day, entities, products = F.col("date_of_service"), references.get("covered_entities"), references.get("products")
    rows = with_product(claims, products, day)
    prices = {"price_wac": "wac_unit", "price_ceiling": "ceiling_unit"}
    rows = with_prices(rows, references.get("prices"), quarter_of(day), prices, "price")
    rows = _with_entity(rows, entities, references.get("orphan_drugs"), products)
    rows = with_registration(rows, references.get("contract_pharmacies"), entities, references.get("pharmacies"))
    rows = with_own_pharmacy(rows, references.get("entity_npis"), entities)
    rows = with_manufacturer_policy(rows, references.get("manufacturer_policies"))
    rows = with_designation(rows, references.get("designated_pharmacies"), entities)
    rows = with_state_law(rows, references.get("contract_pharmacy_laws"))
    rows = with_part_b(rows, references.get("part_b_lines"))
    rows = _with_dispense(rows, claims)
    rows = _with_balance(rows, claims, references.get("chargebacks"), entities, products)
    asked_for = with_is_linked(asked_for, links_340b)
    not_linked = None if asked_for is None else asked_for.where(~F.col("is_linked"))
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
    """What the register says of the entity at the date of service, and F55."""
    if entities is None:
        unknown = {
            "entity_resumed_on": F.lit(None).cast("date"),
            "entity_is_dual_registered": F.lit(None).cast("boolean"),
            "f55_orphan_ce_conflict": F.lit(None).cast("boolean"),
        }
        return rows.withColumns({"entity": absent(ENTITY_RECORD), **unknown})
    told = with_is_orphan(with_dual_registration(with_entity_record(rows, entities), entities), orphan_drugs, products)
    conflict = is_orphan_excluded(F.col("entity.entity_type")) & F.col("is_orphan")
    return told.withColumn("f55_orphan_ce_conflict", conflict).drop("is_orphan")


# What a claim is compared by with others of its dispense.
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
    """`rows` with `dispense`, a struct of DISPENSE_FACTS: what other live claims of the same dispense there are."""
    is_rx = F.col("claim_type") == ClaimType.RX.value
    has_key = F.col("script_key").isNotNull() & (is_rx | F.col("hcpcs_code").isNotNull())
    earliest = F.lit("0001-01-01 00:00:00").cast("timestamp")
    own = F.struct(
        F.coalesce("submitted_at", earliest).alias("submitted_at"),
        "source_row_id",
        "entity_id",
        "parent_entity_id",
        F.col("submitted_at").isNull().alias("is_undated"),
    )
    # what is no key of a dispense still tells claims of one entity apart
    narrow = claims.select(
        "pharmacy_key",
        "claim_type",
        F.coalesce("script_key", F.concat(F.lit("raw:"), "rx_number_raw")).alias("rx"),
        "fill_number",
        "date_of_service",
        "ndc11",
        F.when(~is_rx, F.col("hcpcs_code")).alias("hcpcs_code"),
        nullable(own, _OWN).alias("own"),
        has_key.alias("has_key"),
    )
    crowded = narrow.groupBy(*_DISPENSE).agg(
        F.sort_array(F.collect_list("own")).alias("all"), F.any_value("has_key").alias("has_key")
    )
    each = crowded.where(F.size("all") > 1).select("has_key", "all", F.explode("all").alias("own"))
    facts = F.struct(
        (F.size(_earlier(F.col("own.entity_id"), "entity_id")) + 1).alias("claim_ordinal"),
        *(
            F.when(F.col("has_key"), column).alias(name)
            for name, column in {
                "other_entity_ids": F.array_sort(F.array_distinct(_ids(_of_others(), "entity_id"))),
                "other_entity_row_ids": F.array_sort(_ids(_of_others(), "source_row_id")),
                "earlier_row_ids": F.array_sort(_ids(_in_earlier_submissions(), "source_row_id")),
            }.items()
        ),
    )
    told = each.select(
        F.col("own.source_row_id").alias("dispense_row_id"),
        nullable(facts, T.StructType([*DISPENSE_FACTS])).alias("dispense"),
    )
    joined = rows.join(told, on=F.col("source_row_id") == F.col("dispense_row_id"), how="left")  # one row per claim
    none = F.array().cast("array<string>")
    alone = F.struct(
        F.lit(1).alias("claim_ordinal"),
        *(F.when(has_key, none).alias(field.name) for field in DISPENSE_FACTS[1:]),
    )
    return joined.select(
        *rows.columns, F.coalesce("dispense", nullable(alone, T.StructType([*DISPENSE_FACTS]))).alias("dispense")
    )


def _is_before(one: Column) -> Column:
    own = F.col("own")
    same_time = one["submitted_at"] == own["submitted_at"]
    return (one["submitted_at"] < own["submitted_at"]) | (same_time & (one["source_row_id"] < own["source_row_id"]))


def _earlier(entity: Column, name: str) -> Column:
    return F.filter("all", lambda one: (one[name] == entity) & _is_before(one))


def _of_others() -> Column:
    return F.filter("all", lambda one: one["parent_entity_id"] != F.col("own.parent_entity_id"))


def _in_earlier_submissions() -> Column:
    """Claims of the same parent entity in another submission before: rows sent at one time are one file."""
    own = F.col("own")

    def is_of_one_file(one: Column) -> Column:
        return (one["submitted_at"] == own["submitted_at"]) & ~one["is_undated"] & ~own["is_undated"]

    return F.filter(_earlier(own["parent_entity_id"], "parent_entity_id"), lambda one: ~is_of_one_file(one))


def _ids(claims: Column, name: str) -> Column:
    return F.transform(claims, lambda one: one[name])


def _with_balance(
    rows: DataFrame,
    claims: DataFrame,
    chargebacks: DataFrame | None,
    entities: DataFrame | None,
    products: DataFrame | None,
) -> DataFrame:
    """`rows` with `balance`, a struct of BALANCE_FACTS: what a parent entity bought of an NDC-9 at the 340B price and
    what it claimed, added up over four quarters. NULL bought: no purchases known, or a package's units are not.
    """
    if chargebacks is None:
        return rows.withColumn("balance", absent(BALANCE_FACTS))
    quarter = quarter_number(F.col("date_of_service"))
    of_quarter = claims.groupBy("parent_entity_id", "ndc9", quarter.alias("quarter")).agg(
        F.sum("quantity").cast(_SUM).alias("claimed"),
        F.min("date_of_service").alias("first_day"),
        max_struct("date_of_service", "source_row_id")["source_row_id"].alias("last_row_id"),
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
    bought = bought_by_quarter(chargebacks, entities, products)
    joined = claimed.join(
        F.broadcast(bought),
        on=[F.col("parent_entity_id") == F.col("bought_entity_id"), F.col("ndc9") == F.col("bought_ndc9")],
        how="left",  # one row per entity and product
    )
    in_window = F.filter("bought", lambda one: (F.col("quarter") - one["quarter"]).between(0, TRAILING_QUARTERS - 1))
    # the imbalance of a quarter is told once, on its last claim
    told = joined.select(
        F.col("last_row_id").alias("balance_row_id"),
        F.struct(
            added_up(in_window, "units", _SUM).cast("double").alias("units_bought_4q"),
            F.col("claimed").alias("units_claimed_4q"),
            F.col("first_day").alias("entity_first_claim_date"),
            F.lit(True).alias("is_last_of_quarter"),
        ).alias("balance"),
    )
    with_last = rows.join(told, on=F.col("source_row_id") == F.col("balance_row_id"), how="left")  # one row per claim
    return with_last.select(*rows.columns, "balance")
