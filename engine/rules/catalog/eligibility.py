"""Products, labelers and programs that the rebate agreement does not cover."""

from __future__ import annotations

from datetime import timedelta

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.rules import root_causes
from engine.rules.activation import COMPLETE
from engine.rules.common import (
    MEDICAID,
    SNAPSHOT,
    claim_units,
    day,
    is_federal,
    is_invoice,
    line_invoiced,
    product_file,
    product_row,
    snapshot,
    state_invoiced,
)
from engine.rules.hit import Facts, Guard, Hit, one_of, reference_row
from engine.rules.registry import DataSource, On, Parameters, Threshold, rule
from engine.rules.text import sentence, words_for

NEWLY_REPORTED = Guard(
    "NEWLY_REPORTED",
    "the product may be new: the product file lags behind what was reported last",
    weakens_to=Evidence.WEAK,
)
LAG = Threshold("lag_days", 184, "days by which the product file may lag behind (two quarters)")
EXCLUDED = Threshold(
    "cod_statuses",
    ["05", "06"],
    "covered outpatient drug statuses that earn no rebate: DESI 5 and 6; add others that are known not to",
)
OUTSIDE_PROGRAMS = Threshold(
    "sub_programs",
    ["CHIP_SEPARATE", "STATE_ONLY"],
    "programs outside the federal rebate; children covered by Medicaid expansion are inside",
)
SUB_PROGRAM_WORDS = {"CHIP_SEPARATE": "a separate children's program (CHIP)", "STATE_ONLY": "a state-only program"}


def _unknown_product(f: Facts, parameters: Parameters, subject: Column, used_on: Column, units: Column) -> Hit:
    return Hit(
        when=~f.product_is_known,
        message=sentence(
            "{subject}. The product file, which is declared complete, holds no such NDC on {used:date}: it appears to "
            "be invalid or miscoded.",
            subject=subject,
            used=used_on,
        ),
        checks=(
            NEWLY_REPORTED.check(failed=used_on > day(parameters.as_of - timedelta(parameters.integer("lag_days")))),
        ),
        units=units,
        references=(reference_row("products", f.ndc11),),
    )


def line_of_unknown_product(f: Facts, parameters: Parameters) -> Hit:
    """As on claims, on the first day of the period."""
    return _unknown_product(f, parameters, line_invoiced(f), f.period_start, f.units_reimbursed)


@rule(
    "R025",
    "NDC that the product file does not hold",
    on={
        Subject.REBATE_CLAIM: (f"products.{COMPLETE}",),
        Subject.INVOICE: On(
            line_of_unknown_product,
            needs=(f"products.{COMPLETE}", "invoices.units_reimbursed"),
        ),
    },
    programs=MEDICAID,
    evidence=Evidence.MEDIUM,
    codes=("O",),
    route=Route.STATE,
    party=Party.UNDETERMINED,
    action=Action.DISPUTE,
    root_cause=root_causes.PRODUCT_NOT_ELIGIBLE,
    data_source=DataSource.PRODUCT_FILE,
    citation="42 U.S.C. 1396r-8(k); CMS-304 dispute code O",
    document="the product file",
    thresholds=(LAG,),
    guards=(NEWLY_REPORTED,),
)
def claim_of_unknown_product(f: Facts, parameters: Parameters) -> Hit:
    """No row of the product file, archived quarters included, holds the NDC on the date of service."""
    return _unknown_product(f, parameters, state_invoiced(f), f.date_of_service, claim_units(f))


def _excluded_product(f: Facts, parameters: Parameters, subject: Column, used_on: Column, units: Column) -> Hit:
    return Hit(
        when=one_of(f.cod_status, parameters.words("cod_statuses")),
        message=sentence(
            "{subject}. The product's covered outpatient drug status is {status}{file}, which earns no rebate: it "
            "appears not to be eligible.",
            subject=subject,
            status=f.cod_status,
            file=product_file(f),
        ),
        checks=(snapshot(used_on, f.product_known_from),),
        units=units,
        references=(product_row(f),),
    )


def line_of_excluded_product(f: Facts, parameters: Parameters) -> Hit:
    """As on claims, on the first day of the period."""
    return _excluded_product(f, parameters, line_invoiced(f), f.period_start, f.units_reimbursed)


