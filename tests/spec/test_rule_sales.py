"""R034: units invoiced beyond units sold into the state."""

from __future__ import annotations

import pytest

from engine.contracts.codes import Subject
from tests.spec.rule_cases import LINE, Spec, cases_of, check, results_fixture

SPECS = [
    Spec(
        "R034",
        Subject.INVOICE,
        LINE,
        """
        case                    | units_invoiced_in_state | units_sold_in_state | f49_invoice_vs_sales | line_kind   || fires | evidence | code | action  | units | says
        a half more than sold   | 1500                    | 1000                | 1.5                  | CURRENT     || yes   | MEDIUM   | P    | DISPUTE | 333.333 | 1500 units were invoiced by the state's Medicaid programs, 1.5 times the 1000 units sold ... appear to exceed sales
        the only line           | 1000                    | 100                 | 10                   | CURRENT     || yes   | MEDIUM   | P    | DISPUTE | 900     |
        one of nine             | 9000                    | 1000                | 9                    | CURRENT     || yes   | MEDIUM   | P    | DISPUTE | 888.889 |
        within the margin       | 1200                    | 1000                | 1.2                  | CURRENT     || no    |          |      |         |       |
        few units               | 200                     | 100                 | 2                    | CURRENT     || no    |          |      |         |       |
        a difference            | 1500                    | 1000                | 1.5                  | PRIOR_DELTA || no    |          |      |         |       |
        sales not known         | 1500                    | -                   | -                    | CURRENT     || no    |          |      |         |       |
        """,  # noqa: E501
        needs=("program", "units_reimbursed", "units_invoiced_in_state", "units_sold_in_state", "f49_invoice_vs_sales"),
    ),
]
results = results_fixture(SPECS)


@pytest.mark.parametrize(("spec", "case"), cases_of(SPECS))
def test_rule(spec, case, results):
    check(spec, case, results)
