"""Compares an entity's purchases at the 340B price with the units it reports as dispensed."""

from __future__ import annotations

from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.dates import add_months, known_day
from engine.intervals import quarter_of
from engine.rules import root_causes
from engine.rules.common import quarter_after
from engine.rules.hit import Facts, Guard, Hit
from engine.rules.registry import DataSource, Parameters, Threshold, rule
from engine.rules.text import sentence
from engine.runtime.expressions import first_of_quarter

SHORT_HISTORY = Guard(
    "SHORT_HISTORY",
    "the entity's claims do not reach back over the four quarters, as purchases do",
)
_QUARTERS = 4


@rule(
    "R049",
    "More bought at the 340B price than claimed as dispensed",
    on={Subject.ENTITY_CLAIM: ("chargebacks", "products.units_per_package")},
    programs=(),
    evidence=Evidence.WEAK,
    route=Route.ENTITY,
    party=Party.UNDETERMINED,
    action=Action.INQUIRE,
    root_cause=root_causes.QUANTITY_OF_PRODUCT,
    data_source=DataSource.PURCHASES_AT_340B_PRICE,
    citation="42 U.S.C. 256b(a)(5)(B); 61 FR 65406 (December 12, 1996)",
    thresholds=(
        Threshold(
            "ratio", 1.1, "units bought to units claimed over four quarters, above which an inquiry is suggested"
        ),
        Threshold("minimum_units", 100.0, "units bought but not claimed up to which stock explains it"),
    ),
    guards=(SHORT_HISTORY,),
)
def bought_more_than_claimed(f: Facts, parameters: Parameters) -> Hit:
    """Net units of the NDC-9 on 340B chargebacks of the entity's system over four quarters exceed what it claims.
    Reported once, on the last claim of a quarter that is over; no units of that claim are at issue. What was shipped to
    a site of its own from which it reports no claim at all is excluded. Stock and drugs used in mixed-use settings are
    innocent reasons that nothing here can check.
    """
    start = first_of_quarter(known_day(f.date_of_service))
    is_over = quarter_after(start) <= F.lit(parameters.as_of)
    more = f.units_bought_4q - f.units_claimed_4q
    is_more = (f.units_bought_4q > f.units_claimed_4q * parameters.number("ratio")) & (
        more > parameters.number("minimum_units")
    )
    window_start = add_months(start, -3 * (_QUARTERS - 1))
    next_quarter = quarter_after(window_start)
    return Hit(
        when=f.is_last_of_quarter & is_over & is_more,
        message=sentence(
            "340B entity {entity} (with its parent and sites) bought {bought:number} units of product {ndc9} at the "
            "340B price over the four quarters up to {quarter}, but claims {claimed:number} as dispensed: "
            "{more:number} units appear to be unaccounted for (last claim of the quarter: row {row}).",
            entity=f.parent_entity_id,
            bought=f.units_bought_4q,
            ndc9=f.ndc9,
            quarter=quarter_of(f.date_of_service),
            claimed=f.units_claimed_4q,
            more=more,
            row=f.source_row_id,
        ),
        checks=(SHORT_HISTORY.check(failed=f.entity_first_claim_date >= next_quarter),),
    )
