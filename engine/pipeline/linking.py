"""prepare -> link: which 340B claim and which dispense a rebate claim is; what repeats it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from pyspark.sql import DataFrame

from engine import exports, facts, link
from engine.contracts.codes import Step
from engine.pipeline.handed_on import Prepared
from engine.pipeline.preparing import FEED_NAMES
from engine.run import Run
from engine.sources import WorkFolder

_MOST_PROBLEMS_NOTED = 5


def link_claims(run: Run, work: WorkFolder, prepared: Prepared) -> facts.FoundOnClaims | None:
    """Sparse results per rebate claim, written out: links, duplicates, 340B flags."""
    with run.step(Step.LINK) as words:
        for name in FEED_NAMES:
            if name in prepared.opened:
                rows = run.ledger.rows_out(name)
                run.ledger.record(name, Step.LINK, rows, rows)
        if prepared.claims is None:
            _resolve_pharmacies(run, work, prepared)
            words.append("nothing to link")
            return None
        claims, unconverted = prepared.claims.all, prepared.claims.unconverted
        taken_back = work.write("taken_back", facts.taken_back(claims))
        tasks: list[Callable[[], Any]] = [
            partial(_link_340b, run, work, prepared, facts.still_billed(claims, taken_back)),
            partial(_link_pharmacy, work, prepared, claims),
            lambda: work.write("duplicates", facts.duplicates(claims)),
            lambda: work.write("asked_elsewhere", facts.asked_elsewhere(unconverted)),
            partial(_of_invoices, work, prepared, unconverted, "unbilled", facts.unbilled),
            partial(_of_invoices, work, prepared, unconverted, "corrected_down", facts.corrected_down),
            partial(_flags_340b, work, prepared, claims),
            partial(_resolve_pharmacies, run, work, prepared),
        ]
        linked, to_pharmacy, repeated, elsewhere, unbilled, corrected, flags, _ = run.in_parallel(tasks)
        to_340b = None if linked is None else linked.links
        if linked is not None:
            tiers, examples = _kinds_of_links(linked.links)
            run.ledger.check(
                "rebate_claims",
                Step.LINK,
                "rows linked to 340B claims",
                sum(tiers.values()),
                _per_claim(run, work, "links_340b"),
            )
            prepared.linking = exports.Linking(
                {**linked.learned.as_json(), "set_aside": dict(linked.set_aside), "links_by_tier": tiers}, examples
            )
            words.append(f"{sum(tiers.values()):,} claims linked to 340B claims")
            words += [f"{tier} {rows:,}" for tier, rows in sorted(tiers.items())]
            _note_crowds(run, linked)
            _watch_match_rates(run, prepared, facts.still_billed(unconverted, taken_back), linked.links)
        if to_pharmacy is not None:
            words.append(f"{_per_claim(run, work, 'links_pharmacy'):,} to reversed dispenses")
        words.append(f"{_per_claim(run, work, 'duplicates'):,} repeat an earlier claim")
        words.append(f"{_per_claim(run, work, 'asked_elsewhere'):,} asked for by Medicaid and another payer")
        if flags is not None:
            _per_claim(run, work, "flags_340b")
            _note_states_without_identifiers(run, prepared, unconverted)
    return facts.FoundOnClaims(to_340b, to_pharmacy, repeated, flags, elsewhere, taken_back, unbilled, corrected)


def _of_invoices(
    work: WorkFolder,
    prepared: Prepared,
    claims: DataFrame,
    name: str,
    found: Callable[[DataFrame, DataFrame], DataFrame],
) -> DataFrame | None:
    """What invoices say of claims, written out; None without invoices."""
    return None if prepared.invoices is None else work.write(name, found(claims, prepared.invoices))


def _per_claim(run: Run, work: WorkFolder, name: str) -> int:
    """How many rows a result has that has no more than one row per claim. Raises LedgerError if it has more."""
    rows = work.rows(name)
    run.ledger.check_at_most("rebate_claims", Step.LINK, f"rows of {name}", rows, run.ledger.rows_out("rebate_claims"))
    return rows


def _resolve_pharmacies(run: Run, work: WorkFolder, prepared: Prepared) -> None:
    """Give contract pharmacies without an NPI that of the pharmacy that is the same place."""
    references = prepared.references
    prepared.found_out = resolved_columns(references)
    if prepared.found_out:
        resolved = link.resolve_pharmacies(
            references["contract_pharmacies"], references["pharmacies"], run.settings.link.pharmacy_identity
        )
        references["contract_pharmacies"] = work.write("link/contract_pharmacies", resolved)


def resolved_columns(tables: Iterable[str]) -> frozenset[str]:
    """`table.column` of what linking adds to the reference tables, given the names of the tables at hand."""
    if not {"contract_pharmacies", "pharmacies"} <= set(tables):
        return frozenset()
    return frozenset({"contract_pharmacies.pharmacy_npi", "contract_pharmacies.pharmacy_match_confidence"})


def _link_340b(run: Run, work: WorkFolder, prepared: Prepared, claims: DataFrame) -> link.Links340b | None:
    """What links claims to 340B claims, its links written out; None without 340B claims."""
    if prepared.entity_claims is None:
        return None
    linked = link.link_340b(
        claims,
        prepared.entity_claims,
        run.settings.link,
        lambda name, rows: work.write(f"link/{name}", rows),
        pharmacies=prepared.references.get("pharmacies"),
        products=prepared.references.get("products"),
    )
    return replace(linked, links=work.write("links_340b", linked.links))


def _link_pharmacy(work: WorkFolder, prepared: Prepared, claims: DataFrame) -> DataFrame | None:
    """The links to dispenses that pharmacies reversed, written out; None without pharmacy claims."""
    if prepared.dispenses is None:
        return None
    return work.write("links_pharmacy", link.link_pharmacy(claims, prepared.dispenses))


def _flags_340b(work: WorkFolder, prepared: Prepared, claims: DataFrame) -> DataFrame | None:
    """The claims that carry a 340B identifier, written out; None where no identifiers are known."""
    identifiers = prepared.references.get("identifiers_340b")
    return None if identifiers is None else work.write("flags_340b", facts.flags_340b(claims, identifiers))


def _note_states_without_identifiers(run: Run, prepared: Prepared, claims: DataFrame) -> None:
    for claim_type, states in facts.states_without_identifiers(claims, prepared.references["identifiers_340b"]).items():
        run.note(
            f"no identifier of their own is known for 340B {claim_type} claims of these states, where R001 and R004 "
            f"see only what all states use: {', '.join(states)} (table identifiers_340b)"
        )


def _note_crowds(run: Run, linked: link.Links340b) -> None:
    for name, rows in linked.set_aside.items():
        run.note(
            f"{name}: {rows:,} rows were not linked: their prescription number at a pharmacy is shared by more claims "
            "than a prescription can have"
        )


def _watch_match_rates(run: Run, prepared: Prepared, claims: DataFrame, links: DataFrame) -> None:
    """Count what links by source and month; the worst drops become notes of the run, all stand in its outputs."""
    assert prepared.entity_claims is not None
    assert prepared.linking is not None
    rates = link.match_rates(claims, prepared.entity_claims, links)
    problems = link.feed_problems(rates, run.settings.link.match_rates)
    for problem in problems[:_MOST_PROBLEMS_NOTED]:
        run.note(problem.message)
    if len(problems) > _MOST_PROBLEMS_NOTED:
        run.note(f"{len(problems) - _MOST_PROBLEMS_NOTED:,} more drops of match rates are in the report")
    prepared.linking = replace(prepared.linking, match_rates=rates, feed_problems=problems)


def _kinds_of_links(links: DataFrame) -> tuple[dict[str, int], list[tuple[str, list[dict[str, Any]]]]]:
    """Links by tier; and how fields contribute to the most frequent kind of T1, and to the link that is least sure."""
    counted = links.groupBy("link_tier", "link_score", "link_contributions").count().collect()
    kinds = sorted((row.asDict(recursive=True) for row in counted), key=lambda kind: json.dumps(kind, sort_keys=True))
    tiers: Counter[str] = Counter()
    for kind in kinds:
        tiers[kind["link_tier"]] += kind["count"]
    if not kinds:
        return {}, []
    exact = [kind for kind in kinds if kind["link_tier"] == "T1"]
    weakest = min(kinds, key=lambda kind: kind["link_score"])
    examples = [("A typical exact link (T1)", max(exact, key=lambda kind: kind["count"]))] if exact else []
    examples.append((f"The least certain link ({weakest['link_tier']})", weakest))
    return dict(tiers), [(title, kind["link_contributions"]) for title, kind in examples]
