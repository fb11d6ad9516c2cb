"""One Spark session for all tests of a process, built on first use: local, few partitions, no UI."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from tests.database import servers

os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
os.environ["PYSPARK_PYTHON"] = sys.executable
# Of every JVM that tests start, also behind spark-submit.sh. Plans of tests are small and run once or twice: optimizing
# their machine code costs more than it gives (benchmarks/README.md).
os.environ.setdefault(
    "SPARK_SUBMIT_OPTS",
    "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:MetaspaceSize=512m -XX:+UseParallelGC",
)

PUBLIC_DATA = Path(os.environ.get("PUBLIC_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


ENGINES = ("spark", "embedded")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=ENGINES, default="spark", help="the engine of the fixture `spark`")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sqlserver: talks to the SQL Server that TEST_SQLSERVER_DSN names")
    config.addinivalue_line("markers", "spark_only(reason): states a fact of Spark, skipped on the embedded engine")
    config.addinivalue_line("markers", "both_engines: depends on the engine, repeated by `tests/run spark`")
    config.addinivalue_line("markers", "postgresql: talks to a PostgreSQL that the tests start")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: Any) -> None:
    """Mark what talks to a server by its name, for -m and -k: `-k sqlserver` selects every test on that server."""
    fixtures = {
        "sqlserver": {"sql_server", "started_sql_server"},
        "postgresql": {"postgresql", "started_postgresql"},
    }
    for item in items:
        of_spark = item.get_closest_marker("spark_only")
        if of_spark is not None and config.getoption("engine") != "spark":
            item.add_marker(pytest.mark.skip(reason=of_spark.args[0]))
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        for server, names in fixtures.items():
            if names.intersection(getattr(item, "fixturenames", ())) or parameters.get("server") == server:
                item.add_marker(server)


@pytest.fixture(scope="session")
def spark(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    if request.config.getoption("engine") == "embedded":
        from engine.runtime.embedded import embedded_session

        session = embedded_session()
        _create_as_read(session)
        yield session
        return
    from engine.runtime.session import build_session
    from engine.settings import SparkSettings

    session = build_session(
        "tests",
        SparkSettings(
            master="local[2]",
            conf={
                "spark.ui.enabled": False,
                "spark.driver.memory": "3g",
                "spark.sql.shuffle.partitions": 2,
                "spark.default.parallelism": 2,
                # the main job makes 1,550 classes, and tests run it again and again
                "spark.sql.codegen.cache.maxEntries": 2000,
                "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
            },
        ),
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def _create_as_read(session: SparkSession) -> None:
    """Make the rows of tests look to the embedded engine like rows read from files.

    The client sends local rows with their schema, of which the engine keeps an empty metadata entry on each field; it
    then refuses to join structs of fields with and without one.
    """
    client: Any = session
    create = client.createDataFrame

    def created(*words: Any, **named: Any) -> DataFrame:
        rows: Any = create(*words, **named)
        if getattr(rows._plan, "_table", None) is not None:
            rows._plan._schema = None
        frame: DataFrame = rows
        return frame

    client.createDataFrame = created


@pytest.fixture(scope="session")
def public_data() -> Path:
    """Folder of the public files that `docs/public-data.md` names; tests that need it skip where it is absent."""
    if not PUBLIC_DATA.is_dir():
        pytest.skip(f"public data not found at {PUBLIC_DATA}; set PUBLIC_DATA to the folder that holds it")
    return PUBLIC_DATA


@pytest.fixture(scope="session")
def started_postgresql() -> Iterator[Any]:
    lacks = servers.postgresql_lacks()
    if lacks:
        pytest.skip(lacks)
    with servers.postgresql() as started:
        yield started


@pytest.fixture(scope="session")
def started_sql_server() -> Iterator[Any]:
    words = os.environ.get("TEST_SQLSERVER_DSN")
    if not words:
        pytest.skip("TEST_SQLSERVER_DSN names no SQL Server")
    if lacks := servers.odbc_lacks():
        pytest.skip(lacks)
    with servers.sql_server(words) as server:
        yield server


@pytest.fixture
def sql_server(request: pytest.FixtureRequest, started_sql_server: Any) -> Any:
    if request.node.get_closest_marker("real_sqlserver"):
        (version,) = started_sql_server.query("SELECT @@VERSION")[0]
        if "Microsoft" not in version:
            pytest.skip(f"needs SQL Server itself; this is {version.splitlines()[0][:60]}")
    return started_sql_server


@pytest.fixture
def postgresql(started_postgresql: Any) -> Any:
    """The server and its cluster, which can be stopped and started."""
    return started_postgresql


@pytest.fixture(params=["postgresql", "sqlserver"])
def server(request: pytest.FixtureRequest) -> Any:
    """Each server that is there in turn."""
    if request.param == "postgresql":
        return request.getfixturevalue("started_postgresql")[0]
    return request.getfixturevalue("started_sql_server")
