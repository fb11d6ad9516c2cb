"""Rules on 340B drugs: identifiers on the claim, the exclusion file, links to claims of covered entities, contracts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from engine.link.weights import configured_weights
from engine.settings import LinkSettings
from tests.property.link_reference import Reference
from tests.property.rules_reference.basics import (
    CONTRACTS,
    MEDICAID,
    Row,
    cents,
    covers,
    guard,
    hit,
    quarter_number,
    quarter_of,
    words,
)
from tests.property.rules_reference.world import Prepared

LINKING = LinkSettings(learn_weights=False, offset_pairs=1_000_000)
BY_TIER = {"T1": "STRONG", "T2": "STRONG", "T3": "MEDIUM", "T4": "MEDIUM", "T5": "MEDIUM", "T6": "WEAK"}
RULES = {"MDRP_FFS": "R003", "MDRP_MCO": "R005", "COMMERCIAL": "R008", "PARTD": "R009"}
TOLERANCE = Decimal("1.1")
FIELDS = {"SCC": "submission_clarification_codes", "BOC": "basis_of_cost", "MODIFIER": "modifiers"}


def link(world: Prepared) -> None:
    """`link` of each claim: tier, entity in question, rows of the entity; None: not linked."""
    packages = {row["ndc"]: row["units_per_package"] for row in world.table("products") if row["units_per_package"]}
    heirs = {row["npi"]: row["successor_npi"] for row in world.table("pharmacies") if row["successor_npi"]}
    reference = Reference(LINKING, configured_weights(LINKING), heirs, packages)
    rebate = [_to_link(row) for row in world.claims if row["left"] > 0]
    entity = [_to_link(row) | {"parent_entity_id": row["parent"]} for row in world.entity_claims]
    links = reference.link(rebate, entity)
    for row in world.claims:
        row["link"] = links.get(row["source_row_id"])


def _to_link(row: Row) -> dict[str, Any]:
    scripts = row["rx_key"] if row["claim_type"] == "RX" else row["claim_id"]
    names: tuple[str, ...] = (
        "rx_key",
        "service_npi",
        "hash_scheme",
        "dispensing_status",
        "prescriber_npi",
        "bin",
        "rebate_type",
    )
    names += ("hcpcs_code", "fill_number", "quantity", "ndc_units", "program", "payer_id", "entity_id")
    said = {name: row[name] for name in names}
    plain = None if row["rx_number"] is None else row["rx_key"]
    return {**row, **said, "pharmacy_key": row["pharmacy"], "script_key": scripts, "rx_number": plain}


def judge(world: Prepared, row: Row) -> list[dict[str, Any] | None]:
    if row["left"] <= 0:
        return []
    return [_flagged(world, row), _listed(world, row), _linked(world, row), _refunded(world, row)]


# --- identifiers on the claim ---


def flags(world: Prepared, row: Row) -> list[tuple[bool, bool]]:
    """(is sure, its dates are known) of each identifier on the claim that its state and program use on the day."""
    return [
        (one["confidence"] != "low", one["state"] is None or one["begin_date"] is not None)
        for one in flag_rows(world, row)
    ]


def flag_rows(world: Prepared, row: Row) -> list[Row]:
    found = []
    state = row["state"] or (row["payer_id"] if row["program"] in MEDICAID else None)
    for one in world.table("identifiers_340b"):
        wanted = ("state", state), ("program", row["program"]), ("claim_type", row["claim_type"])
        if any(one[name] not in (None, value) for name, value in wanted) or not covers(one, row["date_of_service"]):
            continue
        values = words(row[FIELDS[one["field"]]])
        if one["value"] in [text if one["field"] == "MODIFIER" else text.zfill(2) for text in values]:
            found.append(one)
    return found


def _flagged(world: Prepared, row: Row) -> dict[str, Any] | None:
    """R001, R004, R010: the strongest of the identifiers counts."""
    found = flags(world, row)
    rule = {"MDRP_FFS": "R001", "MDRP_MCO": "R004"}.get(row["program"], "R010")
    if not found or row["program"] not in (*MEDICAID, *CONTRACTS):
        return None
    # one that is sure and dated; else one that lacks either; else one that lacks both
    is_sure, is_dated = max(found, key=lambda one: (sum(one), one[0]))
    guards = [("IDENTIFIER_DATES", guard(False if is_dated else None), "SILENT")]
    if rule == "R010":
        terms = contract_terms(world, row)
        allowed = None if terms.chosen is None else not _excludes(world, row, terms.chosen)
        guards += [("ONE_CONTRACT", guard(None if terms.differ else False), "SILENT")]
        guards += [("CONTRACT_TERMS", guard(allowed), "SILENT")]
    code = "PBM" if rule == "R010" else "X"
    return hit(rule, "STRONG" if is_sure else "MEDIUM", code=code, units=row["left"], action="DISPUTE", guards=guards)


# --- the exclusion file ---


def _listings(world: Prepared, row: Row) -> list[str]:
    """Entities under whose number the claim was billed, by the file of the quarter of service."""
    if row["program"] != "MDRP_FFS":
        return []
    return [
        one["entity_id"]
        for one in world.table("medicaid_exclusions")
        if one["medicaid_state"] == row["state"]
        and one["quarter"] == quarter_of(row["date_of_service"])
        and (
            (one["npi"] is not None and one["npi"] == row["pharmacy"])
            or (one["medicaid_number"] is not None and one["medicaid_number"] == row["medicaid_provider_id"])
        )
    ]


def _listed(world: Prepared, row: Row) -> dict[str, Any] | None:
    entities = _listings(world, row)
    if not entities:
        return None
    guards = [("STATE_METHOD", guard_of_method(world, row), "SILENT")]
    guards += _purchase_guards(world, row, _in_question(world, row))
    return hit("R002", "STRONG", code="X", units=row["left"], action="DISPUTE", guards=guards)


def guard_of_method(world: Prepared, row: Row) -> str:
    methods = policy(world, row, "method")
    return guard(None if methods is None else "MEF" not in words(methods))


def policy(world: Prepared, row: Row, name: str) -> Any:
    for one in world.table("state_340b_policies"):
        if one["state"] == row["state"] and covers(one, row["date_of_service"]):
            return one[name]
    return None


# --- purchases ---


def _in_question(world: Prepared, row: Row) -> str | None:
    """The parent entity that the 340B rules on a claim are about: of the link, else of the file. A reading: of
    several entities under one number one whose family buys at the 340B price, then the smallest id.
    """
    day = row["date_of_service"]
    if row["link"] is not None:
        return world.parent(row["link"]["shown"][0], day)
    listed = min(_listings(world, row), key=lambda entity: (not _buys(world, entity), entity), default=None)
    return None if listed is None else world.parent(listed, day)


def _buys(world: Prepared, entity: str) -> bool:
    days = [row[name] for row in world.table("covered_entities") for name in ("valid_from", "valid_to") if row[name]]
    days.append(date(1, 1, 1))

    def parents(one: str) -> set[str]:
        return {world.parent(one, day) for day in days}

    bought = [one["entity_id"] for one in world.table("chargebacks") if one["contract_type"] == "340B"]
    return any(parents(entity) & parents(buyer) for buyer in bought)


def _bought(world: Prepared, row: Row, parent: str, first: int, last: int) -> tuple[Decimal, Decimal | None]:
    """Packages and units of the NDC-9 that the parent's entities bought at the 340B price, by quarters from service."""
    service = quarter_number(quarter_of(row["date_of_service"]))
    packages = Decimal(0)
    units: Decimal | None = Decimal(0)
    for one in world.table("chargebacks"):
        quarter = quarter_number(quarter_of(one["invoice_date"]))
        is_340b = one["contract_type"] == "340B" and one["ndc"][:9] == row["ndc9"]
        if (
            is_340b
            and first <= quarter - service <= last
            and world.parent(one["entity_id"], row["date_of_service"]) == parent
        ):
            packages += one["packages"]
            sizes = [each["units_per_package"] for each in world.table("products") if each["ndc"] == one["ndc"]]
            size = sizes[-1] if sizes else None
            units = None if size is None or units is None else units + one["packages"] * size
    return packages, units


