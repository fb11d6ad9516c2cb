"""What the anomaly model finds unusual, in words. No score, p-value or contribution: messages leave the company."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Program, Route, Subject
from engine.rules.common import MEDICAID, claim_name, line_invoiced, program_words
from engine.rules.hit import Facts, Hit
from engine.rules.registry import DataSource, Given, Threshold, rule
from engine.rules.text import sentence

FEATURES_NAMED = 3

_CLAIMS, _LINES = "comparable claims", "comparable lines"

THRESHOLDS = (
    Threshold("p_value", 0.005, "part of the peers that are at least as unusual, at most"),
    Threshold("minimum_rows", 200, "rows that the row was compared with, at least"),
)


def _anomaly(f: Facts, given: Given, subject: Column, peers: str) -> Hit:
    words = F.array_join(F.slice(f.reason_words, 1, FEATURES_NAMED), "; ")
    return Hit(
        when=(f.anomaly_p_value <= given.number("p_value"))
        & (f.anomaly_rows >= given.whole("minimum_rows"))
        & (F.size(f.reason_words) > 0),
        message=sentence(f"{{subject}}: unusual among {peers}: {{words}}.", subject=subject, words=words),
    )


@rule(
    "R052",
    "Claim unusual among its peers",
    subject=Subject.REBATE_CLAIM,
    programs=tuple(Program),
    evidence=Evidence.WEAK,
    route=Route.NONE,
    party=Party.UNDETERMINED,
    action=Action.PAY_AND_WATCH,
    data_source=DataSource.QUANTITIES_AND_AMOUNTS,
    is_model=True,
    citation="support for CMS-304 dispute codes Q, R and S",
    needs=("scores",),
    thresholds=THRESHOLDS,
    any_units=True,
)
def unusual_claim(f: Facts, given: Given) -> Hit:
    """The anomaly model finds the claim unusual; support for another rule, never a reason by itself. What part of the
    units is wrong the model does not know, so it puts none at issue. `reasons` come largest first, and each lies
    outside the range of comparable claims; without one the claim is not flagged.
    """
    return _anomaly(
        f,
        given,
        subject=sentence(
            "{payer}, {claim}, NDC {ndc}, service on {served:date} ({program})",
            claim=claim_name(f),
            payer=f.payer_id,
            ndc=f.ndc11,
            program=program_words(f.program),
            served=f.date_of_service,
        ),
        peers=_CLAIMS,
    )


@rule(
    "R052",
    "Invoice line unusual among its peers",
    subject=Subject.INVOICE,
    programs=MEDICAID,
    evidence=Evidence.WEAK,
    route=Route.NONE,
    party=Party.UNDETERMINED,
    action=Action.PAY_AND_WATCH,
    data_source=DataSource.QUANTITIES_AND_AMOUNTS,
    is_model=True,
    citation="support for CMS-304 dispute codes Q, R and S",
    needs=("scores",),
    thresholds=THRESHOLDS,
    any_units=True,
)
def unusual_invoice_line(f: Facts, given: Given) -> Hit:
    """As R052 on claims, for a quarterly total."""
    return _anomaly(f, given, line_invoiced(f), _LINES)
