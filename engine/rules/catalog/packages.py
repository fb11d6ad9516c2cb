"""Units in another unit of measure than the product's, partial packages, and compounds billed as one product."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.rules import root_causes
from engine.rules.common import (
    COMPOUND,
    MEDICAID,
    PARTIAL_FILL,
    PARTIAL_VIAL,
    SNAPSHOT,
    compound,
    not_below_zero,
    outside,
    partial_fill,
    partial_vial,
    product_row,
    snapshot,
    state_invoiced,
)
from engine.rules.evidence import either
from engine.rules.hit import Check, Facts, Guard, Hit, one_of
from engine.rules.registry import DataSource, Parameters, Threshold, rule
from engine.rules.text import if_known, sentence, words_for
from engine.runtime.expressions import divide

# NCPDP billing unit of each CMS unit type (NCPDP Billing Unit Standard; CMS-367 data definitions).
BILLING_UNITS = {
    **dict.fromkeys(("TAB", "CAP", "EA", "TDP", "SUP", "AHF"), "EA"),
    "ML": "ML",
    "GM": "GM",
}

KIT = Guard(
    "KIT",
    "CMS counts kits and powders each, while pharmacies may measure their contents",
    weakens_to=Evidence.WEAK,
)
UNIT_TYPE_CHANGED = Guard(
    "UNIT_TYPE_CHANGED",
    "another row of the product file counts the product in the claim's measure: its unit type was changed",
    weakens_to=Evidence.WEAK,
)
INGREDIENT_LINES = Guard(
    "INGREDIENT_LINES",
    "the claim has lines of other products, so that its ingredients seem to be billed one by one",
    weakens_to=Evidence.WEAK,
)


def _snapshot(f: Facts) -> Check:
    return snapshot(f.date_of_service, f.product_known_from)


def _uncounted(f: Facts, whole_units: Column) -> Column:
    """Units above `whole_units`, the nearest valid quantity; zero if they are below it."""
    return not_below_zero(f.ndc_units.cast("double") - whole_units)


@rule(
    "R028",
    "Unit of measure is not the product's",
    on={Subject.REBATE_CLAIM: ("rebate_claims.unit_of_measure", "products.unit_type")},
    reads=("unit_of_measure",),
    programs=MEDICAID,
    evidence=Evidence.STRONG,
    explains_unusual=True,
    codes=("D",),
    route=Route.STATE,
    party=Party.UNDETERMINED,
    action=Action.DISPUTE,
    root_cause=root_causes.UNITS_OF_PRODUCT,
    data_source=DataSource.PRODUCT_FILE,
    citation="OIG OEI-05-07-00050; CMS-304 dispute code D",
    document="the product's unit type as reported to CMS",
    thresholds=(
        Threshold("paid_to_wac_low", 0.2, "amount paid per unit, as a part of WAC, below which it is unusual"),
        Threshold("paid_to_wac_high", 3.0, "and above which it is unusual"),
    ),
    guards=(KIT, UNIT_TYPE_CHANGED, SNAPSHOT),
)
def another_unit_of_measure(f: Facts, parameters: Parameters) -> Hit:
    """The claim counts in another unit than the product's, and its units are off the usual by a known conversion
    factor: units per package, or shifted decimals. STRONG if the amount paid per unit is unusual as received and
    usual once the units are converted, else MEDIUM. At issue are the units above the converted ones; if conversion
    makes more of them, the action is an inquiry.
    """
    low, high = parameters.number("paid_to_wac_low"), parameters.number("paid_to_wac_high")
    after = f.f20_paid_per_unit_to_wac * f.f27_unit_factor
    price_reverts = F.coalesce(outside(f.f20_paid_per_unit_to_wac, low, high) & after.between(low, high), F.lit(False))
    converted = divide(f.ndc_units.cast("double"), f.f27_unit_factor)
    surplus = f.ndc_units.cast("double") - converted
    other_measure = words_for(f.product_other_unit_type, BILLING_UNITS)
    return Hit(
        when=(words_for(f.product_unit_type, BILLING_UNITS) != f.unit_of_measure) & f.f27_unit_factor.isNotNull(),
        message=sentence(
            "{claim}, measured in {measure}, while the product is reported to CMS in {unit_type}{package}. The units "
            "are {factor:ratio} times the usual of the product{price}: they appear to be counted in another unit.",
            claim=state_invoiced(f),
            measure=f.unit_of_measure,
            unit_type=f.product_unit_type,
            package=if_known(", {units:number} to a package", units=f.units_per_package),
            factor=f.f27_unit_factor,
            price=F.when(
                price_reverts, F.lit(", and the amount paid per unit becomes usual once they are converted")
            ).otherwise(F.lit("")),
        ),
        evidence=either(price_reverts, Evidence.STRONG, Evidence.MEDIUM),
        checks=(
            KIT.check(failed=f.product_unit_type == "EA"),
            UNIT_TYPE_CHANGED.check(
                failed=F.coalesce(other_measure == f.unit_of_measure, F.lit(False)),
            ),
            _snapshot(f),
        ),
        units=not_below_zero(surplus),
        references=(product_row(f),),
        action=F.when(surplus > 0, F.lit(Action.DISPUTE.value)).otherwise(F.lit(Action.INQUIRE.value)),
    )


@rule(
    "R029",
    "Part of a unit that is not divided",
    on={Subject.REBATE_CLAIM: ("products.unit_type", "products.units_per_package")},
    programs=MEDICAID,
    evidence=Evidence.MEDIUM,
    explains_unusual=True,
    codes=("E",),
    route=Route.STATE,
    party=Party.PHARMACY,
    action=Action.DISPUTE,
    root_cause=root_causes.UNITS_OF_PRODUCT,
    data_source=DataSource.PRODUCT_FILE,
    citation="CMS-304 dispute code E",
    document="the product's unit type and units per package as reported to CMS",
    thresholds=(
        Threshold(
            "unit_types", ["CAP", "EA", "SUP", "TDP"], "CMS unit types that nobody divides; tablets may be split"
        ),
    ),
    guards=(PARTIAL_FILL, COMPOUND, PARTIAL_VIAL, SNAPSHOT),
)
def part_of_a_unit(f: Facts, parameters: Parameters) -> Hit:
    """A fraction of a unit of a product that comes in whole units and is not divided. At issue is the fraction."""
    whole_units = F.floor(f.ndc_units)
    return Hit(
        when=one_of(f.product_unit_type, parameters.words("unit_types"))
        & (f.units_per_package == F.floor(f.units_per_package))
        & (f.ndc_units != whole_units),
        message=sentence(
            "{claim}. The product is counted in {unit_type}, {units:number} to a package, which are not divided: the "
            "quantity appears wrong.",
            claim=state_invoiced(f),
            unit_type=f.product_unit_type,
            units=f.units_per_package,
        ),
        checks=(partial_fill(f), compound(f), partial_vial(f), _snapshot(f)),
        units=f.ndc_units - whole_units,
        references=(product_row(f),),
    )


@rule(
    "R030",
    "Not a whole number of packages",
    on={Subject.REBATE_CLAIM: ("products.units_per_package", "products.unit_type")},
    programs=MEDICAID,
    evidence=Evidence.MEDIUM,
    explains_unusual=True,
    codes=("F",),
    route=Route.STATE,
    party=Party.PHARMACY,
    action=Action.DISPUTE,
    root_cause=root_causes.UNITS_OF_PRODUCT,
    data_source=DataSource.PRODUCT_FILE,
    citation="CMS-304 dispute code F",
    document="evidence of the package size",
    thresholds=(
        Threshold("remainder", 0.01, "distance from a whole number of packages, in packages, above which it is broken"),
        Threshold("unit_types", ["GM"], "CMS unit types of packages that are dispensed whole (tubes, inhalers)"),
        Threshold("products", [], "NDC-9 of further products that are dispensed whole (pens, kits)"),
    ),
    guards=(PARTIAL_FILL, COMPOUND, PARTIAL_VIAL, SNAPSHOT),
)
def broken_package(f: Facts, parameters: Parameters) -> Hit:
    """Units are no whole number of packages of a product that is dispensed in whole packages. At issue is the part
    beyond whole ones.
    """
    per_package = f.units_per_package.cast("double")
    packages = divide(f.ndc_units.cast("double"), per_package)
    is_dispensed_whole = one_of(f.product_unit_type, parameters.words("unit_types"))
    if parameters.words("products"):
        is_dispensed_whole = is_dispensed_whole | one_of(f.ndc9, parameters.words("products"))
    return Hit(
        when=is_dispensed_whole & (f.f26_package_remainder > parameters.number("remainder")),
        message=sentence(
            "{claim}, which makes {packages:ratio} packages of {units:number} {unit_type}; the product is dispensed in "
            "whole packages: the quantity or the package size appears wrong.",
            claim=state_invoiced(f),
            packages=packages,
            units=f.units_per_package,
            unit_type=f.product_unit_type,
        ),
        checks=(partial_fill(f), compound(f), partial_vial(f), _snapshot(f)),
        units=_uncounted(f, F.floor(packages) * per_package),
        references=(product_row(f),),
    )


@rule(
    "R033",
    "Whole compound billed under one product",
    on={Subject.REBATE_CLAIM: ("rebate_claims.compound_code", "products.units_per_package")},
    programs=MEDICAID,
    evidence=Evidence.MEDIUM,
    explains_unusual=True,
    codes=("Q",),
    route=Route.STATE,
    party=Party.PHARMACY,
    action=Action.DISPUTE,
    root_cause=root_causes.UNITS_OF_PRODUCT,
    data_source=DataSource.QUANTITIES_AND_AMOUNTS,
    citation="42 CFR 447.502; CMS State Release 158; CMS-304 dispute code Q",
    document="package size of the product against the quantity of the compound",
    thresholds=(Threshold("packages", 1.0, "packages of one product that a compound may take"),),
    guards=(INGREDIENT_LINES, SNAPSHOT),
)
def whole_compound(f: Facts, parameters: Parameters) -> Hit:
    """A compound's line bills more of one product than a package contains: the quantity seems to be the compound's. At
    issue are the units beyond the packages.
    """
    most = f.units_per_package.cast("double") * parameters.number("packages")
    return Hit(
        when=(f.compound_code == "2") & (f.ndc_units.cast("double") > most),
        message=sentence(
            "{claim} as part of a compound. A package of this product holds {units:number} units: the quantity of the "
            "whole compound appears to have been billed under one product.",
            claim=state_invoiced(f),
            units=f.units_per_package,
        ),
        checks=(
            INGREDIENT_LINES.check(failed=f.claim_products > 1, unchecked=f.claim_products.isNull()),
            _snapshot(f),
        ),
        units=_uncounted(f, most),
        references=(product_row(f),),
    )
