"""By what a rebate claim and a 340B claim meet, and which keys are no keys.

A key is a pharmacy and a prescription (MEDICAL: a claim number). The pharmacy is the last of its line of NPIs, so that
a claim under the old number meets one under the new. Rows without a prescription that can be compared meet by all else
that a dispense is known by.
"""

from __future__ import annotations

from enum import StrEnum

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.claim_key import rebate_type_of_key
from engine.contracts.codes import ClaimType
from engine.intervals import join_product
from engine.runtime.column_names import column_names
from engine.runtime.expressions import json_object

# Whoever asks for money once: claims of one stream compete for a 340B claim, claims of different streams do not.
STREAM = ("program", "payer_id", "rebate_type")

# What a pair meets by; `key_hash` partitions, the others are what is equal.
KEY = ("key_hash", "key_pharmacy", "script_key", "claim_type")


class Block(StrEnum):
    """How a pair met: what is known of it before fields are compared."""

    PRESCRIPTION = "PRESCRIPTION"  # pharmacy and Rx number (MEDICAL: provider and claim number)
    PHARMACY_LINEAGE = "PHARMACY_LINEAGE"  # Rx number, and a pharmacy that has had another NPI
    PLACE_OF_SERVICE = "PLACE_OF_SERVICE"  # Rx number, and the pharmacy that filled for the one that billed
    TUPLE = "TUPLE"  # pharmacy, NDC-11, day, quantity and prescriber; no Rx number to compare


def lineage_table(spark: SparkSession, pharmacies: DataFrame | None) -> DataFrame:
    """One row per NPI that has a successor: `heir_of`, and `heir`, the last of its line."""
    lineage = {} if pharmacies is None else _last_of_line(pharmacies)
    return spark.createDataFrame(sorted(lineage.items()), "heir_of string, heir string")


def _last_of_line(pharmacies: DataFrame) -> dict[str, str]:
    """Collected, for successions are few. An NPI with two successors, or in a circle of them, stays its own."""
    rows = pharmacies.where(F.col("npi").isNotNull() & F.col("successor_npi").isNotNull())
    successors: dict[str, set[str]] = {}
    for row in rows.select("npi", "successor_npi").distinct().collect():
        successors.setdefault(row["npi"], set()).add(row["successor_npi"])
    only = {npi: next(iter(after)) for npi, after in successors.items() if len(after) == 1}
    last: dict[str, str] = {}
    for npi in only:
        line = [npi]
        while line[-1] in only and only[line[-1]] not in line:
            line.append(only[line[-1]])
        if line[-1] not in only:
            last[npi] = line[-1]
    return last


def rebate_side(claims: DataFrame, lineage: DataFrame) -> DataFrame:
    """What linking reads of PREPARED_REBATE_CLAIMS, with KEY (NULL where a row has none), and `rebate_claim`, which is
    equal for rows of one dispense in a stream.

    `lineage`: `heir_of`, `heir`. `rx_kind`: how the Rx number is written, plain or by which scheme it is hashed.
    rebate_type: that of the claim key, so that a row without one is in the stream of its program's only type.
    """
    typed = claims.withColumn("rebate_type", rebate_type_of_key())
    rows = _with_key(typed, lineage).select(
        "source_row_id",
        *KEY,
        *STREAM,
        "pharmacy_key",
        "service_npi",
        *_of_dispense(),
        "ndc_units",
        "dispensing_status",
    )
    return rows.withColumn("rebate_claim", _dispense())


def entity_side(claims: DataFrame, lineage: DataFrame, products: DataFrame | None) -> DataFrame:
    """As `rebate_side`, of PREPARED_ENTITY_CLAIMS, under `entity_` names but for KEY, with `units_per_package` of the
    product on the day of service."""
    rows = _with_key(claims, lineage).select(
        "source_row_id",
        *KEY,
        "entity_id",
        "parent_entity_id",
        "pharmacy_key",
        *_of_dispense(),
        "quantity",
        "is_340b_assumed",
    )
    rows = rows.withColumn("entity_claim", _dispense())
    renamed = {
        name: f"entity_{name}"
        for name in column_names(rows)
        if name not in (*KEY, "entity_id", "parent_entity_id", "entity_claim", "is_340b_assumed")
    }
    rows = rows.withColumnsRenamed({**renamed, "source_row_id": "entity_row_id"})
    if products is None:
        return rows.withColumn("units_per_package", no_units())
    packaged = join_product(
        rows,
        products,
        ndc11=F.col("entity_ndc11"),
        day=F.col("entity_date_of_service"),
        values={"units_per_package": F.col("units_per_package")},
        into="product",
    )
    return packaged.withColumn("units_per_package", F.col("product.units_per_package")).drop("product")


def under_place_of_service(rebate: DataFrame, lineage: DataFrame) -> DataFrame:
    """Rebate rows that name another place of service than the pharmacy that billed, with that place in their key."""
    elsewhere = rebate.where(is_elsewhere())
    keyed = _heir_of(elsewhere, "service_npi", lineage).where(~F.col("heir").eqNullSafe(F.col("key_pharmacy")))
    return _under_key(keyed, F.col("heir"), F.col("script_key"))


def with_tuple_key(rows: DataFrame, prefix: str = "") -> DataFrame:
    """RX rows of one side with pharmacy, NDC-11, day and prescriber as their key; rows that lack one fall away."""
    parts = [F.col(f"{prefix}{name}") for name in ("pharmacy_key", "ndc11", "date_of_service", "prescriber_npi")]
    is_whole = F.col("claim_type") == ClaimType.RX.value
    for part in parts:
        is_whole = is_whole & part.isNotNull()
    own_script = F.coalesce("script_key", f"{prefix}row_id" if prefix else "source_row_id")
    keyed = rows.where(is_whole).withColumn(f"{prefix}own_script", own_script)
    text = F.concat_ws("/", *(part.cast("string") for part in parts))
    return keyed.withColumns({"key_pharmacy": parts[0], "script_key": text, "key_hash": F.xxhash64(text)})


