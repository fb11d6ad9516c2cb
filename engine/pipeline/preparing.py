"""sources -> prepare: every table conformed, netted, entered into the ledger, its bad rows quarantined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine import exports, prepare, sources
from engine.contracts.codes import Reason, Step
from engine.contracts.tables import FEEDS
from engine.entity_families import FAMILIES, entity_families
from engine.errors import Problem, RejectedInput
from engine.pipeline.handed_on import LiveClaims, Prepared
from engine.run import Run, check_resumable
from engine.runtime.column_names import column_names
from engine.sources import FoundTables, OpenedTable, WorkFolder

_MOST_NAMED = 12
_MOST_NAMES, _LONGEST_NAME = 20, 100
FEED_NAMES = frozenset(table.name for table in FEEDS)
# Feeds by the name under which `Prepared` hands on their live rows.
_HANDED_ON_AS = {
    "rebate_claims": "claims",
    "pharmacy_claims": "dispenses",
    "entity_claims": "entity_claims",
    "invoices": "invoices",
}
_JUDGED = _HANDED_ON_AS.keys() - {"pharmacy_claims"}


# Reasons for leaving while preparing that are no quarantine.
LEFT_ORDERLY = {
    reason.value
    for reason in (
        Reason.AFTER_AS_OF,
        Reason.REDELIVERED,
        Reason.VOID_TRANSACTION,
        Reason.VOIDED,
        Reason.REPLACED,
        Reason.REVERSAL_TRANSACTION,
        Reason.REVERSED,
        Reason.NOT_340B,
    )
}


# Part of a table's rows from which on quarantined rows are a warning.
_WORTH_A_WARNING = 0.05

# Reasons that netting finds, so that what the row was when it was received has to be looked up.
_IN_CONFLICT = {Reason.SOURCE_ROW_ID_DUPLICATE.value, Reason.KEY_DUPLICATE.value}


def read_tables(run: Run) -> dict[str, OpenedTable]:
    with run.step(Step.READ) as words:
        opened = sources.open_tables(run.spark, run.storage, run.settings, lambda found: _report(run, words, found))
        prepare.check_contract(opened)
        check_resumable(run, {name: table.fingerprint for name, table in opened.items()})
        for name, table in opened.items():
            for text in table.notes:
                run.note(text)
            if table.unknown_columns:
                run.note(
                    f"{name}: columns that the contract does not name are ignored: {_listed(table.unknown_columns)}"
                )
    return opened


def _report(run: Run, words: list[str], found: FoundTables) -> None:
    """Names the tables in the line of the step, and every file that is not read before any is."""
    words.append(str(found))
    run.unread = [file.as_json for file in found.unread]
    for note in unread_notes(found):
        run.note(note)


def unread_notes(found: FoundTables) -> Iterator[str]:
    """One sentence per file that is not read and looks like a table, and one about all others."""
    for file in found.unread:
        if file.likely_table is not None:
            yield f"not read: {file.name}. Did you mean table {file.likely_table}? {file.to_do}"
    others = [file.name for file in found.unread if file.likely_table is None]
    if others:
        more = (
            f" and {len(others) - _MOST_NAMED} more (summary.json of a run lists all)"
            if len(others) > _MOST_NAMED
            else ""
        )
        yield f"not read: {', '.join(others[:_MOST_NAMED])}{more}"


def _listed(names: Sequence[str]) -> str:
    """The first names and how many more there are: a file with a wrong separator or orientation has thousands."""
    shown = ", ".join(exports.plain(name, _LONGEST_NAME) for name in names[:_MOST_NAMES])
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES:,} more"


def prepare_tables(run: Run, work: WorkFolder, opened: dict[str, OpenedTable], stops: bool = True) -> Prepared:
    """Conform every table once to the work folder, then net it from there; references first.

    Raises InputError for tables that are mostly quarantined; unless it `stops`, the result lists them.
    """
    prepared = Prepared(opened)
    references = [name for name in opened if name not in FEED_NAMES]
    with run.step(Step.PREPARE) as words:
        lookups = [name for name in references if name in prepare.LOOKUPS]
        others = [name for name in references if name not in prepare.LOOKUPS]
        feeds = sorted(FEED_NAMES & opened.keys())
        _prepare_references(run, work, prepared, _all_conformed(run, work, prepared, lookups))
        # feeds first: they take longest
        conformed = _all_conformed(run, work, prepared, [*feeds, *others])
        _prepare_references(run, work, prepared, {name: conformed[name] for name in others})
        if "entity_claims" in conformed:
            families = _families(work, prepared, conformed["entity_claims"])
            conformed["entity_claims"] = prepare.with_parents(conformed["entity_claims"], families)
        if stops:
            _stop_for(prepared.mostly_quarantined)
        netted = run.in_parallel([partial(_netted, work, prepared, name, conformed[name]) for name in feeds])
        for name, netting in zip(feeds, netted, strict=True):
            counts = _prepare_feed(run, work, prepared, name, conformed[name], netting)
            words.append(f"{name} {counts.rows_in:,} in, {counts.rows_out:,} out")
            if counts.rows_out == 0:
                run.note(f"{name}: no rows to judge ({counts.rows_in:,} received)")
        if stops:
            _stop_for(prepared.mostly_quarantined)
        if _JUDGED & (prepared.opened.keys() - prepared.left_empty):
            for name in prepared.left_empty & _HANDED_ON_AS.keys():
                setattr(prepared, _HANDED_ON_AS[name], None)
    return prepared


def _families(work: WorkFolder, prepared: Prepared, entity_claims: DataFrame) -> DataFrame | None:
    """Which entities belong together, handed on with the references."""
    with_ids = [rows for name, rows in prepared.references.items() if "entity_id" in column_names(rows)]
    families = entity_families(prepared.references.get("covered_entities"), [entity_claims, *with_ids])
    if families is None:
        return None
    prepared.references[FAMILIES] = work.write(FAMILIES, families)
    return prepared.references[FAMILIES]


def _stop_for(problems: Sequence[Problem]) -> None:
    if problems:
        raise RejectedInput(problems)


def _conformed(run: Run, work: WorkFolder, prepared: Prepared, name: str, among: DataFrame | None = None) -> DataFrame:
    opened = prepared.opened[name]
    lookups = {lookup: prepared.references[lookup] for lookup in prepare.LOOKUPS if lookup in prepared.references}
    formats = run.settings.input.formats_of(name)
    rows = prepare.conform(opened.rows, opened.table, as_of=run.settings.today, formats=formats, among=among, **lookups)
    return work.write(f"{'conformed' if among is None else 'in_conflict'}/{name}", rows)


def _all_conformed(run: Run, work: WorkFolder, prepared: Prepared, names: list[str]) -> dict[str, DataFrame]:
    tables = run.in_parallel([partial(_conformed, run, work, prepared, name) for name in names])
    return dict(zip(names, tables, strict=True))


def _netted(work: WorkFolder, prepared: Prepared, name: str, conformed: DataFrame) -> DataFrame:
    netting = prepare.net(conformed, prepared.opened[name].table, partial(_kept, work, "netting_of"))
    return work.write(f"netting/{name}", netting)


def _kept(work: WorkFolder, folder: str, name: str, rows: DataFrame) -> DataFrame:
    return work.write(f"{folder}/{name}", rows)


def _prepare_references(run: Run, work: WorkFolder, prepared: Prepared, conformed: dict[str, DataFrame]) -> None:
    told = prepare.tally_references(conformed, {name: prepared.opened[name].table for name in conformed})
    live = {}
    for name, (counts, repeats) in told.items():
        rows, netting = conformed[name], None
        live[name] = prepare.good_rows(rows)
        if repeats:
            netting = _netted(work, prepared, name, rows)
            counts = prepare.with_netting(counts, netting)
            live[name] = prepare.live_references(rows, netting)
        _book(run, work, prepared, name, rows, netting, counts)
        if name == "prices" and name not in prepared.left_empty:
            prepared.all_prices = prepare.good_rows(rows)
    prepared.references |= {name: rows for name, rows in live.items() if name not in prepared.left_empty}


def _prepare_feed(
    run: Run, work: WorkFolder, prepared: Prepared, name: str, conformed: DataFrame, netting: DataFrame
) -> prepare.Tally:
    counts = prepare.with_netting(prepare.tally(conformed, name), netting)
    if name == "rebate_claims":
        converting = prepared.references.get("hcpcs_crosswalk"), prepared.references.get("products")
        prepared.claims = LiveClaims(
            prepare.live_rebate_claims(conformed, netting, *converting),
            among=lambda ids: prepare.live_rebate_claims(
                conformed.join(F.broadcast(ids), on="source_row_id", how="left_semi"), netting, *converting
            ),
            unconverted=prepare.live_rebate_claims(conformed, netting, None, None),
        )
        if set(counts.dropped) - LEFT_ORDERLY:
            prepared.unread_claims = work.write("unread_claims", prepare.unread_claims(conformed, netting))
    elif name == "pharmacy_claims":
        prepared.dispenses = work.write("dispenses", prepare.pharmacy_dispenses(conformed, netting))
        counts = prepare.with_dispenses(counts, prepared.dispenses)
    elif name == "entity_claims":
        prepared.entity_claims = prepare.live_entity_claims(conformed, netting)
    else:
        prepared.invoices = prepare.live_invoices(conformed, netting)
        if counts.dropped.get(Reason.REPLACED.value):
            prepared.replaced_invoices = prepare.replaced_invoices(conformed, netting)
    _book(run, work, prepared, name, conformed, netting, counts)
    return counts


def _book(
    run: Run,
    work: WorkFolder,
    prepared: Prepared,
    name: str,
    conformed: DataFrame,
    netting: DataFrame | None,
    counts: prepare.Tally,
) -> None:
    """Enter a table into the ledger, and the rows that it must not hold into quarantine."""
    opened = prepared.opened[name]
    received = counts.rows_in + sum(opened.left_out.values())
    run.ledger.record(name, Step.READ, received, counts.rows_in, dict(opened.left_out))
    if opened.rows_expected not in (None, counts.rows_in):
        run.note(
            f"{name}: the table changed while it was read ({opened.rows_expected:,} rows when it was opened, "
            f"{counts.rows_in:,} read)"
        )
    run.ledger.check(name, Step.PREPARE, "rows conformed", work.rows(f"conformed/{name}"), counts.rows_in)
    counts = _judged_values(run, prepared, name, conformed, counts)
    run.ledger.record(name, Step.PREPARE, counts.rows_in, counts.rows_out, counts.dropped, counts.counted)
    if counts.rows_in and counts.dropped.get(Reason.AFTER_AS_OF.value) == counts.rows_in:
        prepared.left_empty.add(name)
        run.note(f"{name}: all rows are later than {run.settings.today}, the day of the run; it counts as missing")
    prepared.left_out[name] = partial(prepare.left_out, conformed, opened.table, netting)
    if set(counts.dropped) - LEFT_ORDERLY:
        prepared.quarantine[name] = prepare.quarantine(conformed, opened.table)
        if opened.complete:
            run.note(f"{name}: declared complete, but with quarantined rows; what it lacks is unknown, not absent")
    if netting is not None and _IN_CONFLICT & counts.dropped.keys():
        names = prepare.names_in_conflict(conformed, opened.table, netting)
        among = prepare.names_to_compare(conformed, names) if name == "rebate_claims" else names
        as_received = _conformed(run, work, prepared, name, among=among)
        again = prepare.net(as_received, opened.table, partial(_kept, work, "netting_in_conflict"))
        found = prepare.in_conflict(as_received, opened.table, again)
        found = found.join(F.broadcast(names), found["source_row_id"] == names["row_name"], how="left_semi")
        prepared.quarantine[name] = prepared.quarantine[name].unionByName(found)


def _judged_values(
    run: Run, prepared: Prepared, name: str, conformed: DataFrame, counts: prepare.Tally
) -> prepare.Tally:
    """Reports what could not be read, and remembers the problem of a table that is mostly quarantined.

    Returns the counts with values that became NULL by column. Reads the conformed rows only where there is something.
    """
    quarantined = {reason: rows for reason, rows in counts.dropped.items() if reason not in LEFT_ORDERLY}
    share = sum(quarantined.values()) / max(counts.rows_in, 1)
    if not (counts.counted.get(Reason.COERCED_NULL.value) or counts.null_words or share > _WORTH_A_WARNING):
        return counts
    opened, settings = prepared.opened[name], run.settings.input
    report = prepare.value_report(conformed, opened.table, settings.formats_of(name))
    for note in (*prepare.coerced_notes(report), *prepare.null_word_notes(report)):
        run.note(note)
    if share > settings.most_quarantined:
        limit = settings.most_quarantined
        prepared.mostly_quarantined.append(
            prepare.quarantine_problem(name, opened.location, counts.rows_in, quarantined, report, limit)
        )
    elif share > _WORTH_A_WARNING:
        problem = prepare.quarantine_problem(name, opened.location, counts.rows_in, quarantined, report)
        run.note(prepare.in_one_line(problem))
    return counts.with_reasons({}, report.counted)
