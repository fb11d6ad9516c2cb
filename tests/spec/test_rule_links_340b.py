"""R003, R005, R008, R009: a covered entity reported the dispense as bought at the 340B price."""

from __future__ import annotations

from typing import Any

import pytest

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, Spec, rule_test

pytestmark = pytest.mark.slow

LINKED = (
    CLAIM + "; link_entity_id=DSH330214; link_source_row_ids=e-12; link_date_of_service=2025-08-02; "
    "link_ndc11=00002759701; link_quantity=30; link_is_ambiguous=no; link_is_340b_assumed=no; "
    "entity_units_asked_for=300"
)
CONTRACT = LINKED + "; payer_id=PBM-1; contract_key=C-9; contract_begin_date=2025-01-01; link_tier=T1"

MEDICAID_TABLE = """
case                             | program   | link_tier | entity_bought_at_340b | entity_units_bought | claim_type | state_carves_out_contract_pharmacies
exact match                      | {program} | T1        | yes                   | 300                 | RX         | no
fill number missing              | {program} | T2        | yes                   | 300                 | RX         | no
dates apart                      | {program} | T3        | yes                   | 300                 | RX         | no
other package                    | {program} | T4        | yes                   | 300                 | RX         | no
pharmacy by another number       | {program} | T5        | yes                   | 300                 | RX         | no
no prescription number           | {program} | T6        | yes                   | 300                 | RX         | no
payer could have known           | {program} | T1        | yes                   | 300                 | RX         | no
purchases not in the input       | {program} | T1        | -                     | 300                 | RX         | no
near match, purchases not known  | {program} | T3        | -                     | 300                 | RX         | no
entity never bought it at 340B   | {program} | T1        | no                    | 300                 | RX         | no
more is asked for than it bought | {program} | T1        | yes                   | 200                 | RX         | no
units of a package not known     | {program} | T1        | yes                   | -                   | RX         | no
contract pharmacy carved out     | {program} | T1        | yes                   | 300                 | RX         | yes
carved out, near match           | {program} | T3        | yes                   | 300                 | RX         | yes
carved out, never bought         | {program} | T1        | no                    | 300                 | RX         | yes
carved out, own pharmacy         | {program} | T1        | yes                   | 300                 | RX         | yes
carved out, owner not known      | {program} | T1        | yes                   | 300                 | RX         | yes
state's policy not known         | {program} | T1        | yes                   | 300                 | RX         | -
policy not known, own pharmacy   | {program} | T1        | yes                   | 300                 | RX         | -
not carved out, owner not known  | {program} | T1        | yes                   | 300                 | RX         | no
carved out, medical claim        | {program} | T1        | yes                   | 300                 | MEDICAL    | yes
medical claim, other quantity    | {program} | T4        | yes                   | 300                 | MEDICAL    | yes
prescriber and pharmacy only     | {program} | T7        | yes                   | 300                 | RX         | no
no entity claim                  | {program} | -         | yes                   | 300                 | RX         | no
another program                  | {other}   | T1        | yes                   | 300                 | RX         | no

case                             | contract_pharmacy_is_entity_owned | {known} | link_fields_differ || fires | evidence | code | action  | party
exact match                      | no                                | -       | -                  || yes   | STRONG   | X    | DISPUTE | UNDETERMINED
fill number missing              | no                                | -       | fill_number        || yes   | STRONG   | X    | DISPUTE | UNDETERMINED
dates apart                      | no                                | -       | date_of_service    || yes   | MEDIUM   | X    | DISPUTE | UNDETERMINED
other package                    | no                                | -       | ndc11              || yes   | MEDIUM   | X    | DISPUTE | UNDETERMINED
pharmacy by another number       | no                                | -       | -                  || yes   | MEDIUM   | X    | DISPUTE | UNDETERMINED
no prescription number           | no                                | -       | -                  || yes   | WEAK     | X    | INQUIRE | UNDETERMINED
payer could have known           | no                                | {yes}   | -                  || yes   | STRONG   | X    | DISPUTE | STATE
purchases not in the input       | no                                | -       | -                  || yes   | MEDIUM   | X    | DISPUTE | UNDETERMINED
near match, purchases not known  | no                                | -       | -                  || yes   | WEAK     | X    | INQUIRE | UNDETERMINED
entity never bought it at 340B   | no                                | -       | -                  || yes   | WEAK     | X    | INQUIRE | UNDETERMINED
more is asked for than it bought | no                                | -       | -                  || yes   | MEDIUM   | X    | DISPUTE | UNDETERMINED
units of a package not known     | no                                | -       | -                  || yes   | MEDIUM   | X    | DISPUTE | UNDETERMINED
contract pharmacy carved out     | no                                | -       | -                  || yes   | MEDIUM   | X    | DISPUTE | UNDETERMINED
carved out, near match           | no                                | -       | -                  || yes   | MEDIUM   | X    | DISPUTE | UNDETERMINED
carved out, never bought         | no                                | -       | -                  || yes   | WEAK     | X    | INQUIRE | UNDETERMINED
carved out, own pharmacy         | yes                               | -       | -                  || yes   | STRONG   | X    | DISPUTE | UNDETERMINED
carved out, owner not known      | -                                 | -       | -                  || yes   | MEDIUM   | X    | DISPUTE | UNDETERMINED
state's policy not known         | no                                | -       | -                  || yes   | MEDIUM   | X    | DISPUTE | UNDETERMINED
policy not known, own pharmacy   | yes                               | -       | -                  || yes   | STRONG   | X    | DISPUTE | UNDETERMINED
not carved out, owner not known  | -                                 | -       | -                  || yes   | STRONG   | X    | DISPUTE | UNDETERMINED
carved out, medical claim        | no                                | -       | -                  || yes   | STRONG   | X    | DISPUTE | UNDETERMINED
medical claim, other quantity    | no                                | -       | quantity           || yes   | MEDIUM   | X    | DISPUTE | UNDETERMINED
prescriber and pharmacy only     | no                                | -       | -                  || no    |          |      |         |
no entity claim                  | no                                | -       | -                  || no    |          |      |         |
another program                  | no                                | -       | -                  || no    |          |      |         |

case                             || guards                                                                                      | related
exact match                      || CONTRACT_PHARMACY_CARVED_OUT PASSED, NO_340B_PURCHASE PASSED, EXCEEDS_340B_PURCHASES PASSED | e-12
fill number missing              || NO_340B_PURCHASE PASSED                                                                     | e-12
dates apart                      || NO_340B_PURCHASE PASSED                                                                     | e-12
other package                    || NO_340B_PURCHASE PASSED                                                                     | e-12
pharmacy by another number       || NO_340B_PURCHASE PASSED                                                                     | e-12
no prescription number           || NO_340B_PURCHASE PASSED                                                                     | e-12
payer could have known           || NO_340B_PURCHASE PASSED                                                                     | e-12
purchases not in the input       || NO_340B_PURCHASE UNCHECKED                                                                  | e-12
near match, purchases not known  || NO_340B_PURCHASE UNCHECKED                                                                  | e-12
entity never bought it at 340B   || NO_340B_PURCHASE FAILED                                                                     | e-12
more is asked for than it bought || EXCEEDS_340B_PURCHASES FAILED                                                               | e-12
units of a package not known     || EXCEEDS_340B_PURCHASES UNCHECKED                                                            | e-12
contract pharmacy carved out     || CONTRACT_PHARMACY_CARVED_OUT FAILED                                                         | e-12
carved out, near match           || CONTRACT_PHARMACY_CARVED_OUT FAILED                                                         | e-12
carved out, never bought         || CONTRACT_PHARMACY_CARVED_OUT FAILED                                                         | e-12
carved out, own pharmacy         || CONTRACT_PHARMACY_CARVED_OUT PASSED                                                         | e-12
carved out, owner not known      || CONTRACT_PHARMACY_CARVED_OUT UNCHECKED                                                      | e-12
state's policy not known         || CONTRACT_PHARMACY_CARVED_OUT UNCHECKED                                                      | e-12
policy not known, own pharmacy   || CONTRACT_PHARMACY_CARVED_OUT PASSED                                                         | e-12
not carved out, owner not known  || CONTRACT_PHARMACY_CARVED_OUT PASSED                                                         | e-12
carved out, medical claim        || CONTRACT_PHARMACY_CARVED_OUT PASSED                                                         | e-12
medical claim, other quantity    || CONTRACT_PHARMACY_CARVED_OUT PASSED                                                         | e-12

case                             || says
exact match                      || State KY invoiced 30 units ... claim 4711 line 1 ... service on 2025-08-01 ... DSH330214 ... service on 2025-08-02 ...
                                 || row e-12 ... a duplicate discount is suspected
fill number missing              || different: fill number
dates apart                      || dates are close; different: date of service
other package                    || package or quantity is another; different: ndc11
medical claim, other quantity    || provider, claim number, date and product agree, quantities do not or cannot be compared; different: quantity
"""  # noqa: E501

