"""Units and dollars at issue, and the priority of a finding for review."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.contracts.codes import MEDICAID_PROGRAMS, Evidence
from engine.contracts.findings import RULE_RESULT
from engine.findings.codes import CodeTable
from engine.rules import ANOMALY_RULE
from engine.runtime.column_names import column_names
from engine.runtime.expressions import divide_decimals, greatest_of, nullable, round_double
from engine.settings import PrioritySettings

MONEY = "decimal(18,2)"
UNITS = "decimal(15,3)"

# `prices` contains the federal URA; the value of any other rebate depends on its own contract.
FEDERAL_REBATE = "FEDERAL"


def uses_federal_price() -> Column:
    """True for rows whose unit price is the URA of `prices`: Medicaid rows of the federal rebate."""
    is_medicaid = F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))
    is_federal = F.coalesce(F.col("rebate_type"), F.lit(FEDERAL_REBATE)) == FEDERAL_REBATE
    return is_medicaid & is_federal


def unit_price(listed: Column, own: Column, own_source: str) -> tuple[Column, Column]:
    """Price per NDC unit and its source: `listed` in prices for this rebate, else the row's own price, else NULL.

    A stated price of zero counts as unknown: states report zero if they do not know the URA (CMS-R-144).
    """
    stated = F.when(own > 0, own)
    source = F.when(listed.isNotNull(), F.lit("prices")).when(stated.isNotNull(), F.lit(own_source))
    return F.coalesce(listed, stated), source


# A rule's result as findings combine it: units and dollars after signs and settlements; units_asked: units before
# settlements; code_kind: kind of its code (DISPUTE, ADJUSTMENT), NULL if the code may not be used.
JUDGED = T.StructType(
    [
        *RULE_RESULT.fields,
        T.StructField("units_asked", T.DecimalType(15, 3)),
        T.StructField("code_kind", T.StringType()),
    ]
)


def with_judged_rules(rows: DataFrame, table: CodeTable) -> DataFrame:
    """`rows` with `rules` as array<JUDGED> in place of array<RULE_RESULT>.

    `rows` have worth_units, worth_settled_units, worth_stated_amount and unit_price_used; subjects whose later rows can
    credit units also have worth_whole_units, the units before these credits.

    A rule's units are at most the row's, less units settled since. Its dollars are its own amount, else units x price,
    in cents rounded half-up, and at most those of the row: its units x price or the amount that the payer states,
    whichever is greater. Units that were settled since or credited are not at issue; a rule's own amount is reduced by
    their share of the row. A row with negative units is a credit to us, so no part of it is at issue. The model's rule
    has no code.
    """
    credits_us = F.coalesce(F.col("worth_units") < 0, F.lit(False))
    size = F.when(credits_us, F.lit(0)).otherwise(F.col("worth_units")).cast(UNITS)
    most = F.greatest(money(size * F.col("unit_price_used")), F.abs(F.col("worth_stated_amount")))
    rows = rows.withColumns({"worth_size": size, "worth_most": F.when(credits_us, F.lit(0)).otherwise(most)})
    size, settled, price = F.col("worth_size"), F.col("worth_settled_units"), F.col("unit_price_used")
    units_in_total = F.col("worth_whole_units") if "worth_whole_units" in column_names(rows) else size

    def judged(hit: Column) -> Column:
        units_before = _within(hit["units_at_issue"], size).cast(UNITS)
        units, own = _left(units_before, settled), hit["amount_at_issue"]
        share = divide_decimals(own * _left(size, settled), units_in_total, 30, 6, "decimal(24,6)")
        is_part = (units_in_total > 0) & ((F.coalesce(settled, F.lit(0)) > 0) | (size < units_in_total))
        amount = F.coalesce(money(F.when(is_part, share).otherwise(own)), money(units * price))
        values = {name: hit[name] for name in RULE_RESULT.names} | {
            "units_asked": units_before,
            "units_at_issue": units,
            # NULL must stay NULL; `least` alone would ignore it
            "amount_at_issue": F.when(amount.isNotNull(), F.least(amount, F.col("worth_most"))).cast(MONEY),
            "document": F.when(hit["code"].isNotNull(), hit["document"]),
            "code_kind": F.when(hit["rule_id"] != ANOMALY_RULE, table.kind(hit["code"], units)),
        }
        return F.struct(*(values[name].alias(name) for name in JUDGED.names))

    return rows.withColumn("rules", nullable(F.transform("rules", judged), T.ArrayType(JUDGED)))


def of_own_class(ranked_hits: Column) -> Column:
    """The hits of the finding's class, from an array in the order of `ranked`."""
    best = F.get(ranked_hits, F.lit(0))["rank"]
    return F.transform(F.filter(ranked_hits, lambda item: item["rank"] == best), lambda item: item["hit"])


