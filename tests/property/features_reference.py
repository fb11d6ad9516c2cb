"""Cross-row features of a claim, computed again: slow, obvious, in plain Python, one world at a time."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from math import log
from statistics import median
from typing import Any

MEDICAID = ("MDRP_FFS", "MDRP_MCO")


def features(world: dict[str, list[dict[str, Any]]], as_of: date, least_days: int) -> dict[str, dict[str, Any]]:
    """{row id: its features} of the claims in `screen`."""
    screen = {row["source_row_id"]: row for row in world["screen"]}
    links = {row["source_row_id"]: row for row in world["links"]}
    parents = {
        row["entity_id"]: row["parent_entity_id"] for row in world["covered_entities"] if row["parent_entity_id"]
    }
    flagged = []
    for claim in world["claims"]:
        row_id = claim["source_row_id"]
        if row_id in screen:
            link, mef = links.get(row_id, {}), screen[row_id]["mef_entity_id"]
            parent = link.get("link_parent_entity_id") or mef
            flagged.append(
                {
                    **claim,
                    "screen": screen[row_id],
                    "is_linked": row_id in links,
                    "entity": link.get("link_entity_id") or mef,
                    "parent": parents.get(parent, parent),
                }
            )
    return {
        row["source_row_id"]: {
            **_entity_and_contracts(row, world, parents),
            **_shares(row, world, links),
            **_repeats(row, world["claims"]),
            **_reviews(row, world, links, parents, as_of),
            **_purchases(row, flagged, world, parents),
            "f59_batch_size_rz": _batch_size(row, world["claims"], least_days),
            "f39_n_reversals": _reversals(row, world["dispenses"]),
        }
        for row in flagged
    }


def quarter(day: date) -> int:
    return day.year * 4 + (day.month - 1) // 3


def _period(period: str) -> int:
    return int(period[:4]) * 4 + int(period[5])


def _is_before(row: dict[str, Any], other_day: date) -> bool:
    return 1 <= quarter(row["date_of_service"]) - quarter(other_day) <= 4


def _covers(day: date, start: date | None, end: date | None) -> bool:
    return (start is None or start <= day) and (end is None or day < end)


def _share(part: int | Decimal, whole: int | Decimal) -> float | None:
    return float(part) / float(whole) if whole else None


def _entity_and_contracts(row: dict[str, Any], world: dict[str, Any], parents: dict[str, Any]) -> dict[str, Any]:
    day, pharmacy = row["date_of_service"], row["pharmacy_key"]
    versions = [
        _covers(day, one["participating_start"], one["termination_date"])
        for one in world["covered_entities"]
        if one["entity_id"] == row["entity"] and _covers(day, one["valid_from"], one["valid_to"])
    ]
    found = {
        "f11_ce_active_at_dos": any(versions) if versions else None,
        **dict.fromkeys(("f12_cp_active_at_dos", "f13_cp_match_conf", "f14_n_ce_per_pharmacy", "f16_ppm_link")),
    }
    if pharmacy is None or pharmacy.startswith("NCPDP:"):
        return found
    contracts = [
        {**one, "parent": parents.get(one["entity_id"], one["entity_id"])} for one in world["contract_pharmacies"]
    ]
    in_force = [
        one
        for one in contracts
        if one["pharmacy_npi"] == pharmacy
        and _covers(day, one["begin_date"], one["termination_date"])
        and _covers(day, None, one["valid_to"])
    ]
    own = [one for one in in_force if one["parent"] == row["parent"]]
    if own:
        found["f12_cp_active_at_dos"] = True
        known = [one["pharmacy_match_confidence"] for one in own if one["pharmacy_match_confidence"] is not None]
        found["f13_cp_match_conf"] = max(known, default=None)
    else:
        of_entity = [one for one in contracts if one["parent"] == row["parent"]]
        if of_entity and all(one["pharmacy_npi"] for one in of_entity):
            found["f12_cp_active_at_dos"] = False

    def takes_part(entity: str) -> bool:
        spans = [one for one in world["covered_entities"] if one["entity_id"] == entity]
        return not spans or any(_covers(day, one["participating_start"], one["termination_date"]) for one in spans)

    found["f14_n_ce_per_pharmacy"] = len({one["parent"] for one in in_force if takes_part(one["entity_id"])})
    if row["prescriber_npi"] is not None:
        seen_at = {
            one["parent_entity_id"]
            for one in world["entity_claims"]
            if one["prescriber_npi"] == row["prescriber_npi"] and (day - one["date_of_service"]).days > 7
        }
        found["f16_ppm_link"] = bool(seen_at & {one["parent"] for one in in_force})
    return found


def _shares(row: dict[str, Any], world: dict[str, Any], links: dict[str, Any]) -> dict[str, Any]:
    def linked_share(*key: str) -> float | None:
        if any(row[name] is None for name in key):
            return None
        same = [
            claim
            for claim in world["claims"]
            if all(claim[name] == row[name] for name in key) and _is_before(row, claim["date_of_service"])
        ]
        return _share(sum(claim["source_row_id"] in links for claim in same), len(same))

    of_card = [
        claim["program"] in MEDICAID
        for claim in world["claims"]
        if row["bin"] is not None
        and all(claim[name] == row[name] for name in ("bin", "pcn", "group_id"))
        and _is_before(row, claim["date_of_service"])
    ]
    overlap = None
    if row["patient_key"] is not None:
        pharmacies = {row["pharmacy_key"]} | {
            claim["pharmacy_key"]
            for claim in world["claims"]
            if (claim["patient_key"], claim["ndc9"]) == (row["patient_key"], row["ndc9"])
            and 1 <= (row["date_of_service"] - claim["date_of_service"]).days <= 60
        }
        overlap = len(pharmacies - {None})
    return {
        "f15_pharm_340b_share": linked_share("pharmacy_key", "ndc9"),
        "f17_prescriber_ce_share": linked_share("prescriber_npi", "ndc9"),
        "f58_bin_pcn_lob_conf": _share(sum(of_card), len(of_card)),
        "f43_overlap_pharmacies": overlap,
    }


def _repeats(row: dict[str, Any], claims: list[dict[str, Any]]) -> dict[str, Any]:
    of_line = ("payer_id", "plan_id", "claim_id", "claim_line", "date_of_service")
    versions = {
        claim["period"] for claim in claims if claim["units"] > 0 and all(claim[name] == row[name] for name in of_line)
    }
    found = {
        "f37_cross_period_count": len(versions),
        **dict.fromkeys(("f34_same_key_count", "f35_cross_program_count", "f36_cross_state_count", "f57_mtf_dup_icn")),
        **dict.fromkeys(("mtf_is_adjusted", "mtf_is_reversed")),
    }
    if row["pharmacy_key"] is None or row["script_key"] is None:
        return found
    of_day = ("pharmacy_key", "claim_type", "script_key", "date_of_service", "ndc11")
    of_dispense = ("fill_number",) if row["claim_type"] == "RX" else ("claim_line", "hcpcs_code")
    lines = [claim for claim in claims if all(claim[name] == row[name] for name in of_day)]
    same = [
        line for line in lines if all(line[name] == row[name] for name in of_dispense) and _rebate(line) == _rebate(row)
    ]
    has_key = row["claim_type"] == "RX" or row["hcpcs_code"] is not None

    def state(claim: dict[str, Any]) -> str:
        return claim["state"] or claim["payer_id"]

    if row["program"] in MEDICAID:
        found["f36_cross_state_count"] = len(
            {state(line) for line in lines if line["program"] in MEDICAID and line["units"] > 0}
        )
    if row["program"] in MEDICAID and has_key:
        invoiced = [line for line in same if line["program"] in MEDICAID and line["units"] > 0]
        found["f34_same_key_count"] = sum(
            (line["program"], state(line), line["period"]) == (row["program"], state(row), row["period"])
            and {line["dispensing_status"], row["dispensing_status"]} != {"P", "C"}
            for line in invoiced
        )
        found["f35_cross_program_count"] = len(
            {line["program"] for line in invoiced if abs(_period(line["period"]) - _period(row["period"])) <= 4}
        )
    icn = row["mtf_icn"]
    if row["program"] == "MFP" and has_key and icn is not None:
        # a notice of withdrawal (005) asks for nothing and takes nothing back
        of_mfp = [line for line in claims if line["program"] == "MFP" and line["mtf_transaction_code"] != "005"]
        found["mtf_is_adjusted"] = any(
            line["mtf_transaction_code"] == "002" and line["mtf_xref_icn"] == icn != line["mtf_icn"] for line in of_mfp
        )
        found["mtf_is_reversed"] = any(
            line["mtf_transaction_code"] == "003" and icn in (line["mtf_xref_icn"], line["mtf_icn"]) for line in of_mfp
        )
        closed = {line["mtf_xref_icn"] for line in of_mfp}
        closed |= {line["mtf_icn"] for line in of_mfp if line["mtf_transaction_code"] == "003"}
        own = {line["mtf_icn"] for line in of_mfp if line in same}
        found["f57_mtf_dup_icn"] = len(own - closed - {None}) > 1
    return found


def _rebate(claim: dict[str, Any]) -> str:
    """What is asked for: one kind of refund under the MFP; elsewhere a type that is not given is the usual one."""
    if claim["program"] == "MFP":
        return "MFP"
    return claim["rebate_type"] or ("FEDERAL" if claim["program"] in MEDICAID else "BASE")


def _reversals(row: dict[str, Any], dispenses: list[dict[str, Any]]) -> int | None:
    key = ("pharmacy_key", "rx_key", "date_of_service", "ndc11")
    if any(row[name] is None for name in key):
        return None
    same = [one for one in dispenses if all(one[name] == row[name] for name in (*key, "fill_number"))]
    return same[0]["reversals"] if same else None


def _reviews(
    row: dict[str, Any], world: dict[str, Any], links: dict[str, Any], parents: dict[str, Any], as_of: date
) -> dict[str, Any]:
    answers = {}
    for outcome in sorted(world["outcomes"], key=lambda one: (one["answered_on"], one["answer"])):
        if outcome["answered_on"] < as_of:
            answers[outcome["source_row_id"]] = outcome["answer"]
    earlier = [claim for claim in world["claims"] if _is_before(row, claim["date_of_service"])]

    def confirmed(claims: list[dict[str, Any]]) -> int:
        return sum(answers.get(claim["source_row_id"]) in ("ACCEPTED", "PARTIAL") for claim in claims)

    at_pharmacy = [claim for claim in earlier if row["pharmacy_key"] and claim["pharmacy_key"] == row["pharmacy_key"]]
    of_entity = []
    for claim in earlier:
        parent = links.get(claim["source_row_id"], {}).get("link_parent_entity_id")
        if parent is not None and parents.get(parent, parent) == row["parent"]:
            of_entity.append(claim)
    responded = [c for c in of_entity if answers.get(c["source_row_id"]) in ("ACCEPTED", "PARTIAL", "REJECTED")]
    return {
        "f51_dup_rate_pharm": _share(confirmed(at_pharmacy), len(at_pharmacy)),
        "f52_ce_precision": _share(confirmed(responded), len(responded)),
    }


def _purchases(
    row: dict[str, Any], flagged: list[dict[str, Any]], world: dict[str, Any], parents: dict[str, Any]
) -> dict[str, Any]:
    names = ("entity_bought_at_340b", "entity_units_asked_for", "entity_units_bought", "f53_purch_vs_disp")
    found: dict[str, Any] = dict.fromkeys((*names, "f54_ce_volume_jump"))
    if row["parent"] is None:
        return found
    service = quarter(row["date_of_service"])
    claimed = [
        (service - quarter(one["date_of_service"]), one["quantity"])
        for one in world["entity_claims"]
        if (one["parent_entity_id"], one["ndc9"]) == (row["parent"], row["ndc9"])
    ]
    last = sum(units for ago, units in claimed if ago == 1)
    mean = float(sum(units for ago, units in claimed if 2 <= ago <= 5)) / 4
    if last > 0 and mean > 0:
        found["f54_ce_volume_jump"] = log(float(last) / mean)
    per_package = {one["ndc11"]: one["units_per_package"] for one in world["products"]}
    bought = [
        (service - quarter(one["invoice_date"]), one["packages"], per_package.get(one["ndc11"]))
        for one in world["chargebacks"]
        if one["contract_type"] == "340B"
        and parents.get(one["entity_id"], one["entity_id"]) == row["parent"]
        and one["ndc11"][:9] == row["ndc9"]
    ]

    def units(first: int, last: int) -> float | None:
        counted = [(packages, size) for ago, packages, size in bought if first <= ago <= last]
        if any(size is None for _, size in counted):
            return None
        return float(sum(packages * size for packages, size in counted))

    found["entity_bought_at_340b"] = sum(packages for ago, packages, _ in bought if -2 <= ago <= 2) > 0
    found["entity_units_bought"] = units(0, 3)
    before, dispensed = units(1, 4), sum(units for ago, units in claimed if 1 <= ago <= 4)
    if before is not None and dispensed:
        found["f53_purch_vs_disp"] = before / float(dispensed)
    of_dispenses: dict[tuple[Any, ...], list[Decimal]] = {}
    for other in flagged:
        is_own = (other["parent"], other["ndc9"]) == (row["parent"], row["ndc9"])
        if is_own and 0 <= service - quarter(other["date_of_service"]) <= 3 and _may_be_disputed(other):
            of_dispenses.setdefault(_dispense(other), []).append(max(other["ndc_units"] or 0, 0))
    found["entity_units_asked_for"] = float(sum(max(units) for units in of_dispenses.values()))
    return found


def _dispense(claim: dict[str, Any]) -> tuple[Any, ...]:
    if claim["script_key"] is None:
        return (claim["source_row_id"],)
    parts = ("fill_number",) if claim["claim_type"] == "RX" else ("claim_line", "hcpcs_code")
    names = ("claim_type", "pharmacy_key", "script_key", "date_of_service", "ndc11", *parts)
    return tuple(claim[name] for name in names)


def _may_be_disputed(row: dict[str, Any]) -> bool:
    screen, method = row["screen"], row["screen"]["state_340b_method"]
    is_listed = row["program"] == "MDRP_FFS" and screen["mef_entity_id"] is not None
    is_listed = is_listed and (method is None or "MEF" in method.split("|"))
    is_linked = row["is_linked"]
    if row["program"] == "COMMERCIAL":
        is_linked = is_linked and bool(screen["contract_excludes_340b"])
    if row["program"] == "MFP":
        asks = row["mtf_transaction_code"] in ("001", "002", None)
        is_linked = is_linked and asks and None not in (screen["price_ceiling"], screen["price_mfp"])
    return is_listed or is_linked


def _batch_size(row: dict[str, Any], claims: list[dict[str, Any]], least_days: int) -> float | None:
    by_day: dict[date, int] = {}
    for claim in claims:
        if (claim["pharmacy_key"], claim["ndc9"]) == (row["pharmacy_key"], row["ndc9"]):
            by_day[claim["date_of_service"]] = by_day.get(claim["date_of_service"], 0) + 1
    usual = [n for day, n in by_day.items() if _is_before(row, day)]
    if row["pharmacy_key"] is None or len(usual) < least_days:
        return None
    middle = median(usual)
    spread = max(1.4826 * median(abs(n - middle) for n in usual), 1.0)
    return max(-10.0, min(10.0, (by_day[row["date_of_service"]] - middle) / spread))