CONTRACT_TABLE = """
case                             | program   | contract_excludes_340b | contract_exclusion_scope | contract_pharmacy_is_entity_owned
contract excludes all            | {program} | yes                    | ALL                      | -
scope that cannot be read        | {program} | yes                    | -                        | -
entity's own pharmacy            | {program} | yes                    | ENTITY_OWNED             | yes
contract pharmacy, owned only    | {program} | yes                    | ENTITY_OWNED             | no
owner not known                  | {program} | yes                    | ENTITY_OWNED             | -
listed pharmacy                  | {program} | yes                    | LISTED_PHARMACIES        | -
pharmacy not on the list         | {program} | yes                    | LISTED_PHARMACIES        | -
list not in the input            | {program} | yes                    | LISTED_PHARMACIES        | -
flagged claim, flagged only      | {program} | yes                    | FLAGGED_ONLY             | -
claim without flag, flagged only | {program} | yes                    | FLAGGED_ONLY             | -
contract without exclusion       | {program} | no                     | ALL                      | -
no contract in force             | {program} | -                      | -                        | -
entity never bought it at 340B   | {program} | yes                    | ALL                      | -
more is asked for than it bought | {program} | yes                    | ALL                      | -
units of a package not known     | {program} | yes                    | ALL                      | -
purchases not in the input       | {program} | yes                    | ALL                      | -
another program                  | {other}   | yes                    | ALL                      | -

case                             | contract_pharmacy_is_listed | flags_340b | entity_bought_at_340b | entity_units_bought || fires     | evidence | code
contract excludes all            | -                           | -          | yes                   | 300                 || yes       | STRONG   | PBM
scope that cannot be read        | -                           | -          | yes                   | 300                 || yes       | MEDIUM   | PBM
entity's own pharmacy            | -                           | -          | yes                   | 300                 || yes       | STRONG   | PBM
contract pharmacy, owned only    | -                           | -          | yes                   | 300                 || held back |          |
owner not known                  | -                           | -          | yes                   | 300                 || yes       | MEDIUM   | PBM
listed pharmacy                  | yes                         | -          | yes                   | 300                 || yes       | STRONG   | PBM
pharmacy not on the list         | no                          | -          | yes                   | 300                 || held back |          |
list not in the input            | -                           | -          | yes                   | 300                 || yes       | MEDIUM   | PBM
flagged claim, flagged only      | -                           | SCC 20     | yes                   | 300                 || yes       | STRONG   | PBM
claim without flag, flagged only | -                           | -          | yes                   | 300                 || held back |          |
contract without exclusion       | -                           | -          | yes                   | 300                 || no        |          |
no contract in force             | -                           | -          | yes                   | 300                 || no        |          |
entity never bought it at 340B   | -                           | -          | no                    | 300                 || yes       | WEAK     | PBM
more is asked for than it bought | -                           | -          | yes                   | 200                 || yes       | MEDIUM   | PBM
units of a package not known     | -                           | -          | yes                   | -                   || yes       | MEDIUM   | PBM
purchases not in the input       | -                           | -          | -                     | 300                 || yes       | MEDIUM   | PBM
another program                  | -                           | -          | yes                   | 300                 || no        |          |

case                             || action  | route | guards
contract excludes all            || DISPUTE | PBM   | EXCLUSION_SCOPE PASSED, NO_340B_PURCHASE PASSED, EXCEEDS_340B_PURCHASES PASSED
scope that cannot be read        || DISPUTE | PBM   | EXCLUSION_SCOPE UNCHECKED
entity's own pharmacy            || DISPUTE | PBM   | EXCLUSION_SCOPE PASSED
contract pharmacy, owned only    ||         |       | EXCLUSION_SCOPE FAILED
owner not known                  || DISPUTE | PBM   | EXCLUSION_SCOPE UNCHECKED
listed pharmacy                  || DISPUTE | PBM   | EXCLUSION_SCOPE PASSED
pharmacy not on the list         ||         |       | EXCLUSION_SCOPE FAILED
list not in the input            || DISPUTE | PBM   | EXCLUSION_SCOPE UNCHECKED
flagged claim, flagged only      || DISPUTE | PBM   | EXCLUSION_SCOPE PASSED
claim without flag, flagged only ||         |       | EXCLUSION_SCOPE FAILED
entity never bought it at 340B   || INQUIRE | PBM   | NO_340B_PURCHASE FAILED
more is asked for than it bought || DISPUTE | PBM   | EXCEEDS_340B_PURCHASES FAILED
units of a package not known     || DISPUTE | PBM   | EXCEEDS_340B_PURCHASES UNCHECKED
purchases not in the input       || DISPUTE | PBM   | NO_340B_PURCHASE UNCHECKED

case                             || says
contract excludes all            || PBM-1 requested a rebate ... DSH330214 ... 340B claim outside contract terms: contract C-9,
                                 || in force from 2025-01-01 to an open date, excludes all 340B claims
entity's own pharmacy            || a covered entity owns
"""  # noqa: E501

