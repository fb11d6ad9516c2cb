"""Step prepare: conform and net every table, record it in the ledger, and quarantine its bad rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine import prepare
from engine.contracts.codes import DROPPED_NOT_QUARANTINED, Reason, Step
from engine.contracts.tables import FEED_NAMES
from engine.entity_families import FAMILIES, entity_families
from engine.errors import Problem, RejectedInput, counted
from engine.pipeline import work_tables
from engine.pipeline.stages import Inputs, LiveClaims, Prepared
from engine.runs import Run, WorkTables
from engine.runtime.column_names import column_names
from engine.sources import OpenedTable

_JUDGED = FEED_NAMES - {"pharmacy_claims"}

# Share of quarantined rows above which a table gets a warning.
_WORTH_A_WARNING = 0.05

# Reasons that netting assigns; for the quarantine, the rows are read again as they were received.
_IN_CONFLICT = {Reason.SOURCE_ROW_ID_DUPLICATE.value, Reason.KEY_DUPLICATE.value}


@dataclass(frozen=True)
class _Table:
    """One prepared table. rows: conformed rows; quarantine, problem: None if no row is quarantined or the table has no
    problem.
    """

    name: str
    rows: DataFrame
    netting: DataFrame | None
    counts: prepare.Tally
    is_left_empty: bool
    quarantine: DataFrame | None
    problem: Problem | None
    left_out: Callable[[], DataFrame]


def prepare_tables(run: Run, inputs: Inputs, stops: bool = True) -> Prepared:
    """Conform every table once to the work folder, then net it from there; references first.

    Raises InputError for tables that are mostly quarantined; if `stops` is false, the result lists them instead.
    """
    opened = inputs.tables
    others = [name for name in opened if name not in FEED_NAMES and name not in prepare.LOOKUPS]
    feeds = sorted(FEED_NAMES & opened.keys())
    with run.progress.step(Step.PREPARE) as words:
        lookup_names = [name for name in opened if name in prepare.LOOKUPS]
        tables, lookups = _references(run, opened, _conformed(run, opened, lookup_names, {}), {})
        # feeds first, because they take longest
        conformed = _conformed(run, opened, [*feeds, *others], lookups)
        more, references = _references(run, opened, {name: conformed[name] for name in others}, lookups)
        tables, references = [*tables, *more], {**lookups, **references}
        if "entity_claims" in conformed:
            families = _families(run, references, conformed["entity_claims"])
            references |= {} if families is None else {FAMILIES: families}
            conformed["entity_claims"] = prepare.with_parents(conformed["entity_claims"], families)
        if stops:
            _stop_for(tables)
        netted = run.in_parallel([partial(_netted, run, opened[name], conformed[name]) for name in feeds])
        live = {}
        for name, netting in zip(feeds, netted, strict=True):
            live[name], counts = _live_feed(run, name, conformed[name], netting, references)
            table = _entered(run, opened[name], conformed[name], netting, counts, lookups)
            tables.append(table)
            words.append(f"{name} {table.counts.rows_in:,} in, {table.counts.rows_out:,} out")
            if table.counts.rows_out == 0:
                received = counted(table.counts.rows_in, "row", "rows")
                run.progress.note(
                    f"{name}: none of the {received} received is left; ledger.json has the reasons"
                    if table.counts.rows_in
                    else f"{name}: no rows received"
                )
        if stops:
            _stop_for(tables)
        return _prepared(run, opened, references, tables, live)


def _prepared(
    run: Run,
    opened: Mapping[str, OpenedTable],
    references: Mapping[str, DataFrame],
    tables: Sequence[_Table],
    live: Mapping[str, DataFrame | LiveClaims],
) -> Prepared:
    by_name = {table.name: table for table in tables}
    left_empty = frozenset(table.name for table in tables if table.is_left_empty)
    if _JUDGED & (opened.keys() - left_empty):
        live = {name: rows for name, rows in live.items() if name not in left_empty}
    claims, lines, prices = (by_name.get(name) for name in ("rebate_claims", "invoices", "prices"))
    unread_claims, replaced_invoices = None, None
    if claims is not None and claims.netting is not None and set(claims.counts.dropped) - DROPPED_NOT_QUARANTINED:
        unread_claims = run.work.write(work_tables.UNREAD_CLAIMS, prepare.unread_claims(claims.rows, claims.netting))
    if lines is not None and lines.netting is not None and lines.counts.dropped.get(Reason.REPLACED.value):
        replaced_invoices = prepare.replaced_invoices(lines.rows, lines.netting)
    live_claims = live.get("rebate_claims")
    frames = {name: rows for name, rows in live.items() if isinstance(rows, DataFrame)}
    return Prepared(
        opened=opened,
        references=references,
        claims=live_claims if isinstance(live_claims, LiveClaims) else None,
        unread_claims=unread_claims,
        dispenses=frames.get("pharmacy_claims"),
        entity_claims=frames.get("entity_claims"),
        invoices=frames.get("invoices"),
        replaced_invoices=replaced_invoices,
        quarantine={table.name: table.quarantine for table in tables if table.quarantine is not None},
        left_out={table.name: table.left_out for table in tables},
        mostly_quarantined=_problems(tables),
        left_empty=left_empty,
        all_prices=None if prices is None or prices.is_left_empty else prepare.good_rows(prices.rows),
    )


def _families(run: Run, references: Mapping[str, DataFrame], entity_claims: DataFrame) -> DataFrame | None:
    """Parent of each covered entity by span of days; None if no table states parents."""
    with_ids = [rows for rows in references.values() if "entity_id" in column_names(rows)]
    families = entity_families(references.get("covered_entities"), [entity_claims, *with_ids])
    return None if families is None else run.work.write(work_tables.FAMILIES, families)


def _problems(tables: Sequence[_Table]) -> list[Problem]:
    return [table.problem for table in tables if table.problem is not None]


def _stop_for(tables: Sequence[_Table]) -> None:
    if problems := _problems(tables):
        raise RejectedInput(problems)


def _conformed_table(
    run: Run, opened: OpenedTable, lookups: Mapping[str, DataFrame], among: DataFrame | None = None
) -> DataFrame:
    name = opened.table.name
    formats = run.settings.input.formats_of(name)
    rows = prepare.conform(opened.rows, opened.table, as_of=run.settings.today, formats=formats, among=among, **lookups)
    return run.work.write((work_tables.CONFORMED if among is None else work_tables.IN_CONFLICT).of(name), rows)


def _conformed(
    run: Run, opened: Mapping[str, OpenedTable], names: Sequence[str], lookups: Mapping[str, DataFrame]
) -> dict[str, DataFrame]:
    tables = run.in_parallel([partial(_conformed_table, run, opened[name], lookups) for name in names])
    return dict(zip(names, tables, strict=True))


def _netted(run: Run, opened: OpenedTable, conformed: DataFrame) -> DataFrame:
    netting = prepare.net(conformed, opened.table, partial(_kept, run, work_tables.NETTING_OF))
    return run.work.write(work_tables.NETTING.of(opened.table.name), netting)


def _kept(run: Run, tables: WorkTables, name: str, rows: DataFrame) -> DataFrame:
    return run.work.write(tables.of(name), rows)


def _references(
    run: Run,
    opened: Mapping[str, OpenedTable],
    conformed: Mapping[str, DataFrame],
    lookups: Mapping[str, DataFrame],
) -> tuple[list[_Table], dict[str, DataFrame]]:
    """The prepared reference tables, and the live rows of those with any."""
    tallies = prepare.tally_references(conformed, {name: opened[name].table for name in conformed})
    tables, live = [], {}
    for name, (counts, repeats) in tallies.items():
        rows, netting = conformed[name], None
        live[name] = prepare.good_rows(rows)
        if repeats:
            netting = _netted(run, opened[name], rows)
            counts = prepare.with_netting(counts, netting)
            live[name] = prepare.live_references(rows, netting)
        table = _entered(run, opened[name], rows, netting, counts, lookups)
        tables.append(table)
        if table.is_left_empty:
            del live[name]
    return tables, live


def _live_feed(
    run: Run, name: str, conformed: DataFrame, netting: DataFrame, references: Mapping[str, DataFrame]
) -> tuple[DataFrame | LiveClaims, prepare.Tally]:
    """The live rows of a feed, and its number of rows received and dropped."""
    counts = prepare.with_netting(prepare.tally(conformed, name), netting)
    if name == "rebate_claims":
        converting = references.get("hcpcs_crosswalk"), references.get("products")
        claims = LiveClaims(
            prepare.live_rebate_claims(conformed, netting, *converting),
            among=lambda ids: prepare.live_rebate_claims(
                conformed.join(F.broadcast(ids), on="source_row_id", how="left_semi"), netting, *converting
            ),
            unconverted=prepare.live_rebate_claims(conformed, netting, None, None),
        )
        return claims, counts
    if name == "pharmacy_claims":
        dispenses = run.work.write(work_tables.DISPENSES, prepare.pharmacy_dispenses(conformed, netting))
        return dispenses, prepare.with_dispenses(counts, dispenses)
    live = prepare.live_entity_claims if name == "entity_claims" else prepare.live_invoices
    return live(conformed, netting), counts


def _entered(
    run: Run,
    opened: OpenedTable,
    conformed: DataFrame,
    netting: DataFrame | None,
    counts: prepare.Tally,
    lookups: Mapping[str, DataFrame],
) -> _Table:
    """Record a table in the ledger; returns it with its quarantined rows."""
    name, note = opened.table.name, run.progress.note
    received = counts.rows_in + sum(opened.left_out.values())
    run.ledger.record(name, Step.READ, received, counts.rows_in, dict(opened.left_out))
    if opened.rows_expected is not None and opened.rows_expected != counts.rows_in:
        note(
            f"{name}: the table changed while it was read "
            f"({counted(opened.rows_expected, 'row', 'rows')} when it was opened, {counts.rows_in:,} read)"
        )
    run.ledger.check(
        name, Step.PREPARE, "rows conformed", run.work.rows(work_tables.CONFORMED.of(name)), counts.rows_in
    )
    counts, problem = _values_checked(run, opened, conformed, counts)
    run.ledger.record(name, Step.PREPARE, counts.rows_in, counts.rows_out, counts.dropped, counts.counted)
    is_left_empty = bool(counts.rows_in and counts.dropped.get(Reason.AFTER_AS_OF.value) == counts.rows_in)
    if is_left_empty:
        note(f"{name}: all rows are later than {run.settings.today}, the day of the run; it counts as missing")
    quarantine = None
    if set(counts.dropped) - DROPPED_NOT_QUARANTINED:
        quarantine = prepare.quarantine(conformed, opened.table)
        if opened.complete:
            note(f"{name}: declared complete, but with quarantined rows; what it lacks is unknown, not absent")
    if quarantine is not None and netting is not None and _IN_CONFLICT & counts.dropped.keys():
        quarantine = quarantine.unionByName(_in_conflict(run, opened, conformed, netting, lookups))
    left_out = partial(prepare.left_out, conformed, opened.table, netting)
    return _Table(name, conformed, netting, counts, is_left_empty, quarantine, problem, left_out)


def _in_conflict(
    run: Run, opened: OpenedTable, conformed: DataFrame, netting: DataFrame, lookups: Mapping[str, DataFrame]
) -> DataFrame:
    """Quarantined rows that share their id or key with other rows, as they were received."""
    names = prepare.names_in_conflict(conformed, opened.table, netting)
    among = prepare.names_to_compare(conformed, names) if opened.table.name == "rebate_claims" else names
    as_received = _conformed_table(run, opened, lookups, among)
    again = prepare.net(as_received, opened.table, partial(_kept, run, work_tables.NETTING_IN_CONFLICT))
    rows = prepare.in_conflict(as_received, opened.table, again)
    return rows.join(F.broadcast(names), rows["source_row_id"] == names["row_name"], how="left_semi")


def _values_checked(
    run: Run, opened: OpenedTable, conformed: DataFrame, counts: prepare.Tally
) -> tuple[prepare.Tally, Problem | None]:
    """Note values that could not be read; returns the counts with the number of values that became NULL by column, and
    the problem of a table that is mostly quarantined.

    Reads the conformed rows only if there is something to report.
    """
    name, note = opened.table.name, run.progress.note
    quarantined = {reason: rows for reason, rows in counts.dropped.items() if reason not in DROPPED_NOT_QUARANTINED}
    share = sum(quarantined.values()) / max(counts.rows_in, 1)
    if not (counts.counted.get(Reason.COERCED_NULL.value) or counts.null_words or share > _WORTH_A_WARNING):
        return counts, None
    settings, problem = run.settings.input, None
    report = prepare.value_report(conformed, opened.table, settings.formats_of(name))
    for text in (*prepare.coerced_notes(report), *prepare.null_word_notes(report)):
        note(text)
    if share > settings.most_quarantined:
        limit = settings.most_quarantined
        problem = prepare.quarantine_problem(name, opened.location, counts.rows_in, quarantined, report, limit)
    elif share > _WORTH_A_WARNING:
        warning = prepare.quarantine_problem(name, opened.location, counts.rows_in, quarantined, report)
        note(prepare.in_one_line(warning))
    return counts.with_reasons({}, report.counted), problem
