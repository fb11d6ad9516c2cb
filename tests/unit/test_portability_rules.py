"""Only engine.runtime may know which engine runs: nothing else touches a JVM or what Spark Connect lacks."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
RUNTIME = PROJECT / "engine" / "runtime"
# Attributes of classic sessions and DataFrames that need a JVM in this process, or that Spark Connect does not have.
ATTRIBUTES = {"_jvm", "_jsc", "_jdf", "_jc", "_jsparkSession", "_sc", "sparkContext", "rdd"}
MODULES = {"py4j", "pysail", "pyspark.core", "pyspark.context", "pyspark.sql.connect"}
NAMES_OF_PYSPARK = {"SparkContext", "SparkConf", "Broadcast", "RDD"}


def uses(source: str) -> list[tuple[int, str]]:
    """What a module uses of a JVM: line and name."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
            found.append((node.lineno, node.attr))
        elif isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names if is_forbidden(alias.name)]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {alias.name for alias in node.names}
            if is_forbidden(node.module):
                found.append((node.lineno, node.module))
            elif node.module == "pyspark":
                found += [(node.lineno, name) for name in sorted(names & NAMES_OF_PYSPARK)]
    return found


def is_forbidden(module: str) -> bool:
    return any(module == one or module.startswith(f"{one}.") for one in MODULES)


def test_only_the_runtime_package_touches_a_jvm() -> None:
    modules = [
        path for package in ("engine", "synthetic", "jobs") for path in sorted((PROJECT / package).rglob("*.py"))
    ]
    assert len(modules) > 100
    found = [
        f"{path.relative_to(PROJECT)}:{line}: {name}"
        for path in modules
        if RUNTIME not in path.parents
        for line, name in uses(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("spark.sparkContext.broadcast(1)", "sparkContext"),
        ("frame.rdd.map(f)", "rdd"),
        ("spark._jvm.x()", "_jvm"),
        ("from py4j.protocol import Py4JError", "py4j.protocol"),
        ("import py4j", "py4j"),
        ("from pyspark import Broadcast, StorageLevel", "Broadcast"),
        ("from pysail.spark import SparkConnectServer", "pysail.spark"),
    ],
)
def test_a_use_is_found(source: str, name: str) -> None:
    assert uses(source) == [(1, name)]


def test_what_is_portable_is_allowed() -> None:
    assert (
        uses("from pyspark import StorageLevel\nfrom pyspark.sql import functions as F\nspark.read.parquet('x')") == []
    )
