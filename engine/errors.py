"""Errors that a user can fix: shown as one message, without a traceback, exit status 2."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.redaction import masked


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: what, where, found, expected, and what to do about it. Shown without credentials."""

    what: str
    where: str
    found: str = ""
    expected: str = ""
    to_do: str = ""

    def __str__(self) -> str:
        lines = [f"{self.what}", f"  where:    {self.where}"]
        if self.found:
            lines.append(f"  found:    {self.found}")
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.to_do:
            lines.append(f"  do:       {self.to_do}")
        return masked("\n".join(lines))


class UserError(Exception):
    """The configuration, the input contract or the output location is wrong.

    Carries every problem found, so that all can be fixed at once.
    """

    def __init__(self, problems: Problem | Iterable[Problem]):
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ConfigurationError(UserError):
    """A setting is missing, unknown or wrong."""


class InputError(UserError):
    """A table or column that the contract asks for is not there or cannot be read."""


class RejectedInput(InputError):
    """Most rows of a table cannot be read: only other settings or another input help, so there is nothing to resume."""


class OutputError(UserError):
    """The place where outputs should go cannot take them."""


class PromotionRefused(UserError):
    """The registry's champion stays what it is."""


class InternalError(Exception):
    """The run cannot be trusted and stops, exit status 1; the message names counts and places, never a value."""


class Interrupted(BaseException):
    """A signal ended the run. No KeyboardInterrupt, which command-line libraries report in words of their own."""

    def __init__(self, signal_name: str, exit_status: int):
        super().__init__(f"interrupted by {signal_name}")
        self.exit_status = exit_status
