"""link_340b once more: slow, obvious, in plain Python, by comparing everything and trying every assignment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import product
from typing import Any

from engine.link.weights import LinkWeights
from engine.settings import LinkSettings

FIELDS = ("date_of_service", "product_and_quantity", "fill_number", "prescriber_npi", "bin")


class Reference:
    """`heirs`: last NPI by NPI; `per_package`: units per package by NDC-11."""

    def __init__(
        self, settings: LinkSettings, weights: LinkWeights, heirs: dict[str, str], per_package: dict[str, Decimal]
    ) -> None:
        self.settings, self.weights, self.heirs, self.per_package = settings, weights, heirs, per_package

    def link(self, rebate_rows: list[dict[str, Any]], entity_rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Links by rebate row id: tier, score, ambiguous, ids, shown, units, differ, candidates."""
        self.links: dict[str, dict[str, Any]] = {}
        self.used: set[Any] = set()
        self._by_key(rebate_rows, entity_rows, self._own_key)
        self._by_key([row for row in rebate_rows if self._is_elsewhere(row)], entity_rows, self._place_key)
        self._by_tuple(rebate_rows, entity_rows)
        return self.links

    def _heir(self, pharmacy: str | None) -> str | None:
        return self.heirs.get(pharmacy, pharmacy)

    def _own_key(self, row: dict[str, Any]) -> tuple[Any, ...] | None:
        pharmacy = self._heir(row["pharmacy_key"])
        return (pharmacy, row["script_key"], row["claim_type"]) if pharmacy and row["script_key"] else None

    def _is_elsewhere(self, row: dict[str, Any]) -> bool:
        if row["service_npi"] is None or row["pharmacy_key"] is None:
            return False
        return self._heir(row["service_npi"]) != self._heir(row["pharmacy_key"])

    def _place_key(self, row: dict[str, Any]) -> tuple[Any, ...] | None:
        return (self._heir(row["service_npi"]), row["script_key"], row["claim_type"]) if row["script_key"] else None

    def _dispense(self, row: dict[str, Any]) -> tuple[Any, ...]:
        medical = row["claim_type"] == "MEDICAL"
        return (
            self._heir(row["pharmacy_key"]),
            row["script_key"] or ("row", row["source_row_id"]),
            row["claim_type"],
            None if medical else row["fill_number"],
            row["date_of_service"],
            row["hcpcs_code"] if medical else None,
            row["ndc11"],
        )

    @staticmethod
    def _stream(row: dict[str, Any]) -> tuple[Any, ...]:
        only = "FEDERAL" if row["program"].startswith("MDRP") else "BASE"
        return row["program"], row["payer_id"], row["rebate_type"] or only

    def _by_key(
        self, rebate_rows: list[dict[str, Any]], entity_rows: list[dict[str, Any]], key_of: Callable[..., Any]
    ) -> None:
        elsewhere = key_of == self._place_key
        groups = defaultdict(list)
        for row in rebate_rows:
            if key_of(row) is not None:
                groups[key_of(row), self._stream(row)].append(row)
        new: dict[str, dict[str, Any]] = {}
        for (key, stream), rows in groups.items():
            whole = _whole_fills(rows)
            open_rows = [row for row in rows if row["source_row_id"] not in self.links]
            given = [
                e
                for e in entity_rows
                if self._own_key(e) == key and (not elsewhere or (stream, self._dispense(e)) not in self.used)
            ]
            pairs = [self._compare(r, e, whole, elsewhere) for r, e in product(open_rows, given)]
            new.update(_chosen([pair for pair in pairs if pair is not None]))
        self._keep(new)

    def _by_tuple(self, rebate_rows: list[dict[str, Any]], entity_rows: list[dict[str, Any]]) -> None:
        def tuple_of(row: dict[str, Any]) -> tuple[Any, ...] | None:
            values = (row["pharmacy_key"], row["ndc11"], row["date_of_service"], row["prescriber_npi"])
            return values if row["claim_type"] == "RX" and None not in values else None

        pairs = [
            pair
            for r, e in product(rebate_rows, entity_rows)
            if tuple_of(r) is not None and tuple_of(r) == tuple_of(e)
            if (pair := self._compare_tuple(r, e)) is not None
        ]
        alone = []
        for pair in pairs:
            given = {_script(other["e"]) for other in pairs if other["r"] is pair["r"]}
            claimed = {_script(other["r"]) for other in pairs if other["e"] is pair["e"]}
            kinds = _kind(pair["r"]), _kind(pair["e"])
            comparable = kinds[0] is not None and kinds[0] == kinds[1]
            is_open = pair["r"]["source_row_id"] not in self.links
            is_open = is_open and (self._stream(pair["r"]), pair["e_claim"]) not in self.used
            if len(given) == 1 and len(claimed) == 1 and not comparable and is_open:
                alone.append(pair)
        groups = defaultdict(list)
        for pair in alone:
            groups[tuple_of(pair["r"]), self._stream(pair["r"])].append(pair)
        new: dict[str, dict[str, Any]] = {}
        for group in groups.values():
            new.update(_chosen(group))
        self._keep(new)

    def _keep(self, new: dict[str, dict[str, Any]]) -> None:
        for row_id, link in new.items():
            self.used.add((link.pop("stream"), link.pop("e_claim")))
            self.links[row_id] = link

    def _compare(
        self, r: dict[str, Any], e: dict[str, Any], whole: dict[str, Any], elsewhere: bool
    ) -> dict[str, Any] | None:
        medical = r["claim_type"] == "MEDICAL"
        pair = self._levels(r, e, whole.get((r["fill_number"], r["ndc9"])) if _is_part(r) else None)
        level, days = pair["levels"], pair["days"]
        if days > max(self.settings.days_apart, self.settings.days_apart_by_mail):
            return None
        by_mail = r["pharmacy_key"] in self.settings.mail_pharmacies
        allowed = self.settings.days_apart_by_mail if by_mail else self.settings.days_apart
        r_fill, e_fill = (None, None) if medical else (r["fill_number"], e["fill_number"])
        same_ndc = level["product"] == "NDC11"
        exact_quantity = level["quantity"] in ("EXACT", "CONVERTED")
        if medical:
            hcpcs_ok = r["hcpcs_code"] is None or e["hcpcs_code"] is None or r["hcpcs_code"] == e["hcpcs_code"]
            by_quantity = 1 if exact_quantity else 3 if level["quantity"] == "NEAR" else 4
            tier = by_quantity if days == 0 and same_ndc and hcpcs_ok else None
        elif days == 0 and same_ndc and r_fill == e_fill and exact_quantity:
            tier = 1
        elif (
            days == 0
            and same_ndc
            and level["quantity"] not in ("FAR", None)
            and ((r_fill is None) != (e_fill is None) or pair["shifted"])
        ):
            tier = 2
        elif same_ndc and days <= allowed and level["quantity"] not in ("FAR", None):
            tier = 3
        elif level["product"] != "OTHER" and days <= self.settings.days_apart:
            tier = 4
        else:
            tier = None
        same_pharmacy = r["pharmacy_key"] == e["pharmacy_key"]
        if not same_pharmacy and tier is not None:
            tier = 5 if tier <= 3 else None
        if tier is None:
            return None
        met_by = "PLACE_OF_SERVICE" if elsewhere else "PRESCRIPTION" if same_pharmacy else "PHARMACY_LINEAGE"
        return self._scored(pair, tier, met_by, FIELDS, [] if same_pharmacy else ["pharmacy_npi"])

    def _compare_tuple(self, r: dict[str, Any], e: dict[str, Any]) -> dict[str, Any] | None:
        pair = self._levels(r, e, None)
        if pair["levels"]["quantity"] not in ("EXACT", "CONVERTED"):
            return None
        return self._scored(pair, 6, "TUPLE", ("fill_number", "bin"), ["rx_number"])

    def _levels(self, r: dict[str, Any], e: dict[str, Any], whole: Decimal | None) -> dict[str, Any]:
        medical = r["claim_type"] == "MEDICAL"
        days = abs((r["date_of_service"] - e["date_of_service"]).days)
        r_fill, e_fill = (None, None) if medical else (r["fill_number"], e["fill_number"])
        offsets = self.settings.fill_offsets
        offset = offsets.get(e["entity_id"], offsets.get(e["parent_entity_id"], 0)) - offsets.get(r["payer_id"], 0)
        both_fills = r_fill is not None and e_fill is not None
        same_fill = both_fills and e_fill - r_fill == offset
        per_package = self.per_package.get(e["ndc11"])
        claimed = [units for units in (r["ndc_units"], whole) if units is not None]
        given = e["quantity"]
        quantity: str | None

        def within(tolerance: str, claimed_times: Decimal, given_times: Decimal, units: list[Any]) -> bool:
            if given is None or given <= 0:
                return False
            wanted = given * given_times
            return any(abs(u * claimed_times - wanted) <= Decimal(tolerance) * wanted for u in units)

        one, times = Decimal(1), per_package
        converted = per_package is not None and per_package != 1
        if within("0.01", one, one, claimed):
            quantity = "EXACT"
        elif converted and (within("0.01", one, times, claimed) or within("0.01", times, one, claimed)):
            quantity = "CONVERTED"
        elif within("0.05", one, one, claimed):
            quantity = "NEAR"
        else:
            quantity = "FAR" if r["ndc_units"] is not None and given is not None else None
        units = given
        if (
            quantity == "CONVERTED"
            and r["ndc_units"] is not None
            and abs(r["ndc_units"] - given * times) < abs(r["ndc_units"] * times - given)
        ):
            units = given * times
        whole_units = [] if whole is None else [whole]
        fits_whole = within("0.05", one, one, whole_units) or (converted and within("0.01", one, times, whole_units))
        same_ndc9 = "NDC9" if r["ndc9"] == e["ndc9"] else "OTHER"
        return {
            "r": r,
            "e": e,
            "r_claim": self._dispense(r),
            "e_claim": self._dispense(e),
            "stream": self._stream(r),
            "days": days,
            "shifted": same_fill and offset != 0,
            "units": units,
            "part_of": (r_fill,) if fits_whole else None,
            "same_fill": r_fill == e_fill,
            "levels": {
                "date_of_service": "SAME" if days == 0 else "NEAR" if days <= self.settings.days_apart else "FAR",
                "product": "NDC11" if r["ndc11"] == e["ndc11"] else same_ndc9,
                "fill_number": None if not both_fills else "EQUAL" if same_fill else "DIFFERENT",
                "quantity": quantity,
                "prescriber_npi": _agreement(r["prescriber_npi"], e["prescriber_npi"]),
                "bin": _agreement(r["bin"], e["bin"]),
            },
        }

    def _scored(
        self, pair: dict[str, Any], tier: int, met_by: str, fields: tuple[str, ...], differ: list[str]
    ) -> dict[str, Any]:
        level = pair["levels"]
        score = self.weights.priors[met_by]
        supply = f"{level['product']}/{level['quantity'] or 'UNKNOWN'}"
        level = level | {"product_and_quantity": "OTHER" if level["product"] == "OTHER" else supply}
        score += sum(self.weights.weight(field, level[field]) for field in fields if level[field] is not None)
        differences = [
            ("date_of_service", pair["days"] != 0),
            ("fill_number", not pair["same_fill"]),
            ("ndc11", level["product"] != "NDC11"),
            ("quantity", level["quantity"] in ("NEAR", "FAR", None)),
            ("quantity_unit", level["quantity"] == "CONVERTED"),
            ("prescriber_npi", level["prescriber_npi"] == "DIFFERENT"),
            ("bin", level["bin"] == "DIFFERENT"),
        ]
        return pair | {
            "tier": tier,
            "score": round(score, 6),
            "differ": differ + [name for name, differs in differences if differs],
        }


