"""Rules that rest on an undated row of a reference: a snapshot after the day leaves it open (contract part 7, item 16).

Each rule's first firing case, with the snapshot date of the row in question.
"""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

from pyspark.sql import SparkSession

from engine.contracts.codes import Subject
from tests.spec import (
    test_rule_conversions,
    test_rule_diversion,
    test_rule_eligibility,
    test_rule_entity_claims,
    test_rule_exclusion_file,
    test_rule_flags_340b,
    test_rule_links_340b,
    test_rule_manufacturer_policies,
    test_rule_medicare_inflation,
    test_rule_packages,
)
from tests.spec.rule_cases import Spec, answers_to, everything, rule_test

CLAIM, ENTITY_CLAIM, INVOICE = Subject.REBATE_CLAIM, Subject.ENTITY_CLAIM, Subject.INVOICE
LOWER = {"STRONG": "MEDIUM", "MEDIUM": "WEAK", "WEAK": "WEAK"}
OWNED, LISTED = (
    "contract_exclusion_scope=ENTITY_OWNED; contract_pharmacy_is_entity_owned=yes",
    "contract_exclusion_scope=LISTED_PHARMACIES; contract_pharmacy_is_listed=yes",
)
CARVED_OUT = "state_carves_out_contract_pharmacies=yes; contract_pharmacy_is_entity_owned=yes"
BY_TYPE = "date_of_service=2024-12-31; entity_type=DSH"
RESTS_ON = [  # rule, subject, specified in, the row's fact, what is changed of the case
    ("R001", CLAIM, test_rule_flags_340b, "flags_340b_known_from", ""),
    ("R002", CLAIM, test_rule_exclusion_file, "state_340b_method_known_from", ""),
    ("R003", CLAIM, test_rule_links_340b, "state_carve_out_known_from", ""),
    ("R003", CLAIM, test_rule_links_340b, "contract_ownership_known_from", CARVED_OUT),
    ("R004", CLAIM, test_rule_flags_340b, "flags_340b_known_from", ""),
    ("R005", CLAIM, test_rule_links_340b, "state_carve_out_known_from", ""),
    ("R008", CLAIM, test_rule_links_340b, "contract_known_from", ""),
    ("R008", CLAIM, test_rule_links_340b, "contract_ownership_known_from", OWNED),
    ("R008", CLAIM, test_rule_links_340b, "contract_listing_known_from", LISTED),
    ("R009", CLAIM, test_rule_links_340b, "contract_known_from", ""),
    ("R010", CLAIM, test_rule_flags_340b, "flags_340b_known_from", ""),
    ("R010", CLAIM, test_rule_flags_340b, "contract_known_from", ""),
    ("R015", ENTITY_CLAIM, test_rule_medicare_inflation, "entity_known_from", BY_TYPE),
    ("R026", CLAIM, test_rule_eligibility, "product_known_from", ""),
    ("R026", INVOICE, test_rule_eligibility, "product_known_from", ""),
    ("R028", CLAIM, test_rule_packages, "product_known_from", ""),
    ("R029", CLAIM, test_rule_packages, "product_known_from", ""),
    ("R030", CLAIM, test_rule_packages, "product_known_from", ""),
    ("R031", CLAIM, test_rule_conversions, "hcpcs_pair_known_from", ""),
    ("R032", CLAIM, test_rule_conversions, "hcpcs_pair_known_from", ""),
    ("R033", CLAIM, test_rule_packages, "product_known_from", ""),
    ("R044", ENTITY_CLAIM, test_rule_manufacturer_policies, "policy_known_from", ""),
    ("R044", ENTITY_CLAIM, test_rule_manufacturer_policies, "entity_known_from", ""),
    ("R045", ENTITY_CLAIM, test_rule_entity_claims, "entity_known_from", ""),
    ("R050", ENTITY_CLAIM, test_rule_diversion, "entity_known_from", ""),
    ("R062", ENTITY_CLAIM, test_rule_entity_claims, "submission_window_known_from", ""),
]  # fmt: skip
# A row that a rule does not rest on leaves it as it is.
DOES_NOT_REST_ON = [
    ("R003", CLAIM, test_rule_links_340b, "state_carve_out_known_from", "claim_type=MEDICAL"),
    ("R008", CLAIM, test_rule_links_340b, "contract_ownership_known_from", ""),
    ("R015", ENTITY_CLAIM, test_rule_medicare_inflation, "entity_known_from", ""),
]
DAY = {CLAIM: "date_of_service", ENTITY_CLAIM: "date_of_service", INVOICE: "period_start"}


def _firing(rule_id: str, subject: Subject, specified_in: ModuleType) -> tuple[dict[str, str], str, tuple[str, ...]]:
    """Facts and class of the rule's first case that fires, and the facts without which it would not."""
    for spec in specified_in.SPECS:
        if (spec.rule_id, spec.subject) == (rule_id, subject):
            for _, own, expected in spec.lines:
                if expected["fires"] == "yes":
                    return spec.shared | own, expected["evidence"], spec.needs
    raise LookupError(rule_id)


def _spec(case: tuple[str, Subject, ModuleType, str, str], *, rests: bool) -> Spec:
    rule_id, subject, specified_in, fact, changed = case
    facts, evidence, needs = _firing(rule_id, subject, specified_in)
    spec = Spec(rule_id, subject, changed, "", needs)
    facts |= spec.shared
    after = (LOWER[evidence], "UNCHECKED") if rests else (evidence, "PASSED")
    given = "; ".join(f"{name}={value}" for name, value in facts.items() if value)
    day = facts[DAY[subject]]
    row = f"{fact.removesuffix('_known_from').replace('_', ' ')}{'' if rests else ', of no account'}"
    lines = [
        f"case | {fact} || fires | evidence | guards",
        f"{row}: dated | - || yes | {evidence} | SNAPSHOT PASSED",
        f"{row}: snapshot of the day | {day} || yes | {evidence} | SNAPSHOT PASSED",
        f"{row}: snapshot of a later day | 2026-01-01 || yes | {after[0]} | SNAPSHOT {after[1]}",
    ]
    return replace(spec, given=given, table="\n".join(lines))


SPECS = [
    *(_spec(case, rests=True) for case in RESTS_ON),
    *(_spec(case, rests=False) for case in DOES_NOT_REST_ON),
]
test_rule = rule_test(SPECS)


def test_an_orphan_drug_of_the_product_file_alone_rests_on_its_row(spark: SparkSession) -> None:
    facts = next(spec for spec in test_rule_entity_claims.SPECS if spec.rule_id == "R045").firing.facts
    of_products = everything(ENTITY_CLAIM, ["R045"], without=["orphan_drugs"])
    rows = {"later": facts | {"product_known_from": facts["date_of_service"].replace(year=2026)}}
    by_list = answers_to(spark, everything(ENTITY_CLAIM, ["R045"]), rows)[("later", "R045")]
    by_row = answers_to(spark, of_products, rows)[("later", "R045")]
    assert (by_list["evidence"], by_row["evidence"]) == ("STRONG", "MEDIUM")