def _purchase_guards(world: Prepared, row: Row, parent: str | None) -> list[tuple[str, str, str]]:
    if parent is None:
        return [("NO_340B_PURCHASE", "UNCHECKED", "WEAK"), ("EXCEEDS_340B_PURCHASES", "UNCHECKED", "MEDIUM")]
    packages, _ = _bought(world, row, parent, -2, 2)
    _, units = _bought(world, row, parent, -3, 0)
    asked = _asked_for(world, row, parent)
    none = packages <= 0
    exceeds = None if units is None else asked > units * TOLERANCE
    return [("NO_340B_PURCHASE", guard(none), "WEAK"), ("EXCEEDS_340B_PURCHASES", guard(exceeds), "MEDIUM")]


def _asked_for(world: Prepared, row: Row, parent: str) -> Decimal:
    """Disputed units of claims for which the entity is in question, over four quarters; a dispense once."""
    service = quarter_number(quarter_of(row["date_of_service"]))
    largest: dict[tuple[Any, ...], Decimal] = {}
    for other in world.claims:
        ago = service - quarter_number(quarter_of(other["date_of_service"]))
        if other["ndc9"] != row["ndc9"] or not 0 <= ago <= 3 or other["left"] <= 0 or other["ndc_units"] is None:
            continue
        if _is_disputed(world, other) and _in_question(world, other) == parent:
            key = other["natural"] or other["source_row_id"]
            largest[key] = max(largest.get(key, other["left"]), other["left"])
    return sum(largest.values(), Decimal(0))


