"""Netting in plain, slow Python: every row against every other (contract part 1)."""

from __future__ import annotations

from typing import Any

RANK = {"ORIGINAL": 0, "ADJUSTMENT": 1, "VOID": 2}
CLAIM_KEY = ("program", "payer_id", "plan_id", "rebate_type", "claim_id", "claim_line")
STREAM = ("payer_id", "plan_id", "rebate_type")
DELIVERY = (
    *(*CLAIM_KEY, "transaction", "ndc"),
    *("units", "amount_paid", "amount_third_party", "unit_rebate_amount", "rebate_amount", "period"),
)


def when(time: str) -> str:
    """ISO times sort as text; none is earliest."""
    return time or ""


def repeats(rows: list[dict[str, str | None]], received_at: str) -> set[Any]:
    """Positions of rows whose source_row_id an earlier row has; the test data leave no ties in receipt."""
    earliest = {}
    for place, one in enumerate(rows):
        known = earliest.get(one["source_row_id"])
        if known is None or when(one[received_at]) < when(rows[known][received_at]):
            earliest[one["source_row_id"]] = place
    return {place for place, one in enumerate(rows) if earliest[one["source_row_id"]] != place}


class Lineages:
    """The rows of one world: `verdicts`, position -> (reason for leaving or quarantine, prior not found), and `roots`,
    position of each live row -> (program, claim, line, chain, branch); None where lineages run in a circle.
    """

    def __init__(self, rows: list[dict[str, str | None]]) -> None:
        self.rows = [dict(one) for one in rows]
        for one in self.rows:
            only = "FEDERAL" if one["program"].startswith("MDRP") else "BASE"
            one["rebate_type"] = one.get("rebate_type") or only
        second = repeats(rows, "received_at")
        self.second = {place: place in second for place in range(len(rows))}
        conflicts = {place for place in second if not self._has_equal_before(place, set(range(len(rows))) - second)}
        self.places = sorted(set(range(len(rows))) - conflicts, key=self.version)
        self.again = {}
        for place in self.places:
            equal = self._equal_before(place)
            self.again[place] = equal is not None and not self._acted_between(equal, place, self.places)
        self.verdicts: dict[int, tuple[str | None, bool]] = dict.fromkeys(conflicts, ("SOURCE_ROW_ID_DUPLICATE", False))
        self.verdicts |= {place: self._verdict(place) for place in self.places}
        self.chains = {}
        self.began = {}
        self.numbers = {}
        for place in self.places:
            if self.is_version(place):
                self.chains[place], self.began[place] = self._chain(place)
        live = [place for place in self.places if self.verdicts[place][0] is None]
        self.roots = self._branches({place: self._root(self.chains[place], (), self.began[place]) for place in live})

    def field(self, place: int, *names: str) -> tuple[str | None, ...]:
        return tuple(self.rows[place][name] for name in names)

    def kind(self, place: int) -> Any:
        return self.rows[place]["transaction"]

    def time(self, place: int) -> str:
        return when(self.rows[place]["received_at"])

    def moment(self, place: int) -> tuple[Any, ...]:
        return self.time(place), RANK[self.kind(place)]

    def arrival(self, place: int) -> tuple[Any, ...]:
        return self.time(place), self.rows[place]["source_row_id"], self.second[place], place

    def version(self, place: int) -> tuple[Any, ...]:
        return *self.moment(place), self.rows[place]["source_row_id"], self.second[place], place

    def key(self, place: int) -> tuple[str | None, ...]:
        return self.field(place, *CLAIM_KEY)

    def _has_equal_before(self, place: Any, among: Any) -> Any:
        return any(
            self.field(other, *DELIVERY) == self.field(place, *DELIVERY) and self.arrival(other) < self.arrival(place)
            for other in among
        )

    def _equal_before(self, place: int) -> int | None:
        equal = [
            other
            for other in self.places
            if self.field(other, *DELIVERY) == self.field(place, *DELIVERY)
            and self.arrival(other) < self.arrival(place)
        ]
        return max(equal, key=self.arrival, default=None)

    def acts_on_key(self, actor: int) -> bool:
        a = self.rows[actor]
        names_claim = a["prior_claim_id"] in (None, a["claim_id"])
        return self.kind(actor) != "ORIGINAL" and names_claim and a["prior_claim_line"] in (None, a["claim_line"])

    def names(self, actor: int, place: int) -> bool:
        """Whether the actor names the claim of a row as its prior."""
        a, b = self.rows[actor], self.rows[place]
        return (
            self.kind(actor) != "ORIGINAL"
            and self.field(actor, *STREAM) == self.field(place, *STREAM)
            and a["prior_claim_id"] == b["claim_id"]
            and a["prior_claim_line"] in (None, b["claim_line"])
        )

    def _acted_between(self, first: int, place: int, actors: list[int]) -> bool:
        return any(
            self.moment(first) < self.moment(actor) < self.moment(place)
            and (self.names(actor, place) or (self.acts_on_key(actor) and self.key(actor) == self.key(place)))
            for actor in actors
        )

    def acts(self, actor: int, place: int) -> bool:
        if actor == place:
            return False
        is_newer = (
            self.again[actor] and self.kind(actor) == self.kind(place) == "ADJUSTMENT" and self.acts_on_key(place)
        )
        is_of_key = self.acts_on_key(actor) and self.key(actor) == self.key(place)
        if is_of_key and not is_newer and self.version(place) < self.version(actor):
            return True
        if not self.names(actor, place):
            return False
        if self.rows[actor]["prior_claim_id"] == self.rows[actor]["claim_id"]:
            return self.moment(place) < self.moment(actor) and not is_newer
        of_line = [
            other
            for other in self.places
            if not self.again[other]
            and self.field(other, *STREAM, "claim_id", "claim_line")
            == self.field(place, *STREAM, "claim_id", "claim_line")
        ]
        came_late = of_line and min(self.time(other) for other in of_line) > self.time(actor)
        return came_late or self.time(place) <= self.time(actor)

    def _verdict(self, place: int) -> tuple[str | None, bool]:
        if self.again[place]:
            return "REDELIVERED", False
        lost = self.kind(place) != "ORIGINAL" and not any(self.finds(place, other) for other in self.places)
        if self.kind(place) == "VOID":
            return "VOID_TRANSACTION", lost
        by = {self.kind(actor) for actor in self.places if self.kind(actor) != "ORIGINAL" and self.acts(actor, place)}
        return "VOIDED" if "VOID" in by else "REPLACED" if by else None, lost

    def finds(self, actor: int, place: int) -> bool:
        if actor == place or self.again[place]:
            return False
        if self.acts_on_key(actor) and self.key(actor) == self.key(place) and self.version(place) < self.version(actor):
            return True
        is_own_claim = self.rows[actor]["prior_claim_id"] == self.rows[actor]["claim_id"]
        return self.names(actor, place) and (not is_own_claim or self.moment(place) < self.moment(actor))

    def is_version(self, place: int) -> bool:
        return not self.again[place] and self.kind(place) != "VOID"

    def _standing(self, key: tuple[str | None, ...], until: int) -> list[int]:
        """Versions of a claim key, up to a row, that stood when it came; in order."""
        found = []
        for place in self.places:
            if place == until:
                break
            if self.key(place) != key or not self.is_version(place):
                continue
            ended = any(
                not self.again[actor]
                and self.moment(actor) < self.moment(until)
                and (
                    (self.acts_on_key(actor) and self.key(actor) == key and self.version(place) < self.version(actor))
                    or (self.names(actor, place) and self.moment(place) < self.moment(actor))
                )
                for actor in self.places
            )
            if not ended:
                found.append(place)
        return found

    def _chain(self, place: int) -> tuple[tuple[tuple[str | None, ...], int] | int, tuple[str, int]]:
        """(claim key, number), or the position of the row that adjusts another claim; and when its branch began."""
        key = self.key(place)
        before = [other for other in self.chains if self.key(other) == key]
        own = self.moment(place)
        if self.kind(place) == "ORIGINAL":
            equal = self._equal_before(place)
            real = [other for other in self.places if not self.again[other]]
            if equal is not None and not self._acted_between(equal, place, real):
                while equal not in self.chains:
                    equal = self._equal_before(equal)
                return self.chains[equal], self.began[equal]
            return self._new_chain(key), own
        if not self.acts_on_key(place):
            return place, own
        standing = self._standing(key, place)
        if standing:
            return self.chains[standing[0]], self.began[standing[0]]
        replacing = [other for other in before if self.kind(other) == "ADJUSTMENT" and self.acts_on_key(other)]
        if replacing or before:
            return self.chains[(replacing or before)[-1]], own
        return self._new_chain(key), own

    def _new_chain(self, key: tuple[str | None, ...]) -> tuple[tuple[str | None, ...], int]:
        self.numbers[key] = self.numbers.get(key, 0) + 1
        return key, self.numbers[key]

    def _root(
        self, chain: tuple[tuple[str | None, ...], int] | int, seen: tuple[int, ...], began: tuple[str, int]
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]] | None:
        """The first row's program, claim, line and chain, and when the branch began; None in a circle."""
        if isinstance(chain, tuple):
            key, number = chain
            return (key[0], key[4], key[5], number), began
        if chain in seen:
            return None
        a = self.rows[chain]
        claim, line = a["prior_claim_id"], a["prior_claim_line"] or a["claim_line"]
        of_claim = [
            place
            for place in self.chains
            if self.field(place, *STREAM) == self.field(chain, *STREAM) and self.rows[place]["claim_id"] == claim
        ]
        of_line = [place for place in of_claim if self.rows[place]["claim_line"] == line]
        same = [place for place in of_line if self.rows[place]["program"] == a["program"]]
        found = same or of_line or ([] if a["prior_claim_line"] else of_claim)
        if not found:
            return (a["program"], claim, line, 1), self.moment(chain)
        last = max((one for one in found if self.time(one) <= self.time(chain)), key=self.version, default=None)
        last = min(found, key=self.version) if last is None else last
        replaces = self.kind(last) == "ADJUSTMENT" and self.acts_on_key(last)
        first = last if replaces else (*self._standing(self.key(last), last), last)[0]
        return self._root(self.chains[first], (*seen, chain), self.moment(chain))

    def _branches(
        self, roots: dict[int, tuple[tuple[Any, ...], tuple[Any, ...]] | None]
    ) -> dict[int, tuple[Any, ...] | None]:
        branches: dict[int, tuple[Any, ...] | None] = {}
        for place, root in roots.items():
            if root is None:
                branches[place] = None
                continue

            first, stream = root[0], self.field(place, *STREAM)

            def order(other: int, line: str = first[2]) -> tuple[Any, ...]:
                one = self.rows[other]
                named = one["claim_id"], one["claim_line"], one["program"]
                return roots[other][1], one["claim_line"] != line, *named, self.version(other)

            same = [
                other
                for other, of_other in roots.items()
                if of_other is not None and of_other[0] == first and self.field(other, *STREAM) == stream
            ]
            branches[place] = (*first, sorted(same, key=order).index(place) + 1)
        return branches


