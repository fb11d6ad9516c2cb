"""R035: quantities that do not fit the number of prescriptions."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, LINE, Spec, rule_test

SPECS = [
    Spec(
        "R035",
        Subject.REBATE_CLAIM,
        CLAIM + "; program=MDRP_FFS; peers=412; peer_median_units=30",
        """
        case                              | ndc_units | f24_units_per_prescription_z | peers | peer_median_units | dispensing_status || fires | evidence | code
        ten times the usual               | 300       | 10                           | 412   | 30                | -                 || yes   | MEDIUM   | Q
        a tenth of the usual              | 3         | -10                          | 412   | 30                | -                 || yes   | MEDIUM   | Q
        90-day fill                       | 90        | 10                           | 412   | 30                | -                 || no    |          |
        within the usual spread           | 300       | 4                            | 412   | 30                | -                 || no    |          |
        too few peers for a z-score       | 300       | -                            | 7     | 30                | -                 || no    |          |
        partial fill                      | 3         | -10                          | 412   | 30                | P                 || no    |          |
        completion of ten times the usual | 300       | 10                           | 412   | 30                | C                 || yes   | MEDIUM   | Q
        units not converted               | -         | -                            | 412   | 30                | -                 || no    |          |
        median of nothing                 | 300       | 10                           | 412   | 0                 | -                 || no    |          |

        case                              || action  | units | says
        ten times the usual               || DISPUTE | 270   | Among 412 claims for this product the median is 30 units, so this is 10 times the usual
        a tenth of the usual              || DISPUTE | 0     | 0.1 times the usual
        completion of ten times the usual || DISPUTE | 270   |
        """,  # noqa: E501
        needs=("program", "units", "ndc_units", "f24_units_per_prescription_z", "peer_median_units"),
        no_slow_reading="many rows, patients or quarters far back: test_statistics_rules_property.py",
    ),
    Spec(
        "R035",
        Subject.REBATE_CLAIM,
        CLAIM + "; program=MDRP_FFS; peers=412; peer_median_units=30; f24_units_per_prescription_z=10",
        """
        case                              | ndc_units | f25_units_per_day | peer_median_units_per_day || fires     | evidence | guards
        six times as many, in 30 days     | 180       | 6                 | 1                         || yes       | MEDIUM   | LONGER_SUPPLY PASSED
        90 days of twice the dose         | 180       | 2                 | 1                         || held back |          | LONGER_SUPPLY FAILED
        days of supply not stated         | 180       | -                 | 1                         || yes       | MEDIUM   | LONGER_SUPPLY PASSED
        peers do not state theirs         | 180       | 6                 | -                         || yes       | MEDIUM   | LONGER_SUPPLY PASSED
        """,  # noqa: E501
        needs=("program", "units", "ndc_units", "f24_units_per_prescription_z", "peer_median_units"),
    ),
    Spec(
        "R035",
        Subject.REBATE_CLAIM,
        CLAIM + "; peers=412; peer_median_units=30; ndc_units=300; f24_units_per_prescription_z=10",
        """
        case                              | program    || fires | evidence | code | route | action  | units | says
        under a contract                  | COMMERCIAL || yes   | MEDIUM   | PBM  | PBM   | DISPUTE | 270   | requested a rebate ... 10 times the usual
        a refund under the MFP            | MFP        || no    |          |      |       |         |       |
        """,  # noqa: E501
        needs=("program", "units", "ndc_units", "f24_units_per_prescription_z", "peer_median_units"),
    ),
    Spec(
        "R035",
        Subject.INVOICE,
        LINE,
        """
        case                           | f47_units_per_prescription | units_per_prescription_to_own_median | f47_units_per_prescription_z | peers | own_quarters
        far from its own median        | 25                         | 12.5                                 | 1                            | 200   | 8
        far below its own median       | 25                         | 0.05                                 | 1                            | 200   | 8
        far from other states          | 25                         | 1                                    | 4.1                          | 20    | 8
        far from other states, no past | 25                         | -                                    | -9                           | 20    | -
        public totals                  | 25                         | 12.5                                 | 1                            | 200   | 8
        ten times is not beyond ten    | 25                         | 10                                   | 4                            | 200   | 8
        a tenth is not below           | 25                         | 0.1                                  | -4                           | 200   | 8
        too few other states           | 25                         | 1                                    | 9                            | 19    | 8
        a correction by difference     | 25                         | 12.5                                 | 9                            | 200   | 8
        nothing to compare with        | 25                         | -                                    | -                            | -     | -

        case                           | own_median_units_per_prescription | line_kind         | source_kind || fires | evidence | code | action  | party
        far from its own median        | 2                                 | CURRENT           | INVOICE     || yes   | MEDIUM   | Q    | DISPUTE | STATE
        far below its own median       | 500                               | CURRENT           | INVOICE     || yes   | MEDIUM   | Q    | DISPUTE | STATE
        far from other states          | 25                                | CURRENT           | INVOICE     || yes   | MEDIUM   | Q    | DISPUTE | STATE
        far from other states, no past | -                                 | PRIOR_REPLACEMENT | INVOICE     || yes   | MEDIUM   | Q    | DISPUTE | STATE
        public totals                  | 2                                 | CURRENT           | SDUD        || yes   | MEDIUM   | Q    | INQUIRE | STATE
        ten times is not beyond ten    | 2.5                               | CURRENT           | INVOICE     || no    |          |      |         |
        a tenth is not below           | 250                               | CURRENT           | INVOICE     || no    |          |      |         |
        too few other states           | 25                                | CURRENT           | INVOICE     || no    |          |      |         |
        a correction by difference     | 2                                 | PRIOR_DELTA       | INVOICE     || no    |          |      |         |
        nothing to compare with        | -                                 | CURRENT           | INVOICE     || no    |          |      |         |

        case                           || units | says
        far from its own median        || 920   | State AK invoiced 1000 units ... for 40 prescriptions, 25 units each; its own median over 8 quarters is 2
        far below its own median       || 0     |
        far from other states          || 0     | 20 lines of other states and quarters have quite different quantities per prescription
        far from other states, no past || -     |
        public totals                  || 920   |
        """,  # noqa: E501
        needs=("program", "units_reimbursed", "units_per_prescription_to_own_median"),
    ),
    Spec(
        "R037",
        Subject.INVOICE,
        LINE,
        """
        case                   | f46_units_to_own_median | f46_units_to_own_median_z | own_past_quarters | line_kind   || fires | evidence | code | action
        four times the median  | 4                       | 4.1                       | 4                 | CURRENT     || yes   | WEAK     | S    | INQUIRE
        at the limit           | 4                       | 4                         | 4                 | CURRENT     || no    |          |      |
        far below              | 0.01                    | -9                        | 4                 | CURRENT     || no    |          |      |
        few quarters           | 4                       | 9                         | 3                 | CURRENT     || no    |          |      |
        a difference           | 4                       | 9                         | 4                 | PRIOR_DELTA || no    |          |      |
        three times the median | 3                       | 9                         | 4                 | CURRENT     || no    |          |      |
        few peers              | 4                       | -                         | 4                 | CURRENT     || no    |          |      |

        case                   || units | says
        four times the median  || 750   | 4 times the median of its 4 quarters ... appear inconsistent with the state's own history
        """,  # noqa: E501
        needs=(
            "program",
            "units_reimbursed",
            "f46_units_to_own_median",
            "f46_units_to_own_median_z",
            "own_past_quarters",
        ),
        no_slow_reading="many rows, patients or quarters far back: test_statistics_rules_property.py",
    ),
]
test_rule = rule_test(SPECS)
