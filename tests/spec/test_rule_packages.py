"""R028: another unit of measure. R029: part of a unit. R030: broken packages. R033: whole compounds."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, Spec, rule_test

SPECS = [
    Spec(
        "R028",
        Subject.REBATE_CLAIM,
        CLAIM + "; units=300; ndc_units=300; units_per_package=10",
        """
        case                        | program  | product_unit_type | unit_of_measure | f27_unit_factor | f20_paid_per_unit_to_wac || fires | evidence | code
        ten times, and paid a tenth | MDRP_FFS | ML                | EA              | 10              | 0.1                      || yes   | STRONG   | D
        price is usual as it is     | MDRP_FFS | ML                | EA              | 10              | 0.9                      || yes   | MEDIUM   | D
        price stays unusual         | MDRP_FFS | ML                | EA              | 10              | 0.01                     || yes   | MEDIUM   | D
        price not known             | MDRP_MCO | TAB               | ML              | 10              | -                        || yes   | MEDIUM   | D
        a tenth of the usual        | MDRP_FFS | ML                | EA              | 0.1             | 10                       || yes   | STRONG   | D
        a kit                       | MDRP_FFS | EA                | ML              | 10              | 0.1                      || yes   | WEAK     | D
        tablets are each            | MDRP_FFS | TAB               | EA              | 10              | 0.1                      || no    |          |
        the same unit               | MDRP_FFS | GM                | GM              | 10              | 0.1                      || no    |          |
        no known factor             | MDRP_FFS | ML                | EA              | -               | 0.1                      || no    |          |
        measure not given           | MDRP_FFS | ML                | -               | 10              | 0.1                      || no    |          |
        unit type not known         | MDRP_FFS | -                 | EA              | 10              | 0.1                      || no    |          |

        case                        || action  | units | guards     | says
        ten times, and paid a tenth || DISPUTE | 270   | KIT PASSED | invoiced 300 units ... measured in EA, while the product is reported to CMS in ML,
                                    ||         |       |            | 10 to a package ... 10 times the usual of the product,
                                    ||         |       |            | and the amount paid per unit becomes usual
        price is usual as it is     || DISPUTE | 270   |            | 10 times the usual of the product: they appear
        price stays unusual         || DISPUTE | 270   |            |
        price not known             || DISPUTE | 270   | KIT PASSED |
        a tenth of the usual        || INQUIRE | 0     |            |
        a kit                       || INQUIRE | 270   | KIT FAILED |
        """,  # noqa: E501
        needs=("program", "units", "product_unit_type", "unit_of_measure", "f27_unit_factor"),
        no_slow_reading="many rows, patients or quarters far back: test_statistics_rules_property.py",
    ),
    Spec(
        "R028",
        Subject.REBATE_CLAIM,
        CLAIM + "; ndc_units=300; units=300; program=MDRP_FFS; product_unit_type=ML; unit_of_measure=EA; "
        "f27_unit_factor=10; f20_paid_per_unit_to_wac=0.1",
        """
        case                           | product_other_unit_type || fires | evidence | action  | guards
        its unit type is the only one  | -                       || yes   | STRONG   | DISPUTE | UNIT_TYPE_CHANGED PASSED
        it was counted each once       | CAP                     || yes   | WEAK     | INQUIRE | UNIT_TYPE_CHANGED FAILED
        it was counted otherwise       | GM                      || yes   | STRONG   | DISPUTE | UNIT_TYPE_CHANGED PASSED
        """,  # noqa: E501
        needs=("program", "units", "product_unit_type", "unit_of_measure", "f27_unit_factor"),
    ),
    Spec(
        "R029",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case                | product_unit_type | units_per_package | program  | ndc_units | dispensing_status | compound_code | claim_type || fires
        half a capsule      | CAP               | 100               | MDRP_FFS | 30.5      | -                 | 1             | RX         || yes
        whole capsules      | CAP               | 100               | MDRP_FFS | 30        | -                 | 1             | RX         || no
        half a tablet       | TAB               | 100               | MDRP_FFS | 30.5      | -                 | 1             | RX         || no
        package is no whole | EA                | 2.5               | MDRP_FFS | 30.5      | -                 | 1             | RX         || no
        part of a fill      | CAP               | 100               | MDRP_FFS | 30.5      | P                 | 1             | RX         || held back
        in a compound       | CAP               | 100               | MDRP_MCO | 30.5      | -                 | 2             | RX         || held back
        given by a provider | EA                | 1                 | MDRP_MCO | 0.5       | -                 | -             | MEDICAL    || held back
        unit type not known | -                 | 100               | MDRP_FFS | 30.5      | -                 | 1             | RX         || no

        case                || evidence | code | action  | units | guards
        half a capsule      || MEDIUM   | E    | DISPUTE | 0.5   | PARTIAL_FILL PASSED, COMPOUND PASSED, PARTIAL_VIAL PASSED
        part of a fill      ||          |      |         |       | PARTIAL_FILL FAILED
        in a compound       ||          |      |         |       | COMPOUND FAILED
        given by a provider ||          |      |         |       | PARTIAL_VIAL FAILED

        case                || says
        half a capsule      || counted in CAP, 100 to a package, which are not divided ... appears wrong
        """,  # noqa: E501
        needs=("program", "units", "ndc_units", "product_unit_type", "units_per_package"),
    ),
    Spec(
        "R030",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case                 | product_unit_type | units_per_package | program  | ndc_units | f26_package_remainder | dispensing_status | compound_code
        an inhaler and a bit | GM                | 8.5               | MDRP_FFS | 9         | 0.058824              | -                 | 1
        less than an inhaler | GM                | 8.5               | MDRP_FFS | 8         | 0.058824              | -                 | 1
        one and a half       | GM                | 30                | MDRP_FFS | 45        | 0.5                   | -                 | 1
        at the limit         | GM                | 100               | MDRP_FFS | 101       | 0.01                  | -                 | 1
        whole inhalers       | GM                | 8.5               | MDRP_FFS | 17        | 0                     | -                 | 1
        a bottle of tablets  | TAB               | 100               | MDRP_FFS | 30        | 0.3                   | -                 | 1
        part of a fill       | GM                | 8.5               | MDRP_FFS | 9         | 0.058824              | C                 | 1
        in a compound        | GM                | 454               | MDRP_MCO | 30        | 0.066079              | -                 | 2
        given by a provider  | GM                | 8.5               | MDRP_MCO | 9         | 0.058824              | -                 | -
        package not known    | GM                | -                 | MDRP_FFS | 9         | -                     | -                 | 1

        case                 | claim_type || fires     | evidence | code | action  | units | guards
        an inhaler and a bit | RX         || yes       | MEDIUM   | F    | DISPUTE | 0.5   | PARTIAL_FILL PASSED, COMPOUND PASSED, PARTIAL_VIAL PASSED
        less than an inhaler | RX         || yes       | MEDIUM   | F    | DISPUTE | 8     |
        one and a half       | RX         || yes       | MEDIUM   | F    | DISPUTE | 15    |
        at the limit         | RX         || no        |          |      |         |       |
        whole inhalers       | RX         || no        |          |      |         |       |
        a bottle of tablets  | RX         || no        |          |      |         |       |
        part of a fill       | RX         || held back |          |      |         |       | PARTIAL_FILL FAILED
        in a compound        | RX         || held back |          |      |         |       | COMPOUND FAILED
        given by a provider  | MEDICAL    || held back |          |      |         |       | PARTIAL_VIAL FAILED
        package not known    | RX         || no        |          |      |         |       |

        case                 || says
        an inhaler and a bit || makes 1.06 packages of 8.5 GM ... appears wrong
        less than an inhaler || makes 0.9412 packages
        one and a half       || makes 1.5 packages
        """,  # noqa: E501
        needs=("program", "units", "product_unit_type", "f26_package_remainder"),
    ),
    Spec(
        "R033",
        Subject.REBATE_CLAIM,
        CLAIM + "; units_per_package=20",
        """
        case                      | program  | compound_code | ndc_units | claim_products || fires | evidence | code | action  | units
        more than a package holds | MDRP_FFS | 2             | 30        | 1              || yes   | MEDIUM   | Q    | DISPUTE | 10
        a package                 | MDRP_FFS | 2             | 20        | 1              || no    |          |      |         |
        no compound               | MDRP_FFS | 1             | 30        | 1              || no    |          |      |         |
        other ingredients billed  | MDRP_MCO | 2             | 30        | 2              || yes   | WEAK     | Q    | INQUIRE | 10
        other lines not known     | MDRP_MCO | 2             | 30        | -              || yes   | WEAK     | Q    | INQUIRE | 10
        compound code not given   | MDRP_FFS | -             | 30        | 1              || no    |          |      |         |

        case                      || guards                     | says
        more than a package holds || INGREDIENT_LINES PASSED    | part of a compound. A package of this product holds 20 units ... appears to have been billed
        other ingredients billed  || INGREDIENT_LINES FAILED    |
        other lines not known     || INGREDIENT_LINES UNCHECKED |
        """,  # noqa: E501
        needs=("program", "units", "compound_code", "ndc_units", "units_per_package"),
    ),
]
test_rule = rule_test(SPECS)
