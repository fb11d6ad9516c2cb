"""link_340b once more: slow, obvious, in plain Python, by trying every assignment."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from itertools import product

AGREE = {
    "date": 6.0,
    "date_near": 2.0,
    "fill": 3.0,
    "ndc11": 7.0,
    "ndc9": 5.0,
    "quantity": 3.0,
    "quantity_near": 1.5,
    "prescriber": 2.0,
}
DIFFER = {"fill": -3.0, "quantity": -3.0, "prescriber": -2.0}
KEY = 14.0
DAYS_APART = 3
OFFSETS = {"CE-OFFSET": 1}


def link(rebate_rows: list[dict], entity_rows: list[dict]) -> dict[str, dict]:
    """Links by rebate row id: tier, score, ambiguous, ids, shown, differ, candidates."""
    streams = defaultdict(list)
    for row in rebate_rows:
        if row["pharmacy_key"] is not None and row["script_key"] is not None:
            key = (row["pharmacy_key"], row["script_key"], row["claim_type"])
            streams[key, (row["program"], row["payer_id"], row["rebate_type"])].append(row)
    links: dict[str, dict] = {}
    for (script, _), rows in streams.items():
        given = [e for e in entity_rows if (e["pharmacy_key"], e["script_key"], e["claim_type"]) == script]
        links.update(_link_group(rows, given))
    return links


def _link_group(rows: list[dict], given: list[dict]) -> dict[str, dict]:
    whole = _whole_fills(rows)
    pairs = [p for r, e in product(rows, given) if (p := _compare(r, e, whole)) is not None]
    by_claims = defaultdict(list)
    for pair in pairs:
        by_claims[pair["r_claim"], pair["e_claim"]].append(pair)
    best = {claims: min((p["tier"], -p["score"], p["days"]) for p in ps) for claims, ps in by_claims.items()}
    chosen: dict = {}
    for tier in (1, 2, 3, 4):
        used = {e for e, _, _ in chosen.values()}
        open_edges = {c: v for c, v in best.items() if v[0] == tier and c[0] not in chosen and c[1] not in used}
        chosen.update(_best_assignment(open_edges, pairs))
    chosen.update(_shared_parts(pairs, chosen))
    result = {}
    for row in rows:
        mine = [p for p in pairs if p["r"] is row]
        if not mine or mine[0]["r_claim"] not in chosen:
            continue
        e_claim, options, certain = chosen[mine[0]["r_claim"]]
        tied = []
        for option in options:
            of_option = [p for p in mine if p["e_claim"] == option]
            top = min((p["tier"], -p["score"]) for p in of_option)
            tied += [p for p in of_option if (p["tier"], -p["score"]) == top]
        shown = min((p for p in tied if p["e_claim"] == e_claim), key=lambda p: (p["days"], p["e"]["source_row_id"]))
        ids = sorted({p["e"]["source_row_id"] for p in tied})
        result[row["source_row_id"]] = {
            "tier": f"T{shown['tier']}",
            "score": shown["score"],
            "ambiguous": len(ids) > 1 or not certain,
            "ids": ids,
            "shown": (shown["e"]["entity_id"], shown["e"]["date_of_service"], shown["e"]["ndc11"]),
            "differ": shown["differ"],
            "candidates": len(mine),
        }
    return result


def _whole_fills(rows: list[dict]) -> dict:
    parts: dict = {}
    for row in rows:
        if row["dispensing_status"] is not None and row["claim_type"] == "RX" and row["ndc_units"] is not None:
            fill = (row["fill_number"], row["ndc9"])
            part = (row["dispensing_status"], row["date_of_service"], row["ndc11"])
            parts[fill, part] = max(row["ndc_units"], parts.get((fill, part), row["ndc_units"]))
    sums: dict = defaultdict(Decimal)
    for (fill, _), units in parts.items():
        sums[fill] += units
    return sums


def _compare(r: dict, e: dict, whole: dict) -> dict | None:
    medical = r["claim_type"] == "MEDICAL"
    days = abs((r["date_of_service"] - e["date_of_service"]).days)
    if r["ndc9"] != e["ndc9"] or days > DAYS_APART:
        return None
    r_fill, e_fill = (None, None) if medical else (r["fill_number"], e["fill_number"])
    r_hcpcs, e_hcpcs = (r["hcpcs_code"], e["hcpcs_code"]) if medical else (None, None)
    is_part = r["dispensing_status"] is not None and not medical
    whole_units = whole.get((r_fill, r["ndc9"])) if is_part else None

    def quantity_within(percent: int) -> bool:
        given = e["quantity"]
        units = [u for u in (r["ndc_units"], whole_units) if u is not None]
        return given is not None and given > 0 and any(100 * abs(u - given) <= percent * given for u in units)

    same_fill = r_fill == e_fill
    both_fills = r_fill is not None and e_fill is not None
    shifted = both_fills and not same_fill and e_fill - r_fill == OFFSETS.get(e["entity_id"])
    same_day, same_ndc = days == 0, r["ndc11"] == e["ndc11"]
    if medical:
        hcpcs_ok = r_hcpcs is None or e_hcpcs is None or r_hcpcs == e_hcpcs
        tier = 1 if same_day and same_ndc and hcpcs_ok else None
    elif same_day and same_ndc and same_fill and quantity_within(1):
        tier = 1
    elif same_day and same_ndc and (shifted or (r_fill is None) != (e_fill is None)):
        tier = 2
    elif same_ndc and quantity_within(5):
        tier = 3
    else:
        tier = 4
    if tier is None:
        return None
    score = KEY + (AGREE["date"] if same_day else AGREE["date_near"]) + (AGREE["ndc11"] if same_ndc else AGREE["ndc9"])
    if both_fills:
        score += AGREE["fill"] if same_fill or shifted else DIFFER["fill"]
    if r["ndc_units"] is not None and e["quantity"] is not None:
        near = AGREE["quantity_near"] if quantity_within(5) else DIFFER["quantity"]
        score += AGREE["quantity"] if quantity_within(1) else near
    both_prescribers = r["prescriber_npi"] is not None and e["prescriber_npi"] is not None
    same_prescriber = r["prescriber_npi"] == e["prescriber_npi"]
    if both_prescribers:
        score += AGREE["prescriber"] if same_prescriber else DIFFER["prescriber"]
    differ = [
        name
        for name, differs in (
            ("date_of_service", not same_day),
            ("fill_number", not same_fill),
            ("ndc11", not same_ndc),
            ("quantity", not quantity_within(1)),
            ("prescriber_npi", both_prescribers and not same_prescriber),
        )
        if differs
    ]
    whole_is_given = (
        whole_units is not None
        and e["quantity"] is not None
        and e["quantity"] > 0
        and 100 * abs(whole_units - e["quantity"]) <= 5 * e["quantity"]
    )
    return {
        "r": r,
        "e": e,
        "r_claim": (r_fill, r["date_of_service"], r_hcpcs, r["ndc11"]),
        "e_claim": (e_fill, e["date_of_service"], e_hcpcs, e["ndc11"]),
        "tier": tier,
        "score": round(score, 6),
        "days": days,
        "differ": differ,
        "part_of": (r_fill,) if is_part and whole_is_given else None,
    }


def _best_assignment(edges: dict, pairs: list[dict]) -> dict:
    """{rebate claim: (entity claim, entity claims of some best assignment, linked in every best assignment)}."""
    weight = {claims: -value[1] for claims, value in edges.items()}
    everything = list(_matchings(list(edges)))
    totals = [sum(weight[c] for c in matching) for matching in everything]
    best = [set(m) for m, total in zip(everything, totals, strict=True) if abs(total - max(totals)) < 1e-9]

    def order(claims):
        first_r = min(p["r"]["source_row_id"] for p in pairs if p["r_claim"] == claims[0])
        first_e = min(p["e"]["source_row_id"] for p in pairs if p["e_claim"] == claims[1])
        return edges[claims][2], first_r, first_e

    remaining = best
    for claims in sorted(edges, key=order):
        remaining = [m for m in remaining if claims in m] or remaining
    return {
        r: (
            e,
            {other for m in best for who, other in m if who == r},
            all(any(who == r for who, _ in m) for m in best),
        )
        for r, e in remaining[0]
    }


def _matchings(edges: list):
    if not edges:
        yield ()
        return
    first, rest = edges[0], edges[1:]
    yield from _matchings(rest)
    for matching in _matchings([c for c in rest if c[0] != first[0] and c[1] != first[1]]):
        yield (first, *matching)


def _shared_parts(pairs: list[dict], chosen: dict) -> dict:
    linked = {
        (p["part_of"], p["e_claim"])
        for p in pairs
        if p["part_of"] and p["r_claim"] in chosen and chosen[p["r_claim"]][0] == p["e_claim"]
    }
    shared: dict = {}
    for p in sorted(pairs, key=lambda p: (p["tier"], -p["score"], p["days"], p["e"]["source_row_id"])):
        if p["r_claim"] not in chosen and p["r_claim"] not in shared and (p["part_of"], p["e_claim"]) in linked:
            shared[p["r_claim"]] = (p["e_claim"], {p["e_claim"]}, True)
    return shared
