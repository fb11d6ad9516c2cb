"""Planned cases that no rule describes: unusual rows, usual rows that resemble them, and unusual months of groups.

Every kind of unusual row has a usual counterpart that differs in one respect. All cases are outside Medicaid, so that
invoices, and the results of rules on them, do not change.
"""

from __future__ import annotations

from typing import Any

from engine.contracts.codes import Subject
from synthetic.cases import CONTRACTED, Scenario
from synthetic.kinds import Days, Entity, Label, Place, Twist
from synthetic.products import Pool

_FEW = 0.2  # of anomaly_rate: there are many kinds of unusual rows
_GROUP: dict[str, Any] = {"programs": CONTRACTED, "in_pattern": True, "share": 2.0}
# of 340B claims: a group has few of them in other months
_ENTITY: dict[str, Any] = {
    "subject": Subject.ENTITY_CLAIM, "entity": Entity.LIVE, "products": Pool.AT_340B, "share": 1.0
}  # fmt: skip


def _anomaly(kind: str, *twists: Twist, **more: Any) -> Scenario:
    values = {"programs": CONTRACTED, "share": _FEW, "twist": twists[0], "also": twists[1:], **more}
    return Scenario(kind, "", Label.ANOMALY, **values)


def _usual(kind: str, *twists: Twist, **more: Any) -> Scenario:
    values = {"programs": CONTRACTED, "also": twists, **more}
    return Scenario(kind, "", Label.USUAL, **values)


def _month(kind: str, **more: Any) -> Scenario:
    return Scenario(kind, "", Label.GROUP, days=Days.OF_MONTH, **{**_GROUP, **more})


def _other_months(kind: str, **more: Any) -> Scenario:
    return Scenario(kind, "", Label.USUAL, **{**_GROUP, **more})


ANOMALY_CASES = (
    _anomaly("paid_far_off", Twist.PAID_FAR_OFF),
    _usual("paid_mostly_by_others", Twist.PAID_MOSTLY_BY_OTHERS),
    _anomaly("units_doubled", Twist.UNITS_DOUBLED),
    _usual("double_dose", Twist.DOUBLE_DOSE, products=Pool.SELECTED, days=Days.BEFORE_MFP),
    _anomaly("units_trebled", Twist.UNITS_TREBLED),
    _usual("three_months", Twist.NINETY_DAYS, products=Pool.SELECTED, days=Days.BEFORE_MFP),
    _anomaly("amount_shifted", Twist.AMOUNT_SHIFTED),
    _usual("filled_in_two_parts", Twist.TWO_PARTS, products=Pool.SELECTED, days=Days.BEFORE_MFP),
    _anomaly("days_contradict_units", Twist.DAYS_A_TENTH),
    _usual("ten_days_fill", Twist.TEN_DAYS, products=Pool.SELECTED, days=Days.BEFORE_MFP),
    # units and payment of three months, days' supply of one month: each value alone is usual
    _anomaly("three_months_in_one", Twist.UNITS_OF_THREE_MONTHS),
    _usual("three_months_double_dose", Twist.NINETY_DAYS, Twist.DOUBLE_DOSE, products=Pool.SELECTED,
           days=Days.BEFORE_MFP),
    _anomaly("paid_late", Twist.PAID_MONTHS_LATER, days=Days.OVER_A_YEAR_AGO),
    _usual("paid_after_six_weeks", Twist.PAID_WEEKS_LATER, days=Days.OVER_A_YEAR_AGO),
    _anomaly("price_of_other_package", Twist.PRICE_OF_OTHER_PACKAGE, products=Pool.TWIN),
    _usual("own_package", products=Pool.TWIN),
    # with few claims, or expensive
    _usual("large_package", products=Pool.LARGE_PACKAGE),
    _usual("orphan_drug", products=Pool.ORPHAN),
    _usual("new_product", products=Pool.LAUNCH, days=Days.ON_MARKET_DATE),
    _month("pharmacy_many_claims", place=Place.MANY_IN_MONTH),
    _other_months("pharmacy_many_claims_later", place=Place.MANY_IN_MONTH),
    _month("pharmacy_dear_claims", place=Place.DEAR_IN_MONTH, twist=Twist.PAID_A_LITTLE_MORE),
    _other_months("pharmacy_usual_claims", place=Place.DEAR_IN_MONTH),
    _other_months("pharmacy_always_dear", place=Place.ALWAYS_DEAR, twist=Twist.PAID_A_LITTLE_MORE),
    _month("prescriber_many_claims", twist=Twist.PRESCRIBER_OF_MONTH),
    _other_months("prescriber_many_claims_later", twist=Twist.PRESCRIBER_OF_MONTH),
    _month("entity_many_claims", **{**_ENTITY, "place": Place.OWN_MANY_IN_MONTH}),
    _other_months("entity_many_claims_later", **{**_ENTITY, "place": Place.OWN_MANY_IN_MONTH}),
    _other_months("entity_many_claims_reversed", days=Days.OF_MONTH,
                  **{**_ENTITY, "place": Place.OWN_MANY_REVERSED, "entity": Entity.REVERSED}),
    _other_months("entity_reversed_later", **{**_ENTITY, "place": Place.OWN_MANY_REVERSED}),
)  # fmt: skip
