"""Comparison of a rebate claim with a 340B claim of the same block: comparison levels, tier and differing fields.

A frame of candidate pairs has the rebate claim's fields under their own names and the entity's as `entity_<name>`;
blocking rules are in `engine/link/keys.py`. RX lines carry no HCPCS code and MEDICAL lines no fill number here, because
these are not part of their natural keys (contract part 3).
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import ClaimType
from engine.link.fill_offsets import FillOffsets
from engine.link.keys import Block
from engine.runtime.expressions import days_from, round_bounded
from engine.settings import LinkSettings

TIERS = {1: "T1", 2: "T2", 3: "T3", 4: "T4", 5: "T5", 6: "T6"}

_PRODUCTS, _QUANTITIES = ("NDC11", "NDC9"), ("EXACT", "CONVERTED", "NEAR", "FAR", "UNKNOWN")

# Comparison levels by field; NULL if a side lacks the field, which is no evidence. Product and quantity are compared
# together, because they are correlated: claims for one drug mostly have the same quantity, one dispense or not.
LEVELS = {
    "date_of_service": ("SAME", "NEAR", "FAR"),
    "product_and_quantity": (*(f"{p}/{q}" for p in _PRODUCTS for q in _QUANTITIES), "OTHER"),
    "fill_number": ("EQUAL", "DIFFERENT"),
    "prescriber_npi": ("SAME", "DIFFERENT"),
    "bin": ("SAME", "DIFFERENT"),
}


def compared(pairs: DataFrame, settings: LinkSettings) -> DataFrame:
    """Add days, product, quantity, fill_step and is_part, and `level_<field>` for LEVELS except the fill number.

    The level of the fill number needs the offsets of the sources: see `with_levels`. Callers materialize the result:
    the expressions are long, and Spark would repeat them at every use.
    """
    differences = pairs.withColumns(
        {
            "days": days_between(),
            "product": F.when(F.col("ndc11") == F.col("entity_ndc11"), "NDC11")
            .when(F.col("ndc9") == F.col("entity_ndc9"), "NDC9")
            .otherwise("OTHER"),
            "quantity": _quantity(settings),
            "fill_step": F.col("entity_fill_number") - F.col("fill_number"),
            "is_part": _is_part_of_entity_fill(settings),
        }
    )
    is_other = F.col("product") == "OTHER"
    quantity = F.coalesce("quantity", F.lit("UNKNOWN"))
    return differences.withColumns(
        {
            "level_date_of_service": F.when(F.col("days") == 0, "SAME")
            .when(F.col("days") <= settings.days_apart, "NEAR")
            .otherwise("FAR"),
            "level_product_and_quantity": F.when(is_other, "OTHER").otherwise(F.concat_ws("/", "product", quantity)),
            "level_prescriber_npi": _when_known(_same("prescriber_npi"), "SAME", "DIFFERENT"),
            "level_bin": _when_known(_same("bin"), "SAME", "DIFFERENT"),
        }
    )


def with_levels(pairs: DataFrame, offsets: FillOffsets) -> DataFrame:
    """Compared pairs with `fill_shift` and `levels`, a struct of LEVELS that replaces the single levels."""
    shifted = offsets.with_shift(pairs)
    fill = _when_known(F.col("fill_step") == F.col("fill_shift"), "EQUAL", "DIFFERENT")
    shifted = shifted.withColumn("level_fill_number", fill)
    single = [f"level_{name}" for name in LEVELS]
    levels = F.struct(*(F.col(level).alias(name) for level, name in zip(single, LEVELS, strict=True)))
    return shifted.withColumn("levels", levels).drop(*single)


def with_tier(pairs: DataFrame, block: Block, settings: LinkSettings) -> DataFrame:
    """Add `tier` (1 to 6, NULL if the pair reaches none) and `fields_differ` to pairs with levels."""
    tier = F.lit(6) if block is Block.TUPLE else _tier(settings)
    return pairs.withColumn("tier", tier).withColumn("fields_differ", _fields_that_differ(block))


def tier_name(tier: Column) -> Column:
    """The name of a tier's number; NULL for a pair without a tier."""
    return F.coalesce(*(F.when(tier == number, F.lit(name)) for number, name in TIERS.items()))


def days_between() -> Column:
    """Absolute difference of the two dates of service in days."""
    return F.abs(days_from("entity_date_of_service", "date_of_service"))


def days_allowed(settings: LinkSettings) -> Column:
    """Maximum days between the dates of one dispense; more for mail order and specialty pharmacies (domain T3)."""
    by_mail = F.col("pharmacy_key").isin(list(settings.mail_pharmacies))
    return F.when(by_mail, settings.days_apart_by_mail).otherwise(settings.days_apart)


def _when_known(agrees: Column, level: str, other: str) -> Column:
    return F.when(agrees, level).when(~agrees, other)


def _same(field: str) -> Column:
    """True if both sides agree; NULL if a side lacks the field."""
    return F.col(field) == F.col(f"entity_{field}")


def _quantity(settings: LinkSettings) -> Column:
    """Comparison level of the quantity: the line's, or its complete fill's, against the entity's; NULL if unknown.

    CONVERTED: equal after converting packages on one side to units (domain part 4.2).
    """
    line, fill, entity = F.col("ndc_units"), F.col("whole_fill_units"), F.col("entity_quantity")
    per_package = F.when(F.col("units_per_package") != 1, F.col("units_per_package"))
    is_known = line.isNotNull() & entity.isNotNull()

    def agrees(tolerance: float, rebate_factor: Column | None = None, entity_factor: Column | None = None) -> Column:
        within = [_within(units, entity, tolerance, rebate_factor, entity_factor) for units in (line, fill)]
        return F.coalesce(within[0], F.lit(False)) | F.coalesce(within[1], F.lit(False))

    exact, near = settings.quantity_tolerance_exact, settings.quantity_tolerance_near
    in_packages = agrees(exact, entity_factor=per_package) | agrees(exact, rebate_factor=per_package)
    return (
        F.when(agrees(exact), "EXACT").when(in_packages, "CONVERTED").when(agrees(near), "NEAR").when(is_known, "FAR")
    )