MEDICAID_NEEDS = ("program", "link_tier", "units")
CONTRACT_NEEDS = ("program", "link_tier", "units", "contract_excludes_340b")
SPECS = [
    Spec(
        "R003",
        Subject.REBATE_CLAIM,
        LINKED,
        MEDICAID_TABLE.format(program="MDRP_FFS", other="MDRP_MCO", known="mef_entity_id", yes="DSH330214"),
        MEDICAID_NEEDS,
    ),
    Spec(
        "R005",
        Subject.REBATE_CLAIM,
        LINKED,
        MEDICAID_TABLE.format(program="MDRP_MCO", other="COMMERCIAL", known="flags_340b", yes="SCC 20"),
        MEDICAID_NEEDS,
    ),
    Spec(
        "R008",
        Subject.REBATE_CLAIM,
        CONTRACT,
        CONTRACT_TABLE.format(program="COMMERCIAL", other="PARTD"),
        CONTRACT_NEEDS,
    ),
    *(
        Spec(
            rule_id,
            Subject.REBATE_CLAIM,
            CONTRACT + f"; program={program}; contract_excludes_340b=yes; contract_exclusion_scope=ALL; "
            "entity_bought_at_340b=yes; entity_units_bought=300",
            """
            case                             | contract_terms_differ || fires | evidence | code | action  | party | guards
            the contract is known            | no                    || yes   | STRONG   | PBM  | DISPUTE | PBM   | ONE_CONTRACT PASSED
            another may govern the claim     | yes                   || yes   | MEDIUM   | PBM  | DISPUTE | PBM   | ONE_CONTRACT UNCHECKED
            """,  # noqa: E501
            CONTRACT_NEEDS,
        )
        for rule_id, program in (("R008", "COMMERCIAL"), ("R009", "PARTD"))
    ),
    Spec(
        "R009",
        Subject.REBATE_CLAIM,
        CONTRACT,
        CONTRACT_TABLE.format(program="PARTD", other="COMMERCIAL"),
        CONTRACT_NEEDS,
    ),
]
test_rule = rule_test(SPECS)


def test_a_contract_claim_is_never_called_a_duplicate_discount(
    results: dict[str, tuple[str, dict[str, str], dict[str, Any] | None]],
) -> None:
    messages = [
        result["message"] for key, (_, _, result) in results.items() if result and ("R008" in key or "R009" in key)
    ]
    assert messages
    assert not [message for message in messages if "duplicate" in message.lower()]
