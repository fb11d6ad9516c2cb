"""Indicators of possible diversion of 340B drugs.

They are a prescriber with few prescriptions at the entity, a pharmacy far from the entity, and more units than other
entities claim. They require distances, which `zip_centroids` (docs/contract-extensions.md) provides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Subject
from engine.facts.families import absent
from engine.facts.feature import AT_SERVICE, BEFORE, Feature
from engine.facts.history import SERVICE_QUARTER, added_up, before, with_history
from engine.facts.peers import robust_z, statistics, value_arrays
from engine.intervals import join_as_of, quarter_index
from engine.runtime.column_names import column_names
from engine.runtime.expressions import divide, exp, significant
from engine.settings import PeerSettings

EARTH_RADIUS_KM = 6371.0088  # mean radius (IUGG)
_ZIPS = ("zip_centroids", "pharmacies.zip", "covered_entities.zip")
FEATURES = (
    Feature(
        "F17",
        "f17_prescriber_ce_share",
        "340B claims of the entity / all prescriptions that are known: 340B claims of any entity, and claims of payers "
        "without a link to one",
        needs=("rebate_claims.prescriber_npi", "entity_claims.prescriber_npi", *_ZIPS),
        grain="parent entity, prescriber and NDC-9",
        window=BEFORE,
        subject=Subject.ENTITY_CLAIM,
    ),
    Feature(
        "F18",
        "f18_dist_ce_pharm_km",
        "great-circle distance (haversine) between the centroids of the entity's and the pharmacy's ZIP codes",
        needs=_ZIPS,
        grain="entity and pharmacy",
        window=AT_SERVICE,
        unit="kilometres",
        subject=Subject.ENTITY_CLAIM,
    ),
    Feature(
        "F54",
        "ce_volume_z",
        "robust z of ln(units that the entity claims as 340B) among the entities that claim the product",
        needs=_ZIPS,
        grain="parent entity and NDC-9",
        window="quarter of service",
        unit="robust z-score",
        subject=Subject.ENTITY_CLAIM,
    ),
)
DIVERSION_FACTS = (
    T.StructField("f17_prescriber_ce_share", T.DoubleType()),
    T.StructField("prescriptions_known", T.LongType()),
    T.StructField("f18_dist_ce_pharm_km", T.DoubleType()),
    T.StructField("ce_volume_z", T.DoubleType()),
    T.StructField("ce_quarter_units", T.DoubleType()),
    T.StructField("ce_usual_quarter_units", T.DoubleType()),
)
_PRESCRIBER = ("prescriber_npi", "ndc9")
_OF_QUARTER = ("ndc9", "quarter")
_VOLUME = "ce_quarter_units"


def with_diversion(
    rows: DataFrame,
    claims: DataFrame,
    not_linked: DataFrame | None,
    zip_centroids: DataFrame | None,
    pharmacies: DataFrame | None,
    settings: PeerSettings,
) -> DataFrame:
    """Add `diversion`, a struct of DIVERSION_FACTS, to `rows` (340B claims with `entity`).

    `claims`: all live 340B claims; `not_linked`: rebate claims without a link to one. Without locations nothing is
    computed, because no rule reads one of these facts without the others.
    """
    if zip_centroids is None or pharmacies is None:
        return rows.withColumn("diversion", absent(DIVERSION_FACTS))
    enriched = _with_prescriptions(rows, claims, not_linked)
    enriched = _with_distance(enriched, zip_centroids, pharmacies)
    enriched = _with_volume(enriched, claims, settings)
    return enriched.select(*column_names(rows), F.struct(*(field.name for field in DIVERSION_FACTS)).alias("diversion"))


def _with_prescriptions(rows: DataFrame, claims: DataFrame, not_linked: DataFrame | None) -> DataFrame:
    """Add F17 and its denominator prescriptions_known to `rows`.

    Both are NULL if the prescriber or payers' claims are not known.
    """
    if not_linked is None:
        unknown = {"f17_prescriber_ce_share": F.lit(None), "prescriptions_known": F.lit(None)}
        return rows.withColumns(unknown)
    columns = (*_PRESCRIBER, "date_of_service")
    known = claims.select(*columns, "parent_entity_id").unionByName(
        not_linked.select(*columns, F.lit(None).cast("string").alias("parent_entity_id"))
    )
    enriched = with_history(
        rows.withColumn(SERVICE_QUARTER, quarter_index(F.col("date_of_service"))),
        known.where(F.col("prescriber_npi").isNotNull()),
        _PRESCRIBER,
        {"quarter": quarter_index(F.col("date_of_service")), "parent": F.col("parent_entity_id")},
        "prescribed",
    )
    earlier = before("prescribed")
    own = F.filter(earlier, lambda each: each["parent"] == F.col("parent_entity_id"))
    prescriptions = added_up(earlier, "n")
    return enriched.select(
        *column_names(rows),
        divide(added_up(own, "n").cast("double"), prescriptions.cast("double")).alias("f17_prescriber_ce_share"),
        prescriptions.alias("prescriptions_known"),
    )


def _with_distance(rows: DataFrame, zip_centroids: DataFrame, pharmacies: DataFrame) -> DataFrame:
    """Add F18 to `rows`; NULL if one of the two locations is not known."""
    centroids = zip_centroids.withColumn("zip5", _zip5("zip"))
    point = {name: F.col(name).cast("double") * F.lit(math.pi / 180) for name in ("latitude", "longitude")}
    entity_zip, pharmacy_zip = _zip5("entity.entity_zip"), F.col("pharmacy_place.zip")
    placed = _as_of_service(rows, pharmacies, "npi", F.col("pharmacy_npi"), {"zip": _zip5("zip")}, "pharmacy_place")
    placed = _as_of_service(placed, centroids, "zip5", entity_zip, point, "entity_point")
    placed = _as_of_service(placed, centroids, "zip5", pharmacy_zip, point, "pharmacy_point")
    distance = _haversine_km(F.col("entity_point"), F.col("pharmacy_point"))
    return placed.select(*column_names(rows), distance.alias("f18_dist_ce_pharm_km"))


def _as_of_service(
    rows: DataFrame, reference: DataFrame, key: str, own: Column, values: Mapping[str, Column], into: str
) -> DataFrame:
    return join_as_of(
        rows,
        reference,
        key={key: own},
        day=F.col("date_of_service"),
        start=F.col("valid_from"),
        end=F.col("valid_to"),
        values=values,
        into=into,
    )


def _zip5(column: str) -> Column:
    return F.substring(column, 1, 5)


def _haversine_km(each: Column, other: Column) -> Column:
    """Great-circle distance; points in radians."""

    def haversine(angle: Column) -> Column:
        return F.pow(F.sin(angle / 2), 2.0)

    across = F.cos(each["latitude"]) * F.cos(other["latitude"]) * haversine(other["longitude"] - each["longitude"])
    chord = haversine(other["latitude"] - each["latitude"]) + across
    return significant(F.when(chord.isNotNull(), 2 * EARTH_RADIUS_KM * F.asin(F.sqrt(F.least(chord, F.lit(1.0))))))


def _with_volume(rows: DataFrame, claims: DataFrame, settings: PeerSettings) -> DataFrame:
    """Add ce_quarter_units, its median among the product's entities, and ce_volume_z to `rows`.

    The median and the z-score are NULL below the minimum number of entities.
    """
    units = F.sum("quantity").cast("double").alias(_VOLUME)
    quarter = quarter_index(F.col("date_of_service")).alias("quarter")
    volumes = claims.groupBy("parent_entity_id", "ndc9", quarter).agg(units)
    peers = volumes.withColumn("peers", F.count(F.lit(1)).over(Window.partitionBy(*_OF_QUARTER)))
    usual = statistics(value_arrays(peers, _OF_QUARTER, [_VOLUME], ()), _OF_QUARTER, {_VOLUME: True}, settings)
    judged = volumes.join(F.broadcast(usual), on=[*_OF_QUARTER], how="left").select(  # one row per product and quarter
        F.col("parent_entity_id").alias("volume_entity"),
        F.col("ndc9").alias("volume_ndc9"),
        F.col("quarter").alias("volume_quarter"),
        _VOLUME,
        exp(F.col(f"{_VOLUME}_median")).alias("ce_usual_quarter_units"),
        robust_z(_VOLUME, True, settings).alias("ce_volume_z"),
    )
    same = [
        F.col("parent_entity_id") == F.col("volume_entity"),
        F.col("ndc9") == F.col("volume_ndc9"),
        quarter_index(F.col("date_of_service")) == F.col("volume_quarter"),
    ]
    enriched = ("ce_volume_z", _VOLUME, "ce_usual_quarter_units")
    return rows.join(judged, on=same, how="left").select(*column_names(rows), *enriched)  # one row each
