"""Netting in plain, slow Python: every row against every other (contract part 1)."""

from __future__ import annotations

RANK = {"ORIGINAL": 0, "ADJUSTMENT": 1, "VOID": 2}
DELIVERY = (
    *("program", "payer_id", "plan_id", "claim_id", "claim_line", "transaction", "ndc"),
    *("units", "amount_paid", "amount_third_party", "unit_rebate_amount", "rebate_amount", "period"),
)
CLAIM_KEY = DELIVERY[:5]


def when(time):
    """ISO times sort as text; none is earliest."""
    return time or ""


def repeats(rows, received_at):
    """Positions of rows whose source_row_id an earlier row has; the test data leave no ties in receipt."""
    earliest = {}
    for place, one in enumerate(rows):
        known = earliest.get(one["source_row_id"])
        if known is None or when(one[received_at]) < when(rows[known][received_at]):
            earliest[one["source_row_id"]] = place
    return {place for place, one in enumerate(rows) if earliest[one["source_row_id"]] != place}


def rebate(rows):
    """Position of each row -> (reason for leaving or quarantine, ordinal in its claim key, prior not found)."""
    gone = repeats(rows, "received_at")
    verdicts = dict.fromkeys(gone, ("SOURCE_ROW_ID_DUPLICATE", None, False))

    def arrival(place):
        return when(rows[place]["received_at"]), rows[place]["source_row_id"]

    def version(place):
        one = rows[place]
        return when(one["received_at"]), RANK[one["transaction"]], one["source_row_id"]

    seen, standing = set(), []
    for place in sorted(set(range(len(rows))) - gone, key=arrival):
        delivery = tuple(rows[place][name] for name in DELIVERY)
        if delivery in seen:
            verdicts[place] = ("REDELIVERED", None, False)
        else:
            seen.add(delivery)
            standing.append(place)

    def key(place):
        return tuple(rows[place][name] for name in CLAIM_KEY)

    def targets(actor):
        a = rows[actor]
        for place in standing:
            b = rows[place]
            if place == actor or (a["payer_id"], a["plan_id"]) != (b["payer_id"], b["plan_id"]):
                continue
            if a["prior_claim_id"] is None:
                if key(place) == key(actor) and version(place) < version(actor):
                    yield place
                continue
            if b["claim_id"] != a["prior_claim_id"] or a["prior_claim_line"] not in (None, b["claim_line"]):
                continue
            if a["prior_claim_id"] != a["claim_id"]:
                yield place
            elif key(place) == key(actor):
                if version(place) < version(actor):
                    yield place
            elif version(place)[:2] < version(actor)[:2]:
                yield place

    acted_on, lost = {}, set()
    for actor in standing:
        transaction = rows[actor]["transaction"]
        if transaction == "ORIGINAL":
            continue
        found = list(targets(actor))
        if not found:
            lost.add(actor)
        for place in found:
            was_voided = acted_on.get(place) == "VOIDED"
            acted_on[place] = "VOIDED" if transaction == "VOID" or was_voided else "REPLACED"
    for place in standing:
        ordinal = 1 + sum(key(other) == key(place) and version(other) < version(place) for other in standing)
        left = "VOID_TRANSACTION" if rows[place]["transaction"] == "VOID" else acted_on.get(place)
        verdicts[place] = (left, ordinal, place in lost)
    return verdicts


def dispenses(rows):
    """Natural key of each dispense -> (row that stands for it, last code, transactions, reversals)."""
    gone = repeats(rows, "received_at")
    groups = {}
    for place in sorted(set(range(len(rows))) - gone):
        one = rows[place]
        if one["rx_number"] is not None and len(one["rx_number"]) >= 4:
            natural = tuple(
                one[name] for name in ("pharmacy_npi", "rx_number", "fill_number", "date_of_service", "ndc")
            )
            groups.setdefault(natural, []).append(one)
    result = {}
    for natural, group in groups.items():
        group.sort(key=lambda one: (when(one["transaction_at"]), one["transaction_code"], one["source_row_id"]))
        last = group[-1]
        reversals = sum(one["transaction_code"] == "B2" for one in group)
        result[natural] = (last["source_row_id"], last["transaction_code"], len(group), reversals)
    return result


def entity(rows):
    """Position of each row -> (reason for leaving or quarantine, reversal unmatched)."""
    gone = repeats(rows, "submitted_at")
    verdicts = dict.fromkeys(gone, ("SOURCE_ROW_ID_DUPLICATE", False))
    standing = set(range(len(rows))) - gone

    def natural(one):
        if len(one["rx_number"]) < 4:
            return None
        named = ("entity_id", "pharmacy_npi", "rx_number", "fill_number", "date_of_service")
        return (*(one[name] for name in named), one["ndc"][:9])

    for place in standing:
        one = rows[place]
        partners = [
            rows[other]
            for other in standing
            if rows[other]["status"] != one["status"]
            and natural(one) is not None
            and natural(rows[other]) == natural(one)
        ]
        if one["status"] == "REVERSED":
            found = any(when(other["submitted_at"]) <= when(one["submitted_at"]) for other in partners)
            verdicts[place] = ("REVERSAL_TRANSACTION", not found)
        else:
            cancelled = any(when(one["submitted_at"]) <= when(other["submitted_at"]) for other in partners)
            verdicts[place] = ("REVERSED" if cancelled else None, False)
    return verdicts
