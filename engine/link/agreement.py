"""How a rebate claim and a 340B claim of one key compare: field by field, then tier and the fields that differ.

A pair frame holds the rebate claim's fields under their own names and the entity's under `entity_<name>`; they met by a
key (see `engine/link/keys.py`). RX lines carry no HCPCS code and MEDICAL lines no fill number here, because those are
no part of the other's natural key (contract part 3).
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

# What each field may say of a pair; NULL where a side lacks it, which says nothing. Product and quantity are one:
# claims for the same drug mostly are for the same quantity, one dispense or not.
LEVELS = {
    "date_of_service": ("SAME", "NEAR", "FAR"),
    "product_and_quantity": (*(f"{p}/{q}" for p in _PRODUCTS for q in _QUANTITIES), "OTHER"),
    "fill_number": ("EQUAL", "DIFFERENT"),
    "prescriber_npi": ("SAME", "DIFFERENT"),
    "bin": ("SAME", "DIFFERENT"),
}


def compared(pairs: DataFrame, settings: LinkSettings) -> DataFrame:
    """Adds days, product, quantity, fill_step and is_part, and `level_<field>` of LEVELS but for the fill number, which
    cannot be told before the sources' offsets are known. Written out before more is made of it: these are long
    expressions, and Spark would repeat them wherever they are used.
    """
    differences = pairs.withColumns(
        {
            "days": days_between(),
            "product": F.when(F.col("ndc11") == F.col("entity_ndc11"), "NDC11")
            .when(F.col("ndc9") == F.col("entity_ndc9"), "NDC9")
            .otherwise("OTHER"),
            "quantity": _quantity(settings),
            "fill_step": F.col("entity_fill_number") - F.col("fill_number"),
            "is_part": _is_part_of_what_was_given(settings),
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
    """Compared pairs with `fill_shift` and `levels`, a struct of LEVELS, in place of the single levels."""
    shifted = offsets.with_shift(pairs)
    fill = _when_known(F.col("fill_step") == F.col("fill_shift"), "EQUAL", "DIFFERENT")
    shifted = shifted.withColumn("level_fill_number", fill)
    single = [f"level_{name}" for name in LEVELS]
    levels = F.struct(*(F.col(level).alias(name) for level, name in zip(single, LEVELS, strict=True)))
    return shifted.withColumn("levels", levels).drop(*single)


def with_tier(pairs: DataFrame, block: Block, settings: LinkSettings) -> DataFrame:
    """Adds `tier` (1 to 6, NULL where none is met) and `fields_differ` to pairs with levels."""
    tier = F.lit(6) if block is Block.TUPLE else _tier(settings)
    return pairs.withColumn("tier", tier).withColumn("fields_differ", _fields_that_differ(block))


def tier_name(tier: Column) -> Column:
    return F.coalesce(*(F.when(tier == number, F.lit(name)) for number, name in TIERS.items()))


def days_between() -> Column:
    """Whole days between the two dates of service, without sign."""
    return F.abs(days_from("entity_date_of_service", "date_of_service"))


def days_allowed(settings: LinkSettings) -> Column:
    """Days between the dates of one dispense at most: mail order and specialty take longer (domain T3)."""
    by_mail = F.col("pharmacy_key").isin(list(settings.mail_pharmacies))
    return F.when(by_mail, settings.days_apart_by_mail).otherwise(settings.days_apart)


def _when_known(agrees: Column, level: str, other: str) -> Column:
    return F.when(agrees, level).when(~agrees, other)


def _same(field: str) -> Column:
    """NULL where a side lacks the field."""
    return F.col(field) == F.col(f"entity_{field}")


def _quantity(settings: LinkSettings) -> Column:
    """How close the line's quantity, or that of the whole fill of which it is a part, is to the entity's.

    CONVERTED: equal once packages on one side are counted in units (domain part 4.2).
    """
    own, whole, given = F.col("ndc_units"), F.col("whole_fill_units"), F.col("entity_quantity")
    per_package = F.when(F.col("units_per_package") != 1, F.col("units_per_package"))
    is_known = own.isNotNull() & given.isNotNull()

    def agrees(tolerance: float, claimed_times: Column | None = None, given_times: Column | None = None) -> Column:
        within = [_within(units, given, tolerance, claimed_times, given_times) for units in (own, whole)]
        return F.coalesce(within[0], F.lit(False)) | F.coalesce(within[1], F.lit(False))

    exact, near = settings.quantity_tolerance_exact, settings.quantity_tolerance_near
    in_packages = agrees(exact, given_times=per_package) | agrees(exact, claimed_times=per_package)
    return (
        F.when(agrees(exact), "EXACT").when(in_packages, "CONVERTED").when(agrees(near), "NEAR").when(is_known, "FAR")
    )


def entity_units() -> Column:
    """The entity's quantity in NDC units: packages are counted out where only that makes the quantities agree."""
    per_package, given = F.col("units_per_package"), F.col("entity_quantity")
    claimed = F.col("ndc_units")
    is_nearer_in_units = F.abs(claimed - given * per_package) < F.abs(claimed * per_package - given)
    counted_out = (given * per_package).cast("decimal(15,3)")
    return F.when((F.col("quantity") == "CONVERTED") & is_nearer_in_units, counted_out).otherwise(given)


def _is_part_of_what_was_given(settings: LinkSettings) -> Column:
    """True on P and C rows where the parts of the fill add up to the entity's quantity."""
    per_package = F.when(F.col("units_per_package") != 1, F.col("units_per_package"))
    whole, given = F.col("whole_fill_units"), F.col("entity_quantity")
    in_units = F.coalesce(_within(whole, given, settings.quantity_tolerance_near), F.lit(False))
    in_packages = _within(whole, given, settings.quantity_tolerance_exact, given_times=per_package)
    return in_units | F.coalesce(in_packages, F.lit(False))


def _within(
    units: Column,
    quantity: Column,
    tolerance: float,
    claimed_times: Column | None = None,
    given_times: Column | None = None,
) -> Column:
    # In whole thousandths and millionths: in binary fractions 101 / 100 - 1 exceeds 0.01.
    claimed = round_bounded(_times(units, claimed_times) * 1000, 0)
    given = round_bounded(_times(quantity, given_times) * 1000, 0)
    return (given > 0) & (F.abs(claimed - given) * 1_000_000 <= given * round(tolerance * 1_000_000))


def _times(quantity: Column, factor: Column | None) -> Column:
    return quantity.cast("double") if factor is None else quantity.cast("double") * factor.cast("double")


def _tier(settings: LinkSettings) -> Column:
    """1 to 5 by the conditions of domain part 4.3, NULL where none is met.

    Quantities beyond the near tolerance, or of which one is unknown, are no evidence of tiers T1 to T3: a missing fill
    number makes a pair no surer than an equal one. An otherwise exact pair is T3 within the near tolerance, else T4.
    Converted quantities are equal. Of MEDICAL lines day, NDC-11 and, where both sides give it, HCPCS code are equal;
    they know no fill number and so no T2.
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
    """Names of the compared fields that do not agree, in a fixed order.

    A fill number or quantity that one side lacks does not agree; a prescriber or BIN that one side lacks is left open.
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
