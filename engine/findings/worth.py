"""Units and dollars at issue, and what a finding is worth an analyst's time."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import MEDICAID_PROGRAMS, Evidence
from engine.runtime.expressions import divide_decimals, round_double
from engine.settings import PrioritySettings

MONEY = "decimal(18,2)"
UNITS = "decimal(15,3)"

# `prices` holds the federal URA; any other rebate is worth what its own contract says.
FEDERAL_REBATE = "FEDERAL"


def uses_federal_price() -> Column:
    """True for rows whose unit price is the URA of `prices`: Medicaid rows of the federal rebate."""
    is_medicaid = F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))
    is_federal = F.coalesce(F.col("rebate_type"), F.lit(FEDERAL_REBATE)) == FEDERAL_REBATE
    return is_medicaid & is_federal


def unit_price(price: Column, own: Column, own_source: str) -> tuple[Column, Column]:
    """Price per NDC unit and where it comes from: `prices`, else the row's own, else NULL.

    A stated price of zero is no price: states report zero where they do not know the URA (CMS-R-144).
    """
    listed = F.when(uses_federal_price(), price)
    stated = F.when(own > 0, own)
    source = F.when(listed.isNotNull(), F.lit("prices")).when(stated.isNotNull(), F.lit(own_source))
    return F.coalesce(listed, stated), source


def units_at_issue(rules: Column, claim_units: Column, settled: Column) -> Column:
    """The largest over the rules, never more than the claim, less what was settled since; never below zero."""
    return F.array_max(F.transform(rules, lambda hit: _left(_within(hit["units_at_issue"], claim_units), settled)))


def is_settled(rules: Column, claim_units: Column, settled: Column) -> Column:
    """Whether units were at issue and all of them were credited or repaid since the row was received. Never NULL."""
    asked = units_at_issue(rules, claim_units, F.lit(0).cast(UNITS))
    return F.coalesce((asked > 0) & (_left(asked, settled) == 0), F.lit(False))


def _within(units: Column, claim_units: Column) -> Column:
    """Units at most the claim's; NULL stays NULL (`least` alone would skip it)."""
    return F.when(units.isNotNull(), F.least(units, F.abs(claim_units)))


def _left(units: Column, settled: Column) -> Column:
    """Units less those settled, in no case below zero; NULL stays NULL."""
    left = F.greatest(units - F.coalesce(settled, F.lit(0)), F.lit(0))
    return F.when(units.isNotNull(), left).cast(UNITS)


def amount_at_issue(
    rules: Column, claim_units: Column, settled: Column, price: Column, stated_amount: Column
) -> Column:
    """The largest over the rules, in cents rounded half-up: a rule's own amount, else its units x price.

    Never more than the claim: its units x price or the amount that the payer states, whichever is greater. Of units
    settled since nothing is at issue; a rule's own amount falls by their share of the claim.
    """
    size = F.abs(claim_units)

    def amount(hit: Column) -> Column:
        own = hit["amount_at_issue"]
        own_left = F.when(
            settled > 0, divide_decimals(own * _left(size, settled), size, 30, 6, "decimal(24,6)")
        ).otherwise(own)
        left = _left(_within(hit["units_at_issue"], claim_units), settled)
        return F.coalesce(money(own_left), money(left * price))

    amounts = F.transform(rules, amount)
    ceiling = F.greatest(money(size * price), F.abs(stated_amount))
    most = F.array_max(amounts)
    return F.when(most.isNotNull(), F.least(most, ceiling)).cast(MONEY)


def money(amount: Column) -> Column:
    """US dollars rounded half-up to cents; NULL where they do not fit the contract's money."""
    return F.round(amount, 2).try_cast(MONEY)


def settings_probability(evidence: Column, settings: PrioritySettings) -> Column:
    """p(valid) of a finding by its evidence class alone."""
    pairs = [F.lit(word) for e in Evidence for word in (e.value, settings.probability_valid.get(e, 0.0))]
    return F.try_element_at(F.create_map(*pairs), evidence)


def least_probability(evidence: Column, settings: PrioritySettings) -> Column:
    """Below which no re-ranker may put p(valid): what the settings say of a STRONG finding, 0 of any other."""
    is_strong = evidence == Evidence.STRONG.value
    return F.when(is_strong, settings_probability(evidence, settings)).otherwise(F.lit(0.0))


def priority(evidence: Column, worth: Column, settings: PrioritySettings, reranked: Column | None = None) -> Column:
    """p(valid) x amount - handling cost - p(not valid) x interest on the amount while it is withheld, in US dollars.

    Domain part 3.4. `reranked`: p(valid) as calibrated on reviews; without it the settings give one per evidence class.
    """
    if reranked is None:
        valid = settings_probability(evidence, settings)
    else:
        valid = F.greatest(reranked, least_probability(evidence, settings))
    amount = F.coalesce(worth.cast("double"), F.lit(0.0))
    interest = amount * F.lit(settings.annual_interest * settings.days_withheld / 365)
    return round_double(valid * amount - F.lit(settings.handling_cost) - (F.lit(1.0) - valid) * interest, 2)
