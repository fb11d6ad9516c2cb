"""Step link: link each rebate claim to a 340B claim and a dispense, and detect duplicates."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine import exports, facts, link
from engine.contracts.codes import Step
from engine.contracts.match_rates import FeedProblem
from engine.contracts.tables import FEED_NAMES
from engine.errors import counted
from engine.pipeline import work_tables
from engine.pipeline.stages import Linked, Prepared
from engine.runs import Run, WorkTable

_MOST_PROBLEMS_NOTED = 5


def link_claims(run: Run, prepared: Prepared) -> Linked:
    """Link rebate claims to 340B claims and dispenses, and detect duplicates.

    Writes sparse results: at most one row per rebate claim.
    """
    with run.progress.step(Step.LINK) as words:
        tasks = _tasks(run, prepared)
        results = dict(zip(tasks, run.in_parallel(list(tasks.values())), strict=True))
        for name in FEED_NAMES & prepared.opened.keys():
            live, rows = results[f"live {name}"], run.ledger.rows_out(name)
            run.ledger.check(name, Step.LINK, "live rows", live, rows)
            run.ledger.record(name, Step.LINK, rows, live)
        report = None
        if prepared.claims is None:
            words.append("nothing to link")
        else:
            report = _reported(run, prepared, results, words)
    resolved = results["contract_pharmacies"]
    return Linked(
        prepared=prepared,
        references={**prepared.references, **({} if resolved is None else {"contract_pharmacies": resolved})},
        derived=resolved_columns(prepared.references),
        claims=None if prepared.claims is None else _on_claims(results),
        report=report,
    )


def _tasks(run: Run, prepared: Prepared) -> dict[str, Callable[[], Any]]:
    """The computations of the step by name, to run in parallel. Writes `taken_back` first."""
    tasks: dict[str, Callable[[], Any]] = {"contract_pharmacies": partial(_resolved_pharmacies, run, prepared)}
    if prepared.claims is not None:
        claims, unconverted = prepared.claims.all, prepared.claims.unconverted
        # written first, because the other results read it
        taken_back = run.work.write(work_tables.TAKEN_BACK, facts.taken_back(claims))
        tasks = {
            "taken_back": lambda: taken_back,
            "links_340b": partial(_link_340b, run, prepared, facts.still_billed(claims, taken_back)),
            "links_pharmacy": partial(_link_pharmacy, run, prepared, claims),
            "duplicates": lambda: run.work.write(work_tables.DUPLICATES, facts.duplicates(claims)),
            "billed_elsewhere": lambda: run.work.write(
                work_tables.BILLED_ELSEWHERE, facts.billed_elsewhere(unconverted)
            ),
            "unbilled": partial(_of_invoices, run, prepared, unconverted, work_tables.UNBILLED, facts.unbilled),
            "corrected_down": partial(
                _of_invoices, run, prepared, unconverted, work_tables.CORRECTED_DOWN, facts.corrected_down
            ),
            "flags_340b": partial(_flags_340b, run, prepared, claims),
            **tasks,
        }
    live = {
        "rebate_claims": None if prepared.claims is None else prepared.claims.unconverted,
        "pharmacy_claims": None if prepared.dispenses is None else prepared.dispenses.where(~F.col("is_reversed")),
        "entity_claims": prepared.entity_claims,
        "invoices": prepared.invoices,
    }
    return tasks | {f"live {name}": partial(_count, rows) for name, rows in live.items()}


def _count(rows: DataFrame | None) -> int:
    return 0 if rows is None else rows.count()


def _on_claims(results: Mapping[str, Any]) -> facts.FoundOnClaims:
    linked = results["links_340b"]
    return facts.FoundOnClaims(
        None if linked is None else linked.links,
        results["links_pharmacy"],
        results["duplicates"],
        results["flags_340b"],
        results["billed_elsewhere"],
        results["taken_back"],
        results["unbilled"],
        results["corrected_down"],
    )


def _reported(run: Run, prepared: Prepared, results: Mapping[str, Any], words: list[str]) -> exports.Linking | None:
    """Check the number of rows of each result and add it to `words`; returns the report on links, None without 340B
    claims.
    """
    report = None
    linked: link.Links340b | None = results["links_340b"]
    if prepared.claims is not None and prepared.entity_claims is not None and linked is not None:
        tiers, examples = _kinds_of_links(linked.links)
        in_files = _per_claim(run, work_tables.LINKS_TO_340B)
        run.ledger.check("rebate_claims", Step.LINK, "rows linked to 340B claims", sum(tiers.values()), in_files)
        words.append(counted(sum(tiers.values()), "claim", "claims") + " linked to 340B claims")
        words += [f"{tier} {rows:,}" for tier, rows in sorted(tiers.items())]
        _note_oversized_blocks(run, linked)
        billed = facts.still_billed(prepared.claims.unconverted, results["taken_back"])
        rates = link.match_rates(billed, prepared.entity_claims, linked.links)
        problems = link.feed_problems(rates, run.settings.link.match_rates)
        _note_feed_problems(run, problems)
        learned = {**linked.learned.as_json(), "set_aside": dict(linked.set_aside), "links_by_tier": tiers}
        report = exports.Linking(learned, examples, rates, problems)
    if results["links_pharmacy"] is not None:
        words.append(f"{_per_claim(run, work_tables.LINKS_TO_PHARMACY):,} to reversed dispenses")
    words.append(f"{_per_claim(run, work_tables.DUPLICATES):,} repeat an earlier claim")
    words.append(f"{_per_claim(run, work_tables.BILLED_ELSEWHERE):,} billed by Medicaid and another payer")
    if prepared.claims is not None and results["flags_340b"] is not None:
        _per_claim(run, work_tables.FLAGS_340B)
        _note_states_without_identifiers(run, prepared, prepared.claims.unconverted)
    return report


def _of_invoices(
    run: Run,
    prepared: Prepared,
    claims: DataFrame,
    table: WorkTable,
    compute: Callable[[DataFrame, DataFrame], DataFrame],
) -> DataFrame | None:
    """Write a result that `compute` derives from claims and invoices; None without invoices."""
    return None if prepared.invoices is None else run.work.write(table, compute(claims, prepared.invoices))


def _per_claim(run: Run, table: WorkTable) -> int:
    """The number of rows of a result with at most one row per claim. Raises LedgerError if it exceeds the claims."""
    rows = run.work.rows(table)
    run.ledger.check_at_most(
        "rebate_claims", Step.LINK, f"rows of {table.name}", rows, run.ledger.rows_out("rebate_claims")
    )
    return rows


def _resolved_pharmacies(run: Run, prepared: Prepared) -> DataFrame | None:
    """Contract pharmacies, those without an NPI completed with the NPI of the pharmacy at the same place; None unless
    both tables are available.
    """
    references = prepared.references
    if not resolved_columns(references):
        return None
    resolved = link.resolve_pharmacies(
        references["contract_pharmacies"], references["pharmacies"], run.settings.link.pharmacy_identity
    )
    return run.work.write(work_tables.CONTRACT_PHARMACIES, resolved)


def resolved_columns(tables: Iterable[str]) -> frozenset[str]:
    """`table.column` of the columns that linking adds to reference tables, if these tables are available."""
    if not {"contract_pharmacies", "pharmacies"} <= set(tables):
        return frozenset()
    return frozenset({"contract_pharmacies.pharmacy_npi", "contract_pharmacies.pharmacy_match_confidence"})


def _link_340b(run: Run, prepared: Prepared, claims: DataFrame) -> link.Links340b | None:
    """Link claims to 340B claims and write the links; None without 340B claims."""
    if prepared.entity_claims is None:
        return None
    linked = link.link_340b(
        claims,
        prepared.entity_claims,
        run.settings.link,
        lambda name, rows: run.work.write(work_tables.LINKING.of(name), rows),
        pharmacies=prepared.references.get("pharmacies"),
        products=prepared.references.get("products"),
    )
    return replace(linked, links=run.work.write(work_tables.LINKS_TO_340B, linked.links))


def _link_pharmacy(run: Run, prepared: Prepared, claims: DataFrame) -> DataFrame | None:
    """Write the links to dispenses that pharmacies reversed; None without pharmacy claims."""
    if prepared.dispenses is None:
        return None
    return run.work.write(work_tables.LINKS_TO_PHARMACY, link.link_pharmacy(claims, prepared.dispenses))


def _flags_340b(run: Run, prepared: Prepared, claims: DataFrame) -> DataFrame | None:
    """Write the claims with a 340B identifier; None if no identifiers are known."""
    identifiers = prepared.references.get("identifiers_340b")
    return (
        None if identifiers is None else run.work.write(work_tables.FLAGS_340B, facts.flags_340b(claims, identifiers))
    )


def _note_states_without_identifiers(run: Run, prepared: Prepared, claims: DataFrame) -> None:
    for claim_type, states in facts.states_without_identifiers(claims, prepared.references["identifiers_340b"]).items():
        run.progress.note(
            f"no identifier of their own is known for 340B {claim_type} claims of these states, where R001 and R004 "
            f"see only what all states use: {', '.join(states)} (table identifiers_340b)"
        )


def _note_oversized_blocks(run: Run, linked: link.Links340b) -> None:
    for name, rows in linked.set_aside.items():
        run.progress.note(
            f"{name}: {counted(rows, 'row was', 'rows were')} not linked: the prescription number at a "
            "pharmacy is shared by more claims than a prescription can have"
        )


def _note_feed_problems(run: Run, problems: Sequence[FeedProblem]) -> None:
    """Add notes on the largest drops of match rates; the outputs of the run contain all of them."""
    for problem in problems[:_MOST_PROBLEMS_NOTED]:
        run.progress.note(problem.message)
    if len(problems) > _MOST_PROBLEMS_NOTED:
        remaining = len(problems) - _MOST_PROBLEMS_NOTED
        run.progress.note(f"{counted(remaining, 'more drop', 'more drops')} of match rates: see the report")


def _kinds_of_links(links: DataFrame) -> tuple[dict[str, int], list[tuple[str, list[dict[str, Any]]]]]:
    """Number of links by tier; and the contribution of each field to the most frequent kind of T1 link, and to the
    kind of link with the lowest score.
    """
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
