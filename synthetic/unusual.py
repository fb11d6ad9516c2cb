"""Planned cases in forms that are rare in feeds and easy for a rule to misjudge: few of each."""

from __future__ import annotations

from typing import Any

from synthetic.cases import CONTRACTED, Scenario, linked, look_alike
from synthetic.kinds import Days, Entity, Place, Twist
from synthetic.payers import COMMERCIAL, FFS, MFP, Terms
from synthetic.products import Pool

_FEW = 0.25
_AT_MTF: dict[str, Any] = {"programs": (MFP,), "products": Pool.SELECTED, "days": Days.MFP_IN_FORCE, "share": _FEW}

UNUSUAL = (
    # duplicates
    Scenario("same_period_under_contract", "R016", programs=CONTRACTED, twist=Twist.SAME_PERIOD, share=_FEW),
    Scenario("second_contract_unnamed", "R016", programs=CONTRACTED, twist=Twist.SAME_PERIOD,
             also=(Twist.SECOND_CONTRACT_UNNAMED,), share=_FEW),
    Scenario("others_unreported", "R016", twist=Twist.SAME_PERIOD, also=(Twist.OTHERS_UNREPORTED,), share=_FEW),
    Scenario("others_paid_alike", "R016", twist=Twist.SAME_PERIOD, also=(Twist.OTHERS_PAID_PART,), share=_FEW),
    Scenario("type_stated_once", "R016", twist=Twist.SAME_PERIOD, also=(Twist.TYPE_STATED_ONCE,), share=_FEW),
    Scenario("type_stated_once", "R017", twist=Twist.OTHER_PROGRAM, also=(Twist.TYPE_STATED_ONCE,), share=_FEW),
    look_alike("price_protection", "R016", programs=CONTRACTED, twist=Twist.SAME_PERIOD,
               also=(Twist.PRICE_PROTECTION,), share=_FEW),
    look_alike("second_taken_back", "R016", products=Pool.LOCAL, twist=Twist.SAME_PERIOD, also=(Twist.TAKEN_BACK,),
               share=_FEW),
    # rows of negative units
    look_alike("taken_back", "R001", programs=(FFS,), products=Pool.LOCAL, twist=Twist.FLAG,
               also=(Twist.TAKEN_BACK,), share=_FEW),
    Scenario("part_taken_back", "R001", programs=(FFS,), products=Pool.LOCAL, twist=Twist.FLAG,
             also=(Twist.PART_TAKEN_BACK,), share=_FEW),
    # transactions of pharmacies
    Scenario("reversed_under_contract", "R020", programs=CONTRACTED, twist=Twist.REVERSED, share=_FEW),
    Scenario("reversed_again_that_day", "R020", twist=Twist.REVERSED_AGAIN_THAT_DAY, share=_FEW),
    look_alike("billed_again_that_day", "R020", twist=Twist.BILLED_AGAIN_THAT_DAY, share=_FEW),
    # payments and settlements
    Scenario("others_unreported", "R021", programs=(FFS,), products=Pool.LOCAL, twist=Twist.PAID_NOTHING,
             also=(Twist.OTHERS_UNREPORTED,), share=_FEW),
    Scenario("credited_in_parts", "R059", twist=Twist.CREDITED_IN_PARTS, share=_FEW),
    look_alike("credited_part_after", "R059", twist=Twist.CREDITED_PART_AFTER, share=_FEW),
    # providers, products and contracts
    Scenario("listed_biller_without_npi", "R002", programs=(FFS,), products=Pool.CLINIC, place=Place.OWN_IN_FILE,
             twist=Twist.NCPDP_ONLY, share=_FEW),
    linked("R008", (COMMERCIAL,), Terms.EXCLUDES, twist=Twist.CONTRACT_UNNAMED, kind="contract_unnamed", share=_FEW),
    Scenario("terminated_under_contract", "R022", programs=CONTRACTED, products=Pool.RETIRED, share=_FEW),
    look_alike("kit_contents", "R028", products=Pool.KIT, twist=Twist.CONTENTS_MEASURED, share=_FEW),
    Scenario("half_a_kit", "R029", products=Pool.KIT, twist=Twist.HALF_A_UNIT, share=_FEW),
    Scenario("hcpcs_as_ndc_under_contract", "R031", programs=(COMMERCIAL,), products=Pool.INFUSED, place=Place.CLINIC,
             twist=Twist.HCPCS_AS_NDC, share=_FEW),
    # transactions of the facilitator
    look_alike("plan_reversal", "R011", twist=Twist.MFP_PLAN_REVERSAL, place=Place.CONTRACT, entity=Entity.LIVE,
               **_AT_MTF),
    look_alike("first_reversed", "R012", twist=Twist.SECOND_ICN, also=(Twist.FIRST_ICN_REVERSED,), **_AT_MTF),
    Scenario("withdrawal_notice", "R012", twist=Twist.SECOND_ICN, also=(Twist.WITHDRAWAL_NOTICE,), **_AT_MTF),
)  # fmt: skip