def _is_disputed(world: Prepared, row: Row) -> bool:
    """Whether a rule that rests on the entity's purchases puts the claim in question, those guards apart."""
    listed = _listings(world, row) and guard_of_method(world, row) != "FAILED"
    if listed or (row["link"] is not None and row["program"] in MEDICAID):
        return True
    if row["link"] is not None and row["program"] in CONTRACTS:
        chosen = contract_terms(world, row).chosen
        return chosen is not None and bool(_excludes(world, row, chosen))
    return row["program"] == "MFP" and _refund_at_issue(world, row) is not None


# --- links ---


def _linked(world: Prepared, row: Row) -> dict[str, Any] | None:
    rule = RULES.get(row["program"])
    if rule is None or row["link"] is None or row["link"]["tier"] not in BY_TIER:
        return None
    guards = []
    if row["program"] in MEDICAID:
        guards.append(("CONTRACT_PHARMACY_CARVED_OUT", _carved_out(world, row), "MEDIUM"))
    else:
        terms = contract_terms(world, row)
        if terms.chosen is None or not terms.chosen["excludes_340b"]:
            return None
        guards.append(("ONE_CONTRACT", guard(None if terms.differ else False), "SILENT"))
        guards.append(("EXCLUSION_SCOPE", guard(not _is_in_scope(world, row, terms.chosen)), "SILENT"))
    guards += _purchase_guards(world, row, _in_question(world, row))
    code = "X" if row["program"] in MEDICAID else "PBM"
    related = set(row["link"]["ids"])
    said = {"code": code, "units": row["left"], "action": "DISPUTE", "guards": guards, "related": related}
    return hit(rule, BY_TIER[row["link"]["tier"]], **said)


def _is_owned(world: Prepared, row: Row) -> bool:
    """The pharmacy is a covered entity's own."""
    return any(
        one["npi"] == row["pharmacy"] and covers(one, row["date_of_service"], "valid_from", "valid_to")
        for one in world.table("entity_npis")
    )


def _carved_out(world: Prepared, row: Row) -> str:
    if row["claim_type"] == "MEDICAL" or _is_owned(world, row):
        return guard(False)
    return guard(policy(world, row, "contract_pharmacy_carved_out"))


# --- contracts ---


class Terms:
    """chosen: the contract in force that is asked about; differ: others, for a claim that names none, say otherwise."""

    def __init__(self, chosen: Row | None, differ: bool) -> None:
        self.chosen, self.differ = chosen, differ


