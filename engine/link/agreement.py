"""How well a rebate claim and a 340B claim agree: field by field, then tier, score, and the fields that differ.

A pair frame holds the rebate claim's fields under their own names and the entity's under `entity_<name>`; pharmacy,
prescription (MEDICAL: claim number), claim type and NDC-9 are already equal. RX lines carry no HCPCS code and MEDICAL
lines no fill number here, because those are no part of the other's natural key (contract part 3).
"""

from __future__ import annotations

from functools import reduce
from operator import add

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.contracts.codes import ClaimType
from engine.settings import LinkSettings

TIERS = {1: "T1", 2: "T2", 3: "T3", 4: "T4"}

_FILL_EQUAL, _FILL_SHIFTED, _FILL_KNOWN_TO_ONE, _FILL_DIFFERENT = "EQUAL", "SHIFTED", "KNOWN_TO_ONE", "DIFFERENT"
_EXACT, _NEAR, _FAR = 2, 1, 0


def with_agreement(pairs: DataFrame, settings: LinkSettings) -> DataFrame:
    """Adds tier, score, fields_differ and is_part to the pairs that meet a tier; drops the others."""
    compared = pairs.withColumns(
        {
            "days": days_between(),
            "same_ndc11": _same("ndc11"),
            "fill": _fill(settings),
            "quantity_level": _quantity_level(settings),
            "same_prescriber": _same("prescriber_npi"),
            "is_part": _is_part_of_what_was_given(settings),
        }
    )
    return (
        compared.withColumn("tier", _tier())
        .where(F.col("tier").isNotNull())
        .withColumns({"score": _score(settings), "fields_differ": _fields_that_differ()})
    )


def days_between() -> Column:
    """Whole days between the two dates of service, without sign."""
    return F.abs(F.datediff("date_of_service", "entity_date_of_service"))


def _same(field: str) -> Column:
    """NULL where a side lacks the field."""
    return F.col(field) == F.col(f"entity_{field}")


def _fill(settings: LinkSettings) -> Column:
    payers, entitys = F.col("fill_number"), F.col("entity_fill_number")
    known_to_both = payers.isNotNull() & entitys.isNotNull()
    is_shifted = known_to_both & (entitys - payers == _fill_offset(settings.fill_offsets))
    return (
        F.when(payers.eqNullSafe(entitys), _FILL_EQUAL)
        .when(~known_to_both, _FILL_KNOWN_TO_ONE)
        .when(is_shifted, _FILL_SHIFTED)
        .otherwise(_FILL_DIFFERENT)
    )


def _fill_offset(offsets: dict[str, int]) -> Column:
    """The entity's offset by 340B id, its own or else its parent's; NULL where none is known."""
    entities_by_offset: dict[int, list[str]] = {}
    for entity_id, offset in sorted(offsets.items()):
        entities_by_offset.setdefault(offset, []).append(entity_id)

    def of(column: str) -> Column:
        cases = [F.when(F.col(column).isin(ids), offset) for offset, ids in sorted(entities_by_offset.items())]
        return F.coalesce(*cases) if cases else F.lit(None).cast("int")

    return F.coalesce(of("entity_id"), of("parent_entity_id"))


def _quantity_level(settings: LinkSettings) -> Column:
    """How close the line's quantity, or that of the whole fill of which it is a part, is to the entity's."""
    own, whole = F.col("ndc_units"), F.col("whole_fill_units")
    is_known = own.isNotNull() & F.col("entity_quantity").isNotNull()

    def agrees(tolerance: float) -> Column:
        return F.coalesce(_within(own, tolerance), F.lit(False)) | F.coalesce(_within(whole, tolerance), F.lit(False))

    return (
        F.when(agrees(settings.quantity_tolerance_exact), _EXACT)
        .when(agrees(settings.quantity_tolerance_near), _NEAR)
        .when(is_known, _FAR)
    )


def _is_part_of_what_was_given(settings: LinkSettings) -> Column:
    """True on P and C rows where the parts of the fill add up to the entity's quantity."""
    return F.coalesce(_within(F.col("whole_fill_units"), settings.quantity_tolerance_near), F.lit(False))


