"""340B claims of one dispense that two entities reported, or that were reported again or late."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.dates import days_between
from engine.rules import root_causes
from engine.rules.common import SNAPSHOT, snapshot
from engine.rules.entity_common import entity_claimed
from engine.rules.hit import Facts, Guard, Hit, reference_row
from engine.rules.registry import DataSource, Parameters, Threshold, rule
from engine.rules.text import listed, listed_rows, sentence

CORRECTION = Guard("CORRECTION", "the entity had reported the dispense before: this submission corrects it")


@rule(
    "R046",
    "Two covered entities claim one dispense",
    on={Subject.ENTITY_CLAIM: ()},
    programs=(),
    evidence=Evidence.STRONG,
    route=Route.ENTITY,
    party=Party.UNDETERMINED,
    action=Action.INQUIRE,
    root_cause=root_causes.TWO_ENTITIES,
    data_source=DataSource.CLAIMS_OF_COVERED_ENTITIES,
    citation="75 FR 10272 (March 5, 2010)",
)
def two_entities_claim_one_dispense(f: Facts, _: Parameters) -> Hit:
    """Live claims of entities with different parents agree in pharmacy, Rx number, fill, date of service and NDC-11
    (medical: pharmacy, claim, date, HCPCS code and NDC-11). Each of them is flagged: which entity is right is open.
    """
    return Hit(
        when=F.size(f.other_entity_row_ids) > 0,
        message=sentence(
            "{claim}. {others} appears to have reported the same dispense ({rows}); only one of them can have "
            "bought the drug for it.",
            claim=entity_claimed(f),
            others=listed(f.other_entity_ids, f.other_entity_count),
            rows=listed_rows(f.other_entity_row_ids, f.other_entity_row_count),
        ),
        related=f.other_entity_row_ids,
        related_count=f.other_entity_row_count,
        units=f.quantity,
    )


@rule(
    "R047",
    "Covered entity reported a dispense again",
    on={Subject.ENTITY_CLAIM: ("entity_claims.submitted_at",)},
    programs=(),
    evidence=Evidence.STRONG,
    route=Route.ENTITY,
    party=Party.ENTITY,
    action=Action.INQUIRE,
    root_cause=root_causes.REPORTED_TWICE,
    data_source=DataSource.OTHER_SUBMISSIONS_OF_ENTITIES,
    citation="340B claims submission: one live claim for a dispense",
)
def entity_reported_again(f: Facts, _: Parameters) -> Hit:
    """A live claim of the same dispense by the same entity, its parent or its parent's sites is in an earlier
    submission. Rows with one time of submission are one file and not judged.
    """
    return Hit(
        when=F.size(f.earlier_row_ids) > 0,
        message=sentence(
            "{claim}. The same dispense appears to have been reported before ({rows}) and that claim was not reversed.",
            claim=entity_claimed(f),
            rows=listed_rows(f.earlier_row_ids, f.earlier_row_count),
        ),
        related=f.earlier_row_ids,
        related_count=f.earlier_row_count,
        units=F.lit(0),  # how and when a claim was reported does not determine its price
    )


@rule(
    "R048",
    "340B claim reported late",
    on={Subject.ENTITY_CLAIM: ("entity_claims.submitted_at",)},
    programs=(),
    evidence=Evidence.STRONG,
    route=Route.ENTITY,
    party=Party.ENTITY,
    action=Action.INQUIRE,
    root_cause=root_causes.LATE_REPORTS,
    data_source=DataSource.OTHER_SUBMISSIONS_OF_ENTITIES,
    citation="the manufacturer's 340B claims data policy",
    thresholds=(Threshold("policy_days", 45, "days from the date of service in which a claim must be reported"),),
    guards=(CORRECTION,),
)
def entity_reported_late(f: Facts, parameters: Parameters) -> Hit:
    """Submitted after the days that the manufacturer's policy allows, where `submission_windows` knows none for the
    claim (R062 judges the others). An extension granted to the entity is not known here. The 340B Rebate Model Pilot,
    vacated on 10 February 2026, had the same term; its list of drugs and its package limits have no rule while no
    successor of it is in force.
    """
    most = F.lit(parameters.integer("policy_days"))
    return _late(f, most, f.submission_window_is_known.isNull(), "the policy allows {most}", most=most)


def _late(f: Facts, days_allowed: Column, is_judged: Column, allowed: str, **values: Column) -> Hit:
    """`allowed`: the terms in words, with `values`."""
    days = days_between(f.submitted_at.cast("date"), f.date_of_service)
    return Hit(
        when=(days > days_allowed) & is_judged,
        message=sentence(
            "{claim}. It was submitted on {submitted:date}, {days:days} after the service; " + allowed + ".",
            claim=entity_claimed(f),
            submitted=f.submitted_at,
            days=days,
            **values,
        ),
        checks=(CORRECTION.check(failed=f.earlier_row_count > 0),),
        units=F.lit(0),  # how and when a claim was reported does not determine its price
    )


@rule(
    "R062",
    "340B claim reported outside its window",
    on={Subject.ENTITY_CLAIM: ("submission_windows", "entity_claims.submitted_at")},
    programs=(),
    evidence=Evidence.STRONG,
    route=Route.ENTITY,
    party=Party.ENTITY,
    action=Action.INQUIRE,
    root_cause=root_causes.LATE_REPORTS,
    data_source=DataSource.OTHER_SUBMISSIONS_OF_ENTITIES,
    citation="the manufacturer's 340B claims data policy",
    guards=(CORRECTION, SNAPSHOT),
)
def entity_reported_outside_window(f: Facts, _: Parameters) -> Hit:
    """As R048, by the window of the labeler, product, kind of claim and entity's state in `submission_windows`."""
    hit = _late(
        f,
        f.submission_days,
        F.lit(True),
        "the manufacturer's window since {begin:date} allows {most:days}",
        begin=f.submission_window_begin_date,
        most=f.submission_days,
    )
    window = reference_row("submission_windows", f.labeler_code, f.submission_window_begin_date)
    is_known = snapshot(f.date_of_service, f.submission_window_known_from)
    return hit._replace(references=(window,), checks=(*hit.checks, is_known))
