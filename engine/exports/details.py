"""Field-by-field details of findings: the finding's own row, the other claim, and the names behind ids.

DETAILS has one row per finding: the fields of both claims as text (`own_...`, `other_...`, see side_by_side.FIELDS),
the fields that differ, and names. It is written next to findings so review files can be written again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import Subject
from engine.exports.redacted import masked_rx
from engine.exports.side_by_side import FIELDS
from engine.runtime.column_names import column_names
from engine.runtime.expressions import least_of_groups

REBATE, OF_340B = "rebate claim", "340B claim"
# The rows that a rule names are ordered nearest first; the first few determine the other claim.
_MOST_LOOKED_UP = 5
_KEYS = ("own", "other")


_SIDES = [f"{side}_{field.key}" for side in _KEYS for field in FIELDS]
_NAMED = ("own_kind", "other_kind", "differs", "record_id", "entity_name", "pharmacy_name")
DETAILS = T.StructType([T.StructField(name, T.StringType()) for name in ("finding_id", *_NAMED, *_SIDES)])
_MONEY = [f"{side}_{field.key}" for side in _KEYS for field in FIELDS if field.is_money]
_RX = [f"{side}_rx_number_raw" for side in _KEYS]
_FIELDS = T.StructType(
    [
        T.StructField(name, T.StringType())
        for name in ("kind", *(f"{f.key}{end}" for f in FIELDS for end in ("", "_by")))
    ]
)
# Times reduced to their UTC day: engines format times differently.
_TIMES = {"submitted_at"}
# Decimals shown without trailing zeros.
_UNITS = {"units", "quantity", "ndc_units", "hcpcs_units"}


def finding_details(
    findings: DataFrame,
    rebate_claims: Callable[[DataFrame], DataFrame] | None,
    entity_claims: DataFrame | None,
    references: Mapping[str, DataFrame],
) -> DataFrame:
    """DETAILS of findings.

    The other claim is the first 340B claim that the finding's rules name, else the first rebate claim.

    `rebate_claims`: PREPARED_REBATE_CLAIMS of a few ids; `entity_claims`: PREPARED_ENTITY_CLAIMS; `references`:
    conformed tables by name, which contain the names. Missing values are NULL.
    """
    own = findings.select("finding_id", "subject", "source_row_id", "program", "entity_id", "pharmacy_npi")
    related = F.slice(F.flatten(F.transform("rules", lambda hit: hit["related_source_row_ids"])), 1, _MOST_LOOKED_UP)
    named = findings.select("finding_id", F.posexplode(related).alias("place", "other_id"))
    ids = F.broadcast(
        own.select("source_row_id").unionByName(named.select(F.col("other_id").alias("source_row_id"))).distinct()
    )
    sides = [
        *([] if rebate_claims is None else [_fields_of(rebate_claims(ids), REBATE)]),
        *([] if entity_claims is None else [_fields_of(_among(entity_claims, ids), OF_340B)]),
    ]
    claims = sides[0] if len(sides) == 1 else sides[0].unionByName(sides[1]) if sides else None
    if claims is None:
        return _named(own, None, references)
    mine = own.join(claims, on="source_row_id", how="inner").where(
        F.when(F.col("subject") == Subject.ENTITY_CLAIM.value, F.col("kind") == OF_340B)
        .when(F.col("subject") == Subject.REBATE_CLAIM.value, F.col("kind") == REBATE)
        .otherwise(F.lit(False))
    )
    first = named.join(claims, on=F.col("other_id") == F.col("source_row_id"), how="inner")
    # 340B claims before rebate claims, then the nearest; for an id in both feeds, either row
    first = first.withColumn("is_later", F.col("kind") != OF_340B)
    order = ("is_later", "place", "source_row_id")
    first = least_of_groups(first, ["finding_id"], order, into="first", others=["fields"])
    first = first.select("finding_id", F.col("first.fields").alias("other"))
    rows = mine.select("finding_id", F.col("fields").alias("own")).join(first, on="finding_id", how="left")
    return _named(own, rows, references)


def _among(rows: DataFrame, ids: DataFrame) -> DataFrame:
    return rows.join(ids, on="source_row_id", how="left_semi")


def _fields_of(claims: DataFrame, kind: str) -> DataFrame:
    """source_row_id, kind and `fields`: each field as text, with the value used for comparison."""
    has = set(column_names(claims))

    def text(name: str | None) -> Column:
        if not name or name not in has:
            return F.lit(None).cast("string")
        if name in _TIMES:
            return F.to_date(F.col(name)).cast("string")
        value = F.col(name).cast("string")
        return F.regexp_replace(value, r"(\.[0-9]*?[1-9])0+\z|\.0+\z", "$1") if name in _UNITS else value

    values = []
    for field in FIELDS:
        shown, by = (field.rebate, 0) if kind == REBATE else (field.claim_340b, 1)
        compared = shown if field.compared is None else field.compared[by]
        values += [text(shown).alias(field.key), text(compared).alias(f"{field.key}_by")]
    return claims.select(
        "source_row_id", F.lit(kind).alias("kind"), F.struct(F.lit(kind).alias("kind"), *values).alias("fields")
    )


def with_details(findings: DataFrame, details: DataFrame | None, redacted: bool = False) -> DataFrame:
    """Findings with the columns of DETAILS, else NULL. `redacted`: mask Rx numbers and remove amounts."""
    names = DETAILS.names[1:]
    if details is None:
        return findings.withColumns({name: F.lit(None).cast("string") for name in names})
    if redacted:
        hidden = {name: F.lit(None).cast("string") for name in _MONEY} | {name: masked_rx(F.col(name)) for name in _RX}
        details = details.withColumns(hidden)
    # few findings have few details: the join keeps one side in memory
    details = details.join(F.broadcast(findings.select("finding_id")), on="finding_id", how="left_semi")
    own = details.withColumnRenamed("finding_id", "detailed_id")
    return findings.join(own, on=F.col("finding_id") == F.col("detailed_id"), how="left").drop("detailed_id")


def _named(own: DataFrame, sides: DataFrame | None, references: Mapping[str, DataFrame]) -> DataFrame:
    """DETAILS from both sides (finding_id, own, other; None if there are no claims) and names."""
    rows = own if sides is None else own.join(sides, on="finding_id", how="left")  # one row per finding on both sides
    for table, key, of_finding, name in (
        ("covered_entities", "entity_id", "entity_id", "entity_name"),
        ("pharmacies", "npi", "pharmacy_npi", "pharmacy_name"),
    ):
        names = references.get(table)
        if names is None or "name" not in column_names(names):
            rows = rows.withColumn(name, F.lit(None).cast("string"))
            continue
        wanted = own.select(F.col(of_finding).alias(key)).distinct()
        known = names.join(F.broadcast(wanted), on=key, how="left_semi").groupBy(key).agg(F.min("name").alias(name))
        known = known.withColumnRenamed(key, "named_id")
        rows = rows.join(F.broadcast(known), on=F.col(of_finding) == F.col("named_id"), how="left").drop("named_id")
    columns: dict[str, Column] = {
        "finding_id": F.col("finding_id"),
        "record_id": F.when(F.col("program") == "MDRP_FFS", F.lit("FFSU")).when(
            F.col("program") == "MDRP_MCO", F.lit("MCOU")
        ),
        "entity_name": F.col("entity_name"),
        "pharmacy_name": F.col("pharmacy_name"),
    }
    if sides is not None:
        differing = [
            F.when(F.col("own")[f"{f.key}_by"] != F.col("other")[f"{f.key}_by"], F.lit(f.label)) for f in FIELDS
        ]
        columns |= {
            "own_kind": F.col("own")["kind"],
            "other_kind": F.col("other")["kind"],
            "differs": F.nullif(F.concat_ws("; ", *differing), F.lit("")),
            **{f"{side}_{f.key}": F.col(side)[f.key] for side in _KEYS for f in FIELDS},
        }
    nothing = F.lit(None).cast("string")
    return rows.select(*(columns.get(name, nothing).cast("string").alias(name) for name in DETAILS.names))
