"""Resolve contract pharmacies without an NPI: the OPAIS register contains no NPIs (domain part 2.1, feature F13)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.link.place_agreement import agreement, confidence, log2_odds
from engine.link.place_description import described
from engine.runtime.column_names import column_names
from engine.runtime.expressions import json_object, nulls, sort
from engine.settings import PharmacyIdentitySettings

_PLACE = ("pharmacy_name", "address", "city", "state", "zip", "phone")
_PHARMACY = ("npi", "name", "address", "city", "state", "zip", "phone", "valid_from", "valid_to")
_COMPARED = ("names", "store_number", "house_number", "street", "suite", "city", "state", "zip5", "phone10")

_SCORED = T.StructType(
    [
        T.StructField("place_id", T.StringType()),
        T.StructField("npi", T.StringType()),
        T.StructField("valid_from", T.DateType()),
        T.StructField("valid_to", T.DateType()),
        T.StructField("score", T.DoubleType()),
        T.StructField("confidence", T.DoubleType()),
        T.StructField("fields", T.ArrayType(T.StringType())),
    ]
)
_ARROW_SCORED = pa.schema(
    [
        ("place_id", pa.string()),
        ("npi", pa.string()),
        ("valid_from", pa.date32()),
        ("valid_to", pa.date32()),
        ("score", pa.float64()),
        ("confidence", pa.float64()),
        ("fields", pa.list_(pa.string())),
    ]
)


def resolve_pharmacies(
    contract_pharmacies: DataFrame, pharmacies: DataFrame, settings: PharmacyIdentitySettings
) -> DataFrame:
    """Fill in a NULL pharmacy_npi of `contract_pharmacies` if one pharmacy matches with sufficient confidence.

    Both tables are conformed reference tables; the result has one row per contract row. Added columns:
    pharmacy_match_confidence, 0 to 1 (1 if the source reported the NPI, NULL if there is no match), and
    pharmacy_match_fields: those of name, store_number, address, phone and zip that agreed (NULL if the source reported
    the NPI or there is no match). Only pharmacies whose [valid_from, valid_to) overlaps the contract's [begin_date,
    termination_date) are candidates. A `successor_npi` is not followed.
    """
    place_id = F.when(F.col("pharmacy_npi").isNull(), _identity(_PLACE))
    rows = contract_pharmacies.withColumn("place_id", place_id)
    descriptions = _descriptions(rows, pharmacies)
    scored = _pairs(descriptions, settings).mapInArrow(_scorer(settings), _SCORED)
    candidates = scored.groupBy("place_id").agg(_best_first().alias("candidates"))
    # candidates has one row per place: the join keeps every row once
    joined = rows.join(F.broadcast(candidates), on="place_id", how="left").withColumn("match", _match(settings))
    has_source_npi = F.col("pharmacy_npi").isNotNull()
    return joined.select(
        *(name for name in column_names(contract_pharmacies) if name != "pharmacy_npi"),
        F.coalesce("pharmacy_npi", "match.npi").alias("pharmacy_npi"),
        F.when(has_source_npi, F.lit(1.0)).otherwise(F.col("match.confidence")).alias("pharmacy_match_confidence"),
        F.col("match.fields").alias("pharmacy_match_fields"),
    ).select(*column_names(contract_pharmacies), "pharmacy_match_confidence", "pharmacy_match_fields")


def _identity(columns: tuple[str, ...]) -> Column:
    """A hash of the values; JSON keeps NULL distinct from blank and separates the columns."""
    return F.sha2(json_object({name: (F.col(name).cast("string"), T.StringType()) for name in columns}), 256)


def _descriptions(rows: DataFrame, pharmacies: DataFrame) -> DataFrame:
    """One row per distinct description on either side: id, is_place, npi, valid_from, valid_to and the compared fields.

    Many entities contract with the same pharmacy, so places are few. A pharmacy's validity is part of its description.
    """
    places = (
        rows.where(F.col("place_id").isNotNull())
        .select(F.col("place_id").alias("id"), F.col("pharmacy_name").alias("name"), *_PLACE[1:])
        .distinct()
        .withColumns(nulls({"npi": "string", "valid_from": "date", "valid_to": "date"}))
    )
    registered = pharmacies.where(F.col("npi").isNotNull()).select(*_PHARMACY).distinct()
    both = places.unionByName(registered.withColumn("id", _identity(_PHARMACY)))
    parts = {name: F.col(name) for name in ("name", "address", "city", "state", "phone")}
    return described(both, **parts, zip_code=F.col("zip")).select(
        "id", F.col("npi").isNull().alias("is_place"), "npi", "valid_from", "valid_to", *_COMPARED
    )


def _pairs(descriptions: DataFrame, settings: PharmacyIdentitySettings) -> DataFrame:
    """Places and pharmacies that share a block, each pair once: place_id, pharmacy_id, place, pharmacy."""
    candidates = F.size("places") * F.size("pharmacies")
    pairs = (
        descriptions.select("id", "is_place", F.explode(_blocks()).alias("block"))
        .groupBy("block")
        .agg(
            F.collect_list(F.when(F.col("is_place"), F.col("id"))).alias("places"),
            F.collect_list(F.when(~F.col("is_place"), F.col("id"))).alias("pharmacies"),
        )
        .where(candidates <= settings.most_candidates_per_block)
        .select(F.explode("places").alias("place_id"), "pharmacies")
        .select("place_id", F.explode("pharmacies").alias("pharmacy_id"))
        .distinct()
    )
    named = _with_carriers(descriptions)
    places = named.where("is_place").select(F.col("id").alias("place_id"), F.struct(*_COMPARED).alias("place"))
    pharmacies = named.where("not is_place").select(
        F.col("id").alias("pharmacy_id"), F.struct("npi", "valid_from", "valid_to", *_COMPARED).alias("pharmacy")
    )
    return pairs.join(places, on="place_id", how="inner").join(pharmacies, on="pharmacy_id", how="inner")


def _blocks() -> Column:
    """Blocking keys, one text each; a key with a NULL part is omitted."""
    return F.array_compact(
        F.array(
            F.concat(F.lit("zip:"), "zip5"),
            F.concat(F.lit("zip, house:"), "zip5", F.lit(","), "house_number"),
            F.concat(F.lit("phone:"), "phone10"),
            F.concat(F.lit("state, store:"), "state", F.lit(","), "store_number"),
            F.concat(F.lit("state, house, street:"), "state", F.lit(","), "house_number", F.lit(","), "street"),
        )
    )


def _with_carriers(descriptions: DataFrame) -> DataFrame:
    """Each name with its carriers: the number of places in the area with that name, on the side that has more of them.

    An area is the first three digits of the ZIP, about a county or a part of a city; it is blank if the ZIP is unknown.
    """
    area = F.coalesce(F.substring("zip5", 1, 3), F.lit(""))
    carrier = F.coalesce("npi", "id")
    of_side = Window.partitionBy("name", "area", "is_place").orderBy(carrier)
    others = [name for name in column_names(descriptions) if name != "names"]
    # the highest dense rank of a side is the number of its distinct carriers
    carried = (
        descriptions.withColumns({"name": F.explode_outer("names"), "area": area})
        .withColumn("nth", F.dense_rank().over(of_side))
        .withColumn("carriers", F.max("nth").over(Window.partitionBy("name", "area")))
    )
    named = F.when(F.col("name").isNotNull(), F.struct("name", "carriers"))
    return carried.groupBy(*others).agg(sort(F.collect_list(named)).alias("names"))


def _scorer(settings: PharmacyIdentitySettings) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Map Arrow batches of pairs to those that can be the best or, within the margin, the second-best candidate."""
    least = log2_odds(settings.threshold) - settings.margin

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = []
            for pair in batch.to_pylist():
                pharmacy = pair["pharmacy"]
                log2, fields = agreement(pair["place"], pharmacy, settings)
                if log2 >= least:
                    validity = {name: pharmacy[name] for name in ("npi", "valid_from", "valid_to")}
                    rows.append(
                        {
                            "place_id": pair["place_id"],
                            **validity,
                            "score": log2,
                            "confidence": confidence(log2),
                            "fields": fields,
                        }
                    )
            yield pa.RecordBatch.from_pylist(rows, _ARROW_SCORED)

    return score


