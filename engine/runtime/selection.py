"""Choice of the engine that runs a job, made once before an engine is started."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from engine.errors import ConfigurationError, Problem
from engine.runtime.input_size import SMALL_INPUT, input_files, input_size
from engine.runtime.memory import available_memory
from engine.settings import Settings

# The launcher's choice, for the job that it starts.
CHOICE_VARIABLE = "ENGINE_CHOICE"
# Set by spark-submit for the Python program that it starts.
_SUBMITTED = "PYSPARK_GATEWAY_PORT"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCHEMES = {"file", "s3", "s3a", "s3n", "gs", "abfs", "abfss"}
_GIB = 2**30


class Engine(StrEnum):
    """The engines, by their names in settings and options."""

    EMBEDDED = "embedded"
    SPARK = "spark"


@dataclass(frozen=True)
class Choice:
    """An engine, and the reason for the choice as a phrase."""

    engine: Engine
    reason: str


def choose(
    settings: Settings,
    file_formats: Callable[[], Collection[str]],
    environment: Mapping[str, str] | None = None,
    interrupted: str | None = None,
) -> Choice:
    """The engine of a job.

    An engine that the user names is used. Otherwise (`auto`) Spark runs jobs that need it: the user names a master, the
    embedded engine does not support a format or location, or the input does not fit in memory. A resumed run keeps its
    engine.

    Args:
        settings: with `runtime.engine` from the command line.
        file_formats: names of the formats that every engine reads, in lower case. Called only if a table names its
            format, since the readers take half a second to import.
        environment: variables; by default those of this process.
        interrupted: the engine of the resumed run, see `interrupted_engine`.

    Raises:
        ConfigurationError: the launcher's choice cannot be read.
    """
    environment = os.environ if environment is None else environment
    if CHOICE_VARIABLE in environment:
        return _choice_of(environment[CHOICE_VARIABLE])
    if settings.runtime.engine != "auto":
        return Choice(Engine(settings.runtime.engine), "as chosen")
    if interrupted is not None:
        return Choice(Engine(interrupted), "the engine of the interrupted run")
    reason = next(_needs_spark(settings, file_formats, environment), None)
    if reason is not None:
        return Choice(Engine.SPARK, reason)
    return Choice(Engine.EMBEDDED, "nothing needs Spark")


def _needs_spark(
    settings: Settings, file_formats: Callable[[], Collection[str]], environment: Mapping[str, str]
) -> Iterator[str]:
    """Reasons why only Spark can run the job, cheapest to check first."""
    submitted = shlex.split(environment.get("SPARK_SUBMIT_OPTIONS", ""))
    if gives_master(submitted):
        yield "SPARK_SUBMIT_OPTIONS gives a master"
    if _SUBMITTED in environment:
        yield "started by spark-submit"
    if settings.spark.master is not None or "spark.master" in settings.spark.conf:
        yield "the settings give a master"
    for location in _locations(settings):
        scheme = _SCHEME.match(location)
        if scheme is not None and scheme.group(1).lower() not in _SCHEMES:
            yield f"a location begins with {scheme.group(1)}://"
    for name, table in settings.input.tables.items():
        if table.format is not None and table.format.lower() not in file_formats():
            yield f"table {name} has the format {table.format}"
    yield from _too_large(settings)


def gives_master(options: Sequence[str]) -> bool:
    """True if options of spark-submit name a master, also as --conf spark.master=..."""
    return any(re.match(r"--master(=|$)|(--conf=)?spark\.master=", option) for option in options)


def _locations(settings: Settings) -> Iterator[str]:
    yield from (place for place in (settings.input.root, settings.output.root) if place)
    for table in settings.input.tables.values():
        yield from table.paths


def _too_large(settings: Settings) -> Iterator[str]:
    """The reason why the embedded engine lacks memory, by the limits in the section `runtime`."""
    runtime = settings.runtime
    files = input_files(settings)
    stored = sum(file.stat().st_size for file in files if file.exists())
    if runtime.largest_embedded_input is not None:
        if stored > runtime.largest_embedded_input:
            yield f"the input has {stored:,} bytes, more than {runtime.largest_embedded_input:,}"
        return
    if stored < SMALL_INPUT:
        return
    available = available_memory()
    size = input_size(files)
    needed = runtime.embedded_base_memory + max(
        size.rows * runtime.embedded_memory_per_row, size.bytes * runtime.embedded_memory_per_byte
    )
    if available is not None and needed > available * runtime.embedded_memory_share:
        yield (
            f"about {size.rows:,.0f} rows of input need about {needed / _GIB:.1f} GiB on the embedded engine, more than"
            f" {runtime.embedded_memory_share:.0%} of the {available / _GIB:.1f} GiB that are available"
        )


def as_variable(choice: Choice) -> str:
    """A choice for CHOICE_VARIABLE."""
    return json.dumps(asdict(choice))


def _choice_of(text: str) -> Choice:
    try:
        choice = json.loads(text)
        return Choice(Engine(choice["engine"]), str(choice["reason"]))
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(
            Problem("the choice of the engine cannot be read", f"environment variable {CHOICE_VARIABLE}", text)
        ) from None
