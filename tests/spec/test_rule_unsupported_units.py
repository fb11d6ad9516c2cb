"""R038: invoiced units that no claim supports."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, LINE, Spec, rule_test

SPECS = [
    Spec(
        "R038",
        Subject.INVOICE,
        LINE,
        """
        case                        | units_reimbursed | claim_units | claim_lines | quarantined_claim_lines | quarantined_claim_units | source_kind
        a tenth without claims      | 1000             | 900         | 35          | 0                       | 0                       | INVOICE
        no claim at all             | 1000             | -           | -           | -                       | -                       | INVOICE
        half a per cent             | 1000             | 995         | 40          | 0                       | 0                       | INVOICE
        just beyond                 | 1000             | 994.9       | 40          | 0                       | 0                       | INVOICE
        more claims than invoiced   | 1000             | 1100        | 40          | 0                       | 0                       | INVOICE
        a line of one unit          | 1                | -           | -           | -                       | -                       | INVOICE
        public totals have no CLD   | 1000             | -           | -           | -                       | -                       | SDUD
        a quarter's new total       | 1000             | 900         | 35          | 0                       | 0                       | INVOICE
        a difference is no total    | 1000             | -           | -           | -                       | -                       | INVOICE
        some claims are quarantined | 1000             | 900         | 35          | 2                       | 30                      | INVOICE
        all claims are quarantined  | 1000             | 0           | 0           | 200                     | 1000                    | INVOICE
        their units are unreadable  | 1000             | 0           | 0           | 1                       | 0                       | INVOICE

        case                        | line_kind         || fires | evidence | code | action      | party | units | guards
        a tenth without claims      | CURRENT           || yes   | STRONG   | -    | REQUEST_CLD | STATE | 100   | QUARANTINED_CLAIMS PASSED
        no claim at all             | CURRENT           || yes   | STRONG   | -    | REQUEST_CLD | STATE | 1000  | QUARANTINED_CLAIMS PASSED
        half a per cent             | CURRENT           || no    |          |      |             |       |       |
        just beyond                 | CURRENT           || yes   | STRONG   | -    | REQUEST_CLD | STATE | 5.1   |
        more claims than invoiced   | CURRENT           || no    |          |      |             |       |       |
        a line of one unit          | CURRENT           || no    |          |      |             |       |       |
        public totals have no CLD   | CURRENT           || no    |          |      |             |       |       |
        a quarter's new total       | PRIOR_REPLACEMENT || yes   | STRONG   | -    | REQUEST_CLD | STATE | 100   |
        a difference is no total    | PRIOR_DELTA       || no    |          |      |             |       |       |
        some claims are quarantined | CURRENT           || yes   | MEDIUM   | -    | REQUEST_CLD | STATE | 70    | QUARANTINED_CLAIMS UNCHECKED
        all claims are quarantined  | CURRENT           || yes   | MEDIUM   | -    | REQUEST_CLD | STATE | 0     | QUARANTINED_CLAIMS UNCHECKED
        their units are unreadable  | CURRENT           || yes   | MEDIUM   | -    | REQUEST_CLD | STATE | 1000  | QUARANTINED_CLAIMS UNCHECKED

        case                        || says
        a tenth without claims      || invoiced 1000 units ... the 35 claim lines received for it hold 900 units: 100 units (10 %)
        no claim at all             || but no claim line was received for it: 1000 units (100 %)
        some claims are quarantined || the 35 claim lines received for it hold 900 units ... may belong to this line: 2, with 30 units
        all claims are quarantined  || no readable claim line was received for it ... may belong to this line: 200, with 1000 units
        their units are unreadable  || with 0 units where those can be read
        """,  # noqa: E501
        needs=("program", "units_reimbursed", "source_kind"),
    ),
    Spec(
        "R038",
        Subject.INVOICE,
        LINE,
        """
        case                        | units_reimbursed | claim_units | claim_lines | unconverted_claim_lines || fires | evidence | code | action      | units
        all claims are in NDC units | 10               | 4           | 1           | 0                       || yes   | STRONG   | -    | REQUEST_CLD | 6
        HCPCS units not converted   | 10               | 0           | 1           | 1                       || yes   | MEDIUM   | -    | REQUEST_CLD | 10

        case                        || guards
        all claims are in NDC units || UNITS_NOT_CONVERTED PASSED
        HCPCS units not converted   || UNITS_NOT_CONVERTED UNCHECKED
        """,  # noqa: E501
        needs=("program", "units_reimbursed", "source_kind"),
    ),
    Spec(
        "R038",
        Subject.INVOICE,
        LINE,
        """
        case                           | units_reimbursed | claim_units | claim_lines | units_taken_back || fires | evidence | code | action      | units
        a difference took the surplus  | 100              | 80          | 3           | 20               || no    |          |      |             |
        a difference took a part of it | 100              | 70          | 3           | 20               || yes   | STRONG   | -    | REQUEST_CLD | 10
        nothing was taken back         | 100              | 80          | 3           | 0                || yes   | STRONG   | -    | REQUEST_CLD | 20

        case                           || guards                     | says
        a difference took a part of it || UNITS_NOT_CONVERTED PASSED | invoiced 100 units ... and took 20 of them back since,
                                       ||                            | but the 3 claim lines received for it hold 70 units: 10 units (10 %)
        nothing was taken back         ||                            | invoiced 100 units of NDC
        """,  # noqa: E501
        needs=("program", "units_reimbursed", "source_kind"),
    ),
    Spec(
        "R061",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case                               | program  | unbilled_invoice_lines || fires | evidence | code | route | action | party        | units
        no line of the invoice is of it    | MDRP_FFS | 12                     || yes   | CONTEXT  | -    | NONE  | NONE   | UNDETERMINED | 0
        billed, or no invoice was received | MDRP_MCO | -                      || no    |          |      |       |        |              |
        no Medicaid claim                  | PARTD    | 12                     || no    |          |      |       |        |              |

        case                               || says
        no line of the invoice is of it    || Claim-level detail of state KY holds 30 units ... has 12 lines of this rebate type and none for this product
        """,  # noqa: E501
        needs=("program", "units", "unbilled_invoice_lines"),
    ),
]
test_rule = rule_test(SPECS)
