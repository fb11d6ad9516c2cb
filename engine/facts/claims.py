"""Facts on rebate claims: links, references as of the date of service, features, and what is usual among peers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.facts import CLAIM_FACTS, CLAIM_FEATURES, CLAIM_SCREEN, DUPLICATE_FACTS
from engine.contracts.links import LINKS_340B, LINKS_PHARMACY
from engine.facts import claim_features as features
from engine.facts.agreements import with_contract, with_pharmacy_standing, with_state_policy
from engine.facts.exclusions import with_exclusion_file
from engine.facts.families import absent, flattened
from engine.facts.peers import quantile, robust_z, sampled, statistics, value_arrays
from engine.facts.prices import with_market_price, with_prices
from engine.facts.products import with_product
from engine.facts.purchases import with_purchases
from engine.intervals import quarter_of
from engine.settings import PeerSettings

UNITS = "f24_units_per_prescription"
FACTOR_DISTANCE = "f27_unit_factor_distance"
_STRATUM = ("ndc11", "program")
_FACTOR_TOLERANCE = 0.02
_MEASURED = tuple(feature for feature in CLAIM_FEATURES if feature != FACTOR_DISTANCE)

# Known from peers only; added by `with_claim_peers`.
_OF_PEERS = {
    FACTOR_DISTANCE,
    "f27_unit_factor",
    "peers",
    "peer_median_units",
    *(f"{feature}_z" for feature in CLAIM_FEATURES),
}
_SCREENED = [field for field in CLAIM_SCREEN.fields if field.name not in _OF_PEERS]

# What links and references ask of a claim.
_ASKED = (
    "source_row_id",
    "program",
    "payer_id",
    "state",
    "contract_id",
    "rebate_type",
    "pharmacy_npi",
    "pharmacy_key",
    "medicaid_provider_id",
    "date_of_service",
    "period",
    "ndc11",
    "ndc9",
)
# What features read of a claim besides what is screened.
_MEASURED_FROM = {"patient_key", "days_supply", "paid_date"}


@dataclass(frozen=True)
class FoundOnClaims:
    """What was found out about few of the claims: at most one row per source_row_id in each table, None where a feed or
    table is missing. LINKS_340B, LINKS_PHARMACY, what `duplicates` and what `flags_340b` give.
    """

    links_340b: DataFrame | None
    links_pharmacy: DataFrame | None
    duplicates: DataFrame
    flags_340b: DataFrame | None


def claim_screen(claims: DataFrame, found: FoundOnClaims, references: Mapping[str, DataFrame]) -> DataFrame:
    """CLAIM_SCREEN less what only peers tell, one row per live rebate claim.

    `claims`: PREPARED_REBATE_CLAIMS; `references`: conformed tables by name, a missing one makes its facts NULL.
    """
    wanted = {field.name for field in _SCREENED}
    received = {name for name in claims.columns if name in wanted} | _MEASURED_FROM
    rows = features.with_early_refill_ratio(claims.select(*sorted(received)))
    rows = _with_found(_packed(rows, "claim"), found, wanted)
    return _unpacked(_with_references(rows, references), _SCREENED)


def claim_facts(
    flagged: DataFrame, claims: DataFrame, found: FoundOnClaims, references: Mapping[str, DataFrame]
) -> DataFrame:
    """CLAIM_FACTS of the claims in `flagged`: all that messages and findings show.

    `flagged`: rows of CLAIM_SCREEN, whole; `claims`: PREPARED_REBATE_CLAIMS, these or more; the rest as in
    `claim_screen`.
    """
    missing = {*CLAIM_FACTS.names} - {*flagged.columns}
    own = claims.select("source_row_id", F.struct(*(name for name in claims.columns if name in missing)).alias("claim"))
    rows = own.join(_packed(flagged, "screen"), on="source_row_id", how="inner")
    rows = _with_found(rows, found, missing)
    rows = with_market_price(rows, references.get("market_prices"), F.col("date_of_service"))
    rows = with_purchases(
        rows, references.get("chargebacks"), references.get("covered_entities"), references.get("products")
    )
    return _unpacked(rows, CLAIM_FACTS.fields)


def _packed(rows: DataFrame, into: str) -> DataFrame:
    """What joins ask for as it is, all else in one struct."""
    return rows.select(*_ASKED, F.struct(*(name for name in rows.columns if name not in _ASKED)).alias(into))


def _with_found(rows: DataFrame, found: FoundOnClaims, wanted: set[str]) -> DataFrame:
    for table, of_table, prefix in (
        (found.links_340b, LINKS_340B.fields, "link"),
        (found.links_pharmacy, LINKS_PHARMACY.fields, "pharmacy"),
        (found.duplicates, DUPLICATE_FACTS, "duplicate"),
        (found.flags_340b, [CLAIM_FACTS["flags_340b"]], "flags"),
    ):
        fields = [field for field in of_table if field.name.startswith(f"{prefix}_") and field.name in wanted]
        rows = _joined(rows, table, fields, prefix) if fields else rows
    return rows


def _with_references(rows: DataFrame, references: Mapping[str, DataFrame]) -> DataFrame:
    day, prices = F.col("date_of_service"), references.get("prices")
    rows = with_product(rows, references.get("products"), day)
    rows = with_prices(rows, prices, F.col("period"), {"price_ura": "unit_rebate_amount"}, "price_of_period")
    of_service = {"price_wac": "wac_unit", "price_ceiling": "ceiling_unit", "price_mfp": "mfp_unit"}
    rows = with_prices(rows, prices, quarter_of(day), of_service, "price_of_service")
    rows = with_exclusion_file(rows, references.get("medicaid_exclusions"))
    rows = with_state_policy(rows, references.get("state_340b_policies"))
    rows = with_contract(rows, references.get("rebate_contracts"))
    return with_pharmacy_standing(rows, references.get("contract_pharmacy_lists"), references.get("entity_npis"))


def _unpacked(rows: DataFrame, wanted: list[T.StructField]) -> DataFrame:
    """The wanted fields; those measured on the claim itself are worked out where they are not there yet."""
    families = [field.name for field in rows.schema.fields if isinstance(field.dataType, T.StructType)]
    flat = flattened(rows, families)
    measured: dict[str, Column] = {
        "f04_dos_delta_days": features.dos_delta_days(),
        "f05_quantity_ratio_340b": features.quantity_ratio_340b(),
        "f20_paid_per_unit_to_wac": features.paid_per_unit_to_wac(),
        "f23_rebate_to_paid": features.rebate_to_paid(),
        UNITS: features.units_per_prescription(),
        "f25_units_per_day": features.units_per_day(),
        "f26_package_remainder": features.package_remainder(),
        "f44_claim_age_days": features.claim_age_days(),
    }
    there = {*flat.columns}
    values = {field.name: F.col(field.name) if field.name in there else measured[field.name] for field in wanted}
    return flat.select(*(values[field.name].cast(field.dataType).alias(field.name) for field in wanted))


def _joined(rows: DataFrame, more: DataFrame | None, fields: list[T.StructField], into: str) -> DataFrame:
    """`rows` with the fields of a table that has at most one row per claim, as a struct."""
    if more is None:
        return rows.withColumn(into, absent(fields))
    family = F.struct(*(field.name for field in fields)).alias(into)
    narrow = more.select(F.col("source_row_id").alias("more_source_row_id"), family)
    joined = rows.join(narrow, on=F.col("source_row_id") == F.col("more_source_row_id"), how="left")
    return joined.drop("more_source_row_id")


def claim_peers(screen: DataFrame, settings: PeerSettings) -> DataFrame:
    """What is usual per NDC-11 and program: peers, and `<feature>_median`, `_scale`, `_low`, `_high`.

    Small: one row per product and program. `screen`: what `claim_screen` gave, read from where it was written.
    """
    narrow = screen.select("source_row_id", *_STRATUM, "units_per_package", *_MEASURED)
    sample = sampled(narrow.where(F.col("ndc11").isNotNull()), _STRATUM, settings)
    arrays = value_arrays(sample, _STRATUM, _MEASURED, [F.max("units_per_package").alias("units_per_package")])
    median_units = quantile(F.col(UNITS), 0.5)
    distances = F.transform(
        F.filter(UNITS, lambda units: units > 0),
        lambda units: _distance(F.log(units) - F.log(median_units), F.col("units_per_package").cast("double")),
    )
    known = (F.size(UNITS) >= settings.minimum) & (median_units > 0)
    arrays = arrays.withColumn(
        FACTOR_DISTANCE, F.when(known, F.array_sort(distances)).otherwise(F.array().cast("array<double>"))
    )
    return statistics(arrays, _STRATUM, dict.fromkeys(CLAIM_FEATURES, False), settings)


def with_claim_peers(screen: DataFrame, peers: DataFrame, settings: PeerSettings) -> DataFrame:
    """CLAIM_SCREEN: the screen with z-scores, F27 and the peers' count; lazily, by a broadcast join."""
    renamed = peers.withColumnsRenamed({key: f"peer_{key}" for key in _STRATUM})
    same = [F.col(key) == F.col(f"peer_{key}") for key in _STRATUM]
    joined = screen.join(F.broadcast(renamed), on=same, how="left")  # one row per product and program
    ratio = F.when((F.col(UNITS) > 0) & (F.col(f"{UNITS}_median") > 0), F.log(UNITS) - F.log(f"{UNITS}_median"))
    per_package = F.col("units_per_package").cast("double")
    joined = joined.withColumns(
        {
            FACTOR_DISTANCE: _distance(ratio, per_package),
            "f27_unit_factor": _factor_hit(ratio, per_package),
            "peer_median_units": F.col(f"{UNITS}_median"),
        }
    )
    joined = joined.withColumns({f"{f}_z": robust_z(f, False, settings) for f in CLAIM_FEATURES})
    return joined.select(*(F.col(field.name).cast(field.dataType).alias(field.name) for field in CLAIM_SCREEN.fields))


def _factors(per_package: Column) -> list[Column]:
    """Known conversion factors: units per package, its inverse, and shifted decimals (domain F27)."""
    package = F.when((per_package > 0) & (per_package != 1), per_package)
    return [package, 1 / package, *(F.lit(factor) for factor in (10.0, 0.1, 1000.0, 0.001))]


def _distance(log_ratio: Column, per_package: Column) -> Column:
    """|ln(units / median) - ln(factor)| to the nearest factor."""
    return F.least(*(F.abs(log_ratio - F.log(factor)) for factor in _factors(per_package)))


def _factor_hit(log_ratio: Column, per_package: Column) -> Column:
    """The nearest factor that explains units / median within 2 %."""
    tolerance = F.log(F.lit(1 + _FACTOR_TOLERANCE))
    hits = [
        F.when(F.abs(log_ratio - F.log(factor)) <= tolerance, F.struct(F.abs(log_ratio - F.log(factor)), factor))
        for factor in _factors(per_package)
    ]
    return F.least(*hits)["col2"]
