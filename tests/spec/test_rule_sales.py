"""R034: units invoiced beyond units sold into the state."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import LINE, Spec, rule_test

SPECS = [
    Spec(
        "R034",
        Subject.INVOICE,
        LINE,
        """
        case                  | units_reimbursed | units_invoiced_in_state | share_of_units_in_state | units_sold_in_state | f49_invoice_vs_sales
        a half more than sold | 1000             | 1500                    | 0.666666666667          | 1000                | 1.5
        the only line         | 1000             | 1000                    | 1                       | 100                 | 10
        one of nine           | 1000             | 9000                    | 0.111111111111          | 1000                | 9
        partly taken back     | 2000             | 1600                    | 1                       | 1000                | 1.6
        all taken back        | 1000             | 1500                    | 0                       | 1000                | 1.5
        within the margin     | 1000             | 1200                    | 1                       | 1000                | 1.2
        few units             | 200              | 200                     | 1                       | 100                 | 2
        units added later     | 500              | 1500                    | 0.333333333333          | 1000                | 1.5
        taken back later      | -500             | 1500                    | 0                       | 1000                | 1.5
        a new total           | 1000             | 1500                    | 0.666666666667          | 1000                | 1.5
        sales not known       | 1500             | 1500                    | 1                       | -                   | -

        case                  | line_kind         || fires | evidence | code | action  | units
        a half more than sold | CURRENT           || yes   | MEDIUM   | P    | DISPUTE | 333.333
        the only line         | CURRENT           || yes   | MEDIUM   | P    | DISPUTE | 900
        one of nine           | CURRENT           || yes   | MEDIUM   | P    | DISPUTE | 888.889
        partly taken back     | CURRENT           || yes   | MEDIUM   | P    | DISPUTE | 600
        all taken back        | CURRENT           || no    |          |      |         |
        within the margin     | CURRENT           || no    |          |      |         |
        few units             | CURRENT           || no    |          |      |         |
        units added later     | PRIOR_DELTA       || yes   | MEDIUM   | P    | DISPUTE | 166.667
        taken back later      | PRIOR_DELTA       || no    |          |      |         |
        a new total           | PRIOR_REPLACEMENT || yes   | MEDIUM   | P    | DISPUTE | 333.333
        sales not known       | CURRENT           || no    |          |      |         |

        case                  || says
        a half more than sold || 1500 units were invoiced by the state's Medicaid programs, 1.5 times the 1000 units sold ... appear to exceed sales
        """,  # noqa: E501
        needs=(
            *("program", "units_reimbursed", "units_invoiced_in_state", "share_of_units_in_state"),
            *("units_sold_in_state", "f49_invoice_vs_sales"),
        ),
        no_slow_reading="many rows, patients or quarters far back: test_statistics_rules_property.py",
    ),
]
test_rule = rule_test(SPECS)