def crowded_keys(rebate: DataFrame, entity: DataFrame, most_pairs: int) -> DataFrame:
    """Keys under which more pairs would meet than a prescription can have: key_hash, rebate_rows, entity_rows.

    Counted side by side, before any pair is made.
    """
    counted = rebate.groupBy("key_hash").agg(F.count(F.lit(1)).alias("rebate_rows"))
    given = entity.groupBy("key_hash").agg(F.count(F.lit(1)).alias("entity_rows"))
    both = counted.join(given, on="key_hash", how="inner")  # one row per key
    return both.where(F.col("rebate_rows") * F.col("entity_rows") > most_pairs)


def without(rows: DataFrame, crowded: DataFrame) -> DataFrame:
    """The rows less those under crowded keys, and less those without a key."""
    keyed = rows.where(F.col("key_hash").isNotNull())
    return keyed.join(F.broadcast(crowded.select("key_hash")), on="key_hash", how="left_anti")


def is_elsewhere() -> Column:
    """Another pharmacy than the one that billed dispensed the drug."""
    return F.coalesce(F.col("service_npi") != F.col("pharmacy_key"), F.lit(False))


def is_odd(kind: str) -> Column:
    """The Rx number is not a plain one: missing, no key, or hashed."""
    return F.col(kind).isNull() | (F.col(kind) != "")


def no_units() -> Column:
    return F.lit(None).cast("decimal(15,3)")


def with_whole_fill_units(rebate: DataFrame) -> DataFrame:
    """Adds `whole_fill_units` to P and C rows: the sum over the parts of the same fill in the same stream.

    Parts that were delivered twice (equal but for row id, period or the like) count once.
    """
    is_part = F.col("dispensing_status").isNotNull() & (F.col("claim_type") == ClaimType.RX.value)
    is_part &= F.col("script_key").isNotNull()
    fill = [*KEY, *STREAM, "fill_number", "ndc9"]
    equals = Window.partitionBy(*fill, "dispensing_status", "date_of_service", "ndc11")
    first_of_equals = equals.orderBy(F.col("ndc_units").desc_nulls_last(), "source_row_id")
    units_once = F.when(F.row_number().over(first_of_equals) == 1, F.col("ndc_units"))
    sums = (
        rebate.where(is_part)
        .withColumn("units_once", units_once)
        .select(
            F.col("key_hash").alias("part_key_hash"),
            F.col("source_row_id").alias("part_source_row_id"),
            F.sum("units_once").over(Window.partitionBy(*fill)).cast("decimal(15,3)").alias("whole_fill_units"),
        )
    )
    same_row = [
        F.col("key_hash") == F.col("part_key_hash"),
        F.col("source_row_id") == F.col("part_source_row_id"),
    ]
    return rebate.join(sums, on=same_row, how="left").drop("part_key_hash", "part_source_row_id")


def _with_key(claims: DataFrame, lineage: DataFrame) -> DataFrame:
    return _under_key(_heir_of(claims, "pharmacy_key", lineage), F.col("heir"), F.col("script_key"))


def _heir_of(rows: DataFrame, column: str, lineage: DataFrame) -> DataFrame:
    joined = rows.join(F.broadcast(lineage), on=F.col(column) == F.col("heir_of"), how="left")  # one row per NPI
    return joined.withColumn("heir", F.coalesce("heir", column)).drop("heir_of")


def _under_key(rows: DataFrame, pharmacy: Column, script: Column) -> DataFrame:
    is_whole = pharmacy.isNotNull() & script.isNotNull()
    return rows.withColumns(
        {
            "key_pharmacy": pharmacy,
            "script_key": script,
            "key_hash": F.when(is_whole, F.xxhash64(pharmacy, script, "claim_type")),
        }
    ).drop("heir")


def _rx_kind() -> Column:
    is_plain = F.col("rx_key") == F.col("rx_number")
    return F.when(F.col("rx_key").isNotNull(), F.when(is_plain, "").otherwise(F.coalesce("hash_scheme", F.lit(""))))


def _only_on(claim_type: ClaimType, field: str) -> Column:
    return F.when(F.col("claim_type") == claim_type.value, F.col(field))


def _of_dispense() -> list[Column]:
    """What both sides say of a dispense in the same words."""
    return [
        _rx_kind().alias("rx_kind"),
        _only_on(ClaimType.RX, "fill_number").alias("fill_number"),
        F.col("date_of_service"),
        _only_on(ClaimType.MEDICAL, "hcpcs_code").alias("hcpcs_code"),
        F.col("ndc11"),
        F.col("ndc9"),
        F.col("prescriber_npi"),
        F.col("bin"),
    ]


def _dispense() -> Column:
    """Equal for rows of one dispense, NULL equal to NULL; a row without a prescription is alone.

    The entity reports no claim line, so the lines of a medical claim share a dispense. A pharmacy that changed its NPI
    is one pharmacy.
    """
    script = F.coalesce("script_key", F.concat(F.lit("row "), "source_row_id"))
    fields = ("key_pharmacy", "claim_type", "fill_number", "date_of_service", "hcpcs_code", "ndc11")
    texts = {"script": script, **{name: F.col(name).cast("string") for name in fields}}
    return json_object({name: (text, T.StringType()) for name, text in texts.items()})
