"""Units on the line: per prescription, day and package, and from HCPCS units. Division by zero or NULL gives NULL."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.facts.families import absent
from engine.facts.feature import AT_SERVICE, OWN, WHOLE_RUN, Feature
from engine.facts.snapshots import known_from, least_known_from
from engine.intervals import join_as_of, join_product
from engine.runtime.column_names import column_names
from engine.runtime.expressions import array_contains, as_double, collect_distinct, divide, rint, round_double

_AMONG_PEERS = f"{OWN}; z: {WHOLE_RUN} of equal NDC-11 and program"
_CONVERSION = "hcpcs_crosswalk|products.ndc_units_per_hcpcs_unit"
CONVERSION_FACTS = (
    T.StructField("hcpcs_factor", T.DecimalType(15, 6)),
    T.StructField("f29_hcpcs_ndc_pair_valid", T.BooleanType()),
    T.StructField("hcpcs_pair_at_another_date", T.BooleanType()),
    T.StructField("hcpcs_pair_known_from", T.DateType()),
)


def units_per_prescription() -> Column:
    """F24: NDC units on the line."""
    return as_double("ndc_units")


def units_per_day() -> Column:
    """F25: NDC units / days supply."""
    return divide(as_double("ndc_units"), as_double("days_supply"))


def package_remainder() -> Column:
    """F26: distance of units / units per package from a whole number, 0 to 0.5 packages."""
    packages = divide(as_double("ndc_units"), as_double("units_per_package"))
    return round_double(F.abs(packages - rint(packages)), 9)


def factor_error() -> Column:
    """F28: NDC units / (HCPCS units x crosswalk factor); 1 if the state converted as the crosswalk does."""
    return divide(as_double("ndc_units"), as_double("hcpcs_units") * as_double("hcpcs_factor"))


FEATURES = (
    Feature(
        "F24",
        "f24_units_per_prescription",
        "NDC units on the line",
        window=_AMONG_PEERS,
        unit="NDC units",
        value=units_per_prescription,
    ),
    Feature(
        "F25",
        "f25_units_per_day",
        "NDC units / days supply",
        needs=("rebate_claims.days_supply",),
        window=_AMONG_PEERS,
        unit="NDC units per day",
        value=units_per_day,
    ),
    Feature(
        "F26",
        "f26_package_remainder",
        "abs(p - round(p)), p = NDC units / units per package",
        needs=("products.units_per_package",),
        window=_AMONG_PEERS,
        unit="packages",
        value=package_remainder,
    ),
    Feature(
        "F27",
        "f27_unit_factor_distance",
        "abs(ln(NDC units / peers' median) - ln(f)) to the nearest f of units per package, its inverse, 10, 0.1, 1000, "
        "0.001; f27_unit_factor: the factor that explains the ratio within 2 %",
        grain="claim among the claims of its NDC-11 and program",
        window=WHOLE_RUN,
        unit="natural logarithm",
    ),
    Feature(
        "F28",
        "f28_hcpcs_ndc_factor_err",
        "NDC units / (HCPCS units x NDC units per HCPCS unit)",
        needs=("rebate_claims.hcpcs_code", "rebate_claims.hcpcs_units", _CONVERSION),
        window=AT_SERVICE,
        kind=T.DoubleType(),
        value=factor_error,
    ),
    Feature(
        "F29",
        "f29_hcpcs_ndc_pair_valid",
        "the crosswalk pairs the NDC-11 with the HCPCS code; unknown if it does not contain the NDC-11",
        needs=("rebate_claims.hcpcs_code", "hcpcs_crosswalk|products.hcpcs_code"),
        window=AT_SERVICE,
        unit="boolean",
    ),
)


def with_conversion(rows: DataFrame, crosswalk: DataFrame | None, products: DataFrame | None) -> DataFrame:
    """Add `conversion`, a struct of CONVERSION_FACTS, to `rows` (hcpcs_code, ndc11).

    It contains F29, the factor of F28 in force at the date of service, `[start, end)`, and whether the crosswalk has
    the pair only for other dates. Without a crosswalk, the product's own code and factor are used.
    """
    code, factor = F.col("hcpcs_code"), "ndc_units_per_hcpcs_unit"
    day = F.col("date_of_service")
    if crosswalk is not None:
        since = known_from(crosswalk, "hcpcs_crosswalk")
        paired = join_as_of(
            rows,
            crosswalk,
            key={"ndc11": F.col("ndc11"), "hcpcs_code": code},
            day=day,
            start=F.col("begin_date"),
            end=F.col("end_date"),
            values={"factor": F.col(factor), "known_from": since},
            into="pair",
            tie_break=[F.col("snapshot_date")],
        )
        held = crosswalk.groupBy(F.col("ndc11").alias("held_ndc11")).agg(
            F.sort_array(collect_distinct("hcpcs_code")).alias("held_codes"),
            least_known_from(since).alias("held_since"),
        )
        # one row per product
        enriched = paired.join(F.broadcast(held), on=F.col("ndc11") == F.col("held_ndc11"), how="left")
        is_pair = F.when(F.col("pair").isNotNull(), True).when(F.col("held_ndc11").isNotNull(), F.lit(False))
        is_held = array_contains(F.col("held_codes"), code)
        since = F.when(F.col("pair").isNotNull(), F.col("pair.known_from")).otherwise(F.col("held_since"))
    elif products is not None:
        enriched = join_product(
            rows,
            products,
            ndc11=F.col("ndc11"),
            day=day,
            values={
                "code": F.col("hcpcs_code"),
                "factor": F.col(factor),
                "known_from": known_from(products, "products"),
            },
            into="pair",
        )
        is_pair = F.col("pair.code") == code
        is_held = is_pair
        since = F.col("pair.known_from")
    else:
        return rows.withColumn("conversion", absent(CONVERSION_FACTS))
    values = {
        "hcpcs_factor": F.when(is_pair, F.col("pair.factor")),
        "f29_hcpcs_ndc_pair_valid": is_pair,
        "hcpcs_pair_at_another_date": ~is_pair & is_held,
        "hcpcs_pair_known_from": since,
    }
    facts = F.struct(*(values[field.name].cast(field.dataType).alias(field.name) for field in CONVERSION_FACTS))
    return enriched.select(*column_names(rows), F.when(code.isNotNull(), facts).alias("conversion"))