@rule(
    "R026",
    "Not a covered outpatient drug",
    on={
        Subject.REBATE_CLAIM: ("products.cod_status",),
        Subject.INVOICE: On(line_of_excluded_product, needs=("products.cod_status", "invoices.units_reimbursed")),
    },
    programs=MEDICAID,
    evidence=Evidence.STRONG,
    codes=("U",),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.DISPUTE,
    root_cause=root_causes.PRODUCT_NOT_ELIGIBLE,
    data_source=DataSource.PRODUCT_FILE,
    citation="42 U.S.C. 1396r-8(k)(2)-(4); 42 CFR 447.502",
    document="the product's status in the product file",
    thresholds=(EXCLUDED,),
    guards=(SNAPSHOT,),
)
def claim_of_excluded_product(f: Facts, parameters: Parameters) -> Hit:
    """The product's status on the date of service shows that it is not a covered outpatient drug."""
    return _excluded_product(f, parameters, state_invoiced(f), f.date_of_service, claim_units(f))


def _labeler_not_ours(f: Facts, parameters: Parameters, subject: Column, used_on: Column, units: Column) -> Hit:
    was_ours = f.labeler_standing == "NOT_THEN"
    is_another = f.labeler_standing == "NOT_HELD"
    # absence is meaningful only if the table is declared complete
    is_not_ours = was_ours | is_another if f"labelers.{COMPLETE}" in parameters.available else was_ours
    return Hit(
        when=is_not_ours,
        message=sentence(
            "{subject}. Labeler code {labeler} {status} on {used:date}: the units appear to be another labeler's. "
            "Products that went to another owner under a code of ours stay ours.",
            subject=subject,
            labeler=f.labeler_code,
            status=F.when(was_ours, F.lit("is in our list, but was not ours")).otherwise(F.lit("was none of ours")),
            used=used_on,
        ),
        units=units,
        references=(reference_row("labelers", f.labeler_code),),
    )


def line_of_another_labeler(f: Facts, parameters: Parameters) -> Hit:
    """As on claims, on the first day of the period. Public utilization data are about everybody's labelers and are not
    out.
    """
    hit = _labeler_not_ours(f, parameters, line_invoiced(f), f.period_start, f.units_reimbursed)
    return hit._replace(when=hit.when & is_invoice(f))


@rule(
    "R027",
    "Labeler code that is not ours",
    on={
        Subject.REBATE_CLAIM: ("labelers",),
        Subject.INVOICE: On(line_of_another_labeler, needs=("labelers", "invoices.units_reimbursed")),
    },
    programs=MEDICAID,
    evidence=Evidence.MEDIUM,
    codes=("G",),
    route=Route.STATE,
    party=Party.UNDETERMINED,
    action=Action.INQUIRE,
    root_cause=root_causes.LABELER_NOT_OURS,
    data_source=DataSource.PRODUCT_FILE,
    citation="CMS-304 adjustment code G",
    document="letter on the transfer of the labeler code",
)
def claim_of_another_labeler(f: Facts, parameters: Parameters) -> Hit:
    """No interval of the labeler code in our list covers the date of service. A code that the list does not hold at all
    counts where the list is declared complete. The owner of a code answers for every product under it, whoever makes
    it; so a transfer is settled by letter (G, an adjustment), not disputed.
    """
    return _labeler_not_ours(f, parameters, state_invoiced(f), f.date_of_service, claim_units(f))


def _outside_program(f: Facts, parameters: Parameters, subject: Column, units: Column) -> Hit:
    return Hit(
        when=one_of(f.sub_program, parameters.words("sub_programs")) & is_federal(f),
        message=sentence(
            "{subject}. The units are of {program}, which is outside the federal rebate that is billed: they appear "
            "not to be eligible.",
            subject=subject,
            program=words_for(f.sub_program, SUB_PROGRAM_WORDS),
        ),
        units=units,
    )


def line_of_program_outside(f: Facts, parameters: Parameters) -> Hit:
    """As on claims, for a quarterly total."""
    return _outside_program(f, parameters, line_invoiced(f), f.units_reimbursed)


@rule(
    "R058",
    "Program outside the federal rebate",
    on={
        Subject.REBATE_CLAIM: ("rebate_claims.sub_program",),
        Subject.INVOICE: On(
            line_of_program_outside,
            needs=("invoices.sub_program", "invoices.units_reimbursed"),
            document="the line's program",
        ),
    },
    programs=MEDICAID,
    evidence=Evidence.STRONG,
    codes=("U",),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.DISPUTE,
    root_cause=root_causes.SUB_PROGRAM,
    data_source=DataSource.CLAIM_PROGRAM,
    citation="42 U.S.C. 1396r-8; CMS-304 dispute code U",
    document="the claim's program",
    thresholds=(OUTSIDE_PROGRAMS,),
)
def claim_of_program_outside(f: Facts, parameters: Parameters) -> Hit:
    """Units of a separate children's program or of a state-only program on a federal invoice; a rebate type that is not
    given is the federal one.
    """
    return _outside_program(f, parameters, state_invoiced(f), claim_units(f))
