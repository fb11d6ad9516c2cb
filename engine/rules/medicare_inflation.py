"""340B units in Medicare inflation rebates, which the law leaves out of them."""

from __future__ import annotations

from pyspark.sql import functions as F

from engine.contracts.codes import Action, ClaimType, Evidence, Party, Route, Subject
from engine.rules.common import day
from engine.rules.entity_common import entity_claimed, entity_row
from engine.rules.hit import Facts, Guard, Hit
from engine.rules.registry import Given, Threshold, rule
from engine.rules.text import sentence

ENTITY_TYPE = Guard(
    "ENTITY_TYPE",
    "the service was before all entities had to use a 340B modifier, and the entity is of a type that did not yet",
    needs=("covered_entities.entity_type",),
)
ONE_OF_SEVERAL = Guard(
    "ONE_OF_SEVERAL",
    "another line of the provider for the drug and day carries the modifier: this one may be of another patient",
    weakens_to=Evidence.WEAK,
)


@rule(
    "R015",
    "Medicare Part B line of a 340B drug without its modifier",
    subject=Subject.ENTITY_CLAIM,
    programs=(),
    evidence=Evidence.MEDIUM,
    route=Route.ENTITY,
    party=Party.ENTITY,
    action=Action.INQUIRE,
    citation="42 U.S.C. 1395w-3a(i)(3)(B)(ii)(I) (SSA 1847A(i)(3))",
    needs=("part_b_lines.modifiers", "entity_claims.hcpcs_code"),
    thresholds=(
        Threshold("first_date_of_service", "2024-01-01", "first day of service that is judged"),
        Threshold("all_entities_from", "2025-01-01", "day of service from which entities of every type are bound"),
        Threshold(
            "entity_types_before", ["DSH", "PED", "CAN", "CAH", "RRC", "SCH"], "types that were bound before that day"
        ),
    ),
    guards=(ENTITY_TYPE, ONE_OF_SEVERAL),
)
def part_b_line_without_modifier(f: Facts, given: Given) -> Hit:
    """The entity reports a medical claim as 340B, and a Medicare Part B line of the same provider, day, HCPCS code and
    (where the line has one) NDC carries neither TB nor JG: CMS counts such units into the Part B inflation rebate. That
    both are one patient's is likely, not known.
    """
    return Hit(
        when=(f.claim_type == ClaimType.MEDICAL.value)
        & (f.date_of_service >= day(given.day("first_date_of_service")))
        & (F.size(f.part_b_unmarked_row_ids) > 0),
        message=sentence(
            "{claim}, HCPCS code {code}, but the Medicare Part B line of that provider and day (row {rows}) carries "
            "neither TB nor JG: its units appear to be counted into the Part B inflation rebate although they were "
            "bought at the 340B price.",
            claim=entity_claimed(f),
            code=f.hcpcs_code,
            rows=F.array_join(f.part_b_unmarked_row_ids, ", "),
        ),
        checks=(
            ENTITY_TYPE.check(
                failed=~f.entity_type.isin(*given.words("entity_types_before")),
                unchecked=f.entity_type.isNull(),
                only_where=f.date_of_service < day(given.day("all_entities_from")),
            ),
            ONE_OF_SEVERAL.check(failed=f.part_b_lines_marked > 0),
        ),
        related=f.part_b_unmarked_row_ids,
        units=f.quantity,
        references=(entity_row(f),),
    )
