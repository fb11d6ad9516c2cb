"""R053: units x unit rebate amount, and totals, do not add up. An adjustment: no units, only money."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, LINE, Spec, rule_test

SPECS = [
    Spec(
        "R053",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case                          | program  | ndc_units | unit_rebate_amount | rebate_amount | price_ura || fires     | evidence | code | action  | units
        asks for more                 | MDRP_FFS | 30        | 2.5                | 90.00         | 2.5       || yes       | STRONG   | I    | INQUIRE | 0
        asks for less                 | MDRP_MCO | 30        | 2.5                | 60.00         | -         || yes       | STRONG   | I    | INQUIRE | 0
        our amount is another one     | MDRP_FFS | 30        | 2.5                | 90.00         | 3         || yes       | STRONG   | A    | INQUIRE | 0
        a cent may be rounding        | MDRP_FFS | 30        | 2.5                | 75.01         | 2.5       || no        |          |      |         |
        two cents are not             | MDRP_FFS | 30        | 2.5                | 75.02         | 2.5       || yes       | STRONG   | I    | INQUIRE | 0
        rounded to cents before it    | MDRP_FFS | 1         | 10.004999          | 10.01         | -         || no        |          |      |         |
        half a cent up                | MDRP_FFS | 1         | 10.005             | 10.03         | -         || yes       | STRONG   | I    | INQUIRE | 0
        zero stated: we calculate     | MDRP_FFS | 30        | 0                  | 75.00         | 2.5       || held back |          |      |         |
        zero stated, zero asked       | MDRP_FFS | 30        | 0                  | 0             | 2.5       || no        |          |      |         |
        no amount stated              | MDRP_FFS | 30        | -                  | 75.00         | 2.5       || no        |          |      |         |
        no rebate stated              | MDRP_FFS | 30        | 2.5                | -             | 2.5       || no        |          |      |         |
        units not converted           | MDRP_FFS | -         | 2.5                | 90.00         | 2.5       || no        |          |      |         |
        a credit that does not add up | MDRP_FFS | -30       | 2.5                | -90.00        | 2.5       || yes       | STRONG   | I    | INQUIRE | 0
        a credit that is too small    | MDRP_FFS | -30       | 2.5                | -60.00        | 2.5       || yes       | STRONG   | I    | INQUIRE | 0
        not a Medicaid claim          | PARTD    | 30        | 2.5                | 90.00         | 2.5       || no        |          |      |         |

        case                          || amount | guards          | says
        asks for more                 || 15     | ZERO_URA PASSED | bills $90.00, but 30 units at the stated $2.50 per unit make $75.00 ... wrong by $15.00
        asks for less                 || 0      |                 |
        our amount is another one     || 15     |                 |
        two cents are not             || 0.02   |                 |
        half a cent up                || 0.02   |                 |
        zero stated: we calculate     ||        | ZERO_URA FAILED |
        a credit that does not add up || 0      |                 |
        a credit that is too small    || 0      |                 |
        """,  # noqa: E501
        needs=("program", "ndc_units", "unit_rebate_amount", "rebate_amount"),
    ),
    Spec(
        "R053",
        Subject.REBATE_CLAIM,
        CLAIM + "; rebate_type=SUPPLEMENTAL",
        """
        case                       | program  | ndc_units | unit_rebate_amount | rebate_amount | price_ura || fires | evidence | code | action  | units | amount
        ours is the federal amount | MDRP_FFS | 30        | 0.8                | 24.05         | 12.1      || yes   | STRONG   | I    | INQUIRE | 0     | 0.05
        """,  # noqa: E501
        needs=("program", "ndc_units", "unit_rebate_amount", "rebate_amount"),
    ),
    Spec(
        "R056",
        Subject.REBATE_CLAIM,
        CLAIM + "; units=-30; ndc_units=-30",
        """
        case                             | program  | unit_rebate_amount | price_ura || fires | evidence | code | action  | units | amount
        credited at too high a price     | MDRP_FFS | 5                  | 4         || yes   | STRONG   | A    | INQUIRE | 0     | 0
        credited at too low a price      | MDRP_FFS | 4                  | 5         || yes   | STRONG   | A    | INQUIRE | 0     | 0
        """,  # noqa: E501
        needs=("program", "unit_rebate_amount", "price_ura"),
    ),
    Spec(
        "R053",
        Subject.INVOICE,
        LINE,
        """
        case                      | unit_rebate_amount | rebate_amount | total_amount | medicaid_amount | non_medicaid_amount | price_ura | source_kind
        rebate is off             | 2.5                | 2600.00       | 900.00       | 800.00          | 100.00              | 2.5       | INVOICE
        asks for less             | 2.5                | 2400.00       | -            | -               | -                   | 2.5       | INVOICE
        our amount is another one | 2.5                | 2600.00       | -            | -               | -                   | 2.6       | INVOICE
        total is off              | 2.5                | 2500.00       | 950.00       | 800.00          | 100.00              | 2.5       | INVOICE
        public totals are off     | -                  | -             | 950.00       | 800.00          | 100.00              | -         | SDUD
        both are off              | 2.5                | 2600.00       | 950.00       | 800.00          | 100.00              | 2.5       | INVOICE
        adds up                   | 2.5                | 2500.01       | 900.01       | 800.00          | 100.00              | 2.5       | INVOICE
        zero stated: we calculate | 0                  | 2500.00       | 900.00       | 800.00          | 100.00              | 2.5       | INVOICE
        one part not stated       | -                  | 2500.00       | 950.00       | 800.00          | -                   | 2.5       | INVOICE
        numbers withheld          | 2.5                | 2600.00       | 950.00       | 800.00          | 100.00              | 2.5       | SDUD

        case                      | suppressed || fires | evidence | code | action  | units | amount
        rebate is off             | no         || yes   | STRONG   | I    | INQUIRE | 0     | 100
        asks for less             | no         || yes   | STRONG   | I    | INQUIRE | 0     | 0
        our amount is another one | no         || yes   | STRONG   | A    | INQUIRE | 0     | 100
        total is off              | no         || yes   | STRONG   | -    | INQUIRE | 0     | 0
        public totals are off     | no         || yes   | STRONG   | -    | INQUIRE | 0     | 0
        both are off              | no         || yes   | STRONG   | I    | INQUIRE | 0     | 100
        adds up                   | no         || no    |          |      |         |       |
        zero stated: we calculate | no         || no    |          |      |         |       |
        one part not stated       | no         || no    |          |      |         |       |
        numbers withheld          | yes        || no    |          |      |         |       |

        case                      || says
        rebate is off             || 1000 units at the stated $2.50 per unit make $2,500.00, but $2,600.00 is billed, a difference of $100.00
        asks for less             || a difference of $100
        total is off              || stated as $950.00, but its Medicaid part of $800.00 and its other part of $100.00 make $900.00
        both are off              || $2,600.00 ... $950.00
        """,  # noqa: E501
        needs=("program", "units_reimbursed", "unit_rebate_amount", "rebate_amount"),
    ),
    Spec(
        "R056",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case                  | program  | unit_rebate_amount | price_ura | rebate_type  || fires     | evidence | code | action  | units | amount
        too high              | MDRP_FFS | 2.5                | 2.25      | -            || yes       | STRONG   | A    | INQUIRE | 0     | 7.5
        too low               | MDRP_MCO | 2.5                | 2.75      | FEDERAL      || yes       | STRONG   | A    | INQUIRE | 0     | 0
        a millionth apart     | MDRP_FFS | 2.5                | 2.500001  | -            || no        |          |      |         |       |
        two millionths apart  | MDRP_FFS | 2.5                | 2.500002  | -            || yes       | STRONG   | A    | INQUIRE | 0     | 0
        zero: we calculate it | MDRP_FFS | 0                  | 2.25      | -            || held back |          |      |         |       |
        supplemental          | MDRP_FFS | 2.5                | 2.25      | SUPPLEMENTAL || no        |          |      |         |       |
        not stated            | MDRP_FFS | -                  | 2.25      | -            || no        |          |      |         |       |
        ours not known        | MDRP_FFS | 2.5                | -         | -            || no        |          |      |         |       |

        case                  || guards          | says
        too high              || ZERO_URA PASSED | at a unit rebate amount of $2.50, which is not the amount of 2025Q3 in our records ... too high
        too low               ||                 | too low
        zero: we calculate it || ZERO_URA FAILED |
        """,  # noqa: E501
        needs=("program", "unit_rebate_amount", "price_ura"),
    ),
    Spec(
        "R056",
        Subject.INVOICE,
        LINE,
        """
        case                         | units_reimbursed | unit_rebate_amount | price_ura || fires | evidence | code | action  | units | amount | guards
        too high                     | 1000             | 2.5                | 2.25      || yes   | STRONG   | A    | INQUIRE | 0     | 250    | ZERO_URA PASSED
        credited at too high a price | -100             | 5                  | 4         || yes   | STRONG   | A    | INQUIRE | 0     | 0      |
        credited at too low a price  | -100             | 4                  | 5         || yes   | STRONG   | A    | INQUIRE | 0     | 0      |
        the same                     | 1000             | 2.5                | 2.5       || no    |          |      |         |       |        |
        zero: we calculate it        | 1000             | 0                  | 2.25      || yes   | CONTEXT  | B    | NONE    | 0     | 0      | ZERO_URA FAILED
        zero, ours not known         | 1000             | 0                  | -         || no    |          |      |         |       |        |
        zero for us, too             | 1000             | 0                  | 0         || no    |          |      |         |       |        |

        case                         || says
        too high                     || invoiced 1000 units ... $2.50 ... too high
        credited at too high a price || too high
        credited at too low a price  || too low
        zero: we calculate it        || at a unit rebate amount of zero: the state appears not to know it, and we calculate the rebate
        """,  # noqa: E501
        needs=("program", "unit_rebate_amount", "price_ura"),
    ),
]
test_rule = rule_test(SPECS)