def _agreement(left: str | None, right: str | None) -> str | None:
    return None if left is None or right is None else "SAME" if left == right else "DIFFERENT"


def _is_part(row: dict[str, Any]) -> bool:
    return row["dispensing_status"] is not None and row["claim_type"] == "RX"


def _script(row: dict[str, Any]) -> str:
    return row["script_key"] or row["source_row_id"]


def _kind(row: dict[str, Any]) -> str | None:
    if row["rx_key"] is None:
        return None
    return "" if row["rx_key"] == row["rx_number"] else row["hash_scheme"]


def _whole_fills(rows: list[dict[str, Any]]) -> dict[str, Any]:
    parts: dict[Any, Any] = {}
    for row in rows:
        if _is_part(row) and row["ndc_units"] is not None:
            fill = (row["fill_number"], row["ndc9"])
            part = (row["dispensing_status"], row["date_of_service"], row["ndc11"])
            parts[fill, part] = max(row["ndc_units"], parts.get((fill, part), row["ndc_units"]))
    sums: dict[Any, Any] = defaultdict(Decimal)
    for (fill, _), units in parts.items():
        sums[fill] += units
    return sums


def _chosen(pairs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    by_claims = defaultdict(list)
    for pair in pairs:
        by_claims[pair["r_claim"], pair["e_claim"]].append(pair)
    best = {claims: min((p["tier"], -p["score"], p["days"]) for p in ps) for claims, ps in by_claims.items()}
    chosen: dict[str, Any] = {}
    for tier in range(1, 7):
        used = {e for e, _, _ in chosen.values()}
        open_edges = {c: v for c, v in best.items() if v[0] == tier and c[0] not in chosen and c[1] not in used}
        chosen.update(_best_assignment(open_edges, pairs))
    chosen.update(_shared_parts(pairs, chosen))
    result = {}
    for row_id in {pair["r"]["source_row_id"] for pair in pairs}:
        mine = [p for p in pairs if p["r"]["source_row_id"] == row_id]
        if mine[0]["r_claim"] not in chosen:
            continue
        e_claim, options, certain = chosen[mine[0]["r_claim"]]
        tied = []
        for option in options:
            of_option = [p for p in mine if p["e_claim"] == option]
            top = min(((p["tier"], -p["score"]) for p in of_option), default=None)
            tied += [p for p in of_option if (p["tier"], -p["score"]) == top]
        of_chosen = [p for p in tied if p["e_claim"] == e_claim]
        if not of_chosen:
            continue
        shown = min(of_chosen, key=lambda p: (p["days"], p["e"]["source_row_id"]))
        ids = sorted({p["e"]["source_row_id"] for p in tied})
        result[row_id] = {
            "tier": f"T{shown['tier']}",
            "score": shown["score"],
            "ambiguous": len(ids) > 1 or not certain,
            "ids": ids,
            "shown": (shown["e"]["entity_id"], shown["e"]["date_of_service"], shown["e"]["ndc11"]),
            "units": shown["units"],
            "differ": shown["differ"],
            "candidates": len(mine),
            "stream": shown["stream"],
            "e_claim": e_claim,
        }
    return result


def _best_assignment(edges: dict[Any, Any], pairs: list[dict[str, Any]]) -> dict[Any, Any]:
    """{rebate claim: (entity claim, entity claims of some best assignment, linked in every best assignment)}."""
    # a pair that meets a tier is better than none, however little it scores
    weight = {claims: max(-value[1], 0.000001) for claims, value in edges.items()}
    everything = list(_matchings(list(edges)))
    totals = [sum(weight[c] for c in matching) for matching in everything]
    best = [set(m) for m, total in zip(everything, totals, strict=True) if abs(total - max(totals)) < 1e-9]

    def order(claims: tuple[tuple[Any, ...], tuple[Any, ...]]) -> tuple[int, str, str]:
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


def _matchings(edges: list[Any]) -> Iterator[tuple[tuple[tuple[Any, ...], tuple[Any, ...]], ...]]:
    if not edges:
        yield ()
        return
    first, rest = edges[0], edges[1:]
    yield from _matchings(rest)
    for matching in _matchings([c for c in rest if c[0] != first[0] and c[1] != first[1]]):
        yield (first, *matching)


def _shared_parts(pairs: list[dict[str, Any]], chosen: dict[str, Any]) -> dict[str, Any]:
    linked = {
        (p["part_of"], p["e_claim"])
        for p in pairs
        if p["part_of"] and p["r_claim"] in chosen and chosen[p["r_claim"]][0] == p["e_claim"]
    }
    shared: dict[str, Any] = {}
    for p in sorted(pairs, key=lambda p: (p["tier"], -p["score"], p["days"], p["e"]["source_row_id"])):
        if p["r_claim"] not in chosen and p["r_claim"] not in shared and (p["part_of"], p["e_claim"]) in linked:
            shared[p["r_claim"]] = (p["e_claim"], {p["e_claim"]}, True)
    return shared