def _best_first() -> Column:
    ranked = F.struct(
        (-F.col("score")).alias("descending"), *(name for name in _SCORED.fieldNames() if name != "place_id")
    )
    return sort(F.collect_list(ranked))


def _match(settings: PharmacyIdentitySettings) -> Column:
    """The best candidate valid during the contract, if it reaches the threshold and beats every other NPI by the
    margin.
    """
    in_force = F.filter(
        "candidates",
        lambda candidate: (
            _begins_before("begin_date", candidate["valid_to"])
            & _begins_before(candidate["valid_from"], "termination_date")
        ),
    )
    best = F.get(in_force, F.lit(0))
    rival = F.get(F.filter(in_force, lambda candidate: candidate["npi"] != best["npi"]), F.lit(0))
    is_sure = best["score"] >= log2_odds(settings.threshold)
    has_no_rival = F.coalesce(best["score"] - rival["score"] >= settings.margin, F.lit(True))
    return F.when(is_sure & has_no_rival, best)


def _begins_before(start: Column | str, end: Column | str) -> Column:
    """True if `start` is before `end`; a NULL means that the interval is open on that side."""
    columns = [F.col(side) if isinstance(side, str) else side for side in (start, end)]
    return F.coalesce(columns[0] < columns[1], F.lit(True))
