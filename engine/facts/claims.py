"""Facts on rebate claims: links, references as of the date of service, features, and what is usual among peers."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.facts import CLAIM_FACTS, CLAIM_FEATURES, DUPLICATE_FACTS
from engine.contracts.links import LINKS_340B, LINKS_PHARMACY
from engine.facts import claim_features as features
from engine.facts.agreements import with_contract, with_pharmacy_standing, with_state_policy
from engine.facts.duplicates import duplicates
from engine.facts.exclusions import with_exclusion_file
from engine.facts.identifiers_340b import flags_340b
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


# What links and references ask of a claim. Joins work on these; the wide rows are exchanged and joined once.
_ASKED = (
    "dispense_hash",
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
_FLAGS = [CLAIM_FACTS["flags_340b"]]
_EARLY_REFILL = [CLAIM_FACTS["f42_early_refill_ratio"]]


def claim_facts(
    claims: DataFrame,
    links_340b: DataFrame | None,
    links_pharmacy: DataFrame | None,
    references: Mapping[str, DataFrame],
) -> DataFrame:
    """CLAIM_FACTS less what only peers tell; one row per live rebate claim.

    `claims`: PREPARED_REBATE_CLAIMS; links: LINKS_340B and LINKS_PHARMACY or None where the feed is missing;
    `references`: conformed tables by name, a missing one makes its facts NULL. The wide rows are exchanged once, by
    dispense, and joined once with all that was found out on narrow ones.
    """
    found = _with_references(claims.select(*_ASKED), references)
    found = _joined(found, links_340b, _fields(LINKS_340B, "link_"))
    found = _joined(found, links_pharmacy, _fields(LINKS_PHARMACY, "pharmacy_"))
    found = _joined(found, duplicates(claims), DUPLICATE_FACTS)
    found = _joined(found, features.early_refills(claims), _EARLY_REFILL)
    found = _joined(found, flags_340b(claims, references.get("identifiers_340b")), _FLAGS)
    found = with_purchases(found, references.get("chargebacks"), references.get("covered_entities"))
    new = [field for field in CLAIM_FACTS.fields if field.name in found.columns and field.name not in claims.columns]
    rows = _joined(claims, found, new).withColumns(
        {
            "flags_340b": F.coalesce("flags_340b", F.array().cast("array<string>")),
            "f04_dos_delta_days": features.dos_delta_days(),
            "f05_quantity_ratio_340b": features.quantity_ratio_340b(),
            "f20_paid_per_unit_to_wac": features.paid_per_unit_to_wac(),
            "f23_rebate_to_paid": features.rebate_to_paid(),
            UNITS: features.units_per_prescription(),
            "f25_units_per_day": features.units_per_day(),
            "f26_package_remainder": features.package_remainder(),
            "f44_claim_age_days": features.claim_age_days(),
        }
    )
    wanted = [field for field in CLAIM_FACTS.fields if field.name not in _OF_PEERS]
    return rows.select(*(F.col(field.name).cast(field.dataType).alias(field.name) for field in wanted))


def _with_references(asked: DataFrame, references: Mapping[str, DataFrame]) -> DataFrame:
    day = F.col("date_of_service")
    rows = with_market_price(asked, references.get("market_prices"), day)
    rows = with_product(rows, references.get("products"), day)
    rows = with_prices(rows, references.get("prices"), F.col("period"), {"price_ura": "unit_rebate_amount"})
    rows = with_prices(
        rows,
        references.get("prices"),
        quarter_of(day),
        {"price_wac": "wac_unit", "price_ceiling": "ceiling_unit", "price_mfp": "mfp_unit"},
    )
    rows = with_exclusion_file(rows, references.get("medicaid_exclusions"))
    rows = with_state_policy(rows, references.get("state_340b_policies"))
    rows = with_contract(rows, references.get("rebate_contracts"))
    return with_pharmacy_standing(rows, references.get("contract_pharmacy_lists"), references.get("entity_npis"))


def _fields(schema: T.StructType, prefix: str) -> list[T.StructField]:
    return [field for field in schema.fields if field.name.startswith(prefix)]


def _joined(rows: DataFrame, more: DataFrame | None, fields: list[T.StructField]) -> DataFrame:
    """`rows` with the fields of a table that has at most one row per claim; all such joins have one partitioning."""
    if more is None:
        return rows.withColumns({field.name: F.lit(None).cast(field.dataType) for field in fields})
    narrow = more.select(
        F.col("dispense_hash").alias("more_dispense_hash"),
        F.col("source_row_id").alias("more_source_row_id"),
        *(field.name for field in fields),
    ).hint("shuffle_hash")
    same = [
        F.col("dispense_hash") == F.col("more_dispense_hash"),
        F.col("source_row_id") == F.col("more_source_row_id"),
    ]
    return rows.join(narrow, on=same, how="left").drop("more_dispense_hash", "more_source_row_id")


def claim_peers(facts: DataFrame, settings: PeerSettings) -> DataFrame:
    """What is usual per NDC-11 and program: peers, and `<feature>_median`, `_scale`, `_low`, `_high`.

    Small: one row per product and program. `facts`: what `claim_facts` gave, read from where it was written.
    """
    narrow = facts.select("source_row_id", *_STRATUM, "units_per_package", *_MEASURED)
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


def with_claim_peers(facts: DataFrame, peers: DataFrame, settings: PeerSettings) -> DataFrame:
    """CLAIM_FACTS: `facts` with z-scores, F27 and the peers' count; lazily, by a broadcast join."""
    renamed = peers.withColumnsRenamed({key: f"peer_{key}" for key in _STRATUM})
    same = [F.col(key) == F.col(f"peer_{key}") for key in _STRATUM]
    joined = facts.join(F.broadcast(renamed), on=same, how="left")  # one row per product and program
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
    return joined.select(*(F.col(field.name).cast(field.dataType).alias(field.name) for field in CLAIM_FACTS.fields))


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
