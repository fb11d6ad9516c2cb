"""What rules, guards and features need of the input."""

from __future__ import annotations


def is_available(need: str, available: frozenset[str]) -> bool:
    """Whether the input has a table (`table`), a column or property of one (`table.column`), or one of several
    alternatives separated by `|`.

    available: tables, and `table.column` of each. A column of a table that is not available does not count.

    >>> is_available("prices.unit_price|prices.wac_unit", frozenset({"prices", "prices.wac_unit"}))
    True
    >>> is_available("prices.wac_unit", frozenset({"prices.wac_unit"}))
    False
    """
    return any(name in available and name.partition(".")[0] in available for name in need.split("|"))
