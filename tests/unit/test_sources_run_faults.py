"""Full storage and changed work folders are reported as such, wherever the fault was met."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest
from py4j.protocol import Py4JError

from engine.errors import ConfigurationError, InputError, OutputError, Problem
from engine.runtime.storage import storage_fault
from engine.sources import translate_run_fault

FOLDERS = ["/data/out/.r1.work", "/data/out/.r1.partial"]


class Throwable:
    """A Java exception as py4j shows it."""

    def __init__(self, kind: str, message: str, cause: Any = None, condition: Any = None, **parameters: Any) -> None:
        self._kind, self._message, self._cause = kind, message, cause
        self._condition, self._parameters = condition, parameters

    def getClass(self) -> Throwable:
        return self

    def getName(self) -> str:
        return self._kind

    def getMessage(self) -> str:
        return self._message

    def getCause(self) -> Throwable:
        return self._cause

    def getCondition(self) -> str:
        if self._condition is None:
            raise Py4JError("no such method")
        return self._condition

    def getMessageParameters(self) -> dict[str, str]:
        return self._parameters


class JavaError(Exception):
    def __init__(self, throwable: Throwable) -> None:
        super().__init__("An error occurred while calling o1.parquet")
        self.java_exception = throwable


def stage_failure(reported: str) -> JavaError:
    """What the driver gets of a task's failure, whose cause stayed on the executor."""
    message = (
        f"Job aborted due to stage failure: Task 0 in stage 3.0 failed 1 times (driver): {reported}\n\tat a.b(c:1)"
    )
    return JavaError(Throwable("org.apache.spark.SparkException", message))


FULL = "No space left on device"


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/x"), FULL),
        (OSError(FULL), FULL),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "Disk quota exceeded"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), "Read-only file system"),
        (JavaError(Throwable("java.io.IOException", FULL)), FULL),
        (JavaError(Throwable("java.io.FileNotFoundException", f"/data/out/x ({FULL})")), FULL),
        (
            JavaError(Throwable("org.apache.spark.SparkException", "failed", Throwable("java.io.IOException", FULL))),
            FULL,
        ),
        (JavaError(Throwable("org.apache.hadoop.fs.FSError", f"java.io.IOException: {FULL}")), FULL),
        (
            JavaError(Throwable("org.apache.hadoop.hdfs.protocol.DSQuotaExceededException", "The quota is 5 B")),
            "Disk quota exceeded",
        ),
        (stage_failure(f"java.io.IOException: {FULL}"), FULL),
        (stage_failure(f"org.apache.spark.SparkException: x\nCaused by: java.io.IOException: {FULL}"), FULL),
        (stage_failure(f"org.apache.spark.api.python.PythonException: x\nOSError: [Errno 28] {FULL}"), FULL),
    ],
)
def test_full_or_read_only_storage(error: Any, found: str) -> None:
    fault = translate_run_fault(error, FOLDERS)
    assert isinstance(fault, OutputError)
    (problem,) = fault.problems
    assert problem.found == found
    assert "/data/out" in problem.where
    assert "scratch" in problem.where
    assert problem.to_do


def test_the_cause_is_found_behind_an_error_that_was_raised_instead() -> None:
    error = ValueError("cannot write")
    error.__context__ = OSError(errno.ENOSPC, FULL)
    assert translate_run_fault(error, FOLDERS) is not None


@pytest.mark.parametrize(
    "error",
    [
        # of Spark, about files of the run
        JavaError(
            Throwable(
                "org.apache.spark.SparkFileNotFoundException",
                "x",
                condition="FAILED_READ_FILE.FILE_NOT_EXIST",
                path="file:/data/out/.r1.work/peers/claims/part-0.parquet",
            )
        ),
        JavaError(Throwable("x", "x", condition="CANNOT_READ_FILE_FOOTER", path="file:///data/out/.r1.work/a")),
        JavaError(Throwable("x", "x", condition="PATH_NOT_FOUND", path="file:/data/out/.r1.work/facts/claims")),
        JavaError(
            Throwable("java.io.FileNotFoundException", "File file:/data/out/.r1.work/a/_temporary/0 does not exist")
        ),
        JavaError(Throwable("java.io.IOException", "Mkdirs failed to create file:/data/out/.r1.partial/findings")),
        stage_failure("java.io.FileNotFoundException: /data/out/.r1.work/a/part-0 (Permission denied)"),
        # of Python
        FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/data/out/.r1.work/began-with.json"),
        PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/data/out/.r1.partial/report.html"),
        # of the engine, which took them for an input file's
        InputError(Problem("an input file cannot be read", "/data/out/.r1.work/a/part-0", "FAILED_READ_FILE")),
        OutputError(Problem("cannot write the file", "/data/out/.r1.partial/x", "No such file or directory")),
    ],
)
def test_a_changed_work_folder(error: Any) -> None:
    fault = translate_run_fault(error, FOLDERS)
    assert isinstance(fault, OutputError)
    assert "changed or removed while the run was working" in str(fault)
    assert fault.problems[0].where in FOLDERS
    assert "sender" not in str(fault)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        JavaError(Throwable("x", "x", condition="CANNOT_READ_FILE_FOOTER", path="file:/data/in/claims.parquet")),
        JavaError(Throwable("x", "x", condition="FAILED_READ_FILE", path="file:/data/out/.r10.work/a")),
        InputError(Problem("an input file cannot be read", "/data/in/claims.parquet", "FAILED_READ_FILE")),
        # a value of the input, not the system's word
        JavaError(
            Throwable("org.apache.spark.SparkRuntimeException", f"Malformed record: {FULL},Read-only file system")
        ),
        # these name the place themselves
        OutputError(Problem("cannot write the file", "/data/out/.r1.partial/x", FULL)),
        ConfigurationError(
            Problem("cannot fetch the model", "sqlite:////data/out/mlflow.db", "database or disk is full")
        ),
    ],
)
def test_other_faults_are_not_the_runs(error: Any) -> None:
    assert translate_run_fault(error, FOLDERS) is None


def test_no_value_of_a_row_is_quoted() -> None:
    error = stage_failure(f"java.io.IOException: {FULL} while writing 7033146,2025-11-01")
    assert "7033146" not in str(translate_run_fault(error, FOLDERS))


def test_storage_faults_in_any_case() -> None:
    assert storage_fault("[Errno 28] NO SPACE LEFT ON DEVICE") is not None
    assert storage_fault("The DiskSpace quota of /user is exceeded") is not None
    assert storage_fault("space") is None
