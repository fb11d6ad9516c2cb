"""Rows that the anomaly model flags, in words. Messages leave the company, so they contain no score, p-value or
contribution.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Program, Route, Subject
from engine.rules import root_causes
from engine.rules.common import MEDICAID, claim_name, line_invoiced, program_words
from engine.rules.entity_common import entity_claimed
from engine.rules.hit import Facts, Hit
from engine.rules.registry import DataSource, On, Parameters, Threshold, rule
from engine.rules.text import sentence

# Number of unusual months that are described; further ones on the same claim are only counted.
GROUPS_NAMED = 2

FEATURES_NAMED = 3

_CLAIMS, _LINES = "comparable claims", "comparable lines"

THRESHOLDS = (
    Threshold("p_value", 0.005, "part of the peers that are at least as unusual, at most"),
    Threshold("minimum_rows", 200, "rows that the row was compared with, at least"),
)


def _is_unusual(f: Facts, parameters: Parameters) -> Column:
    return (
        (f.anomaly_p_value <= parameters.number("p_value"))
        & (f.anomaly_rows >= parameters.integer("minimum_rows"))
        & (F.size(f.reason_words) > 0)
    )


def _reasons(f: Facts) -> Column:
    return F.array_join(F.slice(f.reason_words, 1, FEATURES_NAMED), "; ")


def _months(f: Facts) -> Column:
    """The unusual months, in words; NULL without any."""
    named = F.array_join(F.slice(f.group_words, 1, GROUPS_NAMED), "; and ")
    return F.when(
        F.size(f.group_words) > 0,
        F.concat(F.lit("represents claims of a month that is unusual as a whole: "), named),
    )


def unusual_month_of_entity(f: Facts, _: Parameters) -> Hit:
    """The claim represents a month in which its covered entity is unusual: more 340B claims than its other months and
    other entities' months lead to expect. No model judges single 340B claims.
    """
    return Hit(
        when=_months(f).isNotNull(),
        message=sentence("{claim}: {words}.", claim=entity_claimed(f), words=_months(f)),
        related=f.group_source_row_ids,
        related_count=f.group_row_count,
    )


def unusual_invoice_line(f: Facts, parameters: Parameters) -> Hit:
    """As R052 on claims, for a quarterly total."""
    return Hit(
        when=_is_unusual(f, parameters),
        message=sentence(
            f"{{subject}}: unusual among {_LINES}: {{words}}.", subject=line_invoiced(f), words=_reasons(f)
        ),
    )


@rule(
    "R052",
    "Claim unusual among its peers",
    on={
        Subject.REBATE_CLAIM: On(needs=("scores",), thresholds=THRESHOLDS, version=2),
        Subject.ENTITY_CLAIM: On(
            unusual_month_of_entity,
            needs=("scores",),
            title="Month of a covered entity unusual among its peers",
            programs=(),
            citation="support for inquiries of covered entities",
        ),
        Subject.INVOICE: On(
            unusual_invoice_line,
            needs=("scores",),
            thresholds=THRESHOLDS,
            title="Invoice line unusual among its peers",
            programs=MEDICAID,
        ),
    },
    programs=tuple(Program),
    evidence=Evidence.WEAK,
    route=Route.NONE,
    party=Party.UNDETERMINED,
    action=Action.PAY_AND_WATCH,
    root_cause=root_causes.QUANTITY_OF_PRODUCT,
    data_source=DataSource.QUANTITIES_AND_AMOUNTS,
    is_model=True,
    citation="support for CMS-304 dispute codes Q, R and S",
    any_units=True,
)
def unusual_claim(f: Facts, parameters: Parameters) -> Hit:
    """The anomaly model finds the claim unusual; support for another rule, never a reason alone. What part of the
    units is wrong the model does not know, so it puts none at issue. `reasons` come largest first, and each is
    outside the range of comparable claims; without one the claim is not flagged. Or it is the most unusual claim of an
    unusual month of a pharmacy or prescriber, and names the others.
    """
    unusual = F.when(_is_unusual(f, parameters), F.concat(F.lit(f"unusual among {_CLAIMS}: "), _reasons(f)))
    return Hit(
        when=unusual.isNotNull() | _months(f).isNotNull(),
        message=sentence(
            "{payer}, {claim}, NDC {ndc}, service on {served:date} ({program}): {words}.",
            claim=claim_name(f),
            payer=f.payer_id,
            ndc=f.ndc11,
            program=program_words(f.program),
            served=f.date_of_service,
            words=F.concat_ws("; ", unusual, _months(f)),
        ),
        related=f.group_source_row_ids,
        related_count=F.coalesce(f.group_row_count, F.lit(0)),
    )
