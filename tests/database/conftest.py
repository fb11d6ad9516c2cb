"""Each test with a `server` runs on every server that is there."""

from __future__ import annotations

import os

import pytest

from tests.database import servers


@pytest.fixture(scope="session")
def started_postgresql():
    lacks = servers.postgresql_lacks()
    if lacks:
        pytest.skip(lacks)
    with servers.postgresql() as started:
        yield started


@pytest.fixture(scope="session")
def started_sql_server():
    words = os.environ.get("TEST_SQLSERVER_DSN")
    if not words:
        pytest.skip("TEST_SQLSERVER_DSN names no SQL Server")
    with servers.sql_server(words) as server:
        yield server


@pytest.fixture
def sql_server(request, started_sql_server):
    if request.node.get_closest_marker("real_sqlserver"):
        (version,) = started_sql_server.query("SELECT @@VERSION")[0]
        if "Microsoft" not in version:
            pytest.skip(f"needs SQL Server itself; this is {version.splitlines()[0][:60]}")
    return started_sql_server


@pytest.fixture
def postgresql(started_postgresql):
    """The server and its cluster, which can be stopped and started."""
    return started_postgresql


@pytest.fixture(params=["postgresql", "sqlserver"])
def server(request):
    if request.param == "postgresql":
        return request.getfixturevalue("started_postgresql")[0]
    return request.getfixturevalue("started_sql_server")
