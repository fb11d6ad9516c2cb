"""A patient's next fill long before the previous supply is used up."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Program, Route, Subject
from engine.rules import root_causes
from engine.rules.common import MEDICAID, claim_name, program_words
from engine.rules.hit import Facts, Guard, Hit
from engine.rules.registry import DataSource, Parameters, Part, Threshold, rule
from engine.rules.text import if_known, sentence
from engine.runtime.expressions import arrays_overlap

OVERRIDE = Guard(
    "OVERRIDE",
    "the pharmacy states why the fill is early: vacation, lost supply, changed therapy, emergency",
    needs=("rebate_claims.submission_clarification_codes",),
)


@rule(
    "R039",
    "Early refill",
    on={Subject.REBATE_CLAIM: ("rebate_claims.patient_key",)},
    reads=("submission_clarification_codes",),
    programs=tuple(Program),
    evidence=Evidence.WEAK,
    codes=("Q", "PBM"),
    route=Route.NONE,
    party=Party.UNDETERMINED,
    action=Action.INQUIRE,
    root_cause=root_causes.EARLY_REFILL,
    data_source=DataSource.QUANTITIES_AND_AMOUNTS,
    citation="compare Coverage Gap Discount Program dispute reason D08",
    document="the patient's fills of the product",
    parts=(Part("early fills", needs=("rebate_claims.days_supply",)),),
    thresholds=(
        Threshold("part_of_supply", 0.5, "part of the previous fill's days supply before which a fill is early"),
        Threshold("pharmacies", 2, "or as many pharmacies of the patient for the product within 60 days"),
        Threshold("override_codes", ["03", "04", "05", "13"], "NCPDP submission clarification codes of early fills"),
    ),
    guards=(OVERRIDE,),
)
def early_refill(f: Facts, parameters: Parameters) -> Hit:
    """The patient filled the product again before half of the previous supply was used up, or at two pharmacies within
    60 days.
    """
    is_early = F.coalesce(f.f42_early_refill_ratio < parameters.number("part_of_supply"), F.lit(False))
    goes_elsewhere = F.coalesce(f.f43_overlap_pharmacies >= parameters.integer("pharmacies"), F.lit(False))
    codes = F.split(f.submission_clarification_codes, r"\|")
    explained = arrays_overlap(codes, F.array(*(F.lit(code) for code in parameters.words("override_codes"))))
    is_medicaid = f.program.isin(*(program.value for program in MEDICAID))
    return Hit(
        when=is_early | goes_elsewhere,
        message=sentence(
            "{payer}, {claim}, NDC {ndc}, service on {served:date} ({program}): the patient{fills}. The "
            "quantity appears inconsistent with use.",
            payer=f.payer_id,
            claim=claim_name(f),
            ndc=f.ndc11,
            served=f.date_of_service,
            program=program_words(f.program),
            fills=_fills(f, is_early),
        ),
        checks=(OVERRIDE.check(failed=explained),),
        code=F.when(is_medicaid, F.lit("Q")).when(f.program != Program.MFP.value, F.lit("PBM")),
    )


def _fills(f: Facts, is_early: Column) -> Column:
    """The unusual fills of the patient, in words."""
    pharmacies = if_known("{n} pharmacies within 60 days", n=f.f43_overlap_pharmacies)
    has_several = F.coalesce(f.f43_overlap_pharmacies > 1, F.lit(False))
    early = sentence("'s previous fill was {part:percent} used up", part=f.f42_early_refill_ratio)
    also = F.when(has_several, F.concat(F.lit(", at "), pharmacies)).otherwise(F.lit(""))
    return F.when(is_early, F.concat(early, also)).otherwise(F.concat(F.lit(" filled the product at "), pharmacies))
