"""Blocking keys for linking rebate claims to 340B claims, and oversized blocks.

A key is a pharmacy and a prescription (MEDICAL: a claim number). Pharmacies are identified by their current NPI (the
succession of NPIs is resolved), so a claim under the old NPI matches one under the new. Rows without a comparable
prescription number are blocked by all other attributes of a dispense.
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

# One party that is owed a rebate once: claims of one stream compete for a 340B claim, claims of different streams do
# not.
STREAM = ("program", "payer_id", "rebate_type")

# Blocking key: `key_hash` is for partitioning, the other columns are compared.
KEY = ("key_hash", "key_pharmacy", "script_key", "claim_type")


class Block(StrEnum):
    """The blocking rule of a pair: what is known before fields are compared."""

    PRESCRIPTION = "PRESCRIPTION"  # pharmacy and Rx number (MEDICAL: provider and claim number)
    PHARMACY_LINEAGE = "PHARMACY_LINEAGE"  # Rx number, and a pharmacy that has had another NPI
    PLACE_OF_SERVICE = "PLACE_OF_SERVICE"  # Rx number, and the pharmacy that filled for the one that billed
    TUPLE = "TUPLE"  # pharmacy, NDC-11, day, quantity and prescriber; no Rx number to compare


def lineage_table(spark: SparkSession, pharmacies: DataFrame | None) -> DataFrame:
    """One row per NPI that has a successor: `old_npi`, and `current_npi`, the end of its succession."""
    lineage = {} if pharmacies is None else _current_npis(pharmacies)
    return spark.createDataFrame(sorted(lineage.items()), "old_npi string, current_npi string")


def _current_npis(pharmacies: DataFrame) -> dict[str, str]:
    """Current NPI by old NPI, collected because successions are few. An NPI with two successors or in a cycle stays as
    is.
    """
    rows = pharmacies.where(F.col("npi").isNotNull() & F.col("successor_npi").isNotNull())
    successors: dict[str, set[str]] = {}
    for row in rows.select("npi", "successor_npi").distinct().collect():
        successors.setdefault(row["npi"], set()).add(row["successor_npi"])
    only = {npi: next(iter(after)) for npi, after in successors.items() if len(after) == 1}
    current: dict[str, str] = {}
    for npi in only:
        succession = [npi]
        while succession[-1] in only and only[succession[-1]] not in succession:
            succession.append(only[succession[-1]])
        if succession[-1] not in only:
            current[npi] = succession[-1]
    return current


def rebate_side(claims: DataFrame, lineage: DataFrame) -> DataFrame:
    """The columns of PREPARED_REBATE_CLAIMS for linking, with KEY (NULL if a row has none), and `rebate_claim`, which
    is equal for rows of one dispense in a stream.

    `lineage`: result of `lineage_table`. `rx_kind`: empty for a plain Rx number, else its hash scheme; NULL if it is
    unusable. rebate_type: from the claim key, so a row without one belongs to the stream of its program's only type.
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
    """As `rebate_side`, for PREPARED_ENTITY_CLAIMS: names start with `entity_` except KEY; with `units_per_package` of
    the product on the date of service.
    """
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
    """Rebate rows whose place of service is not the billing pharmacy, with that place in their key."""
    filled_elsewhere = rebate.where(is_dispensed_elsewhere())
    resolved = _with_current_npi(filled_elsewhere, "service_npi", lineage)
    keyed = resolved.where(~F.col("current_npi").eqNullSafe(F.col("key_pharmacy")))
    return _under_key(keyed, F.col("current_npi"), F.col("script_key"))


def with_tuple_key(rows: DataFrame, prefix: str = "") -> DataFrame:
    """RX rows of one side with pharmacy, NDC-11, day and prescriber as their key; rows that lack one are excluded."""
    parts = [F.col(f"{prefix}{name}") for name in ("pharmacy_key", "ndc11", "date_of_service", "prescriber_npi")]
    is_complete = F.col("claim_type") == ClaimType.RX.value
    for part in parts:
        is_complete = is_complete & part.isNotNull()
    own_script = F.coalesce("script_key", f"{prefix}row_id" if prefix else "source_row_id")
    keyed = rows.where(is_complete).withColumn(f"{prefix}own_script", own_script)
    text = F.concat_ws("/", *(part.cast("string") for part in parts))
    return keyed.withColumns({"key_pharmacy": parts[0], "script_key": text, "key_hash": F.xxhash64(text)})


