"""Errors that a user can fix: shown as one message, without a traceback, exit status 2."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
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
        """The message as people read it, with credentials masked."""
        lines = [f"{self.what}", f"  where:    {self.where}"]
        if self.found:
            lines.append(f"  found:    {self.found}")
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.to_do:
            lines.append(f"  do:       {self.to_do}")
        return masked("\n".join(lines))


def closest_name(
    name: str, known: Iterable[str], cutoff: float = 0.6, simplified: Callable[[str], str] = str
) -> str | None:
    """The known name that is most similar to `name`; None if none is similar enough.

    cutoff: the least similarity, 0 to 1. simplified: what is compared of each name, such as its lower case.

    >>> closest_name("rebate_claim", ["rebate_claims", "invoices"]), closest_name("x", ["invoices"])
    ('rebate_claims', None)
    """
    names = {simplified(known_name): known_name for known_name in known}
    closest = difflib.get_close_matches(simplified(name), names, n=1, cutoff=cutoff)
    return names[closest[0]] if closest else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str, cutoff: float = 0.6) -> str:
    """The advice of a problem with an unknown name: the most similar known name, or else `otherwise`."""
    closest = closest_name(name, known, cutoff)
    return f"did you mean {closest}?" if closest else otherwise


def counted(number: int, singular: str, plural: str) -> str:
    """A number before what it counts, and its verb if the words have one.

    >>> counted(1, "row is", "rows are"), counted(1200, "row is", "rows are")
    ('1 row is', '1,200 rows are')
    """
    return f"{number:,} {singular if number == 1 else plural}"


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
    """A table or column that the contract requires is missing or cannot be read."""


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