def entity_units() -> Column:
    """The entity's quantity in NDC units; packages are converted if only that makes the quantities agree."""
    per_package, entity = F.col("units_per_package"), F.col("entity_quantity")
    rebate = F.col("ndc_units")
    is_nearer_in_units = F.abs(rebate - entity * per_package) < F.abs(rebate * per_package - entity)
    converted = (entity * per_package).cast("decimal(15,3)")
    return F.when((F.col("quantity") == "CONVERTED") & is_nearer_in_units, converted).otherwise(entity)


def _is_part_of_entity_fill(settings: LinkSettings) -> Column:
    """True on P and C rows if the parts of the fill add up to the entity's quantity."""
    per_package = F.when(F.col("units_per_package") != 1, F.col("units_per_package"))
    fill, entity = F.col("whole_fill_units"), F.col("entity_quantity")
    in_units = F.coalesce(_within(fill, entity, settings.quantity_tolerance_near), F.lit(False))
    in_packages = _within(fill, entity, settings.quantity_tolerance_exact, entity_factor=per_package)
    return in_units | F.coalesce(in_packages, F.lit(False))


def _within(
    units: Column,
    quantity: Column,
    tolerance: float,
    rebate_factor: Column | None = None,
    entity_factor: Column | None = None,
) -> Column:
    # Integers (thousandths and millionths), because in binary fractions 101 / 100 - 1 exceeds 0.01.
    rebate = round_bounded(_times(units, rebate_factor) * 1000, 0)
    entity = round_bounded(_times(quantity, entity_factor) * 1000, 0)
    return (entity > 0) & (F.abs(rebate - entity) * 1_000_000 <= entity * round(tolerance * 1_000_000))


def _times(quantity: Column, factor: Column | None) -> Column:
    return quantity.cast("double") if factor is None else quantity.cast("double") * factor.cast("double")


def _tier(settings: LinkSettings) -> Column:
    """Tier 1 to 5 by the conditions of domain part 4.3, NULL if none holds.

    T1 to T3 require quantities within the near tolerance; a pair with a larger difference or an unknown quantity cannot
    reach them, even if a fill number is missing. An otherwise exact pair is T3 within the near tolerance, else T4.
    Converted quantities count as equal. MEDICAL lines need the same day, NDC-11 and, if both sides report it, HCPCS
    code; they have no fill number and hence no T2.
    """
    is_medical = F.col("claim_type") == ClaimType.MEDICAL.value
    same_ndc = F.col("product") == "NDC11"
    same_day_and_ndc = (F.col("days") == 0) & same_ndc
    same_hcpcs = F.coalesce(_same("hcpcs_code"), F.lit(True))
    same_quantity = F.coalesce(F.col("quantity").isin("EXACT", "CONVERTED"), F.lit(False))
    exact = same_day_and_ndc & F.col("fill_number").eqNullSafe(F.col("entity_fill_number")) & same_quantity
    is_shifted = (F.col("fill_shift") != 0) & (F.col("levels.fill_number") == "EQUAL")
    known_to_one = F.col("fill_number").isNull() != F.col("entity_fill_number").isNull()
    near_quantity = F.coalesce(F.col("quantity") != "FAR", F.lit(False))
    same_but_for_fill = same_day_and_ndc & near_quantity & (F.coalesce(is_shifted, F.lit(False)) | known_to_one)
    near = same_ndc & (F.col("days") <= days_allowed(settings)) & near_quantity
    other_package = (F.col("product") != "OTHER") & (F.col("days") <= settings.days_apart)
    of_prescription = F.when(exact, 1).when(same_but_for_fill, 2).when(near, 3).when(other_package, 4)
    of_medical = F.when(same_quantity, 1).when(near_quantity, 3).otherwise(4)
    tier = F.when(is_medical, F.when(same_day_and_ndc & same_hcpcs, of_medical)).otherwise(of_prescription)
    return F.when(_same("pharmacy_key"), tier).when(tier <= 3, 5)


def _fields_that_differ(block: Block) -> Column:
    """Names of the compared fields that disagree, in a fixed order.

    A fill number or quantity missing on one side disagrees; a missing prescriber or BIN is ignored.
    """
    levels = F.col("levels")
    differences = {
        "pharmacy_npi": ~_same("pharmacy_key"),
        "rx_number": F.lit(block is Block.TUPLE),
        "date_of_service": F.col("days") != 0,
        "fill_number": ~F.col("fill_number").eqNullSafe(F.col("entity_fill_number")),
        "ndc11": F.col("product") != "NDC11",
        "quantity": F.coalesce(F.col("quantity").isin("NEAR", "FAR"), F.lit(True)),
        "quantity_unit": F.coalesce(F.col("quantity") == "CONVERTED", F.lit(False)),
        "prescriber_npi": F.coalesce(levels["prescriber_npi"] == "DIFFERENT", F.lit(False)),
        "bin": F.coalesce(levels["bin"] == "DIFFERENT", F.lit(False)),
    }
    return F.array_compact(F.array(*(F.when(differs, F.lit(name)) for name, differs in differences.items())))
