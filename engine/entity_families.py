"""Which covered entity another belongs to, day by day: as the register names it, else by the 340B ids themselves.

Where the register names no parent on a day, the parent is the id without its site suffix, if another known id shares
that stem (contract parts 1 and 7.4). Parents of parents are followed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from engine.intervals import covers
from engine.runtime.column_names import column_names

# Name under which the table is handed on with the references.
FAMILIES = "entity_families"
FAMILIES_SCHEMA = "entity_id string, parent_entity_id string, parent_from date, parent_to date"
SPAN = ("parent_from", "parent_to")

_HOSPITALS = ("DSH", "CAH", "RRC", "SCH", "PED", "CAN")
_PREFIX = re.compile(r"[A-Z]+")
_DASH_PART = re.compile(r"(.+?)-[0-9A-Z]*\Z")
_LETTERS = re.compile(r"(.*[0-9])[A-Z]+\Z")
_SITE_OF_GRANTEE = re.compile(r"(.*[0-9])[0A-Z]\Z")


class Registered(NamedTuple):
    """The parent of an entity in a row of the register; None is unknown or open."""

    entity_id: str
    parent: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    snapshot: date | None = None


class Membership(NamedTuple):
    """A time `[since, until)` in which an entity belongs to a parent, or to none but itself."""

    entity_id: str
    parent: str
    since: date | None
    until: date | None


def entity_families(covered_entities: DataFrame | None, others: Sequence[DataFrame]) -> DataFrame | None:
    """FAMILIES_SCHEMA: every entity that has another parent than itself at some time, and those parents; None where no
    entity has. The times of one parent are the same for all its entities, which can be grouped by them.

    `covered_entities`: conformed; `others`: tables whose column entity_id holds further ids. Read by the driver: ids,
    and a register's parents.
    """
    if covered_entities is None and not others:
        return None
    registered: list[Registered] = []
    tables = list(others)
    if covered_entities is not None:
        names = ("entity_id", "parent_entity_id", "valid_from", "valid_to", "snapshot_date")
        rows = covered_entities.select(*names).where(F.col("entity_id").isNotNull()).distinct().collect()
        registered = [Registered(*row) for row in rows]
        tables.append(covered_entities)
    ids = {row[0] for table in tables for row in table.select("entity_id").distinct().collect() if row[0]}
    memberships = memberships_of(registered, ids)
    if not memberships:
        return None
    return tables[0].sparkSession.createDataFrame(memberships, FAMILIES_SCHEMA)


def memberships_of(registered: Iterable[Registered], ids: Iterable[str]) -> list[Membership]:
    """Memberships of all entities that are in a family, in order."""
    records: dict[str, list[Registered]] = defaultdict(list)
    for record in registered:
        records[record.entity_id].append(record)
    known = {*ids, *records, *(record.parent for of in records.values() for record in of if record.parent)}
    guessed = _guessed_parents(known, records)
    children = {entity for entity in known if guessed.get(entity, entity) != entity} | {
        entity for entity, of in records.items() if any(record.parent not in (None, entity) for record in of)
    }
    spans = {entity: _times(entity, records, guessed) for entity in children}
    parents = {membership.parent for of in spans.values() for membership in of}
    spans |= {parent: _times(parent, records, guessed) for parent in parents - children}
    aligned = _aligned([membership for of in spans.values() for membership in of])
    return sorted(aligned, key=lambda membership: (membership.entity_id, membership.since or date.min))


def site_stem(entity_id: str) -> str:
    """The id without the part that names a site: a dash part, trailing letters; of a grantee the last digit 0 or
    letter. The id itself if it names none.
    """
    prefix = _PREFIX.match(entity_id)
    pattern = _LETTERS if prefix is None or prefix[0] in _HOSPITALS else _SITE_OF_GRANTEE
    stem = _DASH_PART.match(entity_id) or pattern.match(entity_id)
    return stem[1] if stem else entity_id


def _guessed_parents(known: set[str], records: Mapping[str, list[Registered]]) -> dict[str, str]:
    """Parents by stem, of ids that share theirs with another: the one that the register names for any of them, else the
    main site's id, else the stem.
    """
    families: dict[str, list[str]] = defaultdict(list)
    for entity in known:
        families[site_stem(entity)].append(entity)
    guessed: dict[str, str] = {}
    for stem, members in families.items():
        if len(members) == 1:
            entity = members[0]
            letters = _LETTERS.match(entity)
            # some systems put letters behind the whole id of a grantee
            if letters and letters[1] in known:
                guessed[entity] = letters[1]
            continue
        named = {record.parent for entity in members for record in records.get(entity, ()) if record.parent}
        in_family = sorted(parent for parent in named if site_stem(parent) == stem)
        main = next((site for site in (stem, f"{stem}0", f"{stem}-00") if site in members), stem)
        parent = in_family[0] if len(in_family) == 1 else main
        guessed |= dict.fromkeys(members, parent)
    return guessed


def _times(entity: str, records: Mapping[str, list[Registered]], guessed: Mapping[str, str]) -> list[Membership]:
    """Memberships of one entity, from the beginning to the end of time."""
    reached, waiting = {entity}, [entity]
    while waiting:
        relative = waiting.pop()
        parents = {record.parent for record in records.get(relative, ()) if record.parent}
        parents.add(guessed.get(relative, relative))
        waiting += sorted(parents - reached)
        reached |= parents
    registered = [record for relative in reached for record in records.get(relative, ())]
    bounds = {day for record in registered for day in (record.valid_from, record.valid_to) if day is not None}
    starts = [None, *sorted(bounds)]
    memberships: list[Membership] = []
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        top = _top(entity, partial(_parent_on, day=start or date.min, records=records, guessed=guessed))
        if memberships and memberships[-1].parent == top:
            memberships[-1] = memberships[-1]._replace(until=end)
        else:
            memberships.append(Membership(entity, top, start, end))
    return memberships


def _top(entity: str, parent_of: Callable[[str], str]) -> str:
    """The parent that has no other; the smallest id of a circle."""
    line = [entity]
    while (parent := parent_of(line[-1])) not in line:
        line.append(parent)
    return min(line[line.index(parent) :])


def _parent_on(entity: str, day: date, records: Mapping[str, list[Registered]], guessed: Mapping[str, str]) -> str:
    """What the latest snapshot in force names, if its rows agree; outside all dates a parent that never changes."""
    own = records.get(entity, [])
    in_force = [
        record
        for record in own
        if (record.valid_from is None or record.valid_from <= day)
        and (record.valid_to is None or day < record.valid_to)
    ]
    latest = max((record.snapshot or date.min for record in in_force), default=None)
    counted = [record for record in in_force if (record.snapshot or date.min) == latest] if in_force else own
    named = {record.parent for record in counted if record.parent}
    return named.pop() if len(named) == 1 else guessed.get(entity, entity)


def _aligned(memberships: list[Membership]) -> list[Membership]:
    """The same memberships, cut wherever one of the parent's begins or ends."""
    cuts: dict[str, set[date]] = defaultdict(set)
    for membership in memberships:
        cuts[membership.parent] |= {day for day in (membership.since, membership.until) if day is not None}
    aligned = []
    for membership in memberships:
        since, until = membership.since, membership.until
        for cut in sorted(cuts[membership.parent]):
            if (since is None or since < cut) and (until is None or cut < until):
                aligned.append(membership._replace(since=since, until=cut))
                since = cut
        aligned.append(membership._replace(since=since))
    return aligned


