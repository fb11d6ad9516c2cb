"""The planned cases: violations that rules must find, look-alikes that they must leave alone, oddities.

A planned dispense stands alone: its prescription has no other fill, and nothing else is odd about it. Only the pattern
of R050 takes many: of a drug that one doctor prescribes to patients of payers, one entity claims far more in a quarter
than others do, from a pharmacy far away. Each of its look-alikes differs in one thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np

from engine.contracts.codes import Subject
from engine.errors import ConfigurationError, Problem
from engine.settings import SyntheticSettings
from engine.synthetic.payers import COMMERCIAL, FFS, MCO, MFP, PARTD, Terms
from engine.synthetic.products import Pool

FEWEST_IN_PATTERN = 15_000  # dispenses among which the doctor has prescribed often enough
ENTITIES_IN_PATTERN = 30  # enough to compare one with
MEDICAID = (FFS, MCO)
CONTRACTED = (COMMERCIAL, PARTD)


class Label(StrEnum):
    """Which table names the row: what must be found, what must not, and what may be either."""

    TRUTH = "truth"
    LOOK_ALIKE = "look_alikes"
    ANOMALY = "anomalies"
    WATCH = "watch"


class Place(IntEnum):
    """Who dispenses."""

    RETAIL = 0
    CLINIC = 1
    CONTRACT = 2  # a contract pharmacy of a covered entity
    CONTRACT_LISTED = 3  # one that payers list as 340B pharmacy
    CONTRACT_UNLISTED = 4
    OWN = 5  # a covered entity's own pharmacy
    OWN_IN_FILE = 6  # one that the exclusion file lists, in a state that goes by the file
    OWN_OTHER_METHOD = 7  # listed, in a state that goes by something else
    OWN_OTHER_STATE = 8  # listed for another state
    OWN_FIRST_QUARTERS = 9  # no longer listed
    OWN_ENDED = 10  # of an entity that leaves the 340B program
    OWN_WITHOUT_ORPHANS = 11  # of an entity that may not buy orphan drugs at 340B prices
    OWN_WITH_ORPHANS = 12
    UNREGISTERED = 13  # nobody's contract pharmacy of the entity's system
    CONTRACT_ENDED = 14  # one whose contract ends
    CONTRACT_OF_PARENT = 15  # under contract with the entity's parent only
    CONTRACT_SHARED = 16  # under contract with an entity of another system too
    FAR = 17  # a contract pharmacy far from the entity: always the same
    FAR_OF_OTHERS = 18  # of the other entities with one
    FAR_OWN = 19  # a pharmacy that the entity of FAR owns
    NEAR = 20  # a contract pharmacy of that entity in its own state


class Entity(IntEnum):
    """What the covered entity reported of the dispense."""

    NOTHING = 0
    LIVE = 1
    REVERSED = 2
    NOT_340B = 3


class Days(IntEnum):
    """When the drug is dispensed."""

    ANY = 0
    BEFORE_LAST_QUARTER = 1
    MFP_IN_FORCE = 2
    BEFORE_MFP = 3
    AFTER_EXCLUSION_ENDED = 4
    NO_LONGER_LISTED = 5
    BEFORE_MARKET = 6
    ON_MARKET_DATE = 7
    YEAR_AFTER_TERMINATION = 8
    BEFORE_SC_MODIFIER = 9
    LABELER_WAS_SOLD = 10
    BEFORE_LABELER_SOLD = 11
    AFTER_END = 12  # of the entity's part in the program, or of its contract
    BEFORE_END = 13
    OVER_A_YEAR_AGO = 14
    WITHIN_YEAR_OF_LEAVE = 15  # of products that were back soon
    OF_PATTERN = 16


class Twist(IntEnum):
    """What is special about the claim itself."""

    NONE = 0
    FLAG = 1
    MODIFIER = 2
    MODIFIER_OF_OTHER_STATE = 3
    MODIFIER_TOO_EARLY = 4
    SAME_PERIOD = 5  # asked for twice
    OTHER_PROGRAM = 6
    OTHER_STATE = 7
    OTHER_PERIOD = 8
    REVERSED = 9
    REBILLED = 10
    REVERSED_LATE = 11
    PAID_NOTHING = 12
    PAID_BY_OTHERS = 13
    UNITS_EIGHTFOLD = 14
    PAID_TOO_LITTLE = 15
    REBATE_WRONG = 16
    REBATE_CUT_TO_CENT = 17
    NINETY_DAYS = 18
    TWO_PARTS = 19
    LINEAGE = 20
    REDELIVERED = 21
    SECOND_REBATE_TYPE = 22
    MFP_REVERSAL = 23
    MFP_NOT_ELIGIBLE = 24
    UNITS_TENFOLD = 25
    PRICE_SHIFTED = 26
    MFP_REFUND_NOT_ELIGIBLE = 27
    SECOND_ICN = 28
    ICN_NAMED = 29  # a second ICN whose cross reference names the first
    OUTSIDE_PROGRAM = 30
    CHILDREN_IN_MEDICAID = 31
    URA_TOO_HIGH = 32
    URA_ZERO = 33
    PERIOD_TOO_LATE = 34
    PAID_NEXT_QUARTER = 35
    PRESCRIBER_INVALID = 36
    PRESCRIBER_DEA = 37
    HCPCS_AS_NDC = 38
    HCPCS_CODE_WRONG = 39
    HCPCS_CODE_UNLISTED = 40
    COMPOUND = 41  # of three months' quantity
    MEDICAID_TOO = 42  # another payer's dispense that Medicaid asks for as well
    MEDICAID_AFTER_OTHERS = 43  # the same, where Medicaid paid what was left
    TWO_ENTITIES = 44  # another entity reports the dispense as well
    TWO_ENTITIES_ONE_REVERSED = 45  # and takes it back
    REPORTED_AGAIN = 46  # by the same entity, late
    REVERSED_AND_REPORTED = 47  # by the same entity, after it had taken the first claim back
    REPORTED_LATE = 48
    REPORTED_ON_LAST_DAY = 49  # that a usual policy allows
    MEASURED_EACH = 50  # in another unit than the product's, so that packages are taken for units of it
    NAMED_EACH = 51  # in another unit than the product's by name alone
    HALF_A_UNIT = 52  # too much
    PACKAGE_BROKEN = 53
    PART_IN_COMPOUND = 54  # of a package
    PAID_AFTER_A_YEAR = 55
    PAID_WITHIN_A_YEAR = 56
    CREDITED_BEFORE = 57
    CREDITED_AFTER = 58  # the claim was received
    DISPUTED_BEFORE = 59
    WITH_HYPHENS = 60  # in the NDC
    IN_HCPCS_UNITS = 61
    OTHER_PROGRAM_AFTER_VOID = 62  # asked for again, the first claim taken back
    OTHER_STATE_AFTER_VOID = 63
    OTHER_PERIOD_AFTER_VOID = 64
    PERIOD_BARRED = 65  # given a period that can no longer be disputed
    PERIOD_OLD = 66  # one that still can
    PART_B_UNMARKED = 67  # billed to Medicare Part B without a 340B modifier
    PART_B_MARKED = 68
    PAID_MOSTLY_BY_OTHERS = 69
    FLAG_AT_COST = 70  # paid at the entity's cost, and flagged as 340B
    PRESCRIBER_KNOWN = 71  # who writes the drug for the entity's patients alone
    AFTER_OTHERS = 72  # asked for twice, the second time for what another payer left
    DISCARDED_AS_NDC = 73  # the discarded part of a vial, with as many HCPCS units as NDC units
    HALF_IN_SECOND_PART = 74


@dataclass(frozen=True)
class Scenario:
    """One kind of planned case. `share`: its part of the rate, where one rule has several kinds."""

    kind: str
    rule: str
    label: Label = Label.TRUTH
    programs: tuple[int, ...] = MEDICAID
    products: Pool = Pool.ORDINARY
    place: Place = Place.RETAIL
    entity: Entity = Entity.NOTHING
    terms: Terms = Terms.NONE
    days: Days = Days.ANY
    twist: Twist = Twist.NONE
    share: float = 1.0
    subject: Subject = Subject.REBATE_CLAIM  # whose row is labelled; no payer asks for a rebate on an ENTITY_CLAIM
    in_pattern: bool = False  # a thing of many dispenses, which few cannot make

    def rate(self, settings: SyntheticSettings) -> float:
        """Of all dispenses."""
        rates = {
            Label.TRUTH: settings.violation_rate,
            Label.LOOK_ALIKE: settings.look_alike_rate,
            Label.ANOMALY: settings.anomaly_rate,
            Label.WATCH: settings.late_reversal_rate,
        }
        return self.share * rates[self.label]


def _linked(rule: str, programs: tuple[int, ...], terms: Terms = Terms.NONE, **more) -> Scenario:
    """A claim for a dispense that an entity reported."""
    values = {"place": Place.CONTRACT, "entity": Entity.LIVE, "products": Pool.AT_340B, "kind": "reported_as_340b"}
    return Scenario(**{**values, **more}, rule=rule, programs=programs, terms=terms)


def _look_alike(kind: str, rule: str, **more) -> Scenario:
    return Scenario(kind, rule, Label.LOOK_ALIKE, **more)


def _on_entity_claim(kind: str, rule: str, label: Label = Label.TRUTH, **more) -> Scenario:
    """What an entity reports; half as often as others, so that enough is left of ordinary 340B claims."""
    values = {"products": Pool.AT_340B, "place": Place.CONTRACT, "entity": Entity.LIVE, "programs": CONTRACTED}
    return Scenario(kind, rule, label, **{**values, "share": 0.5, **more}, subject=Subject.ENTITY_CLAIM)


def _entity_look_alike(kind: str, rule: str, **more) -> Scenario:
    return _on_entity_claim(kind, rule, Label.LOOK_ALIKE, **more)


_MEDICAL: dict[str, Any] = {"products": Pool.INFUSED, "place": Place.CLINIC}
_PATTERN: dict[str, Any] = {
    "rule": "R050", "products": Pool.TELEHEALTH, "place": Place.FAR, "days": Days.OF_PATTERN, "in_pattern": True
}  # fmt: skip
_REFUND: dict[str, Any] = {"programs": (MFP,), "products": Pool.SELECTED, "days": Days.MFP_IN_FORCE}

VIOLATIONS = (
    Scenario("flag", "R001", programs=(FFS,), twist=Twist.FLAG, share=0.7),
    Scenario("modifier", "R001", programs=(FFS,), products=Pool.INFUSED, place=Place.CLINIC, twist=Twist.MODIFIER,
             share=0.3),
    Scenario("listed_biller", "R002", programs=(FFS,), products=Pool.CLINIC, place=Place.OWN_IN_FILE),
    _linked("R003", (FFS,)),
    Scenario("flag", "R004", programs=(MCO,), twist=Twist.FLAG, share=0.7),
    Scenario("modifier", "R004", programs=(MCO,), products=Pool.INFUSED, place=Place.CLINIC, twist=Twist.MODIFIER,
             share=0.3),
    _linked("R005", (MCO,)),
    _linked("R008", (COMMERCIAL,), Terms.EXCLUDES, share=0.6),
    _linked("R008", (COMMERCIAL,), Terms.EXCLUDES_ENTITY_OWNED, place=Place.OWN, share=0.2),
    _linked("R008", (COMMERCIAL,), Terms.EXCLUDES_LISTED, place=Place.CONTRACT_LISTED, share=0.2),
    _linked("R009", (PARTD,), Terms.EXCLUDES),
    _linked("R011", (MFP,), products=Pool.SELECTED, days=Days.MFP_IN_FORCE),
    Scenario("same_period", "R016", twist=Twist.SAME_PERIOD),
    Scenario("other_program", "R017", twist=Twist.OTHER_PROGRAM),
    Scenario("other_state", "R018", twist=Twist.OTHER_STATE),
    Scenario("other_period", "R019", programs=(FFS,), days=Days.BEFORE_LAST_QUARTER, twist=Twist.OTHER_PERIOD),
    Scenario("reversed", "R020", twist=Twist.REVERSED),
    Scenario("paid_nothing", "R021", programs=(FFS,), products=Pool.LOCAL, twist=Twist.PAID_NOTHING),
    Scenario("terminated", "R022", products=Pool.RETIRED),
    Scenario("before_market", "R024", products=Pool.LAUNCH, days=Days.BEFORE_MARKET),
    Scenario("units_eightfold", "R035", products=Pool.LOCAL, twist=Twist.UNITS_EIGHTFOLD),
    Scenario("paid_too_little", "R036", products=Pool.LOCAL, twist=Twist.PAID_TOO_LITTLE),
    Scenario("rebate_wrong", "R053", twist=Twist.REBATE_WRONG),
    Scenario("flag", "R010", programs=CONTRACTED, twist=Twist.FLAG, terms=Terms.EXCLUDES),
    Scenario("second_icn", "R012", twist=Twist.SECOND_ICN, **_REFUND),
    Scenario("refund_not_eligible", "R013", twist=Twist.MFP_REFUND_NOT_ELIGIBLE, **_REFUND),
    Scenario("excluded_product", "R026", products=Pool.EXCLUDED),
    Scenario("labeler_sold", "R027", products=Pool.SOLD, days=Days.LABELER_WAS_SOLD),
    Scenario("hcpcs_as_ndc", "R031", twist=Twist.HCPCS_AS_NDC, **_MEDICAL),
    Scenario("code_of_another", "R032", twist=Twist.HCPCS_CODE_WRONG, **_MEDICAL),
    Scenario("whole_compound", "R033", products=Pool.LOCAL, twist=Twist.COMPOUND),
    Scenario("prescriber_invalid", "R051", twist=Twist.PRESCRIBER_INVALID),
    Scenario("period_too_late", "R054", programs=(MCO,), days=Days.BEFORE_LAST_QUARTER, twist=Twist.PERIOD_TOO_LATE),
    Scenario("price_too_high", "R056", twist=Twist.URA_TOO_HIGH),
    Scenario("medicaid_too", "R057", programs=(COMMERCIAL,), twist=Twist.MEDICAID_TOO),
    Scenario("outside_program", "R058", twist=Twist.OUTSIDE_PROGRAM),
    Scenario("unknown_ndc", "R025", products=Pool.UNKNOWN),
    Scenario("measured_each", "R028", products=Pool.LOCAL_LIQUID, twist=Twist.MEASURED_EACH),
    Scenario("half_a_capsule", "R029", products=Pool.CAPSULE, twist=Twist.HALF_A_UNIT),
    Scenario("broken_tube", "R030", products=Pool.TUBE, twist=Twist.PACKAGE_BROKEN),
    Scenario("period_barred", "R040", programs=(FFS,), twist=Twist.PERIOD_BARRED),
    Scenario("paid_after_a_year", "R041", programs=(FFS,), days=Days.OVER_A_YEAR_AGO, twist=Twist.PAID_AFTER_A_YEAR),
    Scenario("credited_before", "R059", twist=Twist.CREDITED_BEFORE),
    _on_entity_claim("terminated", "R022", products=Pool.RETIRED, place=Place.OWN),
    _on_entity_claim("entity_left", "R042", place=Place.OWN_ENDED, days=Days.AFTER_END),
    _on_entity_claim("unregistered", "R043", place=Place.UNREGISTERED),
    _on_entity_claim("contract_ended", "R043", place=Place.CONTRACT_ENDED, days=Days.AFTER_END),
    _on_entity_claim("orphan_drug", "R045", products=Pool.ORPHAN, place=Place.OWN_WITHOUT_ORPHANS),
    _on_entity_claim("two_entities", "R046", place=Place.CONTRACT_SHARED, twist=Twist.TWO_ENTITIES),
    _on_entity_claim("reported_again", "R047", twist=Twist.REPORTED_AGAIN),
    _on_entity_claim("reported_late", "R048", twist=Twist.REPORTED_LATE),
    _on_entity_claim("line_without_modifier", "R015", products=Pool.INFUSED, place=Place.OWN,
                     twist=Twist.PART_B_UNMARKED),
    _on_entity_claim("far_and_many", **_PATTERN),
    Scenario("flag_at_acquisition_cost", "R001", programs=(FFS,), products=Pool.LOCAL, twist=Twist.FLAG_AT_COST,
             share=0.5),
)  # fmt: skip

_REPORTED = {"products": Pool.AT_340B, "place": Place.CONTRACT, "entity": Entity.LIVE}

LOOK_ALIKES = (
    _look_alike("modifier_of_other_state", "R001", programs=(FFS,), twist=Twist.MODIFIER_OF_OTHER_STATE, **_MEDICAL),
    _look_alike("modifier_not_yet_in_use", "R001", programs=(FFS,), twist=Twist.MODIFIER_TOO_EARLY,
                days=Days.BEFORE_SC_MODIFIER, **_MEDICAL),
    _look_alike("modifier_of_other_state", "R004", programs=(MCO,), twist=Twist.MODIFIER_OF_OTHER_STATE, **_MEDICAL),
    _look_alike("state_goes_by_other_method", "R002", programs=(FFS,), products=Pool.CLINIC,
                place=Place.OWN_OTHER_METHOD),
    _look_alike("listed_for_other_state", "R002", programs=(FFS,), products=Pool.CLINIC, place=Place.OWN_OTHER_STATE),
    _look_alike("listed_in_other_quarter", "R002", programs=(FFS,), products=Pool.CLINIC,
                place=Place.OWN_FIRST_QUARTERS, days=Days.NO_LONGER_LISTED),
    _look_alike("listed_but_managed_care", "R002", programs=(MCO,), products=Pool.CLINIC, place=Place.OWN_IN_FILE),
    _look_alike("entity_claim_reversed", "R003", programs=(FFS,), **{**_REPORTED, "entity": Entity.REVERSED}),
    _look_alike("entity_says_not_340b", "R003", programs=(FFS,), **{**_REPORTED, "entity": Entity.NOT_340B}),
    _look_alike("entity_claim_reversed", "R005", programs=(MCO,), **{**_REPORTED, "entity": Entity.REVERSED}),
    _look_alike("entity_says_not_340b", "R005", programs=(MCO,), **{**_REPORTED, "entity": Entity.NOT_340B}),
    _look_alike("no_exclusion", "R008", programs=(COMMERCIAL,), terms=Terms.NO_EXCLUSION, **_REPORTED),
    _look_alike("exclusion_ended", "R008", programs=(COMMERCIAL,), terms=Terms.EXCLUDED_ONCE,
                days=Days.AFTER_EXCLUSION_ENDED, **_REPORTED),
    _look_alike("pharmacy_not_entity_owned", "R008", programs=(COMMERCIAL,), terms=Terms.EXCLUDES_ENTITY_OWNED,
                **_REPORTED),
    _look_alike("pharmacy_not_listed", "R008", programs=(COMMERCIAL,), terms=Terms.EXCLUDES_LISTED,
                **{**_REPORTED, "place": Place.CONTRACT_UNLISTED}),
    _look_alike("no_exclusion", "R009", programs=(PARTD,), terms=Terms.NO_EXCLUSION, **_REPORTED),
    _look_alike("claim_not_flagged", "R009", programs=(PARTD,), terms=Terms.EXCLUDES_FLAGGED, **_REPORTED),
    _look_alike("mfp_reversal", "R011", programs=(MFP,), twist=Twist.MFP_REVERSAL, days=Days.MFP_IN_FORCE,
                **{**_REPORTED, "products": Pool.SELECTED}),
    _look_alike("mfp_not_eligible", "R011", programs=(MFP,), twist=Twist.MFP_NOT_ELIGIBLE, days=Days.MFP_IN_FORCE,
                **{**_REPORTED, "products": Pool.SELECTED}),
    _look_alike("before_mfp", "R011", programs=(MFP,), days=Days.BEFORE_MFP,
                **{**_REPORTED, "products": Pool.SELECTED}),
    _look_alike("two_parts", "R016", products=Pool.SELECTED, twist=Twist.TWO_PARTS),
    _look_alike("lineage", "R016", twist=Twist.LINEAGE),
    _look_alike("redelivered", "R016", twist=Twist.REDELIVERED),
    _look_alike("second_rebate_type", "R016", products=Pool.LOCAL, twist=Twist.SECOND_REBATE_TYPE),
    _look_alike("another_payer_first", "R016", twist=Twist.AFTER_OTHERS),
    _look_alike("rebilled", "R020", twist=Twist.REBILLED),
    _look_alike("paid_by_others", "R021", programs=(FFS,), products=Pool.LOCAL, twist=Twist.PAID_BY_OTHERS),
    _look_alike("managed_care_paid_nothing", "R021", programs=(MCO,), products=Pool.LOCAL, twist=Twist.PAID_NOTHING),
    _look_alike("reactivated", "R022", products=Pool.REACTIVATED),
    _look_alike("year_after_termination", "R022", programs=(MCO,), products=Pool.YEAR_AFTER,
                days=Days.YEAR_AFTER_TERMINATION),
    _look_alike("on_market_date", "R024", products=Pool.LAUNCH, days=Days.ON_MARKET_DATE),
    _look_alike("ninety_days", "R035", products=Pool.LOCAL, twist=Twist.NINETY_DAYS),
    _look_alike("cut_to_the_cent", "R053", twist=Twist.REBATE_CUT_TO_CENT),
    _look_alike("contract_allows", "R010", programs=CONTRACTED, twist=Twist.FLAG, terms=Terms.NO_EXCLUSION),
    _look_alike("named_icn", "R012", twist=Twist.ICN_NAMED, **_REFUND),
    _look_alike("nothing_refunded", "R013", twist=Twist.MFP_NOT_ELIGIBLE, **_REFUND),
    _look_alike("labeler_not_yet_sold", "R027", products=Pool.SOLD, days=Days.BEFORE_LABELER_SOLD),
    _look_alike("discarded_part", "R031", twist=Twist.DISCARDED_AS_NDC, **_MEDICAL),
    _look_alike("unlisted_code", "R032", twist=Twist.HCPCS_CODE_UNLISTED, **_MEDICAL),
    _look_alike("no_compound", "R033", products=Pool.LOCAL, twist=Twist.NINETY_DAYS),
    _look_alike("dea_number", "R051", twist=Twist.PRESCRIBER_DEA),
    _look_alike("paid_next_quarter", "R054", programs=(FFS,), days=Days.BEFORE_LAST_QUARTER,
                twist=Twist.PAID_NEXT_QUARTER),
    _look_alike("price_zero", "R056", twist=Twist.URA_ZERO),
    _look_alike("medicaid_after_others", "R057", programs=(COMMERCIAL,), twist=Twist.MEDICAID_AFTER_OTHERS),
    _look_alike("children_in_medicaid", "R058", twist=Twist.CHILDREN_IN_MEDICAID),
    _look_alike("other_program_after_void", "R017", twist=Twist.OTHER_PROGRAM_AFTER_VOID),
    _look_alike("other_state_after_void", "R018", twist=Twist.OTHER_STATE_AFTER_VOID),
    _look_alike("other_period_after_void", "R019", programs=(FFS,), days=Days.BEFORE_LAST_QUARTER,
                twist=Twist.OTHER_PERIOD_AFTER_VOID),
    _look_alike("in_hcpcs_units", "R031", twist=Twist.IN_HCPCS_UNITS, **_MEDICAL),
    _look_alike("period_old", "R040", programs=(FFS,), twist=Twist.PERIOD_OLD),
    _look_alike("with_hyphens", "R025", twist=Twist.WITH_HYPHENS),
    _look_alike("named_each", "R028", products=Pool.LOCAL_LIQUID, twist=Twist.NAMED_EACH),
    _look_alike("half_a_tablet", "R029", products=Pool.LOCAL, twist=Twist.HALF_A_UNIT),
    _look_alike("part_in_compound", "R029", products=Pool.CAPSULE, twist=Twist.PART_IN_COMPOUND),
    _look_alike("two_parts", "R029", products=Pool.CAPSULE, twist=Twist.HALF_IN_SECOND_PART),
    _look_alike("part_in_compound", "R030", products=Pool.TUBE, twist=Twist.PART_IN_COMPOUND),
    _look_alike("two_parts", "R030", products=Pool.TUBE, twist=Twist.TWO_PARTS),
    _look_alike("paid_within_a_year", "R041", programs=(FFS,), days=Days.OVER_A_YEAR_AGO,
                twist=Twist.PAID_WITHIN_A_YEAR),
    _look_alike("credited_after", "R059", twist=Twist.CREDITED_AFTER),
    _look_alike("disputed_before", "R059", twist=Twist.DISPUTED_BEFORE),
    _entity_look_alike("reactivated", "R022", products=Pool.REACTIVATED, place=Place.OWN),
    _entity_look_alike("before_entity_left", "R042", place=Place.OWN_ENDED, days=Days.BEFORE_END),
    _entity_look_alike("own_pharmacy", "R043", place=Place.OWN),
    _entity_look_alike("contract_still_held", "R043", place=Place.CONTRACT_ENDED, days=Days.BEFORE_END),
    _entity_look_alike("contract_of_parent", "R043", place=Place.CONTRACT_OF_PARENT),
    _entity_look_alike("entity_may_buy_orphans", "R045", products=Pool.ORPHAN, place=Place.OWN_WITH_ORPHANS),
    _entity_look_alike("other_entity_took_back", "R046", place=Place.CONTRACT_SHARED,
                       twist=Twist.TWO_ENTITIES_ONE_REVERSED),
    _entity_look_alike("first_report_taken_back", "R047", twist=Twist.REVERSED_AND_REPORTED),
    _entity_look_alike("on_the_last_day", "R048", twist=Twist.REPORTED_ON_LAST_DAY),
    _entity_look_alike("line_with_modifier", "R015", products=Pool.INFUSED, place=Place.OWN,
                       twist=Twist.PART_B_MARKED),
    _entity_look_alike("pharmacy_near", **{**_PATTERN, "place": Place.NEAR}),
    _entity_look_alike("own_pharmacy_far", **{**_PATTERN, "place": Place.FAR_OWN}),
    _entity_look_alike("usual_volume", **{**_PATTERN, "place": Place.FAR_OF_OTHERS, "share": 1.0}),
    _entity_look_alike("prescriber_known", **{**_PATTERN, "days": Days.ANY}, twist=Twist.PRESCRIBER_KNOWN),
    _look_alike("paid_mostly_by_others", "R036", products=Pool.LOCAL, twist=Twist.PAID_MOSTLY_BY_OTHERS),
    _look_alike("reactivated_within_the_year", "R023", products=Pool.BACK_SOON, days=Days.WITHIN_YEAR_OF_LEAVE),
    _look_alike("prenatal_vitamin", "R026", products=Pool.PRENATAL),
)  # fmt: skip

_NOT_MEDICAID = (COMMERCIAL, PARTD)

ODDITIES = (
    Scenario("units_times_ten", "", Label.ANOMALY, programs=_NOT_MEDICAID, twist=Twist.UNITS_TENFOLD),
    Scenario("price_shifted", "", Label.ANOMALY, programs=_NOT_MEDICAID, twist=Twist.PRICE_SHIFTED),
    Scenario("reversed_after_receipt", "R020", Label.WATCH, twist=Twist.REVERSED_LATE),
)

SCENARIOS = (*VIOLATIONS, *LOOK_ALIKES, *ODDITIES)

PLAIN = -1
# Per scenario, the last entry for PLAIN.
ON_ENTITY_CLAIM = np.array([*(scenario.subject == Subject.ENTITY_CLAIM for scenario in SCENARIOS), False])


def column(name: str) -> np.ndarray:
    """One attribute of every scenario; the last entry serves PLAIN dispenses (code -1) and is 0."""
    return np.array([*(int(getattr(scenario, name)) for scenario in SCENARIOS), 0])


def planned_share(settings: SyntheticSettings) -> float:
    """Part of all dispenses that is planned. Raises ConfigurationError where too little would be left."""
    share = sum(scenario.rate(settings) for scenario in SCENARIOS)
    if share > 0.5:
        raise ConfigurationError(
            Problem(
                "the rates of planned cases leave too few ordinary dispenses",
                "synthetic.violation_rate, synthetic.look_alike_rate, synthetic.anomaly_rate",
                f"{share:.0%} of all dispenses",
                "at most 50 % together",
                "lower the rates",
            )
        )
    return share


def planned_codes(
    settings: SyntheticSettings, claims: int, start: int, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Scenario of each of `size` dispenses from the number `start` on, of `claims` in all; PLAIN for most.

    Of the first n dispenses, floor(rate x n) are of a scenario, however they are cut into chunks.
    """
    makes_pattern = claims >= FEWEST_IN_PATTERN and claims * settings.look_alike_rate >= ENTITIES_IN_PATTERN
    rates = [scenario.rate(settings) * (makes_pattern or not scenario.in_pattern) for scenario in SCENARIOS]
    counts = [int(rate * (start + size) + 1e-9) - int(rate * start + 1e-9) for rate in rates]
    codes = np.full(size, PLAIN, dtype=np.int64)
    codes[rng.permutation(size)[: sum(counts)]] = np.repeat(np.arange(len(SCENARIOS)), counts)
    return codes
