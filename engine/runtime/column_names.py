"""The names of a frame's columns without a question to the engine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from pyspark.sql import DataFrame

from engine.runtime.kinds import is_classic

_KEEP_ALL = {"Filter", "Sort", "Limit", "Repartition", "RepartitionByExpression", "Hint", "SubqueryAlias"}
_PLAIN_NAME = re.compile(r"(?:\w+\.)?(\w+)")

# Of plans whose columns were declared or asked for: a plan never changes.
_known: WeakKeyDictionary[Any, list[str]] = WeakKeyDictionary()


def column_names(rows: DataFrame) -> list[str]:
    """The names of the columns in order, the same as `rows.columns`.

    On Spark Connect the server plans the whole frame to answer `columns`, each time. Most plans state the names
    themselves, which is read here; the server is asked where they do not.
    """
    if is_classic(rows.sparkSession):
        return rows.columns
    plan: Any = rows._plan
    names = _names(plan)
    if names is None:
        names = _known[plan] = rows.columns
    return list(names)


def declare_columns(rows: DataFrame, names: Sequence[str]) -> DataFrame:
    """Note what the columns of a frame are called, where whoever made it knows; returns the frame."""
    if not is_classic(rows.sparkSession):
        _known[rows._plan] = list(names)
    return rows


def _names(plan: Any) -> list[str] | None:
    """None where the plan does not tell."""
    if plan in _known:
        return _known[plan]
    kind = type(plan).__name__
    if kind == "Project":
        return _all_known(_name(column) for column in plan._columns)
    if kind == "Aggregate" and plan._group_type == "groupby":
        return _all_known(_name(column) for column in (*plan._grouping_cols, *plan._aggregate_cols))
    if kind == "Join":
        return _of_join(plan)
    of_child = _names(plan._child) if plan._child is not None else None
    if of_child is None:
        return None
    if kind in _KEEP_ALL:
        return of_child
    if kind == "WithColumns":
        return _with(of_child, plan._columnNames)
    if kind == "WithColumnsRenamed":
        if _means_other_letters(of_child, plan._colsMap):
            return None
        return [plan._colsMap.get(name, name) for name in of_child]
    if kind == "Drop" and all(isinstance(name, str) for name in plan._columns):
        dropped = {name.lower() for name in plan._columns}
        return [name for name in of_child if name.lower() not in dropped]
    return None


def _of_join(plan: Any) -> list[str] | None:
    from pyspark.sql.connect.proto import Join

    is_one_sided = plan.how in (Join.JOIN_TYPE_LEFT_SEMI, Join.JOIN_TYPE_LEFT_ANTI)
    left, right = _names(plan.left), [] if is_one_sided else _names(plan.right)
    if left is None or right is None:
        return None
    on = plan.on if isinstance(plan.on, list) else [plan.on]
    # columns that the sides share by name come once, and first
    keys = [one for one in on if isinstance(one, str)]
    if _means_other_letters([*left, *right], keys):
        return None
    return [*keys, *(name for name in (*left, *right) if name not in keys)]


def _with(names: list[str], more: Sequence[str]) -> list[str]:
    """A column of a name that is there, in whatever case, takes the other's place and the new spelling."""
    spelled = {name.lower(): name for name in more}
    there = {name.lower() for name in names}
    kept = [spelled.get(name.lower(), name) for name in names]
    return [*kept, *(name for name in more if name.lower() not in there)]


def _means_other_letters(names: Iterable[str], meant: Iterable[str]) -> bool:
    """Whether a name is meant by one that differs in upper and lower case, which engines treat differently."""
    exactly = set(meant)
    in_lower_case = {one.lower() for one in exactly}
    return any(name.lower() in in_lower_case and name not in exactly for name in names)


def _name(column: Any) -> str | None:
    """The name of one column of a projection; None for what has several, or one that the engine makes up."""
    expression = column._expr
    kind = type(expression).__name__
    if kind == "ColumnAlias":
        return expression._alias[0] if len(expression._alias) == 1 else None
    if kind == "ColumnReference" and (plain := _PLAIN_NAME.fullmatch(expression._unparsed_identifier)):
        return plain[1]
    return None


def _all_known(names: Iterable[str | None]) -> list[str] | None:
    found = list(names)
    return None if None in found else [name for name in found if name is not None]
