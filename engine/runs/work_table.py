"""Declarations of intermediate results: what each is, before it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import types as T

from engine.contracts.codes import Step


@dataclass(frozen=True)
class WorkTable:
    """One intermediate result in the work folder.

    Args:
        name: its folder below the work folder.
        step: the step that writes it.
        grain: what one row is.
        schema: names and types of its columns, in any order; every column may be NULL. Engines may write integers
            and decimals of another width.
        reads: names of the tables that it is computed from; input tables are named by `input`.
    """

    name: str
    step: Step
    grain: str
    schema: T.StructType
    reads: tuple[str, ...] = ()


@dataclass(frozen=True)
class WorkTables:
    """Intermediate results of one kind, one for each of several names.

    Args:
        folder: the folder of all of them.
        part: what the name of each represents, such as `table`.
        schema: of all of them, or of each by its name.
    """

    folder: str
    part: str
    step: Step
    grain: str
    schema: T.StructType | Callable[[str], T.StructType]
    reads: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name with a placeholder, for documentation."""
        return f"{self.folder}/<{self.part}>"

    def of(self, part: str) -> WorkTable:
        """The result of one name."""
        schema = self.schema if isinstance(self.schema, T.StructType) else self.schema(part)
        return WorkTable(f"{self.folder}/{part}", self.step, self.grain, schema, self.reads)
