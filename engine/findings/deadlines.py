"""Deadlines for acting on a finding (contract parts 4 and 7.17)."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import MEDICAID_PROGRAMS, Program
from engine.dates import add_days, add_months, eastern_day
from engine.intervals import start_of_quarter
from engine.runtime.expressions import first_of_quarter
from engine.settings import DeadlineSettings

NO_INTEREST, CONTRACT, PROMPT_PAY = "NO_INTEREST", "CONTRACT", "PROMPT_PAY"
TWELVE_QUARTERS, NO_DEADLINE = "TWELVE_QUARTERS", "NONE"


def claim_deadlines(settings: DeadlineSettings) -> dict[str, Column]:
    """deadline_date, deadline_kind and last_day_date of CLAIM_FACTS; NULL, NONE and NULL if the start is unknown.

    An MFP refund is due 14 days after its receipt, by days in US Eastern time (42 U.S.C. 1320f-2(d); CMS guidance for
    2026 and 2027, section 40.4); no last day to dispute it is known. Under a rebate contract the deadline to dispute is
    also the last day.
    """
    is_medicaid = F.col("program").isin(*(program.value for program in MEDICAID_PROGRAMS))
    is_mfp = F.col("program") == Program.MFP.value
    no_interest = add_days(F.col("invoice_sent_on"), settings.days_after_postmark)
    last_quarter = _last_day_of_quarters(F.col("invoice_postmark_date"), settings)
    prompt = add_days(eastern_day(F.col("received_at")), settings.mfp_days_after_receipt)
    contract = _days_after(_end_of_period(), F.col("contract_dispute_days"))
    return {
        "deadline_date": F.when(is_medicaid, F.coalesce(no_interest, last_quarter))
        .when(is_mfp, prompt)
        .otherwise(contract),
        "deadline_kind": F.when(is_medicaid & no_interest.isNotNull(), F.lit(NO_INTEREST))
        .when(is_medicaid & F.col("period").isNotNull(), F.lit(TWELVE_QUARTERS))
        .when(is_mfp & prompt.isNotNull(), F.lit(PROMPT_PAY))
        .when(~is_medicaid & ~is_mfp & contract.isNotNull(), F.lit(CONTRACT))
        .otherwise(F.lit(NO_DEADLINE)),
        "last_day_date": F.when(is_medicaid, last_quarter).when(~is_mfp, contract),
    }


def invoice_deadlines(settings: DeadlineSettings) -> dict[str, Column]:
    """The columns of `claim_deadlines` for INVOICE_FACTS: interest accrues from day 38 after the postmark (CMS,
    Interest Calculation for Late Rebate Payments), so day 37 is the deadline.
    """
    sent_on = F.coalesce("postmark_date", "received_date")
    no_interest = add_days(sent_on, settings.days_after_postmark)
    last_quarter = _last_day_of_quarters(F.col("postmark_date"), settings)
    return {
        "deadline_date": F.coalesce(no_interest, last_quarter),
        "deadline_kind": F.when(no_interest.isNotNull(), F.lit(NO_INTEREST))
        .when(last_quarter.isNotNull(), F.lit(TWELVE_QUARTERS))
        .otherwise(F.lit(NO_DEADLINE)),
        "last_day_date": last_quarter,
    }


def no_deadlines() -> dict[str, Column]:
    """The same columns for subjects without a known deadline: 340B claims, reports of inflation rebates."""
    none = F.lit(None).cast("date")
    return {"deadline_date": none, "deadline_kind": F.lit(NO_DEADLINE), "last_day_date": none}


def _last_day_of_quarters(postmark: Column, settings: DeadlineSettings) -> Column:
    """Last day of the 12th quarter after the postmark's quarter, else after `period` (42 CFR 447.510(i))."""
    months = 3 * (settings.dispute_quarters + 1)

    def last_day(start: Column) -> Column:
        return add_days(add_months(start, months), -1)

    by_period = last_day(start_of_quarter(F.col("period")))
    if settings.dispute_quarters_from == "PERIOD":
        return by_period
    return F.coalesce(last_day(first_of_quarter(postmark)), by_period)


def _end_of_period() -> Column:
    return add_days(add_months(start_of_quarter(F.col("period")), 3), -1)


def _days_after(day: Column, days: Column) -> Column:
    """The day plus `days`; NULL for fewer than 0 or more than 36,500 days, which no contract has, and for dates out of
    range.
    """
    is_inside = days.between(0, 36_500) & (day < F.lit("9899-01-01").cast("date"))
    return F.when(is_inside, F.date_add(day, days.cast("int")))