def at_parent(rows: DataFrame, entity: str, families: DataFrame | None) -> DataFrame:
    """`rows` with the parent's id in place of the entity's own, and SPAN, the time for which it is; a row per time.

    Within one parent times are the same or apart: see `entity_families`.
    """
    if families is None:
        return rows.withColumns({name: F.lit(None).cast("date") for name in SPAN})
    joined = rows.join(_broadcast(families), on=F.col(entity) == F.col("family_entity_id"), how="left")
    return joined.select(*_with_parent(rows, entity), *(F.col(f"family_{name}").alias(name) for name in SPAN))


def at_parent_of_day(rows: DataFrame, entity: str, day: Column, families: DataFrame | None) -> DataFrame:
    """`rows` with the parent's id on a day in place of the entity's own; one row per row. A NULL day changes none."""
    if families is None:
        return rows
    same = (F.col(entity) == F.col("family_entity_id")) & covers(day, *(F.col(f"family_{name}") for name in SPAN))
    joined = rows.join(_broadcast(families), on=same & day.isNotNull(), how="left")  # one time covers a day
    return joined.select(*_with_parent(rows, entity))


def covers_day(day: Column, prefix: str = "") -> Column:
    """Whether a day is in the time of `at_parent`, whose columns have a prefix."""
    return covers(day, *(F.col(f"{prefix}{name}") for name in SPAN))


def _broadcast(families: DataFrame) -> DataFrame:
    return F.broadcast(families.withColumnsRenamed({name: f"family_{name}" for name in column_names(families)}))


def _with_parent(rows: DataFrame, entity: str) -> list[Column]:
    parent = F.coalesce("family_parent_entity_id", entity).alias(entity)
    return [parent if name == entity else F.col(name) for name in column_names(rows)]
