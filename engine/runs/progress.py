"""What a run reports while it works."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from engine.contracts.codes import Step
from engine.redaction import masked


@dataclass
class Progress:
    """Seconds of each step, and notes that the reader of the run's outputs should see.

    before_step: called before each step; raises if the run may not continue.
    """

    say: Callable[[str], None]
    before_step: Callable[[], None] = lambda: None
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def note(self, text: str) -> None:
        """Keep something that the user should know for the outputs, and print it now."""
        text = masked(text)
        self.notes.append(text)
        self.say(f"           note: {text}")

    @contextmanager
    def step(self, step: Step) -> Iterator[list[str]]:
        """Time a step and print one line when it ends; the block appends what the line should report."""
        self.before_step()
        words: list[str] = []
        began = time.perf_counter()
        yield words
        self.seconds[step.value] = round(time.perf_counter() - began, 3)
        self.say(f"{step.value:<9}{self.seconds[step.value]:>8.1f} s  {masked('; '.join(words))}")
