"""R001, R004: the invoiced claim itself carries a 340B identifier."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, Spec, rule_test

SPECS = [
    Spec(
        "R001",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case                      | program    | flags_340b          | units | ndc_units || fires | evidence | code | action  | party | units
        submission clarification  | MDRP_FFS   | SCC 20              | 30    | 30        || yes   | STRONG   | X    | DISPUTE | STATE | 30
        two identifiers           | MDRP_FFS   | BOC 08, MODIFIER UD | 30    | 30        || yes   | STRONG   | X    | DISPUTE | STATE | 30
        HCPCS units converted     | MDRP_FFS   | MODIFIER U8         | 4     | 2         || yes   | STRONG   | X    | DISPUTE | STATE | 2
        HCPCS units not converted | MDRP_FFS   | MODIFIER U8         | 4     | -         || yes   | STRONG   | X    | DISPUTE | STATE | 4
        no identifier             | MDRP_FFS   | -                   | 30    | 30        || no    |          |      |         |       |
        managed care is R004      | MDRP_MCO   | SCC 20              | 30    | 30        || no    |          |      |         |       |
        commercial                | COMMERCIAL | SCC 20              | 30    | 30        || no    |          |      |         |       |
        credit line               | MDRP_FFS   | SCC 20              | -30   | -30       || no    |          |      |         |       |

        case                      || says
        submission clarification  || State KY invoiced 30 units of NDC 00002759701 for service on 2025-08-01 (Medicaid fee-for-service, claim 4711 line 1,
                                  || period 2025Q3) ... identifier SCC 20 ... appears
        two identifiers           || BOC 08, MODIFIER UD
        HCPCS units converted     || invoiced 4 units
        """,  # noqa: E501
        needs=("program", "flags_340b", "units"),
    ),
    Spec(
        "R004",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case                      | program  | flags_340b || fires | evidence | code | action  | party | says
        flag on an encounter      | MDRP_MCO | SCC 20     || yes   | STRONG   | X    | DISPUTE | STATE | Medicaid managed care
        no identifier             | MDRP_MCO | -          || no    |          |      |         |       |
        fee-for-service is R001   | MDRP_FFS | SCC 20     || no    |          |      |         |       |
        """,  # noqa: E501
        needs=("program", "flags_340b", "units"),
    ),
    *(
        Spec(
            rule_id,
            Subject.REBATE_CLAIM,
            CLAIM
            + f"; program={program}; flags_340b=MODIFIER UD; contract_excludes_340b=yes; contract_exclusion_scope=ALL; "
            "contract_terms_differ=no",
            """
            case                                   | flags_340b_are_sure | flags_340b_are_dated || fires | evidence | action  | guards
            the state's own text, with its date    | yes                 | yes                  || yes   | STRONG   | DISPUTE | IDENTIFIER_DATES PASSED
            since when is not known                | yes                 | no                   || yes   | MEDIUM   | DISPUTE | IDENTIFIER_DATES UNCHECKED
            a plan or the trade press says so      | no                  | yes                  || yes   | MEDIUM   | DISPUTE | IDENTIFIER_DATES PASSED
            neither is known                       | no                  | no                   || yes   | WEAK     | INQUIRE | IDENTIFIER_DATES UNCHECKED
            """,  # noqa: E501
            needs=("program", "units", "flags_340b"),
        )
        for rule_id, program in (("R001", "MDRP_FFS"), ("R004", "MDRP_MCO"), ("R010", "COMMERCIAL"))
    ),
    Spec(
        "R010",
        Subject.REBATE_CLAIM,
        CLAIM + "; payer_id=PBM1; program=PARTD; flags_340b=SCC 20; contract_excludes_340b=yes",
        """
        case                         | contract_terms_differ | contract_exclusion_scope || fires     | evidence | code | action  | guards
        the contract is known        | no                    | ALL                      || yes       | STRONG   | PBM  | DISPUTE | ONE_CONTRACT PASSED
        another may govern the claim | yes                   | ALL                      || yes       | MEDIUM   | PBM  | DISPUTE | ONE_CONTRACT UNCHECKED
        """,  # noqa: E501
        needs=("program", "units", "flags_340b"),
    ),
    Spec(
        "R010",
        Subject.REBATE_CLAIM,
        CLAIM + "; payer_id=PBM1; contract_key=PBM1/C1",
        """
        case                      | program    | flags_340b | contract_excludes_340b | contract_exclusion_scope | contract_pharmacy_is_entity_owned
        all are excluded          | COMMERCIAL | SCC 20     | yes                    | ALL                      | -
        flagged ones are excluded | PARTD      | BOC 08     | yes                    | FLAGGED_ONLY             | -
        contract not known        | COMMERCIAL | SCC 20     | -                      | -                        | -
        owned pharmacy            | PARTD      | SCC 20     | yes                    | ENTITY_OWNED             | yes
        not an owned pharmacy     | PARTD      | SCC 20     | yes                    | ENTITY_OWNED             | no
        lists not known           | PARTD      | SCC 20     | yes                    | LISTED_PHARMACIES        | -
        340B claims are allowed   | COMMERCIAL | SCC 20     | no                     | -                        | -
        no identifier             | COMMERCIAL | -          | yes                    | ALL                      | -
        Medicaid                  | MDRP_FFS   | SCC 20     | yes                    | ALL                      | -

        case                      | contract_pharmacy_is_listed || fires     | evidence | code | route | action  | units
        all are excluded          | -                           || yes       | STRONG   | PBM  | PBM   | DISPUTE | 30
        flagged ones are excluded | -                           || yes       | STRONG   | PBM  | PBM   | DISPUTE | 30
        contract not known        | -                           || yes       | MEDIUM   | PBM  | PBM   | DISPUTE | 30
        owned pharmacy            | -                           || yes       | STRONG   | PBM  | PBM   | DISPUTE | 30
        not an owned pharmacy     | -                           || held back |          |      |       |         |
        lists not known           | -                           || yes       | MEDIUM   | PBM  | PBM   | DISPUTE | 30
        340B claims are allowed   | -                           || held back |          |      |       |         |
        no identifier             | -                           || no        |          |      |       |         |
        Medicaid                  | -                           || no        |          |      |       |         |

        case                      || guards                                     | says
        all are excluded          || ONE_CONTRACT PASSED, CONTRACT_TERMS PASSED | PBM1 requested a rebate ... carries the 340B identifier SCC 20 ...
                                  ||                                            | outside contract terms
        flagged ones are excluded || CONTRACT_TERMS PASSED                      |
        contract not known        || CONTRACT_TERMS UNCHECKED                   |
        not an owned pharmacy     || CONTRACT_TERMS FAILED                      |
        lists not known           || CONTRACT_TERMS UNCHECKED                   |
        340B claims are allowed   || CONTRACT_TERMS FAILED                      |
        """,  # noqa: E501
        needs=("program", "units", "flags_340b"),
    ),
]
test_rule = rule_test(SPECS)
