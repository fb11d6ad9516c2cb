"""Checks of the pharmacy's and the prescriber's numbers."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.facts.feature import AT_SERVICE, Feature, NotBuilt
from engine.intervals import covers
from engine.npi import npi_is_valid
from engine.runtime.column_names import column_names
from engine.runtime.expressions import collect_distinct

NOT_BUILT = (
    NotBuilt(
        "F60", "prescriber_type1", "no table records whether an NPI is a person's (type 1); NPPES is not an input"
    ),
)


def pharmacy_npi_valid() -> Column:
    """F60 for the pharmacy."""
    return npi_is_valid(F.col("pharmacy_npi"))


def prescriber_npi_valid() -> Column:
    """F60 for the prescriber."""
    return npi_is_valid(F.col("prescriber_npi"))


FEATURES = (
    Feature(
        "F60",
        "f60_pharmacy_npi_valid",
        "ten digits, the first 1 or 2, check digit right (Luhn over 80840)",
        needs=("rebate_claims.pharmacy_npi",),
        unit="boolean",
        value=pharmacy_npi_valid,
    ),
    Feature(
        "F60",
        "f60_prescriber_npi_valid",
        "the same of the prescriber",
        needs=("rebate_claims.prescriber_npi",),
        unit="boolean",
        value=prescriber_npi_valid,
    ),
    Feature(
        "F60",
        "f60_npi_active_at_dos",
        "a row of the pharmacy's NPI is valid that day; unknown where the table has no dates for the NPI",
        needs=("rebate_claims.pharmacy_npi", "pharmacies.valid_from|pharmacies.valid_to"),
        grain="pharmacy",
        window=AT_SERVICE,
        unit="boolean",
    ),
)


def prescriber_has_dea_number() -> Column:
    """Two letters (or a letter and 9) and seven digits in the prescriber's field: a DEA number, not an NPI."""
    return F.col("prescriber_npi").rlike(r"^[A-Za-z][A-Za-z9][0-9]{7}\z")


def with_npi_active(rows: DataFrame, pharmacies: DataFrame | None) -> DataFrame:
    """Add F60 npi_active_at_dos to `rows`: a row of the NPI is valid, `[from, to)`, at the date of service."""
    if pharmacies is None:
        return rows.withColumn("f60_npi_active_at_dos", F.lit(None).cast("boolean"))
    dated = pharmacies.where(F.col("valid_from").isNotNull() | F.col("valid_to").isNotNull())
    by_npi = dated.groupBy(F.col("npi").alias("known_npi")).agg(
        collect_distinct(F.struct("valid_from", "valid_to")).alias("spans")
    )
    day = F.col("date_of_service")
    joined = rows.join(F.broadcast(by_npi), on=F.col("pharmacy_npi") == F.col("known_npi"), how="left")  # one per NPI
    is_active = F.exists("spans", lambda span: covers(day, span["valid_from"], span["valid_to"]))
    return joined.select(*column_names(rows), is_active.alias("f60_npi_active_at_dos"))
