"""The covered entity in question: the one that claims the dispense as 340B, else the one in the exclusion file."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.facts.families import absent
from engine.facts.feature import AT_SERVICE, Feature
from engine.facts.snapshots import known_from
from engine.intervals import covers, join_product, quarter_of
from engine.runtime.column_names import column_names
from engine.runtime.expressions import array_contains, collect_distinct, greatest_of, least_of

_IN_QUESTION = "entity_claims|medicaid_exclusions"
# 42 U.S.C. 256b(e): for these types an orphan drug is not a covered outpatient drug.
ORPHAN_EXCLUDED_TYPES = ("CAH", "RRC", "SCH", "CAN")
FEATURES = (
    Feature(
        "F11",
        "f11_ce_active_at_dos",
        "participating_start <= date of service < termination_date; unknown where no row of the entity is valid then",
        needs=("covered_entities", _IN_QUESTION),
        grain="entity in question",
        window=AT_SERVICE,
        unit="boolean",
    ),
    Feature(
        "F55",
        "f55_orphan_ce_conflict",
        f"entity type in {', '.join(ORPHAN_EXCLUDED_TYPES)} and the NDC-11 is on the orphan list of the quarter; "
        "unknown in a quarter without a list",
        needs=("covered_entities.entity_type", "orphan_drugs|products.orphan", _IN_QUESTION),
        window=f"{AT_SERVICE}, its quarter",
        unit="boolean",
    ),
)
ENTITY_STATUS_FACTS = (
    T.StructField("f11_ce_active_at_dos", T.BooleanType()),
    T.StructField("f55_orphan_ce_conflict", T.BooleanType()),
)


# The fields of the entity row that counts among those valid on a day: active rows first, then rows that have begun,
# then the row that began last.
ENTITY_RECORD = (
    T.StructField("entity_is_active", T.BooleanType()),
    T.StructField("entity_has_begun", T.BooleanType()),
    T.StructField("entity_participating_start", T.DateType()),
    T.StructField("entity_snapshot_date", T.DateType()),
    T.StructField("entity_type", T.StringType()),
    T.StructField("entity_termination_date", T.DateType()),
    T.StructField("entity_place", T.StringType()),
    T.StructField("entity_state", T.StringType()),
    T.StructField("entity_zip", T.StringType()),
    T.StructField("entity_known_from", T.DateType()),
)


def with_entity_status(
    rows: DataFrame, entities: DataFrame | None, orphan_drugs: DataFrame | None, products: DataFrame | None
) -> DataFrame:
    """Add `entity_status`, a struct of ENTITY_STATUS_FACTS, to `rows` (entity_id, ndc11).

    An entity of a type to which the orphan drug exclusion does not apply has no conflict, whatever the list contains.
    """
    if entities is None:
        return rows.withColumn("entity_status", absent(ENTITY_STATUS_FACTS))
    enriched = with_is_orphan(with_entity_record(rows, entities), orphan_drugs, products)
    facts = F.struct(
        F.col("entity.entity_is_active").alias("f11_ce_active_at_dos"),
        (is_orphan_excluded(F.col("entity.entity_type")) & F.col("is_orphan")).alias("f55_orphan_ce_conflict"),
    )
    return enriched.select(*column_names(rows), facts.alias("entity_status"))


def with_entity_record(rows: DataFrame, entities: DataFrame) -> DataFrame:
    """Add the entity's registration as of the date of service to `rows` (entity_id).

    `entity`: a struct of ENTITY_RECORD, NULL if no row is valid on that day. `entity_resumed_on`: the next later day on
    which the entity participates again.
    """
    day = F.col("date_of_service")
    version = F.struct(
        *("valid_from", "valid_to", "participating_start", "termination_date", "snapshot_date", "entity_type"),
        place_of_entity().alias("place"),
        F.upper(F.trim("state")).alias("state"),
        "zip",
        known_from(entities, "covered_entities").alias("known_from"),
    )
    by_entity = entities.groupBy(F.col("entity_id").alias("of_entity_id")).agg(
        F.collect_list(version).alias("versions")
    )
    same = F.col("entity_id") == F.col("of_entity_id")
    joined = rows.join(F.broadcast(by_entity), on=same, how="left")  # one row per entity
    valid = F.filter("versions", lambda each: covers(day, each["valid_from"], each["valid_to"]))

    def record(each: Column) -> Column:
        values = (
            covers(day, each["participating_start"], each["termination_date"]),
            F.coalesce(each["participating_start"] <= day, F.lit(True)),
            *(each[name] for name in ("participating_start", "snapshot_date", "entity_type", "termination_date")),
            each["place"],
            each["state"],
            each["zip"],
            each["known_from"],
        )
        return F.struct(*(value.alias(field.name) for value, field in zip(values, ENTITY_RECORD, strict=True)))

    later = F.filter(
        F.transform("versions", lambda each: each["participating_start"]),
        lambda start: F.coalesce(start > day, F.lit(False)),
    )
    return joined.select(
        *column_names(rows),
        greatest_of(F.transform(valid, record)).alias("entity"),
        least_of(later).alias("entity_resumed_on"),
    )


def place_of_entity() -> Column:
    """Street and ZIP code of a row of `covered_entities`, normalized for comparison; NULL if one is not known."""
    return F.concat(F.upper(F.trim("street")), F.lit(" "), F.substring("zip", 1, 5))


def is_orphan_excluded(entity_type: Column) -> Column:
    """Whether orphan drugs are excluded from covered outpatient drugs for entities of the type."""
    return entity_type.isin(*ORPHAN_EXCLUDED_TYPES)


def with_dual_registration(rows: DataFrame, entities: DataFrame) -> DataFrame:
    """Add entity_is_dual_registered to `rows` (`entity`).

    True if an entity of a type that may buy orphan drugs participates at the same address at the date of service; NULL
    if the address is not known.
    """
    spans = F.struct("participating_start", "termination_date", "valid_from", "valid_to")
    by_place = (
        entities.where(~F.coalesce(is_orphan_excluded(F.col("entity_type")), F.lit(True)))
        .groupBy(place_of_entity().alias("dual_place"))
        .agg(collect_distinct(spans).alias("dual_spans"))
    )
    day, place = F.col("date_of_service"), F.col("entity.entity_place")
    joined = rows.join(F.broadcast(by_place), on=place == F.col("dual_place"), how="left")  # one row per place
    is_dual = F.exists(
        "dual_spans",
        lambda each: (
            covers(day, each["participating_start"], each["termination_date"])
            & covers(day, each["valid_from"], each["valid_to"])
        ),
    )
    return joined.select(
        *column_names(rows),
        F.when(place.isNotNull(), F.coalesce(is_dual, F.lit(False))).alias("entity_is_dual_registered"),
    )


def with_is_orphan(rows: DataFrame, orphan_drugs: DataFrame | None, products: DataFrame | None) -> DataFrame:
    """Add is_orphan to `rows`: on HRSA's list for the quarter of service; without lists, the value of `products`."""
    day = F.col("date_of_service")
    if orphan_drugs is not None:
        lists = orphan_drugs.groupBy(F.col("quarter").alias("list_quarter")).agg(
            collect_distinct("ndc11").alias("orphan_ndc11s")
        )
        joined = rows.join(F.broadcast(lists), on=quarter_of(day) == F.col("list_quarter"), how="left")  # one list each
        is_orphan: Column = array_contains(F.col("orphan_ndc11s"), F.col("ndc11"))
    elif products is not None:
        joined = join_product(
            rows,
            products,
            ndc11=F.col("ndc11"),
            day=day,
            values={"orphan": F.col("orphan")},
            into="designation",
        )
        is_orphan = F.col("designation.orphan")
    else:
        joined, is_orphan = rows, F.lit(None).cast("boolean")
    return joined.select(*column_names(rows), is_orphan.alias("is_orphan"))
