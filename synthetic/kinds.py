"""The attributes of planned dispenses: label, place, the entity's report, time, and what is unusual."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Label(StrEnum):
    """The table that labels the row: rules must fire, must not fire, or may do either."""

    TRUTH = "truth"
    LOOK_ALIKE = "look_alikes"
    ANOMALY = "anomalies"  # unusual, and no rule describes it
    USUAL = "anomaly_look_alikes"  # looks unusual, and is not
    GROUP = "group_anomalies"  # of a group's month that is unusual as a whole
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
    UNREGISTERED = 13  # not under contract with the entity's system
    CONTRACT_ENDED = 14  # a contract pharmacy whose contract ends
    CONTRACT_OF_PARENT = 15  # under contract with the entity's parent only
    MOVED_OUT = 21  # under contract with the parent that the entity had at first
    MOVED_IN = 22  # under contract with the parent that the entity has since
    CONTRACT_SHARED = 16  # under contract with an entity of another system too
    FAR = 17  # a contract pharmacy far from the entity; always the same one
    FAR_OF_OTHERS = 18  # a far contract pharmacy of other entities
    FAR_OWN = 19  # a pharmacy that the entity of FAR owns
    NEAR = 20  # a contract pharmacy of that entity in its own state
    MANY_IN_MONTH = 23  # a retail pharmacy with many claims in one month
    DEAR_IN_MONTH = 24  # a retail pharmacy that is paid a little more in one month
    ALWAYS_DEAR = 25  # a retail pharmacy that is always paid a little more
    OWN_MANY_IN_MONTH = 26  # of a covered entity with many 340B claims in one month
    OWN_MANY_REVERSED = 27  # of a covered entity that reversed the many 340B claims of one month


class Entity(IntEnum):
    """How the covered entity reported the dispense."""

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
    AFTER_END = 12  # of the entity's part in the program, of its contract, or of its time under the first parent
    BEFORE_END = 13
    OVER_A_YEAR_AGO = 14
    WITHIN_YEAR_OF_LEAVE = 15  # of products that were back soon
    OF_PATTERN = 16
    OF_MONTH = 17  # in which groups are unusual


class Twist(IntEnum):
    """What is special about the claim itself."""

    NONE = 0
    FLAG = 1
    MODIFIER = 2
    MODIFIER_OF_OTHER_STATE = 3
    MODIFIER_TOO_EARLY = 4
    SAME_PERIOD = 5  # billed twice
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
    MEDICAID_TOO = 42  # another payer's dispense that Medicaid bills as well
    MEDICAID_AFTER_OTHERS = 43  # the same, if Medicaid paid what was left
    TWO_ENTITIES = 44  # another entity reports the dispense as well
    TWO_ENTITIES_ONE_REVERSED = 45  # and reverses it
    REPORTED_AGAIN = 46  # by the same entity, late
    REVERSED_AND_REPORTED = 47  # by the same entity, after it had reversed the first claim
    REPORTED_LATE = 48
    REPORTED_ON_LAST_DAY = 49  # that a usual policy allows
    MEASURED_EACH = 50  # in a unit other than the product's, so that units are multiplied by the package size
    NAMED_EACH = 51  # a unit of measure other than the product's, with correct units
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
    OTHER_PROGRAM_AFTER_VOID = 62  # billed again after the first claim was voided
    OTHER_STATE_AFTER_VOID = 63
    OTHER_PERIOD_AFTER_VOID = 64
    PERIOD_BARRED = 65  # of a quarter that can no longer be disputed
    PERIOD_OLD = 66  # of an old quarter that can still be disputed
    PART_B_UNMARKED = 67  # billed to Medicare Part B without a 340B modifier
    PART_B_MARKED = 68
    PAID_MOSTLY_BY_OTHERS = 69
    FLAG_AT_COST = 70  # paid at the entity's cost, and flagged as 340B
    PRESCRIBER_KNOWN = 71  # a prescriber who prescribes the drug to the entity's patients only
    AFTER_OTHERS = 72  # billed twice, the second time for what another payer left
    DISCARDED_AS_NDC = 73  # the discarded part of a vial, with as many HCPCS units as NDC units
    HALF_IN_SECOND_PART = 74
    OTHERS_UNREPORTED = 75  # whether third parties paid is not reported
    OTHERS_PAID_PART = 76
    CREDITED_IN_PARTS = 77  # on one day, before the claim was received
    CREDITED_PART_AFTER = 78  # twice on one day: half of it
    MFP_PLAN_REVERSAL = 79  # the plan reversed it
    FIRST_ICN_REVERSED = 80  # before the second was billed
    WITHDRAWAL_NOTICE = 81  # for the second ICN; not a reversal
    BILLED_AGAIN_THAT_DAY = 82  # after a reversal, as a bill and not as a rebill
    REVERSED_AGAIN_THAT_DAY = 83
    TAKEN_BACK = 84  # by a later row of negative units
    PART_TAKEN_BACK = 85
    NCPDP_ONLY = 86  # the biller has no NPI on the claim
    CONTRACT_UNNAMED = 87
    SECOND_CONTRACT_UNNAMED = 88  # on the second row only
    TYPE_STATED_ONCE = 89  # the rebate type, on the second row only
    PRICE_PROTECTION = 90  # is the rebate type of the second row
    CONTENTS_MEASURED = 91  # of a kit, in another unit by name
    HCPCS_UNITS_WRONG = 92  # tenfold, with correct NDC units
    PAID_FAR_OFF = 93  # eight times as much, or a twentieth
    UNITS_DOUBLED = 94  # with an unchanged payment
    UNITS_TREBLED = 95
    AMOUNT_SHIFTED = 96  # by a decimal
    DAYS_A_TENTH = 97
    TEN_DAYS = 98  # a third of the units for a third of the days
    DOUBLE_DOSE = 99  # twice the units and payment, for the same days
    UNITS_OF_THREE_MONTHS = 100  # and payment, for the days of one
    PAID_MONTHS_LATER = 101
    PAID_WEEKS_LATER = 102
    PRICE_OF_OTHER_PACKAGE = 103
    PAID_A_LITTLE_MORE = 104
    PRESCRIBER_OF_MONTH = 105  # a prescriber with many prescriptions in one month