def contract_terms(world: Prepared, row: Row) -> Terms:
    in_force = may_govern(world, row)
    if row["contract_id"] is not None:
        own = [one for one in in_force if one["contract_id"] == row["contract_id"]]
        return Terms(own[0] if own else None, False)
    in_force.sort(
        key=lambda one: (
            not one["excludes_340b"],
            one["ndc9"] is None,
            one["rebate_type"] is None,
            one["program"] is None,
        )
    )
    said = {(one["excludes_340b"], one["exclusion_scope"] or "ALL") for one in in_force}
    return Terms(in_force[0] if in_force else None, len(said) > 1)


def may_govern(world: Prepared, row: Row) -> list[Row]:
    """Contracts of the payer in force for such a claim, whichever it names."""
    return [
        one
        for one in world.table("rebate_contracts")
        if one["payer_id"] == row["payer_id"]
        and one["program"] in (None, row["program"])
        # what does not say its rebate type contradicts no contract
        and (None in (one["rebate_type"], row["rebate_type"]) or one["rebate_type"] == row["rebate_type"])
        and one["ndc9"] in (None, row["ndc9"])
        and covers(one, row["date_of_service"])
    ]


def _excludes(world: Prepared, row: Row, contract: Row) -> bool | None:
    return contract["excludes_340b"] and _is_in_scope(world, row, contract)


def _is_in_scope(world: Prepared, row: Row, contract: Row) -> bool:
    scope = contract["exclusion_scope"] or "ALL"
    if scope == "ENTITY_OWNED":
        return _is_owned(world, row)
    if scope == "FLAGGED_ONLY":
        return bool(flags(world, row))
    if scope == "LISTED_PHARMACIES":
        return bool(listings(world, row, contract))
    return True


def listings(world: Prepared, row: Row, contract: Row) -> list[Row]:
    """Rows of the contract's list that name the pharmacy."""
    return [
        one
        for one in world.table("contract_pharmacy_lists")
        if (one["contract_id"], one["pharmacy_npi"]) == (contract["contract_id"], row["pharmacy"])
        and covers(one, row["date_of_service"])
    ]


# --- refunds under the MFP ---


def _refund_at_issue(world: Prepared, row: Row) -> tuple[str, Decimal | None] | None:
    """Class and dollars: the whole refund where the ceiling price is not above the MFP, else what lies above the
    difference of the two; None: nothing.
    """
    is_asked = row["program"] == "MFP" and row["mtf_transaction_code"] in ("001", "002", None)
    day = row["date_of_service"]
    if not is_asked or row["link"] is None or day < date(2026, 1, 1):
        return None
    quarter = quarter_of(day)
    ceiling, mfp, wac = (world.price(row["ndc"], quarter, name) for name in ("ceiling_unit", "mfp_unit", "wac_unit"))
    if None in (ceiling, mfp):
        return None
    evidence = BY_TIER[row["link"]["tier"]]
    if ceiling >= mfp and evidence == "STRONG":
        evidence = "MEDIUM"
    per_unit = row["unit_rebate_amount"]
    if per_unit is None and wac is not None:
        per_unit = wac - mfp
    claimed, units = row["rebate_amount"], row["ndc_units"]
    if claimed is None and None not in (per_unit, units):
        claimed = cents(per_unit * units)
    amount = claimed
    if ceiling > mfp and claimed is not None:
        amount = None if units is None else claimed - cents((ceiling - mfp) * units)
    if ceiling > mfp and (amount is None or amount <= 0):
        return None
    return evidence, amount


def _refunded(world: Prepared, row: Row) -> dict[str, Any] | None:
    """R011."""
    said = _refund_at_issue(world, row)
    if said is None:
        return None
    evidence, amount = said
    guards = _purchase_guards(world, row, _in_question(world, row))
    guards.append(("LATER_REVERSAL", _is_reversed(world, row), "WEAK"))
    related = set(row["link"]["ids"])
    return hit("R011", evidence, code="MRA", units=row["left"], amount=amount, guards=guards, related=related)


def _is_reversed(world: Prepared, row: Row) -> str:
    if row["mtf_icn"] is None:
        return guard(None)
    for one in world.claims:
        code = one["mtf_transaction_code"]
        names = one["mtf_xref_icn"] == row["mtf_icn"]
        same = one["mtf_icn"] == row["mtf_icn"] and one is not row
        if ((names or same) and code in ("003", "009", "013")) or (names and code == "002" and one is not row):
            return guard(True)
    return guard(False)
