"""What an engine reports when an action fails, as one chain of causes for both engines."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

# What an engine and its drivers raise; anything else is a mistake of ours, not the user's.
ENGINE_ERRORS = (Py4JError, PySparkException)

_MOST_CAUSES = 20


@dataclass(frozen=True)
class Cause:
    """One error of a chain.

    Attributes:
        kind: its class, of Java or of Python.
        condition: Spark's error condition; empty on the embedded engine, which has none.
        parameters: those of the condition.
        message: may quote values of rows.
    """

    kind: str
    condition: str
    parameters: dict[str, str]
    message: str


def causes_of(error: BaseException) -> list[Cause]:
    """The error and what caused it, outermost first; none for what no engine raised."""
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
