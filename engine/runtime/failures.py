"""Causes of a failed action, in one form for both engines."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

# Exceptions of an engine and its drivers; any other is a bug in this program, not a user error.
ENGINE_ERRORS = (Py4JError, PySparkException)

_MOST_CAUSES = 20


@dataclass(frozen=True)
class Cause:
    """One error of a chain.

    Attributes:
        kind: its Java or Python class.
        condition: Spark's error condition; empty on the embedded engine, which has none.
        parameters: the condition's parameters.
        message: may quote values of rows.
    """

    kind: str
    condition: str
    parameters: dict[str, str]
    message: str


def causes_of(error: BaseException) -> list[Cause]:
    """The error and its causes, outermost first; empty for errors that no engine raised."""
    java: Any = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    if java is None:
        if not isinstance(error, PySparkException):
            return []
        parameters = dict(error.getMessageParameters() or {})
        return [Cause(type(error).__name__, error.getCondition() or "", parameters, str(error))]
    causes: list[Cause] = []
    while java is not None and len(causes) < _MOST_CAUSES:
        causes.append(_cause(java))
        java = java.getCause()
    return causes


def _cause(java: Any) -> Cause:
    condition, parameters = "", {}
    # only Spark's own throwables have these
    with suppress(Py4JError):
        condition, parameters = java.getCondition() or "", dict(java.getMessageParameters() or {})
    return Cause(java.getClass().getName(), condition, parameters, str(java.getMessage() or ""))
