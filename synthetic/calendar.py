"""The six quarters that generated claims lie in, as day numbers since 1970-01-01."""

from __future__ import annotations

from datetime import date

import numpy as np

QUARTERS = ("2025Q1", "2025Q2", "2025Q3", "2025Q4", "2026Q1", "2026Q2")
DAYS_PER_FILL = 30
MICROSECONDS_PER_DAY = 86_400_000_000

_EPOCH = date(1970, 1, 1).toordinal()


def day(year: int, month: int, day_of_month: int) -> int:
    """Days since 1970 of a date."""
    return date(year, month, day_of_month).toordinal() - _EPOCH


# First day of each quarter, and of the one after the last.
QUARTER_STARTS = np.array(
    [day(2025 + index // 4, 1 + 3 * (index % 4), 1) for index in range(len(QUARTERS) + 1)], dtype=np.int64
)
FIRST_DAY = int(QUARTER_STARTS[0])
LAST_DAY = int(QUARTER_STARTS[-1]) - 1

# First day on which a Maximum Fair Price is in force; 42 U.S.C. 1320f.
MFP_START = day(2026, 1, 1)


def quarter_of(days: np.ndarray) -> np.ndarray:
    """Index into QUARTERS of each day."""
    return np.searchsorted(QUARTER_STARTS, days, side="right") - 1


def quarter_end(quarters: np.ndarray) -> np.ndarray:
    """Last day of each quarter; `quarters`: indices into QUARTERS."""
    return QUARTER_STARTS[quarters + 1] - 1