def dispenses(rows: Any) -> Any:
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
        last = last_of(group)
        reversals = sum(one["transaction_code"] == "B2" for one in group)
        result[natural] = (last["source_row_id"], last["transaction_code"], len(group), reversals)
    return result


def last_of(group: Any) -> Any:
    """The last transaction. Where bills and reversals of the last time may have ended either way, the last bill."""
    last = [one for one in group if one["transaction_at"] == group[-1]["transaction_at"]]
    before = group[: len(group) - len(last)]
    codes = [one["transaction_code"] for one in last]
    was_billed = bool(before) and before[-1]["transaction_code"] != "B2"
    if group[-1]["transaction_code"] == "B2" and "B1" in codes and was_billed + codes.count("B1") > codes.count("B2"):
        return [one for one in last if one["transaction_code"] == "B1"][-1]
    return group[-1]


def entity(rows: Any) -> Any:
    """Position of each row -> (why it leaves, reversal unmatched, number among equal submissions)."""
    gone = repeats(rows, "submitted_at")
    verdicts: dict[int, tuple[str | None, bool, int | None]] = dict.fromkeys(
        gone, ("SOURCE_ROW_ID_DUPLICATE", False, None)
    )
    standing = set(range(len(rows))) - gone

    def natural(one: Any) -> Any:
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
            found = any(when(other["submitted_at"]) <= reversed_when(one) for other in partners)
            verdicts[place] = ("REVERSAL_TRANSACTION", not found, None)
            continue
        cancelled = any(when(one["submitted_at"]) <= reversed_when(other) for other in partners)
        equal = [
            (when(rows[other]["submitted_at"]), rows[other]["source_row_id"])
            for other in standing
            if rows[other]["status"] == "SUBMITTED" and all(rows[other][name] == one[name] for name in ENTITY_KEY)
        ]
        number = sorted(equal).index((when(one["submitted_at"]), one["source_row_id"])) + 1
        verdicts[place] = ("REVERSED" if cancelled else None, False, number)
    return verdicts


ENTITY_KEY = ("entity_id", "pharmacy_npi", "rx_number", "fill_number", "date_of_service", "ndc")


def reversed_when(one: Any) -> Any:
    """A reversal without a time came after all submissions."""
    return one["submitted_at"] or "9"