def amount_at_issue(own: Column, deciding: Column) -> Column:
    """The largest amount over the rules of the finding's class, except rules with more units at issue than the deciding
    rule: the finding has the units of the deciding rule (contract part 7.5).
    """
    units = F.coalesce(deciding["units_at_issue"], F.lit(0))
    within = F.filter(own, lambda hit: F.coalesce(hit["units_at_issue"], F.lit(0)) <= units)
    return greatest_of(F.transform(within, lambda hit: hit["amount_at_issue"]))


def is_settled(own: Column) -> Column:
    """Whether rules of the finding's class put units at issue and all of these were credited or repaid since the row
    was received. Never NULL.
    """
    units_before = F.coalesce(greatest_of(F.transform(own, lambda hit: hit["units_asked"])), F.lit(0))
    left = F.coalesce(greatest_of(F.transform(own, lambda hit: hit["units_at_issue"])), F.lit(0))
    return (units_before > 0) & (left == 0)


def _within(units: Column, size: Column) -> Column:
    """Units, limited to the row's units; NULL stays NULL (`least` alone would ignore it)."""
    return F.when(units.isNotNull(), F.least(units, size))


def _left(units: Column, settled: Column) -> Column:
    """Units less those settled, at least zero; NULL stays NULL."""
    left = F.greatest(units - F.coalesce(settled, F.lit(0)), F.lit(0))
    return F.when(units.isNotNull(), left).cast(UNITS)


def money(amount: Column) -> Column:
    """US dollars rounded half-up to cents; NULL if they do not fit the contract's money type."""
    return F.round(amount, 2).try_cast(MONEY)


def settings_probability(evidence: Column, settings: PrioritySettings) -> Column:
    """p(valid) of a finding from its evidence class only."""
    pairs = [F.lit(word) for e in Evidence for word in (e.value, settings.probability_valid.get(e, 0.0))]
    return F.try_element_at(F.create_map(*pairs), evidence)


def least_probability(evidence: Column, settings: PrioritySettings) -> Column:
    """The lower bound of p(valid) for a re-ranker: the settings' value for a STRONG finding, 0 for any other."""
    is_strong = evidence == Evidence.STRONG.value
    return F.when(is_strong, settings_probability(evidence, settings)).otherwise(F.lit(0.0))


def answered_probability(accepted: Column, answers: Column, prior: Column, settings: PrioritySettings) -> Column:
    """The accepted share of answers, shrunk toward the prior as if there were `prior_answers` more (part 7.19).

    NULL in `accepted` and `answers` counts as none.
    """
    worth = F.lit(float(settings.prior_answers))
    answered, valid = (F.coalesce(count.cast("double"), F.lit(0.0)) for count in (answers, accepted))
    return (valid + worth * prior) / (answered + worth)


def priority(
    evidence: Column,
    worth: Column,
    settings: PrioritySettings,
    reranked: Column | None = None,
    answers: tuple[Column, Column] | None = None,
) -> Column:
    """p(valid) x amount - handling cost - p(not valid) x interest on the amount while it is withheld, in US dollars.

    Domain part 3.4. `reranked`: p(valid) as calibrated on reviews; without it, the settings' value for the evidence
    class, adjusted by `answers`, the accepted ones and all (see `answered_probability`).
    """
    prior = settings_probability(evidence, settings)
    if reranked is not None:
        valid = F.greatest(reranked, least_probability(evidence, settings))
    elif answers is not None:
        valid = answered_probability(*answers, prior, settings)
    else:
        valid = prior
    amount = F.coalesce(worth.cast("double"), F.lit(0.0))
    interest = amount * F.lit(settings.annual_interest * settings.days_withheld / 365)
    return round_double(valid * amount - F.lit(settings.handling_cost) - (F.lit(1.0) - valid) * interest, 2)
