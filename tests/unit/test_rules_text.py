"""Message columns: values are shown plainly, and NULL never swallows a sentence."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine.rules.text import if_known, listed, sentence, words_for

SHOWN = """
format | expression                                  | shown
number | cast(30 as decimal(15,3))                   | 30
number | cast(30.5 as decimal(15,3))                 | 30.5
number | cast(-0.125 as decimal(15,3))               | -0.125
number | cast(100 as bigint)                         | 100
number | cast(1000.05 as decimal(15,3))              | 1000.05
number | cast(0 as decimal(15,3))                    | 0
number | 2.5D                                        | 2.5
number | 1e300D                                      | 1000 is no number
number | cast('NaN' as double)                       | unknown
ratio  | 12.3456D                                    | 12.35
ratio  | 0.00012D                                    | 0.0001
ratio  | -0.5D                                       | -0.5
count  | cast(1234567 as bigint)                     | 1,234,567
money  | cast(1234.5 as decimal(18,2))               | $1,234.50
money  | cast(-0.05 as decimal(18,2))                | -$0.05
money  | cast(0 as decimal(18,2))                    | $0.00
price  | cast(2.5 as decimal(15,6))                  | $2.50
price  | cast(12.345 as decimal(15,6))               | $12.345
price  | cast(100 as decimal(15,6))                  | $100.00
price  | cast(0.000001 as decimal(15,6))             | $0.000001
date   | date '2025-08-01'                           | 2025-08-01
date   | timestamp '2025-08-01 23:59:59'             | 2025-08-01
percent | 0.1234D                                    | 12.3 %
percent | 1D                                         | 100 %
days    | 1                                          | 1 day
days    | 76                                         | 76 days
       | 'as it is'                                  | as it is
       | cast(null as string)                        | unknown
money  | cast(null as decimal(18,2))                 | unknown
date   | cast(null as date)                          | unknown
""".replace("1000 is no number", "unknown")


def test_formats(spark: SparkSession) -> None:
    lines = [[cell.strip() for cell in line.split("|")] for line in SHOWN.strip().splitlines()[1:]]
    columns = [
        sentence(f"<{{value:{spec}}}>" if spec else "<{value}>", value=F.expr(expression)).alias(f"c{place}")
        for place, (spec, expression, _) in enumerate(lines)
    ]
    row = spark.range(1).select(*columns).first()
    assert list(row) == [f"<{shown}>" for _, _, shown in lines]


def test_parts_that_are_shown_only_when_known(spark: SparkSession) -> None:
    known, unknown = F.lit("a"), F.lit(None).cast("string")
    row = (
        spark.range(1)
        .select(
            if_known(" ({x})", x=known),
            if_known(" ({x})", x=unknown),
            sentence("one{also}", also=if_known(" and {x}", x=unknown)),
            words_for(known, {"a": "first"}),
            words_for(F.lit("b"), {"a": "first"}),
            words_for(unknown, {"a": "first"}),
        )
        .first()
    )
    assert list(row) == [" (a)", "", "one", "first", "b", None]


@pytest.mark.parametrize(("template", "names"), [("{x}", ()), ("none", ("x",)), ("{x:color}", ("x",))])
def test_a_template_that_does_not_fit_its_values_is_refused(
    spark: SparkSession, template: str, names: tuple[str, ...]
) -> None:
    assert spark
    with pytest.raises(ValueError, match=r"not used in|has no value or no such format"):
        sentence(template, **{name: F.lit(1) for name in names})


def test_ids_are_listed_with_the_number_of_those_that_are_not(spark: SparkSession) -> None:
    rows = [(["a", "b"], 2), (["a", "b"], None), (["a", "b"], 1_236), ([], 0)]
    made = spark.createDataFrame(rows, "ids array<string>, number bigint")
    found = made.select(listed(F.col("ids"), F.col("number")).alias("text")).collect()
    assert [row["text"] for row in found] == ["a, b", "a, b", "a, b and 1,234 more", ""]
