"""What every job shares: its options, its session, and how it ends."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from engine.errors import InternalError, Interrupted, UserError
from engine.permissions import restrict_new_files
from engine.redaction import masked
from engine.settings import Settings, load_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Errors whose messages name code, files and counts. Others may quote what they could not work with.
_WITHOUT_DATA = (UserError, InternalError, ImportError, AttributeError, NameError, TypeError, MemoryError, OSError)


def _project() -> Path:
    """The checkout, where `conf` is: a cluster's driver may import this module from the archive for executors."""
    places = [Path(home) for home in [os.environ.get("ENGINE_HOME")] if home]
    places.append(Path(__file__).resolve().parent.parent)
    program = getattr(sys.modules["__main__"], "__file__", None)
    if program is not None:
        places.append(Path(program).resolve().parent.parent)
    return next((place for place in places if (place / DEFAULT_CONFIG).exists()), places[0])


DEFAULT_CONFIG = "conf/local.yaml"
PROJECT = _project()

Config = Annotated[str, typer.Option("--config", help="Settings in YAML.")]
Input = Annotated[str | None, typer.Option("--input", help="Folder of tables, found by name; overrides the config.")]
Output = Annotated[str | None, typer.Option("--output", help="Folder for the outputs; overrides the config.")]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of", formats=["%Y-%m-%d"], help="Date that the run treats as today (YYYY-MM-DD). Default: today, UTC."
    ),
]
RunId = Annotated[str | None, typer.Option("--run-id", help="Name of the run. Default: made of the time.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="a.b=value, overrides one setting; may be repeated.")]
Model = Annotated[str | None, typer.Option("--model", help="NAME/VERSION of a registered model. Default: champion.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")]
KnownUnusual = Annotated[
    str | None,
    typer.Option(
        "--known-unusual",
        help="Parquet of rebate claims known to be unusual (source_row_id, kind), by which a model trained here is "
        "measured. Generated claims: anomalies.",
    ),
]
Engine = Annotated[
    str | None, typer.Option("--engine", help="embedded, spark or auto. Default: runtime.engine of the settings.")
]
Redacted = Annotated[
    bool, typer.Option("--redacted", help="Mask Rx numbers, remove prices and amounts (redaction.on of the settings).")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a run of the same id.")]


def settings_of(
    config: str,
    input: str | None,
    output: str | None,
    as_of: datetime | None,
    overrides: list[str] | None,
    engine: str | None = None,
    redacted: bool = False,
) -> Settings:
    """The settings with those of the command line on top; relative paths in the shipped defaults are the project's."""
    words = list(overrides or [])
    words += [f"input.root={input}"] if input else []
    words += [f"output.root={output}"] if output else []
    words += [f"as_of={as_of:%Y-%m-%d}"] if as_of else []
    words += [f"runtime.engine={engine}"] if engine else []
    words += ["redaction.on=true"] if redacted else []
    path = Path(config)
    if not path.exists() and (PROJECT / config).exists():
        path = PROJECT / config
    from engine.rules import configuration_problems

    return load_settings(path, words, os.environ, home=PROJECT, rule_problems=configuration_problems)


def file_formats() -> Collection[str]:
    """Names of the file formats that every engine reads."""
    from engine.sources import FILE_FORMATS

    return FILE_FORMATS.keys()


def session_of(job: str, settings: Settings, resumed: str | None = None) -> SparkSession:
    """The session of a job on the engine that its settings choose. `resumed`: the run id that --resume continues."""
    from engine.runs import interrupted_engine
    from engine.runtime.selection import choose
    from engine.runtime.session import open_session

    interrupted = interrupted_engine(settings, resumed) if resumed else None
    return open_session(job, settings, choose(settings, file_formats, interrupted=interrupted), print)


def main(job: Callable[..., None]) -> None:
    """Run a job as a program.

    Files that it writes are readable by their owner and the owner's group only. Exit status: 0 done; 2 the user can
    fix it (one message); 128 and the number of the signal that ended it; 1 anything else.
    """
    restrict_new_files()
    app = typer.Typer(add_completion=False)
    app.command()(job)
    with _exit_status(job.__module__):
        app(prog_name=f"./spark-submit.sh {job.__name__}")


@contextmanager
def _exit_status(name: str) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        _end(error, str(error), 2)
    except Interrupted as error:
        _end(error, f"The job was {error}.", error.exit_status)
    except Exception as error:
        log = Path(os.environ.get("ENGINE_LOGS", PROJECT / "logs"), "error.log")
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)  # an existing file would keep its permissions
        log.write_text(f"{name}\n{error_report(error)}", encoding="utf-8")
        words = f"{type(error).__name__}: {error}" if isinstance(error, InternalError) else type(error).__name__
        _end(error, f"The job failed: {words}. The whole error is in {log}", 1)


def _end(error: BaseException, message: str, status: int) -> NoReturn:
    print(masked("\n".join(["", message, *getattr(error, "__notes__", [])])), file=sys.stderr)
    sys.exit(status)


def error_report(error: BaseException) -> str:
    """The traceback of an error and of its causes without values of the data: of messages only those that hold none.

    Of an exception from Spark, Python's class and Spark's error condition are shown; what the JVM did is in spark.log.
    """
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = "".join(traceback.format_tb(current.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{frames}{_exception_line(current)}\n")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return masked("\nwhich came from or during:\n\n".join(parts))


def _exception_line(error: BaseException) -> str:
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, _WITHOUT_DATA):
        return f"{kind}: {error}"
    get_condition = getattr(error, "getCondition", None)
    condition = get_condition() if callable(get_condition) else None
    return f"{kind}: {condition}" if condition else f"{kind} (its message is not logged: it may hold data)"
