"""Names and queries of the settings, as SQL Server reads them."""

from __future__ import annotations

import pytest

from engine.database import Schema, column_name, query_mistake, quoted_table, without_end


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("claims", '"claims"'),
        ("dbo.claims", '"dbo"."claims"'),
        ("[my db].dbo.[a]]b]", '"my db"."dbo"."a]b"'),
        ('dbo."odd ""name"', '"dbo"."odd ""name"'),
        ("rebates..claims", '"rebates".."claims"'),
        ("server...claims", '"server"..."claims"'),
        ("[LINKED-SQL01].rebates.dbo.Claims", '"LINKED-SQL01"."rebates"."dbo"."Claims"'),
        (" dbo . [Rebate.Claims 2025] ", '"dbo"."Rebate.Claims 2025"'),
    ],
)
def test_table_names(name: str, expected: str) -> None:
    assert quoted_table(name) == expected


@pytest.mark.parametrize(
    "name",
    ["", " ", "dbo.", ".claims", "a b.c; DROP TABLE x.y.", 'dbo."open', "[open", "[a]b", "a]b", "[]", "a.b.c.d.e"],
)
def test_what_is_no_table_name(name: str) -> None:
    with pytest.raises(ValueError, match="not a table's name"):
        quoted_table(name)


@pytest.mark.parametrize(
    ("text", "quoted", "view"),
    [
        ("dbo", '"dbo"', "INFORMATION_SCHEMA.TABLES"),
        ("[my.schema]", '"my.schema"', "INFORMATION_SCHEMA.TABLES"),
        ("rebates.dbo", '"rebates"."dbo"', '"rebates".INFORMATION_SCHEMA.TABLES'),
    ],
)
def test_schemas(text: str, quoted: str, view: str) -> None:
    schema = Schema(text)
    assert (schema.quoted, schema.information("TABLES")) == (quoted, view)
    assert schema.table("a.b") == f'{quoted}."a.b"'


@pytest.mark.parametrize("text", ["", "a..b", "a.b.c", "[open"])
def test_what_is_no_schema(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a (schema|table)'s name"):
        Schema(text)


@pytest.mark.parametrize(
    ("written", "name"),
    [("NDC", "NDC"), ("[NDC.Code]", "NDC.Code"), ('"a ""b"""', 'a "b"'), ("a b", "a b"), ("a.b", "a.b"), ("[a", "[a")],
)
def test_columns_with_or_without_brackets(written: str, name: str) -> None:
    assert column_name(written) == name


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT a FROM t", "SELECT a FROM t"),
        ("  SELECT a FROM t ; ", "SELECT a FROM t"),
        ("SELECT a FROM t -- all of them", "SELECT a FROM t"),
        ("SELECT a FROM t; -- all of them\n/* and /* more */ */ ;", "SELECT a FROM t"),
        ("SELECT '--;' AS a -- x", "SELECT '--;' AS a"),
        ("SELECT [--] FROM t", "SELECT [--] FROM t"),
        ("SELECT a -- first\nFROM t", "SELECT a -- first\nFROM t"),
    ],
)
def test_the_end_of_a_query(query: str, expected: str) -> None:
    assert without_end(query) == expected


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a FROM t",
        "select a from t; -- done",
        "(SELECT a FROM t) ",
        "SELECT TOP 10 a FROM t ORDER BY a",
        "SELECT a FROM t ORDER BY a OFFSET 5 ROWS",
        "SELECT ROW_NUMBER() OVER (ORDER BY a) AS n FROM t",
        "SELECT 'WITH; ORDER BY' AS a, [ORDER], \"BY\" FROM t",
        "-- WITH a comment\nSELECT a FROM t",
        "SELECT a FROM t UNION ALL SELECT b FROM u",
        "SELECT a FROM (SELECT a FROM t WITH (NOLOCK)) AS x",
    ],
)
def test_queries_that_sql_server_takes_as_a_table(query: str) -> None:
    assert query_mistake(query) is None


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("WITH c AS (SELECT 1 AS a) SELECT a FROM c", "begins with WITH"),
        ("/* x */ with c AS (SELECT 1 AS a) SELECT a FROM c", "begins with WITH"),
        ("EXEC dbo.claims", "begins with EXEC"),
        ("SELECT a FROM t; SELECT b FROM u", "second statement"),
        ("SELECT a FROM t ORDER BY a", "ORDER BY"),
        ("SELECT a FROM t order\nby a", "ORDER BY"),
        ("SELECT a INTO u FROM t", "INTO"),
        ("SELECT a FROM t OPTION (MAXDOP 1)", "OPTION"),
        ("SELECT a FROM t WHERE b = 'x", "without its end"),
        ("SELECT (a FROM t", "without its end"),
        ("SELECT a FROM t /* x", "without its end"),
        (" ; -- nothing", "empty"),
    ],
)
def test_queries_that_it_does_not(query: str, what: str) -> None:
    mistake = query_mistake(query)
    assert mistake is not None
    assert what in mistake.what
