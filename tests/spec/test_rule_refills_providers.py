"""R039: early refills. R051: numbers of providers that cannot be true."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, CLAIM_340B, Spec, rule_test

SPECS = [
    Spec(
        "R039",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case                    | program    | f42_early_refill_ratio | submission_clarification_codes | f43_overlap_pharmacies || fires     | evidence | code
        after a third           | MDRP_FFS   | 0.3333                 | 42                             | 2                      || yes       | WEAK     | Q
        at half                 | MDRP_FFS   | 0.5                    | -                              | 1                      || no        |          |
        at one pharmacy         | COMMERCIAL | 0.4                    | -                              | 1                      || yes       | WEAK     | PBM
        MFP                     | MFP        | 0.4                    | -                              | -                      || yes       | WEAK     | -
        on vacation             | MDRP_MCO   | 0.4                    | 42&03                          | 1                      || held back |          |
        no earlier fill         | MDRP_MCO   | -                      | -                              | 1                      || no        |          |
        two pharmacies, in time | MDRP_MCO   | 0.9                    | -                              | 2                      || yes       | WEAK     | Q
        and no previous supply  | PARTD      | -                      | -                              | 3                      || yes       | WEAK     | PBM
        away on vacation        | MDRP_MCO   | 0.9                    | 03                             | 2                      || held back |          |
        patient not known       | MDRP_MCO   | -                      | -                              | -                      || no        |          |

        case                    || action  | units | guards             | says
        after a third           || INQUIRE | -     | OVERRIDE PASSED    | previous fill was 33.3 % used up, at 2 pharmacies within 60 days ... appears
        at one pharmacy         || INQUIRE | -     |                    | used up. The quantity
        MFP                     || INQUIRE | -     |                    |
        on vacation             ||         |       | OVERRIDE FAILED    |
        two pharmacies, in time || INQUIRE | -     |                    | the patient filled the product at 2 pharmacies within 60 days. The quantity
        and no previous supply  || INQUIRE | -     | OVERRIDE UNCHECKED | at 3 pharmacies
        away on vacation        ||         |       | OVERRIDE FAILED    |
        """,  # noqa: E501
        needs=("program", "units"),
        no_slow_reading="many rows, patients or quarters far back: test_statistics_rules_property.py",
    ),
    Spec(
        "R051",
        Subject.REBATE_CLAIM,
        CLAIM + "; program=MDRP_FFS",
        """
        case                         | pharmacy_npi | f60_pharmacy_npi_valid | f60_npi_active_at_dos | prescriber_npi | f60_prescriber_npi_valid
        prescriber's fails its check | 1234567893   | yes                    | yes                   | 1234567890     | no
        pharmacy's fails its check   | 1234567890   | no                     | -                     | 1234567893     | yes
        both                         | 1234567890   | no                     | no                    | AB1234563      | no
        not in use on that day       | 1234567893   | yes                    | no                    | -              | -
        a DEA number                 | 1234567893   | yes                    | yes                   | AB1234563      | no
        all in order                 | 1234567893   | yes                    | yes                   | 1234567893     | yes
        nothing given                | -            | -                      | -                     | -              | -

        case                         | prescriber_has_dea_number || fires     | evidence | code | action  | units | guards
        prescriber's fails its check | no                        || yes       | MEDIUM   | -    | INQUIRE | -     | DEA_NUMBER PASSED
        pharmacy's fails its check   | no                        || yes       | MEDIUM   | -    | INQUIRE | -     | DEA_NUMBER PASSED
        both                         | yes                       || yes       | MEDIUM   | -    | INQUIRE | -     | DEA_NUMBER PASSED
        not in use on that day       | -                         || yes       | MEDIUM   | -    | INQUIRE | -     | DEA_NUMBER PASSED
        a DEA number                 | yes                       || held back |          |      |         |       | DEA_NUMBER FAILED
        all in order                 | no                        || no        |          |      |         |       |
        nothing given                | -                         || no        |          |      |         |       |

        case                         || says
        prescriber's fails its check || the prescriber's NPI 1234567890 cannot be one. Who
        pharmacy's fails its check   || the pharmacy's NPI 1234567890 fails its check digit
        both                         || check digit; the prescriber's NPI AB1234563 cannot be one
        not in use on that day       || was not in use on that day
        """,  # noqa: E501
        needs=("program", "units", "f60_prescriber_npi_valid"),
    ),
    Spec(
        "R051",
        Subject.ENTITY_CLAIM,
        CLAIM_340B,
        """
        case                         | pharmacy_npi | f60_pharmacy_npi_valid | f60_npi_active_at_dos | prescriber_npi | f60_prescriber_npi_valid
        prescriber's fails its check | 1234567893   | yes                    | yes                   | 1234567890     | no
        pharmacy's fails its check   | 1234567890   | no                     | -                     | -              | -
        not in use on that day       | 1234567893   | yes                    | no                    | AB1234563      | no
        a DEA number                 | 1234567893   | yes                    | yes                   | AB1234563      | no
        all in order                 | 1234567893   | yes                    | yes                   | 1234567893     | yes
        nothing known                | 1234567893   | -                      | -                     | -              | -

        case                         | prescriber_has_dea_number || fires     | evidence | code | action  | party  | route  | units | guards
        prescriber's fails its check | no                        || yes       | MEDIUM   | -    | INQUIRE | ENTITY | ENTITY | -     | DEA_NUMBER PASSED
        pharmacy's fails its check   | -                         || yes       | MEDIUM   | -    | INQUIRE | ENTITY | ENTITY | -     | DEA_NUMBER PASSED
        not in use on that day       | yes                       || yes       | MEDIUM   | -    | INQUIRE | ENTITY | ENTITY | -     | DEA_NUMBER PASSED
        a DEA number                 | yes                       || held back |          |      |         |        |        |       | DEA_NUMBER FAILED
        all in order                 | no                        || no        |          |      |         |        |        |       |
        nothing known                | -                         || no        |          |      |         |        |        |       |

        case                         || says
        prescriber's fails its check || 340B entity DSH010001 reported ... the prescriber's NPI 1234567890 cannot be one. Who
        pharmacy's fails its check   || the pharmacy's NPI 1234567890 fails its check digit
        not in use on that day       || was not in use on that day; the prescriber's
        """,  # noqa: E501
        needs=("quantity", "f60_prescriber_npi_valid"),
    ),
]
test_rule = rule_test(SPECS)