def oversized_blocks(rebate: DataFrame, entity: DataFrame, most_pairs: int) -> DataFrame:
    """Blocks with more pairs than a prescription can have: key_hash, rebate_rows, entity_rows.

    Counted on each side separately, before any pair is formed.
    """
    rebate_counts = rebate.groupBy("key_hash").agg(F.count(F.lit(1)).alias("rebate_rows"))
    entity_counts = entity.groupBy("key_hash").agg(F.count(F.lit(1)).alias("entity_rows"))
    both = rebate_counts.join(entity_counts, on="key_hash", how="inner")  # one row per key
    return both.where(F.col("rebate_rows") * F.col("entity_rows") > most_pairs)


def without(rows: DataFrame, oversized: DataFrame) -> DataFrame:
    """Exclude rows in oversized blocks and rows without a key."""
    keyed = rows.where(F.col("key_hash").isNotNull())
    return keyed.join(F.broadcast(oversized.select("key_hash")), on="key_hash", how="left_anti")


def is_dispensed_elsewhere() -> Column:
    """True if a pharmacy other than the billing one dispensed the drug."""
    return F.coalesce(F.col("service_npi") != F.col("pharmacy_key"), F.lit(False))


def has_no_plain_rx(kind: str) -> Column:
    """True if the Rx number is missing, unusable as a key, or hashed."""
    return F.col(kind).isNull() | (F.col(kind) != "")


def no_units() -> Column:
    """Unknown units, in the type of units."""
    return F.lit(None).cast("decimal(15,3)")


def with_whole_fill_units(rebate: DataFrame) -> DataFrame:
    """Add `whole_fill_units` to P and C rows: the sum over the parts of the same fill in the same stream.

    A part delivered twice (equal except for row id, period or the like) counts once.
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
    return _under_key(_with_current_npi(claims, "pharmacy_key", lineage), F.col("current_npi"), F.col("script_key"))


def _with_current_npi(rows: DataFrame, column: str, lineage: DataFrame) -> DataFrame:
    joined = rows.join(F.broadcast(lineage), on=F.col(column) == F.col("old_npi"), how="left")  # one row per NPI
    return joined.withColumn("current_npi", F.coalesce("current_npi", column)).drop("old_npi")


def _under_key(rows: DataFrame, pharmacy: Column, script: Column) -> DataFrame:
    is_complete = pharmacy.isNotNull() & script.isNotNull()
    return rows.withColumns(
        {
            "key_pharmacy": pharmacy,
            "script_key": script,
            "key_hash": F.when(is_complete, F.xxhash64(pharmacy, script, "claim_type")),
        }
    ).drop("current_npi")


def _rx_kind() -> Column:
    is_plain = F.col("rx_key") == F.col("rx_number")
    return F.when(F.col("rx_key").isNotNull(), F.when(is_plain, "").otherwise(F.coalesce("hash_scheme", F.lit(""))))


def _only_on(claim_type: ClaimType, field: str) -> Column:
    return F.when(F.col("claim_type") == claim_type.value, F.col(field))


def _of_dispense() -> list[Column]:
    """The attributes of a dispense that both sides have, with equal names."""
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
    """A key that is equal for rows of one dispense (NULL equals NULL) and unique for a row without a prescription.

    Entities report no claim lines, so the lines of a medical claim share a dispense. A pharmacy that changed its NPI
    counts as one pharmacy.
    """
    script = F.coalesce("script_key", F.concat(F.lit("row "), "source_row_id"))
    fields = ("key_pharmacy", "claim_type", "fill_number", "date_of_service", "hcpcs_code", "ndc11")
    texts = {"script": script, **{name: F.col(name).cast("string") for name in fields}}
    return json_object({name: (text, T.StringType()) for name, text in texts.items()})
