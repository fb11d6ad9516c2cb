"""Dispenses with two or three violations, and violations combined with a look-alike of another rule.

The parts are planned cases that change different facts. Combinations are written without mess, so that links to 340B
claims are exact and the class of every rule is known.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

from synthetic.cases import Scenario
from synthetic.kinds import Days, Entity, Place
from synthetic.payers import Terms
from synthetic.products import Pool
from synthetic.scenarios import LOOK_ALIKES, VIOLATIONS
from synthetic.unusual import UNUSUAL

# Attributes that two parts share, and the defaults that any other value replaces, the first default before the second.
_GIVES_WAY: dict[str, tuple[Any, ...]] = {
    "products": (Pool.ORDINARY, Pool.AT_340B),
    "place": (Place.RETAIL, Place.CONTRACT),
    "entity": (Entity.NOTHING,),
    "terms": (Terms.NONE,),
    "days": (Days.ANY,),
}


def _merged(left: Scenario, right: Scenario) -> Scenario:
    """Both in one dispense. Raises ValueError if they cannot be combined."""
    programs = tuple(program for program in left.programs if program in right.programs)
    values: dict[str, Any] = {}
    for name, gives_way in _GIVES_WAY.items():
        wanted = {getattr(left, name), getattr(right, name)}
        for value in gives_way:
            wanted -= {value} if len(wanted) > 1 else set()
        if len(wanted) > 1:
            raise ValueError(f"{left.rule} {left.kind} and {right.rule} {right.kind} differ in {name}")
        values[name] = wanted.pop()
    if not programs or left.subject != right.subject:
        raise ValueError(f"{left.rule} {left.kind} and {right.rule} {right.kind} are of different claims")
    parts = (*(left.parts or (left,)), *(right.parts or (right,)))
    return replace(Scenario("combination", ""), programs=programs, subject=left.subject, parts=parts, **values)


def _combination(*names: str) -> Scenario:
    """The cases of these names: the rule, and its kind if the rule has several."""
    return reduce(_merged, [_case(name) for name in names])


def _case(name: str) -> Scenario:
    rule, _, kind = name.partition(" ")
    of_name = [case for case in (*VIOLATIONS, *LOOK_ALIKES, *UNUSUAL) if case.rule == rule and kind in ("", case.kind)]
    return of_name[0]


_ENTITY_R022 = next(case for case in VIOLATIONS if case.rule == "R022" and case.place == Place.OWN)

TWO_VIOLATIONS = (
    _combination("R001 flag", "R003"),
    _combination("R001 flag", "R016 same_period"),
    _combination("R001 flag", "R018 other_state"),
    _combination("R001 flag", "R019 other_period"),
    _combination("R001 flag", "R020 reversed"),
    _combination("R001 flag", "R021 paid_nothing"),
    _combination("R001 flag", "R022 terminated"),
    _combination("R001 flag", "R024 before_market"),
    _combination("R001 flag", "R025 unknown_ndc"),
    _combination("R001 flag", "R026 excluded_product"),
    _combination("R001 flag", "R027 labeler_sold"),
    _combination("R001 flag", "R029 half_a_capsule"),
    _combination("R001 flag", "R030 broken_tube"),
    _combination("R001 flag", "R053 rebate_wrong"),
    _combination("R001 flag", "R056 price_too_high"),
    _combination("R001 flag", "R058 outside_program"),
    _combination("R001 modifier", "R031 hcpcs_as_ndc"),
    _combination("R001 modifier", "R032 code_of_another"),
    _combination("R002", "R016 same_period"),
    _combination("R002", "R053 rebate_wrong"),
    _combination("R003", "R016 same_period"),
    _combination("R003", "R051 prescriber_invalid"),
    _combination("R003", "R053 rebate_wrong"),
    _combination("R003", "R059 credited_before"),
    _combination("R004 flag", "R005"),
    _combination("R004 flag", "R016 same_period"),
    _combination("R004 flag", "R054 period_too_late"),
    _combination("R005", "R016 same_period"),
    _combination("R005", "R051 prescriber_invalid"),
    _combination("R005", "R056 price_too_high"),
    _combination("R008", "R010 flag"),
    _combination("R008", "R016 same_period_under_contract"),
    _combination("R009", "R010 flag"),
    _combination("R009", "R020 reversed_under_contract"),
    _combination("R011", "R012 second_icn"),
    _combination("R011", "R060 refund_too_high"),
    _combination("R016 same_period", "R053 rebate_wrong"),
    _combination("R016 same_period", "R056 price_too_high"),
    _combination("R016 same_period", "R058 outside_program"),
    _combination("R020 reversed", "R051 prescriber_invalid"),
    _combination("R020 reversed", "R053 rebate_wrong"),
    _combination("R022 terminated", "R051 prescriber_invalid"),
    _combination("R022 terminated", "R053 rebate_wrong"),
    _combination("R022 terminated", "R058 outside_program"),
    _combination("R026 excluded_product", "R053 rebate_wrong"),
    _combination("R028 measured_each", "R053 rebate_wrong"),
    _combination("R053 rebate_wrong", "R058 outside_program"),
    _combination("R056 price_too_high", "R058 outside_program"),
    _merged(_ENTITY_R022, _case("R048 reported_late")),
    _combination("R042 entity_left", "R048 reported_late"),
    _combination("R043 unregistered", "R048 reported_late"),
    _combination("R045 orphan_drug", "R048 reported_late"),
)

THREE_VIOLATIONS = (
    _combination("R001 flag", "R003", "R016 same_period"),
    _combination("R001 flag", "R022 terminated", "R053 rebate_wrong"),
    _combination("R001 flag", "R020 reversed", "R026 excluded_product"),
    _combination("R003", "R051 prescriber_invalid", "R053 rebate_wrong"),
    _combination("R004 flag", "R005", "R056 price_too_high"),
    _combination("R016 same_period", "R053 rebate_wrong", "R058 outside_program"),
)

VIOLATION_AND_LOOK_ALIKE = (
    _combination("R001 flag", "R016 lineage"),
    _combination("R001 flag", "R016 redelivered"),
    _combination("R001 flag", "R016 second_rebate_type"),
    _combination("R001 flag", "R016 two_parts"),
    _combination("R001 flag", "R020 rebilled"),
    _combination("R001 flag", "R059 credited_after"),
    _combination("R001 flag", "R059 credited_part_after"),
    _combination("R001 flag", "R059 disputed_before"),
    _combination("R058 outside_program", "R059 credited_part_after"),
    _combination("R003", "R016 lineage"),
    _combination("R003", "R016 redelivered"),
    _combination("R003", "R020 rebilled"),
    _combination("R004 flag", "R021 managed_care_paid_nothing"),
    _combination("R004 flag", "R053 cut_to_the_cent"),
    _combination("R005", "R051 dea_number"),
    _combination("R016 same_period", "R003 entity_claim_reversed"),
    _combination("R022 terminated", "R059 credited_after"),
    _combination("R026 excluded_product", "R053 cut_to_the_cent"),
    _combination("R051 prescriber_invalid", "R003 entity_says_not_340b"),
    _combination("R053 rebate_wrong", "R005 entity_claim_reversed"),
    _combination("R053 rebate_wrong", "R022 reactivated"),
    _combination("R056 price_too_high", "R022 reactivated"),
    _combination("R058 outside_program", "R020 rebilled"),
    _combination("R058 outside_program", "R051 dea_number"),
)

COMBINATIONS = (*TWO_VIOLATIONS, *THREE_VIOLATIONS, *VIOLATION_AND_LOOK_ALIKE)
