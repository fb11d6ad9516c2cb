"""Conditions and guards of the rule catalog that cannot be checked with the tables of the contract, and why."""

from __future__ import annotations

from typing import NamedTuple


class Unsupported(NamedTuple):
    """A requirement of the catalog (domain part 7) on rules, and why the program does not check it."""

    rules: tuple[str, ...]
    what: str
    why: str


UNSUPPORTED = (
    Unsupported(
        ("R001", "R004"),
        "the modifier means something else on this claim",
        "No table lists other meanings of a modifier. `identifiers_340b` is by state, program, kind of claim and date, "
        "and its confidence (`low`: MEDIUM at most) expresses the doubt.",
    ),
    Unsupported(
        ("R003", "R005"),
        "the entity's file holds claims that are not 340B (F52, its confirmed share of answers)",
        "`is_340b` states it for each claim. F52 is shown with the finding: as a guard it would be open in every run "
        "without `outcomes` and lower every such finding.",
    ),
    Unsupported(
        ("R004",),
        "the line of business by BIN and PCN (F58) is not Medicaid",
        "No table lists the BINs and PCNs of Medicaid plans. F58, learned from the feed, is shown with the finding.",
    ),
    Unsupported(
        ("R006",),
        "at most so many questions per entity",
        "The rule is off unless it is switched on, and WEAK: it is in no draft.",
    ),
    Unsupported(
        ("R007",),
        "an export that rests on the exclusion file alone is blocked",
        "Drafts hold nothing but STRONG rules, and no rule disputes a managed-care claim for its listing.",
    ),
    Unsupported(
        ("R008", "R009"),
        "the PBM netted the claim in its own reconciliation file",
        "Such files are no table of the contract. What arrives as rows of negative units or as settlements is netted.",
    ),
    Unsupported(
        ("R017", "R054"),
        "the patient was enrolled in another program with retroactive effect",
        "Eligibility is in no table; R017 is MEDIUM and leaves open which row is wrong, R054 is an adjustment.",
    ),
    Unsupported(
        ("R019",),
        "the second period holds a replacement or a difference by a correction flag",
        "Claims have no such column: replacements are rows of kind ADJUSTMENT, differences rows of negative units.",
    ),
    Unsupported(
        ("R021",),
        "crossover claims of dual eligibles and spend-down",
        "What Medicare or the patient paid is known as the third-party amount alone, which the rule requires to be 0.",
    ),
    Unsupported(
        ("R026",),
        "the state covers the product by its own plan",
        "No table lists state plans; the statuses that earn no rebate are a threshold.",
    ),
    Unsupported(
        ("R034",),
        "mail order across borders, and stock",
        "Flows between states and inventories are in no table; the ratio and the units above it are thresholds.",
    ),
    Unsupported(
        ("R034", "R049"),
        "a package's units on the day of the purchase",
        "Packages are converted by the latest row of `products`, whatever its snapshot; SNAPSHOT is not looked at.",
    ),
    Unsupported(
        ("R035",),
        "titration of specialty drugs",
        "No table lists titration schedules. Days of supply that explain the quantity hold the rule back.",
    ),
    Unsupported(
        ("R037",),
        "changes of enrolment, of preferred drugs, shortages, carve-outs",
        "None of them is in a table: the rule is WEAK and an inquiry.",
    ),
    Unsupported(
        ("R038",),
        "claim-level detail that comes later, and managed-care lines without prescriptions",
        "What is to come cannot be known: the rule requests detail and disputes nothing.",
    ),
    Unsupported(
        ("R041",),
        "retroactive eligibility",
        "Eligibility is in no table: the rule is context.",
    ),
    Unsupported(
        ("R046",),
        "entities that merged after the service",
        "Parents are those of the day of service; a merger is seen where `covered_entities` dates it.",
    ),
    Unsupported(
        ("R048", "R062"),
        "an extension granted to the entity",
        "No table lists extensions; a row of `submission_windows` without days exempts a state or product.",
    ),
    Unsupported(
        ("R049",),
        "stock and mixed use",
        "Inventories are in no table: the rule is WEAK and an inquiry above a number of units.",
    ),
    Unsupported(
        ("R050",),
        "telehealth",
        "No table states where the prescriber sees patients: the rule is WEAK and an inquiry.",
    ),
    Unsupported(
        ("R051",),
        "the prescriber's NPI is of type 2, an organization, or is deactivated",
        "No table holds prescribers; `pharmacies` dates the NPIs of pharmacies alone.",
    ),
    Unsupported(
        ("R056",),
        "the unit rebate amount was revised since the invoice",
        "That is the meaning of code A. Of several snapshots of a price the latest counts.",
    ),
)
