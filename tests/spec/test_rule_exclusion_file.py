"""R002: the billing number stands in the Medicaid Exclusion File of the quarter of service."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, Spec, rule_test

SPECS = [
    Spec(
        "R002",
        Subject.REBATE_CLAIM,
        CLAIM + "; mef_listed_as=NPI 1234567893; mef_quarter=2025Q3; mef_snapshot_date=2025-06-16; "
        "entity_units_asked_for=300",
        """
        case                             | program  | mef_entity_id | state_340b_method     | entity_bought_at_340b | entity_units_bought || fires
        state uses the file              | MDRP_FFS | DSH330214     | MEF                   | yes                   | 300                 || yes
        state's method not known         | MDRP_FFS | DSH330214     | -                     | yes                   | 300                 || yes
        two guards open: one step        | MDRP_FFS | DSH330214     | -                     | -                     | 300                 || yes
        entity never bought it           | MDRP_FFS | DSH330214     | MEF                   | no                    | 300                 || yes
        more is asked for than it bought | MDRP_FFS | DSH330214     | MEF                   | yes                   | 200                 || yes
        units of a package not known     | MDRP_FFS | DSH330214     | MEF                   | yes                   | -                   || yes
        weak is the bottom               | MDRP_FFS | DSH330214     | -                     | no                    | 300                 || yes
        state goes by claim flags        | MDRP_FFS | DSH330214     | CLAIM_FLAG            | yes                   | 300                 || held back
        either alone marks a claim       | MDRP_FFS | DSH330214     | MEF&CLAIM_FLAG        | yes                   | 300                 || yes
        several, not the file            | MDRP_FFS | DSH330214     | CLAIM_FLAG&RETRO_FILE | yes                   | 300                 || held back
        state sends files later          | MDRP_FFS | DSH330214     | RETRO_FILE            | -                     | 300                 || held back
        entity carves out: unlisted      | MDRP_FFS | -             | MEF                   | yes                   | 300                 || no
        file says nothing of MCO         | MDRP_MCO | DSH330214     | MEF                   | yes                   | 300                 || no

        case                             || evidence | code | action  | guards
        state uses the file              || STRONG   | X    | DISPUTE | STATE_METHOD PASSED, NO_340B_PURCHASE PASSED, EXCEEDS_340B_PURCHASES PASSED
        state's method not known         || MEDIUM   | X    | DISPUTE | STATE_METHOD UNCHECKED, NO_340B_PURCHASE PASSED
        two guards open: one step        || MEDIUM   | X    | DISPUTE | STATE_METHOD UNCHECKED, NO_340B_PURCHASE UNCHECKED
        entity never bought it           || WEAK     | X    | INQUIRE | STATE_METHOD PASSED, NO_340B_PURCHASE FAILED
        more is asked for than it bought || MEDIUM   | X    | DISPUTE | EXCEEDS_340B_PURCHASES FAILED
        units of a package not known     || MEDIUM   | X    | DISPUTE | EXCEEDS_340B_PURCHASES UNCHECKED
        weak is the bottom               || WEAK     | X    | INQUIRE | STATE_METHOD UNCHECKED, NO_340B_PURCHASE FAILED
        state goes by claim flags        ||          |      |         | STATE_METHOD FAILED
        either alone marks a claim       || STRONG   | X    | DISPUTE | STATE_METHOD PASSED
        several, not the file            ||          |      |         | STATE_METHOD FAILED
        state sends files later          ||          |      |         | STATE_METHOD FAILED

        case                             || says
        state uses the file              || billed under NPI 1234567893 ... Exclusion File for 2025Q3 (file of 2025-06-16) ... DSH330214
        """,  # noqa: E501
        needs=("program", "mef_entity_id", "units"),
    ),
]
test_rule = rule_test(SPECS)
