"""Faults of a run's own folders: full or read-only storage, and folders changed by another program."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress

from engine.errors import ConfigurationError, OutputError, Problem, UserError
from engine.runtime.failures import causes_of
from engine.runtime.storage import name_of, storage_fault

_JAVA_IO = ("java.io.", "java.nio.", "org.apache.hadoop.")
# One line of a stack trace that an executor sent, such as "Caused by: java.io.IOException: No space left on device".
_REPORTED_IO = re.compile(
    r"^.*\b(?:java\.io|java\.nio|org\.apache\.hadoop)\.[\w.$]*(?:Exception|Error): .*$", re.MULTILINE
)
_PYTHON_IO = re.compile(r"^(?:OSError|PermissionError|FileNotFoundError): .*$", re.MULTILINE)
# A line of the embedded engine, which quotes the system's message with its number.
_RUST_IO = re.compile(r"^.*(?:\bLocalFileSystem error: |\bObject at location ).*\(os error \d+\).*$", re.MULTILINE)
_CHANGED = re.compile(
    r"PATH_NOT_FOUND|FILE_NOT_EXIST|CANNOT_READ_FILE_FOOTER|FAILED_READ_FILE|UNABLE_TO_INFER_SCHEMA|FileNotFoundException"
    r"|NoSuchFileException|AccessControlException|AccessDeniedException|does not exist|No such file or directory"
    r"|Permission denied|Mkdirs failed|is not a Parquet file|file is gone"
)


def translate_run_fault(error: BaseException, folders: Sequence[str]) -> OutputError | None:
    """Translate a failure in a run's own folders to an OutputError; None for any other failure.

    Storage that is full, over its quota or read-only is recognized whether Spark, the driver or a worker reported it.
    Quotes file names and system messages, never the content of a file.

    Args:
        error: raised by a Spark action, a library or the engine.
        folders: the run's work folder and the folder of its outputs.
    """
    words = list(_io_words(error))
    fault = next((fault for text in words if (fault := storage_fault(text))), None)
    if fault is not None:
        if isinstance(error, OutputError | ConfigurationError):
            return None  # it already names the location
        cause, to_do = fault
        return OutputError(Problem("the run cannot write its files", _free_space(folders[0]), cause, to_do=to_do))
    for text in words:
        folder = next((folder for folder in folders if f"/{name_of(folder)}" in text), None)
        changed = _CHANGED.search(text)
        if folder is not None and changed is not None:
            return work_changed(folder, changed.group(0))
    return None


def work_changed(folder: str, difference: str) -> OutputError:
    """The error for a run folder that another program changed."""
    return OutputError(
        Problem(
            "the run's work folder was changed or removed while the run was working",
            folder,
            difference,
            "folders that only this run changes",
            "identify the program that changed it; damaged steps are computed again",
        )
    )


def _io_words(error: BaseException) -> Iterator[str]:
    """Messages of input/output exceptions; other exceptions may quote rows and are skipped."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, UserError):
            yield from (f"{problem.where}: {problem.found}" for problem in seen.problems)
        elif isinstance(seen, OSError):
            yield str(seen)
        else:
            for cause in causes_of(seen):
                paths = " ".join(text for name, text in cause.parameters.items() if "path" in name.lower())
                yield f"{cause.condition} {paths}"
                if cause.kind.startswith(_JAVA_IO):
                    yield f"{cause.kind}: {cause.message}"
                yield from _REPORTED_IO.findall(cause.message)
                yield from _PYTHON_IO.findall(cause.message)
                yield from _RUST_IO.findall(cause.message)
        seen = seen.__cause__ or seen.__context__


def _free_space(folder: str) -> str:
    """The folders that a run writes to, with the free space of those on this machine."""
    scratch = os.environ.get("SPARK_LOCAL_DIRS", tempfile.gettempdir()).split(",")[0]
    places = [("output", folder.rpartition("/")[0]), ("Spark's scratch folder", scratch)]
    return ", ".join(f"{name} {place}{_free(place)}" for name, place in places)


def _free(place: str) -> str:
    with suppress(OSError):
        usage = shutil.disk_usage(re.sub(r"^file:/+", "/", place))
        return f" ({_size(usage.free)} of {_size(usage.total)} free)"
    return ""


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.0f} TB"
