"""Numbers of pharmacies and prescribers that cannot be true."""

from __future__ import annotations

from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Program, Route, Subject
from engine.rules.common import claim_name, program_words
from engine.rules.hit import Facts, Guard, Hit
from engine.rules.registry import Given, rule
from engine.rules.text import sentence

DEA_NUMBER = Guard("DEA_NUMBER", "a DEA number stands in the prescriber's place: another numbering, not a wrong number")


@rule(
    "R051",
    "Provider's number cannot be true",
    subject=Subject.REBATE_CLAIM,
    programs=tuple(Program),
    evidence=Evidence.MEDIUM,
    route=Route.NONE,
    party=Party.PHARMACY,
    action=Action.INQUIRE,
    citation="45 CFR 162.406 (National Provider Identifier)",
    guards=(DEA_NUMBER,),
)
def provider_number_invalid(f: Facts, _: Given) -> Hit:
    """The NPI of the pharmacy or prescriber fails its check digit, or the table of pharmacies dates the pharmacy's NPI
    and it was not in use on the date of service. A number that is not given is none.
    """
    pharmacy_is_wrong = F.coalesce(~f.f60_pharmacy_npi_valid, F.lit(False))
    pharmacy_is_inactive = F.coalesce(~f.f60_npi_active_at_dos, F.lit(False))
    prescriber_is_wrong = F.coalesce(~f.f60_prescriber_npi_valid, F.lit(False))
    what = F.array_compact(
        F.array(
            F.when(pharmacy_is_wrong, sentence("the pharmacy's NPI {npi} fails its check digit", npi=f.pharmacy_npi)),
            F.when(
                pharmacy_is_inactive & ~pharmacy_is_wrong,
                sentence("the pharmacy's NPI {npi} was not in use on that day", npi=f.pharmacy_npi),
            ),
            F.when(prescriber_is_wrong, sentence("the prescriber's NPI {npi} cannot be one", npi=f.prescriber_npi)),
        )
    )
    return Hit(
        when=pharmacy_is_wrong | pharmacy_is_inactive | prescriber_is_wrong,
        message=sentence(
            "{payer}, {claim}, NDC {ndc}, service on {served:date} ({program}): {what}. Who dispensed or prescribed "
            "appears to be stated wrongly.",
            payer=f.payer_id,
            claim=claim_name(f),
            ndc=f.ndc11,
            served=f.date_of_service,
            program=program_words(f.program),
            what=F.array_join(what, "; "),
        ),
        checks=(
            DEA_NUMBER.check(failed=f.prescriber_has_dea_number, only_where=~pharmacy_is_wrong & ~pharmacy_is_inactive),
        ),
    )
