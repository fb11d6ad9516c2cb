"""What a finding takes from one of its rules: code, units, route, party and action (contract 4 and 7.5; domain 1.3
and 7). Parties are stated where the contract or the brief states one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.property.rules_reference.basics import CONTRACTS, LADDER, MEDICAID, Row

FIRST_CODES = ("X", "M", "N", "O", "J", "K")
ADJUSTMENTS = ("A", "B", "C", "G", "H", "I", "Y")
ONLY_WITH_UNITS = ("D", "E", "F")
NOTHING = Decimal(0)

# what the row asks for is contradicted: units are disputed with whoever asked
DISPUTES = {
    *("R001", "R002", "R003", "R004", "R005", "R008", "R009", "R010", "R016", "R019", "R020", "R021", "R022", "R024"),
    *("R025", "R026", "R029", "R030", "R031", "R032", "R033", "R055", "R058", "R059"),
}
# which row is wrong is open, an adjustment of no units, or a letter to an entity
INQUIRIES = {
    *("R015", "R017", "R018", "R027", "R042", "R043", "R045", "R046", "R047", "R048", "R051", "R053", "R054", "R056"),
    *("R057", "R062"),
}
# explain or warn, or are counsel's; nobody is written to
SILENT = {"R023", "R040", "R041", "R044", "R061"}
OF_NO_UNITS = {"R053", "R054", "R056", "R060", "R061"}
OPEN_PARTY = {"R017", "R018", "R046", "R057"}


def action_of(rule: str, row: Row, kind: str, hit: dict[str, Any]) -> str:
    """Before the class of the hit is looked at."""
    if rule in SILENT:
        return "NONE"
    if rule == "R038" or (rule == "R022" and kind == "INVOICE"):
        return "REQUEST_CLD"
    if kind == "ENTITY_CLAIM" or rule in INQUIRIES:
        return "INQUIRE"
    if row["program"] == "MFP":
        return "WITHHOLD" if rule == "R011" and hit["evidence"] == "STRONG" else "PAY_AND_WATCH"
    if rule == "R020" and hit["own_class"] == "WEAK":
        return "PAY_AND_WATCH"  # a credit is to be expected
    if rule == "R031" and hit["surplus"] <= 0:
        return "INQUIRE"
    assert rule in DISPUTES, rule
    # public utilization data: findings, and never a dispute
    return "INQUIRE" if row["source_kind"] == "SDUD" else "DISPUTE"


def decide(row: Row, kind: str, hits: dict[str, dict[str, Any]], is_late: bool) -> dict[str, Any]:
    """`hits`: {rule: evidence, own_class: before two WEAK ones raise each other, code, units, surplus: of R031}."""
    strongest = min(hits, key=lambda rule: LADDER.index(hits[rule]["evidence"]))
    own = [rule for rule in hits if hits[rule]["evidence"] == hits[strongest]["evidence"]]

    def place(rule: str) -> tuple[Any, ...]:
        hit, code = hits[rule], hits[rule]["code"]
        order = FIRST_CODES.index(code) if code in FIRST_CODES else len(FIRST_CODES) + (code is None)
        accuses = _gated(action_of(rule, row, kind, hit), hit["own_class"], False) in ("DISPUTE", "WITHHOLD")
        units = Decimal(-1) if hit["units"] is None else hit["units"]
        return not accuses, -units, order, code or "", rule

    rule = min(own, key=place)
    hit = hits[rule]
    # all that was at issue was credited or repaid since
    with_units = [one for one in own if one not in OF_NO_UNITS and hits[one]["units"] is not None]
    settled = (row["since"] or NOTHING) > 0 and bool(with_units) and all(hits[one]["units"] == 0 for one in own)
    return {
        "rule": rule,
        "dispute_code": _dispute_code(hit),
        "units_at_issue": hit["units"],
        "route": _route(rule, row, kind),
        "party_at_fault": _party(rule),
        "action": "NONE" if settled else _gated(action_of(rule, row, kind, hit), hit["own_class"], is_late),
    }


def _dispute_code(hit: dict[str, Any]) -> str | None:
    code = hit["code"]
    if code in ADJUSTMENTS or (code in ONLY_WITH_UNITS and not (hit["units"] or NOTHING) > 0):
        return None
    return code


def _route(rule: str, row: Row, kind: str) -> str:
    if rule in SILENT or (rule == "R051" and kind != "ENTITY_CLAIM"):
        return "NONE"
    if kind == "ENTITY_CLAIM":
        return "ENTITY"
    return "STATE" if row["program"] in MEDICAID else "PBM" if row["program"] in CONTRACTS else "FACILITATOR"


def _party(rule: str) -> str | None:
    """None: not stated."""
    if rule in OPEN_PARTY:
        return "UNDETERMINED"
    return "PBM" if rule in ("R008", "R009", "R010") else None


def _gated(action: str, evidence: str, is_late: bool) -> str:
    """CONTEXT accuses nobody, a dispute needs MEDIUM at least, a refund is withheld inside the 14 days alone.

    `evidence`: the rule's own class. That two WEAK ones raise each other is for the analyst: what each may do stays.
    """
    if evidence == "CONTEXT":
        return "NONE"
    if action == "WITHHOLD" and is_late:
        return "PAY_AND_WATCH"
    return "INQUIRE" if action == "DISPUTE" and evidence == "WEAK" else action