def _within(units: Column, tolerance: float) -> Column:
    # In whole thousandths and millionths: in binary fractions 101 / 100 - 1 exceeds 0.01.
    claimed = F.rint(units.cast("double") * 1000)
    given = F.rint(F.col("entity_quantity").cast("double") * 1000)
    return (given > 0) & (F.abs(claimed - given) * 1_000_000 <= given * round(tolerance * 1_000_000))


def _tier() -> Column:
    """1 to 4 by the conditions of domain part 4.3, NULL where none is met.

    The table is read literally: T2 and T4 ask nothing of the quantity, so an otherwise exact pair is T3 where the
    quantities are within the near tolerance and T4 beyond it or where one is unknown.
    MEDICAL lines know T1 alone: day, NDC-11 and, where both sides give it, HCPCS code are equal.
    """
    is_medical = F.col("claim_type") == ClaimType.MEDICAL.value
    same_day_and_ndc = (F.col("days") == 0) & F.col("same_ndc11")
    same_hcpcs = F.coalesce(_same("hcpcs_code"), F.lit(True))
    exact = same_day_and_ndc & (F.col("fill") == _FILL_EQUAL) & (F.col("quantity_level") == _EXACT)
    same_but_for_fill = same_day_and_ndc & F.col("fill").isin(_FILL_SHIFTED, _FILL_KNOWN_TO_ONE)
    near = F.col("same_ndc11") & (F.col("quantity_level") >= _NEAR)
    of_prescription = F.when(exact, 1).when(same_but_for_fill, 2).when(near, 3).otherwise(4)
    return F.when(is_medical, F.when(same_day_and_ndc & same_hcpcs, 1)).otherwise(of_prescription)


def _score(settings: LinkSettings) -> Column:
    """Sum of log2 weights of agreement (Fellegi and Sunter 1969); what is unknown to a side weighs nothing.

    Dates, products and quantities have two levels of agreement, of which one counts.
    """
    agree, differ = settings.agreement_weights, settings.disagreement_weights

    def weight(weights: dict[str, float], name: str) -> Column:
        return F.lit(float(weights.get(name, 0.0)))

    def for_levels(*cases: tuple[Column, Column]) -> Column:
        return F.coalesce(*(F.when(condition, value) for condition, value in cases), F.lit(0.0))

    fill, quantity, same_prescriber = F.col("fill"), F.col("quantity_level"), F.col("same_prescriber")
    fill_is_known = F.col("fill_number").isNotNull()
    terms = [
        weight({"key": settings.key_weight}, "key"),
        F.when(F.col("days") == 0, weight(agree, "date_of_service")).otherwise(weight(agree, "date_of_service_near")),
        F.when(F.col("same_ndc11"), weight(agree, "ndc11")).otherwise(weight(agree, "ndc9")),
        for_levels(
            (fill_is_known & fill.isin(_FILL_EQUAL, _FILL_SHIFTED), weight(agree, "fill_number")),
            (fill == _FILL_DIFFERENT, weight(differ, "fill_number")),
        ),
        for_levels(
            (quantity == _EXACT, weight(agree, "quantity")),
            (quantity == _NEAR, weight(agree, "quantity_near")),
            (quantity == _FAR, weight(differ, "quantity")),
        ),
        for_levels(
            (same_prescriber, weight(agree, "prescriber_npi")), (~same_prescriber, weight(differ, "prescriber_npi"))
        ),
    ]
    return F.round(reduce(add, terms), 6)


def _fields_that_differ() -> Column:
    """Names of the compared fields that do not agree, in a fixed order.

    A fill number or quantity that one side lacks does not agree; a prescriber that one side lacks is left open.
    """
    differences = {
        "date_of_service": F.col("days") != 0,
        "fill_number": F.col("fill") != _FILL_EQUAL,
        "ndc11": ~F.col("same_ndc11"),
        "quantity": F.coalesce(F.col("quantity_level") != _EXACT, F.lit(True)),
        "prescriber_npi": F.coalesce(~F.col("same_prescriber"), F.lit(False)),
    }
    return F.array_compact(F.array(*(F.when(differs, F.lit(name)) for name, differs in differences.items())))
