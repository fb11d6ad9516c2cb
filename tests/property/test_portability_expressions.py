"""Every expression that the engine uses, on rows of awkward values: each engine gives the values written here.

Values are those that Spark documents. `--engine` names the engine. What differs between engines is used only through
`engine.runtime.expressions` (tests/unit/test_portable_forms.py), whose functions are tried here as well.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal as D
from typing import Any

import pytest
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import Window as W
from pyspark.sql import functions as F
from pyspark.sql import types as T

from engine.runtime import expressions as X

c = F.col
ROWS = [
    (
        *(1, "00012-3456-78", "  ab c ", 1.5, D("12.345000"), dt.date(2024, 2, 29)),
        *(dt.datetime(2024, 2, 29, 23, 59, 59, 123456), [3, 1, None, 2, 1], ["b", "a", None, "a"], True, {"a": 1}),
    ),
    (2, None, "", 0.1, D("-0.005000"), dt.date(1969, 12, 31), dt.datetime(1969, 12, 31), [], [], None, None),
    (
        *(3, 'straße "É"|x', "N/A", -0.0, D("2.500000"), dt.date(2023, 12, 31), dt.datetime(2023, 12, 31, 12)),
        *(None, ["x"], False, {"b": None}),
    ),
    (None, "é", "12.50", 1e21, None, None, None, [5], None, True, {}),
    (
        *(5, "5", "2024-02-30", 1234567.891, D("99999.999999"), dt.date(2020, 1, 1), dt.datetime(2020, 1, 1)),
        *([1, 1], ["z", "y"], False, {"a": 3, "c": 4}),
    ),
]
SCHEMA = (
    "i bigint, s string, t string, d double, m decimal(18,6), a date, ts timestamp, xs array<int>, ss array<string>, "
    "b boolean, mp map<string,int>"
)
# one row of values that may be NULL inside a struct
PAIR = T.StructType([T.StructField("x", T.StringType()), T.StructField("y", T.DecimalType(18, 6))])
KINDS = T.StructType(
    [
        T.StructField("i", T.LongType()),
        T.StructField("s", T.StringType()),
        T.StructField("d", T.DoubleType()),
        T.StructField("m", T.DecimalType(18, 6)),
        T.StructField("a", T.DateType()),
        T.StructField("ts", T.TimestampType()),
        T.StructField("b", T.BooleanType()),
    ]
)


def pairs() -> list[Column]:
    return [
        F.struct(F.lit("c").alias("x"), c("m").alias("y")),
        F.struct(c("s").alias("x"), F.lit(D("1.5")).cast("decimal(18,6)").alias("y")),
        F.struct(F.lit("c").alias("x"), F.lit(None).cast("decimal(18,6)").alias("y")),
    ]


def _with_nulls() -> Column:
    """Structs that differ in fields that are NULL, each of them in several rows or none."""
    return F.struct(F.when(c("b").isNull(), F.lit("known")).alias("x"), c("b").alias("y"))


def every() -> Any:
    return W.partitionBy(F.lit(1))


def by_text() -> Any:
    return every().orderBy("s")


def before() -> Any:
    """The rows of smaller `i`; NULL is last."""
    return every().orderBy(c("i").asc_nulls_last()).rowsBetween(W.unboundedPreceding, -1)


# Of each row of ROWS, in their order.
PLAIN = {
    "transform": (lambda: F.transform("xs", lambda x: x + 1), [[4, 2, None, 3, 2], [], None, [6], [2, 2]]),
    "transform_outer": (
        lambda: F.transform("xs", lambda x: x + c("i")),
        [[4, 2, None, 3, 2], [], None, [None], [6, 6]],
    ),
    "transform_nested": (
        lambda: F.transform("xs", lambda x: F.exists("xs", lambda y: y == x)),
        [[True, True, None, True, True], [], None, [True], [True, True]],
    ),
    "transform_struct": (
        lambda: F.transform("ss", lambda x: F.struct(x.alias("x"), c("s").alias("s"))),
        [
            [("b", "00012-3456-78"), ("a", "00012-3456-78"), (None, "00012-3456-78"), ("a", "00012-3456-78")],
            [],
            [("x", 'straße "É"|x')],
            None,
            [("z", "5"), ("y", "5")],
        ],
    ),
    "filter": (lambda: F.filter("xs", lambda x: x > 1), [[3, 2], [], None, [5], []]),
    "filter_null": (lambda: F.filter("ss", lambda x: x.isNotNull()), [["b", "a", "a"], [], ["x"], None, ["z", "y"]]),
    "exists": (lambda: F.exists("xs", lambda x: x > 2), [True, False, None, True, False]),
    "exists_null": (lambda: F.exists("xs", lambda x: x > 4), [None, False, None, True, False]),
    "forall": (lambda: F.forall("xs", lambda x: x > 0), [None, True, None, True, True]),
    "aggregate": (lambda: F.aggregate("xs", F.lit(0), lambda a, x: a + F.coalesce(x, F.lit(0))), [7, 0, None, 5, 2]),
    "struct_field": (lambda: F.struct("i", "s")["s"], ["00012-3456-78", None, 'straße "É"|x', "é", "5"]),
    "null_struct": (
        lambda: F.when(c("i") > 1, F.struct("i", "s")),
        [None, (2, None), (3, 'straße "É"|x'), None, (5, "5")],
    ),
    "null_struct_is_null": (lambda: F.when(c("i") > 1, F.struct("i", "s")).isNull(), [True, False, False, True, False]),
    "struct_equals": (lambda: F.struct("i", "s") == F.struct("i", "s"), [True, True, True, True, True]),
    "struct_cast": (
        lambda: F.struct("i", "s").cast("struct<x:int,y:string>"),
        [(1, "00012-3456-78"), (2, None), (3, 'straße "É"|x'), (None, "é"), (5, "5")],
    ),
    "array_equals": (lambda: c("xs") == c("xs"), [True, True, None, True, True]),
    "sort_array": (lambda: F.sort_array("ss"), [[None, "a", "a", "b"], [], ["x"], None, ["y", "z"]]),
    "sort_array_descending": (
        lambda: F.sort_array("ss", asc=False),
        [["b", "a", "a", None], [], ["x"], None, ["z", "y"]],
    ),
    "sort_array_struct": (
        lambda: F.sort_array(F.transform("ss", lambda x: F.struct(x.alias("x"), c("i").alias("i")))),
        [[(None, 1), ("a", 1), ("a", 1), ("b", 1)], [], [("x", 3)], None, [("y", 5), ("z", 5)]],
    ),
    "array_min": (lambda: F.array_min("xs"), [1, None, None, 5, 1]),
    "array_max": (lambda: F.array_max("xs"), [3, None, None, 5, 1]),
    "array_distinct": (lambda: F.array_distinct("xs"), [[3, 1, None, 2], [], None, [5], [1]]),
    "array_join": (lambda: F.array_join("ss", ","), ["b,a,a", "", "x", None, "z,y"]),
    "array_compact": (lambda: F.array_compact("ss"), [["b", "a", "a"], [], ["x"], None, ["z", "y"]]),
    "array_position": (lambda: F.array_position("xs", 1), [2, 0, None, 0, 1]),
    "array_union": (lambda: F.array_union("xs", F.array(F.lit(9))), [[3, 1, None, 2, 9], [9], None, [5, 9], [1, 9]]),
    "array_remove": (lambda: F.array_remove("xs", 1), [[3, None, 2], [], None, [5], []]),
    "array_literal": (lambda: F.array(F.lit(1), F.lit(None)), [[1, None], [1, None], [1, None], [1, None], [1, None]]),
    "array_cast": (lambda: c("xs").cast("array<string>"), [["3", "1", None, "2", "1"], [], None, ["5"], ["1", "1"]]),
    "flatten": (
        lambda: F.flatten(F.array("xs", "xs")),
        [[3, 1, None, 2, 1, 3, 1, None, 2, 1], [], None, [5, 5], [1, 1, 1, 1]],
    ),
    "slice": (lambda: F.slice("xs", 1, 2), [[3, 1], [], None, [5], [1, 1]]),
    "slice_beyond": (lambda: F.slice("xs", F.lit(3), F.size("xs")), [[None, 2, 1], [], None, [], []]),
    "size": (lambda: F.size("xs"), [5, 0, None, 1, 2]),
    "get": (lambda: F.get("xs", F.lit(0)), [3, None, None, 5, 1]),
    "get_beyond": (lambda: F.get("xs", F.lit(99)), [None, None, None, None, None]),
    "concat_arrays": (
        lambda: F.concat("xs", "xs"),
        [[3, 1, None, 2, 1, 3, 1, None, 2, 1], [], None, [5, 5], [1, 1, 1, 1]],
    ),
    "try_element_at": (lambda: F.try_element_at("mp", F.lit("a")), [1, None, None, None, 3]),
    "map_contains_key": (lambda: F.map_contains_key("mp", "a"), [True, None, False, False, True]),
    "create_map": (lambda: F.create_map(F.lit("a"), c("i")), [{"a": 1}, {"a": 2}, {"a": 3}, {"a": None}, {"a": 5}]),
    "map_item": (lambda: c("mp")["a"], [1, None, None, None, 3]),
    "xxhash64_bigint": (
        lambda: F.xxhash64("i"),
        [-7001672635703045582, -3341702809300393011, 3188756510806108107, 42, 6251837290343458373],
    ),
    "xxhash64_text": (
        lambda: F.xxhash64("s"),
        [1064009101791000499, 42, -2201297438249615763, 2065146811275570100, 3570466563200151918],
    ),
    "xxhash64_double": (
        lambda: F.xxhash64("d"),
        [7738255526519901366, -4684694357984311926, -5252525462095825812, -2070408279793840276, 1216345768516311704],
    ),
    "xxhash64_decimal": (
        lambda: F.xxhash64("m"),
        [-7707604346480670285, -1940613921116164024, -5479024359231145230, 42, -6467076125433890636],
    ),
    "xxhash64_date": (
        lambda: F.xxhash64("a"),
        [4183429117450946631, 2017008487422258757, 1483230024815455192, 42, 2299834470729022467],
    ),
    "xxhash64_timestamp": (
        lambda: F.xxhash64("ts"),
        [-6561227277288049280, -4303492648852645346, 5779977486341633310, 42, 7881863312764026046],
    ),
    "xxhash64_boolean": (
        lambda: F.xxhash64("b"),
        [-6698625589789238999, 42, 3614696996920510707, -6698625589789238999, 3614696996920510707],
    ),
    "xxhash64_several": (
        lambda: F.xxhash64("i", "s", "m", "a"),
        [-406748355758684847, -8099660591048127597, 1728282894815825223, 2065146811275570100, 2663615244709930871],
    ),
    "xxhash64_array": (
        lambda: F.xxhash64("ss"),
        [5836723274630753217, 42, -5636050478767222463, 42, 3165299541978121308],
    ),
    "xxhash64_struct": (
        lambda: F.xxhash64(F.struct("i", "s")),
        [2577331769308622151, -3341702809300393011, 8916866979752581614, 2065146811275570100, -4609170139366794231],
    ),
    "sha2": (
        lambda: F.sha2("s", 256),
        [
            "ba0a3aed755fc6efbf289d041652aa1b26a8e6ec3c80436fc5ae3e9fd410b5f5",
            None,
            "bae84953d9091ab81d13a356e861f0f59a709bfb53f9f6b75feb01fac3010b8d",
            "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c",
            "ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d",
        ],
    ),
    "concat": (lambda: F.concat("s", "t"), ["00012-3456-78  ab c ", None, 'straße "É"|xN/A', "é12.50", "52024-02-30"]),
    "concat_ws": (
        lambda: F.concat_ws("|", "s", "t"),
        ["00012-3456-78|  ab c ", "", 'straße "É"|x|N/A', "é|12.50", "5|2024-02-30"],
    ),
    "trim": (lambda: F.trim("t"), ["ab c", "", "N/A", "12.50", "2024-02-30"]),
    "trim_characters": (lambda: F.trim(c("t"), F.lit(" ca")), ["b", "", "N/A", "12.50", "2024-02-30"]),
    "upper": (lambda: F.upper("s"), ["00012-3456-78", None, 'STRASSE "É"|X', "É", "5"]),
    "lower": (lambda: F.lower("s"), ["00012-3456-78", None, 'straße "é"|x', "é", "5"]),
    "substring": (lambda: F.substring("s", 2, 3), ["001", None, "tra", "", ""]),
    "substring_zero": (lambda: F.substring("s", 0, 3), ["000", None, "str", "é", "5"]),
    "substr_column": (lambda: c("s").substr(F.lit(2), F.length("s")), ["0012-3456-78", None, 'traße "É"|x', "", ""]),
    "left": (lambda: F.left(c("s"), F.lit(3)), ["000", None, "str", "é", "5"]),
    "right": (lambda: F.right(c("s"), F.lit(3)), ["-78", None, '"|x', "é", "5"]),
    "length": (lambda: F.length("s"), [13, None, 12, 1, 1]),
    "octet_length": (lambda: F.octet_length("s"), [13, None, 14, 2, 1]),
    "lpad": (lambda: F.lpad("s", 3, "0"), ["000", None, "str", "00é", "005"]),
    "position": (lambda: F.position(F.lit("-"), c("s")), [6, None, 0, 0, 0]),
    "regexp_replace": (lambda: F.regexp_replace("s", "[^0-9]", ""), ["00012345678", None, "", "", "5"]),
    "regexp_replace_group": (
        lambda: F.regexp_replace("s", "([0-9]+)", "<$1>"),
        ["<00012>-<3456>-<78>", None, 'straße "É"|x', "é", "<5>"],
    ),
    "regexp_extract": (lambda: F.regexp_extract("s", r"([0-9]+)-([0-9]+)", 2), ["3456", None, "", "", ""]),
    "regexp_extract_none": (lambda: F.regexp_extract("s", r"^zz(q)?", 1), ["", None, "", "", ""]),
    "rlike": (lambda: c("s").rlike(r"^[0-9]+\z"), [False, None, False, False, True]),
    "rlike_ignoring_case": (lambda: c("s").rlike(r"^(?i:STRA.*)\z"), [False, None, True, False, False]),
    "regexp_word_boundary": (
        lambda: F.regexp_replace("s", rf"{X.WORD_BOUNDARY}([0-9x])", "_$1"),
        ["_00012-_3456-_78", None, 'straße "É"|_x', "é", "_5"],
    ),
    "regexp_space": (lambda: F.regexp_replace("t", rf"{X.SPACE}+", "_"), ["_ab_c_", "", "N/A", "12.50", "2024-02-30"]),
    "regexp_not_space": (
        lambda: F.regexp_extract("t", rf"^{X.SPACE}*({X.NOT_SPACE}+)", 1),
        ["ab", "", "N/A", "12.50", "2024-02-30"],
    ),
    "regexp_letters": (
        lambda: F.regexp_replace("s", r"[^\p{L}\p{N}#]+", " "),
        ["00012 3456 78", None, "straße É x", "é", "5"],
    ),
    "split": (lambda: F.split("s", r"\|"), [["00012-3456-78"], None, ['straße "É"', "x"], ["é"], ["5"]]),
    "split_part": (lambda: F.split_part(c("s"), F.lit("-"), F.lit(1)), ["00012", None, 'straße "É"|x', "é", "5"]),
    "substring_index": (lambda: F.substring_index("s", "-", 2), ["00012-3456", None, 'straße "É"|x', "é", "5"]),
    "substring_index_last": (lambda: F.substring_index("s", "-", -1), ["78", None, 'straße "É"|x', "é", "5"]),
    "translate": (lambda: F.translate("s", "0123", "abcd"), ["aaabc-d456-78", None, 'straße "É"|x', "é", "5"]),
    "replace": (lambda: F.replace(c("s"), F.lit("0"), F.lit("")), ["12-3456-78", None, 'straße "É"|x', "é", "5"]),
    "repeat": (lambda: F.repeat("t", 2), ["  ab c   ab c ", "", "N/AN/A", "12.5012.50", "2024-02-302024-02-30"]),
    "levenshtein": (lambda: F.levenshtein("s", "t"), [13, None, 12, 5, 10]),
    "contains": (lambda: c("s").contains("5"), [True, None, False, False, True]),
    "startswith": (lambda: c("s").startswith("0"), [True, None, False, False, False]),
    "endswith": (lambda: c("s").endswith("8"), [True, None, False, False, False]),
    "nullif": (lambda: F.nullif(c("t"), F.lit("")), ["  ab c ", None, "N/A", "12.50", "2024-02-30"]),
    "text_compared": (lambda: c("s") > c("t"), [True, None, True, True, True]),
    "decimal_sum": (
        lambda: c("m") + F.lit(1),
        [D("13.345000"), D("0.995000"), D("3.500000"), None, D("100000.999999")],
    ),
    "decimal_difference": (
        lambda: c("m") - c("i"),
        [D("11.345000"), D("-2.005000"), D("-0.500000"), None, D("99994.999999")],
    ),
    "decimal_product": (
        lambda: (c("m") * c("m")).cast("decimal(38,12)"),
        [D("152.399025000000"), D("0.000025000000"), D("6.250000000000"), None, D("9999999999.800000000001")],
    ),
    "decimal_times_double": (lambda: c("m") * c("d"), [18.517500000000002, -0.0005, -0.0, None, 123456789098.76544]),
    "decimal_negated": (lambda: -c("m"), [D("-12.345000"), D("0.005000"), D("-2.500000"), None, D("-99999.999999")]),
    "decimal_below_int": (lambda: c("m") < c("i"), [False, True, True, None, False]),
    "decimal_to_text": (lambda: c("m").cast("string"), ["12.345000", "-0.005000", "2.500000", None, "99999.999999"]),
    "decimal_to_scale": (
        lambda: c("m").cast("decimal(10,2)"),
        [D("12.35"), D("-0.01"), D("2.50"), None, D("100000.00")],
    ),
    "decimal_to_double": (lambda: c("m").cast("double"), [12.345, -0.005, 2.5, None, 99999.999999]),
    "decimal_to_int": (lambda: c("m").cast("int"), [12, 0, 2, None, 99999]),
    "round_decimal": (lambda: F.round("m", 2), [D("12.35"), D("-0.01"), D("2.50"), None, D("100000.00")]),
    "floor_decimal": (lambda: F.floor("m"), [D("12"), D("-1"), D("2"), None, D("99999")]),
    "abs": (lambda: F.abs("m"), [D("12.345000"), D("0.005000"), D("2.500000"), None, D("99999.999999")]),
    "text_to_decimal": (lambda: c("t").try_cast("decimal(18,6)"), [None, None, None, D("12.500000"), None]),
    "text_to_double": (lambda: c("t").try_cast("double"), [None, None, None, 12.5, None]),
    "text_to_date": (lambda: c("t").try_cast("date"), [None, None, None, None, None]),
    "text_to_int": (lambda: c("t").try_cast("int"), [None, None, None, None, None]),
    "double_to_bigint": (lambda: c("d").try_cast("bigint"), [1, 0, 0, None, 1234567]),
    "timestamp_to_text": (
        lambda: c("ts").cast("string"),
        ["2024-02-29 23:59:59.123456", "1969-12-31 00:00:00", "2023-12-31 12:00:00", None, "2020-01-01 00:00:00"],
    ),
    "timestamp_to_date": (
        lambda: c("ts").cast("date"),
        [dt.date(2024, 2, 29), dt.date(1969, 12, 31), dt.date(2023, 12, 31), None, dt.date(2020, 1, 1)],
    ),
    "date_to_timestamp": (
        lambda: c("a").cast("timestamp"),
        [
            dt.datetime(2024, 2, 29, 0, 0),
            dt.datetime(1969, 12, 31, 0, 0),
            dt.datetime(2023, 12, 31, 0, 0),
            None,
            dt.datetime(2020, 1, 1, 0, 0),
        ],
    ),
    "date_to_text": (lambda: c("a").cast("string"), ["2024-02-29", "1969-12-31", "2023-12-31", None, "2020-01-01"]),
    "boolean_to_int": (lambda: c("b").cast("int"), [1, None, 0, 1, 0]),
    "boolean_to_text": (lambda: c("b").cast("string"), ["true", None, "false", "true", "false"]),
    "bigint_to_text": (lambda: c("i").cast("string"), ["1", "2", "3", None, "5"]),
    "pmod": (lambda: F.pmod(c("i"), F.lit(3)), [1, 2, 0, None, 2]),
    "remainder": (lambda: c("i") % 3, [1, 2, 0, None, 2]),
    "remainder_negative": (lambda: (-c("i")) % 3, [-1, -2, 0, None, -2]),
    "div": (lambda: F.call_function("div", c("i"), F.lit(2)), [0, 1, 1, None, 2]),
    "least": (lambda: F.least("i", F.lit(2)), [1, 2, 2, 2, 2]),
    "greatest": (
        lambda: F.greatest("a", F.lit(dt.date(2020, 1, 1))),
        [dt.date(2024, 2, 29), dt.date(2020, 1, 1), dt.date(2023, 12, 31), dt.date(2020, 1, 1), dt.date(2020, 1, 1)],
    ),
    "least_text": (lambda: F.least("s", "t"), ["  ab c ", "", "N/A", "12.50", "2024-02-30"]),
    "sqrt": (
        lambda: F.sqrt(F.abs("d")),
        [1.224744871391589, 0.31622776601683794, 0.0, 31622776601.683792, 1111.1111065055557],
    ),
    "isnan": (lambda: F.isnan("d"), [False, False, False, False, False]),
    "date_add": (
        lambda: F.date_add("a", 1),
        [dt.date(2024, 3, 1), dt.date(1970, 1, 1), dt.date(2024, 1, 1), None, dt.date(2020, 1, 2)],
    ),
    "date_add_column": (
        lambda: F.date_add(c("a"), c("i").cast("int")),
        [dt.date(2024, 3, 1), dt.date(1970, 1, 2), dt.date(2024, 1, 3), None, dt.date(2020, 1, 6)],
    ),
    "add_months": (
        lambda: F.add_months("a", 12),
        [dt.date(2025, 2, 28), dt.date(1970, 12, 31), dt.date(2024, 12, 31), None, dt.date(2021, 1, 1)],
    ),
    "add_months_back": (
        lambda: F.add_months("a", -1),
        [dt.date(2024, 1, 29), dt.date(1969, 11, 30), dt.date(2023, 11, 30), None, dt.date(2019, 12, 1)],
    ),
    "last_day": (
        lambda: F.last_day("a"),
        [dt.date(2024, 2, 29), dt.date(1969, 12, 31), dt.date(2023, 12, 31), None, dt.date(2020, 1, 31)],
    ),
    "trunc": (
        lambda: F.trunc("a", "quarter"),
        [dt.date(2024, 1, 1), dt.date(1969, 10, 1), dt.date(2023, 10, 1), None, dt.date(2020, 1, 1)],
    ),
    "date_trunc": (
        lambda: F.date_trunc("month", "ts"),
        [
            dt.datetime(2024, 2, 1, 0, 0),
            dt.datetime(1969, 12, 1, 0, 0),
            dt.datetime(2023, 12, 1, 0, 0),
            None,
            dt.datetime(2020, 1, 1, 0, 0),
        ],
    ),
    "year": (lambda: F.year("a"), [2024, 1969, 2023, None, 2020]),
    "quarter": (lambda: F.quarter("a"), [1, 4, 4, None, 1]),
    "unix_micros": (
        lambda: F.unix_micros("ts"),
        [1709251199123456, -86400000000, 1704024000000000, None, 1577836800000000],
    ),
    "unix_date": (lambda: F.unix_date("a"), [19782, -1, 19722, None, 18262]),
    "timestamp_micros": (
        lambda: F.timestamp_micros("i"),
        [
            dt.datetime(1970, 1, 1, 0, 0, 0, 1),
            dt.datetime(1970, 1, 1, 0, 0, 0, 2),
            dt.datetime(1970, 1, 1, 0, 0, 0, 3),
            None,
            dt.datetime(1970, 1, 1, 0, 0, 0, 5),
        ],
    ),
    "date_below_timestamp": (lambda: c("a") < c("ts"), [True, False, True, None, False]),
    "date_format": (
        lambda: F.date_format("ts", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"),
        [
            "2024-02-29T23:59:59.123Z",
            "1969-12-31T00:00:00.000Z",
            "2023-12-31T12:00:00.000Z",
            None,
            "2020-01-01T00:00:00.000Z",
        ],
    ),
    "from_json": (
        lambda: F.from_json(F.lit('{"a":1.50,"b":null,"c":"x"}'), "map<string,string>"),
        [
            {"a": "1.5", "b": None, "c": "x"},
            {"a": "1.5", "b": None, "c": "x"},
            {"a": "1.5", "b": None, "c": "x"},
            {"a": "1.5", "b": None, "c": "x"},
            {"a": "1.5", "b": None, "c": "x"},
        ],
    ),
    "equals_null_safe": (lambda: c("s").eqNullSafe("5"), [False, False, False, False, True]),
    "is_in": (lambda: c("i").isin(1, 2), [True, True, False, None, False]),
    "between": (lambda: c("i").between(1, 2), [True, True, False, None, False]),
    "when": (lambda: F.when(c("i") > 1, "x"), [None, "x", "x", None, "x"]),
    "and_null": (lambda: c("b") & (c("i") > 2), [False, False, False, None, False]),
    "or_null": (lambda: c("b") | (c("i") > 2), [True, None, True, True, True]),
    "coalesce": (lambda: F.coalesce("s", F.lit("none")), ["00012-3456-78", "none", 'straße "É"|x', "é", "5"]),
}
WRAPPED = {
    "any_of": (lambda: X.any_of([c("b"), c("i") > 2, c("i") < 0]), [True, None, True, True, True]),
    "any_of_none": (lambda: X.any_of([]), [False, False, False, False, False]),
    "all_of": (lambda: X.all_of([c("b"), c("i") > 2]), [False, False, False, None, False]),
    "all_of_none": (lambda: X.all_of([]), [True, True, True, True, True]),
    "collect_list_over": (
        lambda: X.collect_list_over(F.when(c("i") != 2, c("i")), before()),
        [[], [1], [1], [1, 3, 5], [1, 3]],
    ),
    "collect_list_over_struct": (
        lambda: X.collect_list_over(F.when(c("i") != 2, F.struct("i", "s")), before()),
        [
            [],
            [(1, "00012-3456-78")],
            [(1, "00012-3456-78")],
            [(1, "00012-3456-78"), (3, 'straße "É"|x'), (5, "5")],
            [(1, "00012-3456-78"), (3, 'straße "É"|x')],
        ],
    ),
    "collect_set_over": (
        lambda: F.sort_array(X.collect_set_over(F.when(c("i") != 2, c("b")), before())),
        [[], [True], [True], [False, True], [False, True]],
    ),
    "array_contains": (lambda: X.array_contains(c("xs"), F.lit(1)), [True, False, None, False, True]),
    "array_contains_absent": (lambda: X.array_contains(c("xs"), F.lit(9)), [False, False, None, False, False]),
    "array_contains_null_value": (
        lambda: X.array_contains(c("xs"), F.nullif(c("i"), F.lit(1)).cast("int")),
        [None, False, None, None, False],
    ),
    "arrays_overlap": (
        lambda: X.arrays_overlap(c("xs"), F.array(F.lit(1), F.lit(9))),
        [True, False, None, False, True],
    ),
    "arrays_overlap_none": (lambda: X.arrays_overlap(c("xs"), F.array(F.lit(9))), [None, False, None, False, False]),
    "arrays_overlap_null_element": (
        lambda: X.arrays_overlap(c("xs"), F.array(F.lit(9), F.lit(None).cast("int"))),
        [None, False, None, None, None],
    ),
    "array_except": (lambda: X.array_except(c("ss"), F.array(F.lit("a"))), [["b", None], [], ["x"], None, ["z", "y"]]),
    "array_except_null": (
        lambda: X.array_except(c("ss"), F.array(F.lit(None).cast("string"))),
        [["b", "a"], [], ["x"], None, ["z", "y"]],
    ),
    "sort": (lambda: X.sort(c("ss")), [[None, "a", "a", "b"], [], ["x"], None, ["y", "z"]]),
    "sort_descending": (lambda: X.sort(c("ss"), descending=True), [["b", "a", "a", None], [], ["x"], None, ["z", "y"]]),
    "sort_struct": (
        lambda: X.sort(F.array(*pairs())),
        [
            [("00012-3456-78", D("1.500000")), ("c", None), ("c", D("12.345000"))],
            [(None, D("1.500000")), ("c", None), ("c", D("-0.005000"))],
            [("c", None), ("c", D("2.500000")), ('straße "É"|x', D("1.500000"))],
            [("c", None), ("c", None), ("é", D("1.500000"))],
            [("5", D("1.500000")), ("c", None), ("c", D("99999.999999"))],
        ],
    ),
    "greatest_of_struct": (
        lambda: X.greatest_of(F.array(*pairs())),
        [
            ("c", D("12.345000")),
            ("c", D("-0.005000")),
            ('straße "É"|x', D("1.500000")),
            ("é", D("1.500000")),
            ("c", D("99999.999999")),
        ],
    ),
    "least_of_struct": (
        lambda: X.least_of(F.array(*pairs())),
        [("00012-3456-78", D("1.500000")), (None, D("1.500000")), ("c", None), ("c", None), ("5", D("1.500000"))],
    ),
    "greatest_of": (lambda: X.greatest_of(c("xs")), [3, None, None, 5, 1]),
    "least_of": (lambda: X.least_of(c("xs")), [1, None, None, 5, 1]),
    "differ_over": (lambda: X.differ_over("b", W.partitionBy("b")), [False, False, False, False, False]),
    "differ_over_null": (lambda: X.differ_over("b", every()), [True, True, True, True, True]),
    "nullable": (
        lambda: F.concat(*(F.array(X.nullable(pair, PAIR)) for pair in pairs())),
        [
            [("c", D("12.345000")), ("00012-3456-78", D("1.500000")), ("c", None)],
            [("c", D("-0.005000")), (None, D("1.500000")), ("c", None)],
            [("c", D("2.500000")), ('straße "É"|x', D("1.500000")), ("c", None)],
            [("c", None), ("é", D("1.500000")), ("c", None)],
            [("c", D("99999.999999")), ("5", D("1.500000")), ("c", None)],
        ],
    ),
    "divide": (lambda: X.divide(c("m"), c("d")), [8.23, -0.049999999999999996, None, None, 0.08100000067068001]),
    "divide_by_zero": (lambda: X.divide(c("i"), c("i") - 1), [None, 2.0, 1.5, None, 1.25]),
    "divide_by_negative_zero": (
        lambda: X.divide(F.lit(1), F.when(c("i") == 3, c("d"))),
        [None, None, None, None, None],
    ),
    "divide_decimals": (
        lambda: X.divide_decimals(c("m"), F.lit(7).cast("decimal(15,3)"), 15, 6),
        [D("1.763571"), D("-0.000714"), D("0.357143"), None, D("14285.714286")],
    ),
    "divide_decimals_by_zero": (
        lambda: X.divide_decimals(c("m"), c("m") - c("m"), 15, 6),
        [None, None, None, None, None],
    ),
    "divide_decimals_too_large": (
        lambda: X.divide_decimals(c("m"), F.lit(D("0.000001")), 15, 6),
        [D("12345000.000000"), D("-5000.000000"), D("2500000.000000"), None, None],
    ),
    "rint": (lambda: X.rint(c("d")), [2.0, 0.0, 0.0, 1e21, 1234568.0]),
    "rint_half": (lambda: X.rint(c("i") + 0.5), [2.0, 2.0, 4.0, None, 6.0]),
    "round_double": (lambda: X.round_double(c("d"), 2), [1.5, 0.1, 0.0, 1e21, 1234567.89]),
    "round_double_half": (lambda: X.round_double(c("i") + F.lit(0.005), 2), [1.01, 2.01, 3.01, None, 5.01]),
    "round_double_half_below": (lambda: X.round_double(-c("i") - F.lit(0.005), 2), [-1.01, -2.01, -3.01, None, -5.01]),
    "round_double_whole": (lambda: X.round_double(c("i") - F.lit(3.5), 0), [-3.0, -2.0, -1.0, None, 2.0]),
    "round_double_six": (
        lambda: X.round_double(c("d") / 7, 6),
        [0.214286, 0.014286, 0.0, 1.4285714285714286e20, 176366.841571],
    ),
    "round_bounded": (lambda: X.round_bounded(c("i") / 7, 6), [0.142857, 0.285714, 0.428571, None, 0.714286]),
    "round_bounded_half": (lambda: X.round_bounded(c("i") + 0.5, 0), [2.0, 2.0, 4.0, None, 6.0]),
    "decimal_of_double": (
        lambda: X.decimal_of_double(c("d"), 15, 2),
        [D("1.50"), D("0.10"), D("0.00"), None, D("1234567.89")],
    ),
    "decimal_of_double_half": (
        lambda: X.decimal_of_double(c("i") - F.lit(0.715), 15, 2),
        [D("0.29"), D("1.29"), D("2.29"), None, D("4.29")],
    ),
    "decimal_of_double_small": (
        lambda: X.decimal_of_double(c("d") / 1000, 15, 6),
        [D("0.001500"), D("0.000100"), D("0.000000"), None, D("1234.567891")],
    ),
    "decimal_of_text": (lambda: X.decimal_of_text(c("t"), 15, 3), [None, None, None, D("12.500"), None]),
    "decimal_of_text_exponent": (
        lambda: X.decimal_of_text(F.concat(c("i").cast("string"), F.lit(".0005e0")), 15, 3),
        [D("1.001"), D("2.001"), D("3.001"), None, D("5.001")],
    ),
    "decimal_of_text_large_exponent": (
        lambda: X.decimal_of_text(F.lit("1E3"), 15, 3),
        [D("1000.000"), D("1000.000"), D("1000.000"), D("1000.000"), D("1000.000")],
    ),
    "decimal_of_text_beyond": (lambda: X.decimal_of_text(F.lit("1e400"), 15, 3), [None, None, None, None, None]),
    "significant": (
        lambda: X.significant(c("d") / 3),
        [0.5, 0.0333333333333, -0.0, 3.333333333333333e20, 411522.630333],
    ),
    "significant_small": (
        lambda: X.significant(F.lit(1e-7) / 3),
        [3.33333333333e-08, 3.33333333333e-08, 3.33333333333e-08, 3.33333333333e-08, 3.33333333333e-08],
    ),
    "log": (lambda: X.log(c("d")), [0.40546510811, -2.30258509299, None, 48.35428695287, 14.02623158099]),
    "log_decimal": (lambda: X.log(c("m")), [2.5132511228, None, 0.91629073187, None, 11.51292546496]),
    "log10": (lambda: X.log10(c("d")), [0.17609125906, -1.0, None, 21.0, 6.09151497752]),
    "exp": (lambda: X.exp(c("i")), [2.71828182846, 7.38905609893, 20.0855369232, None, 148.413159103]),
    "days_from": (lambda: X.days_from(F.lit(dt.date(2020, 1, 1)), c("a")), [1520, -18263, 1460, None, 0]),
    "first_of_month": (
        lambda: X.first_of_month("a"),
        [dt.date(2024, 2, 1), dt.date(1969, 12, 1), dt.date(2023, 12, 1), None, dt.date(2020, 1, 1)],
    ),
    "first_of_quarter": (
        lambda: X.first_of_quarter("a"),
        [dt.date(2024, 1, 1), dt.date(1969, 10, 1), dt.date(2023, 10, 1), None, dt.date(2020, 1, 1)],
    ),
    "first_of_month_of_a_placeholder": (
        lambda: X.first_of_month(F.lit("0001-01-01").cast("date")),
        [dt.date(1, 1, 1)] * 5,
    ),
    "first_of_quarter_of_a_placeholder": (
        lambda: X.first_of_quarter(F.lit("9999-12-31").cast("date")),
        [dt.date(9999, 10, 1)] * 5,
    ),
    "format_number": (
        lambda: X.format_number(c("d"), 2),
        ["1.50", "0.10", "-0.00", "1,000,000,000,000,000,000,000.00", "1,234,567.89"],
    ),
    "format_number_decimal": (
        lambda: X.format_number(c("m").cast("decimal(15,2)"), 2),
        ["12.35", "-0.01", "2.50", None, "100,000.00"],
    ),
    "format_number_whole": (
        lambda: X.format_number(c("i") * 1234567, 0),
        ["1,234,567", "2,469,134", "3,703,701", None, "6,172,835"],
    ),
    "double_text": (lambda: X.double_text(c("d")), ["1.5", "0.1", "-0.0", "1.0E21", "1234567.891"]),
    "double_text_small": (
        lambda: X.double_text(c("d") / 100_000),
        ["1.5E-5", "1.0E-6", "-0.0", "1.0E16", "12.34567891"],
    ),
    "double_text_large": (
        lambda: X.double_text(c("d") * 1_000_000),
        ["1500000.0", "100000.0", "-0.0", "1.0E27", "1.234567891E12"],
    ),
    "double_text_infinite": (
        lambda: X.double_text(-F.lit(float("inf"))),
        ["-Infinity", "-Infinity", "-Infinity", "-Infinity", "-Infinity"],
    ),
    "text_of_decimal": (
        lambda: X.text_of(c("m"), T.DecimalType(18, 6)),
        ["12.345000", "-0.005000", "2.500000", None, "99999.999999"],
    ),
    "to_json": (
        lambda: X.to_json(F.struct(*KINDS.names), KINDS),
        [
            '{"i":1,"s":"00012-3456-78","d":1.5,"m":12.345000,"a":"2024-02-29","ts":"2024-02-29T23:59:59.123Z","b":true}',
            '{"i":2,"s":null,"d":0.1,"m":-0.005000,"a":"1969-12-31","ts":"1969-12-31T00:00:00.000Z","b":null}',
            '{"i":3,"s":"straße \\"É\\"|x","d":-0.0,"m":2.500000,"a":"2023-12-31","ts":"2023-12-31T12:00:00.000Z","b":false}',  # noqa: E501
            '{"i":null,"s":"é","d":1.0E21,"m":null,"a":null,"ts":null,"b":true}',
            '{"i":5,"s":"5","d":1234567.891,"m":99999.999999,"a":"2020-01-01","ts":"2020-01-01T00:00:00.000Z","b":false}',
        ],
    ),
    "to_json_text": (
        lambda: X.to_json(F.struct("s", "t"), T.StructType([KINDS["s"], T.StructField("t", T.StringType())])),
        [
            '{"s":"00012-3456-78","t":"  ab c "}',
            '{"s":null,"t":""}',
            '{"s":"straße \\"É\\"|x","t":"N/A"}',
            '{"s":"é","t":"12.50"}',
            '{"s":"5","t":"2024-02-30"}',
        ],
    ),
    "to_json_null": (
        lambda: X.to_json(F.when(c("i") > 1, F.struct("s")), T.StructType([KINDS["s"]])),
        [None, '{"s":null}', '{"s":"straße \\"É\\"|x"}', None, '{"s":"5"}'],
    ),
    "to_json_array": (
        lambda: X.to_json(F.array(*pairs()), T.ArrayType(PAIR)),
        [
            '[{"x":"c","y":12.345000},{"x":"00012-3456-78","y":1.500000},{"x":"c","y":null}]',
            '[{"x":"c","y":-0.005000},{"x":null,"y":1.500000},{"x":"c","y":null}]',
            '[{"x":"c","y":2.500000},{"x":"straße \\"É\\"|x","y":1.500000},{"x":"c","y":null}]',
            '[{"x":"c","y":null},{"x":"é","y":1.500000},{"x":"c","y":null}]',
            '[{"x":"c","y":99999.999999},{"x":"5","y":1.500000},{"x":"c","y":null}]',
        ],
    ),
    "json_object": (
        lambda: X.json_object({'a"b': (c("m"), T.DecimalType(18, 6)), "ss": (c("ss"), T.ArrayType(T.StringType()))}),
        [
            '{"a\\"b":12.345000,"ss":["b","a",null,"a"]}',
            '{"a\\"b":-0.005000,"ss":[]}',
            '{"a\\"b":2.500000,"ss":["x"]}',
            '{"a\\"b":null,"ss":null}',
            '{"a\\"b":99999.999999,"ss":["z","y"]}',
        ],
    ),
    "json_object_text": (
        lambda: X.json_object({"s": (c("s"), T.StringType()), 't"': (c("t"), T.StringType())}),
        [
            '{"s":"00012-3456-78","t\\"":"  ab c "}',
            '{"s":null,"t\\"":""}',
            '{"s":"straße \\"É\\"|x","t\\"":"N/A"}',
            '{"s":"é","t\\"":"12.50"}',
            '{"s":"5","t\\"":"2024-02-30"}',
        ],
    ),
}
# Rows in no order.
QUERIES = {
    "row_number": (
        lambda rows: rows.select("s", F.row_number().over(by_text()).alias("r")),
        [("00012-3456-78", 2), ("5", 3), ('straße "É"|x', 4), ("é", 5), (None, 1)],
    ),
    "dense_rank": (
        lambda rows: rows.select("s", F.dense_rank().over(by_text()).alias("r")),
        [("00012-3456-78", 2), ("5", 3), ('straße "É"|x', 4), ("é", 5), (None, 1)],
    ),
    "sum_over": (
        lambda rows: rows.select("s", F.sum("m").over(by_text()).alias("r")),
        [
            ("00012-3456-78", D("12.340000")),
            ("5", D("100012.339999")),
            ('straße "É"|x', D("100014.839999")),
            ("é", D("100014.839999")),
            (None, D("-0.005000")),
        ],
    ),
    "sum_over_rows": (
        lambda rows: rows.select("s", F.sum("i").over(by_text().rowsBetween(-1, 0)).alias("r")),
        [("00012-3456-78", 3), ("5", 6), ('straße "É"|x', 8), ("é", 3), (None, 2)],
    ),
    "sum_over_range": (
        lambda rows: rows.select("i", F.sum("i").over(every().orderBy("i").rangeBetween(-1, 0)).alias("r")),
        [(1, 1), (2, 3), (3, 5), (5, 5), (None, None)],
    ),
    "lead": (
        lambda rows: rows.select("s", F.lead("i").over(by_text()).alias("r")),
        [("00012-3456-78", 5), ("5", 3), ('straße "É"|x', None), ("é", None), (None, 1)],
    ),
    "lag": (
        lambda rows: rows.select("s", F.lag("i").over(by_text()).alias("r")),
        [("00012-3456-78", 2), ("5", 1), ('straße "É"|x', 5), ("é", 3), (None, None)],
    ),
    "last_known_over": (
        lambda rows: rows.select(
            "s", F.last("i", ignorenulls=True).over(by_text().rowsBetween(W.unboundedPreceding, 0)).alias("r")
        ),
        [("00012-3456-78", 1), ("5", 5), ('straße "É"|x', 3), ("é", 3), (None, 2)],
    ),
    "max_over": (
        lambda rows: rows.select("s", F.max("i").over(W.partitionBy("b")).alias("r")),
        [("00012-3456-78", 1), ("5", 5), ('straße "É"|x', 5), ("é", 1), (None, 2)],
    ),
    "bool_or_over": (
        lambda rows: rows.select("s", F.bool_or("b").over(by_text()).alias("r")),
        [("00012-3456-78", True), ("5", True), ('straße "É"|x', True), ("é", True), (None, None)],
    ),
    "sum_and_average": (
        lambda rows: rows.agg(F.sum("m"), F.avg("d"), F.max("m"), F.count("m")),
        [(D("100014.839999"), 2.0000000000000023e20, D("99999.999999"), 4)],
    ),
    "counts": (
        lambda rows: rows.agg(
            F.count_if(c("i") > 1), F.bool_or("b"), F.bool_and("b"), F.count_distinct("b", "i"), F.min("s")
        ),
        [(3, True, False, 3, "00012-3456-78")],
    ),
    "collected": (
        lambda rows: rows.agg(F.sort_array(F.collect_list("s")), F.sort_array(F.collect_set("b"))),
        [(["00012-3456-78", "5", 'straße "É"|x', "é"], [False, True])],
    ),
    "collected_structs": (
        lambda rows: rows.agg(F.sort_array(F.collect_list(F.struct("i", "s")))),
        [([(None, "é"), (1, "00012-3456-78"), (2, None), (3, 'straße "É"|x'), (5, "5")],)],
    ),
    "collect_distinct": (
        lambda rows: rows.agg(*(F.sort_array(X.collect_distinct(column)) for column in (c("b"), _with_nulls()))),
        [([False, True], [(None, False), (None, True), ("known", None)])],
    ),
    "of_nothing": (
        lambda rows: rows.where(F.lit(False)).agg(F.sum("i"), F.count_if(c("b")), F.collect_list("i")),
        [(None, 0, [])],
    ),
    "greatest_of_groups": (
        lambda rows: X.greatest_of_groups(rows, ["b"], ("i", "s"), "last", ["m"]).select("b", "last.*"),
        [
            (False, 5, "5", D("99999.999999")),
            (True, 1, "00012-3456-78", D("12.345000")),
            (None, 2, None, D("-0.005000")),
        ],
    ),
    "least_of_groups": (
        lambda rows: X.least_of_groups(rows, ["b"], ("i",), "first", ["s"]).select("b", "first.*"),
        [(False, 3, 'straße "É"|x'), (True, None, "é"), (None, 2, None)],
    ),
    "explode": (
        lambda rows: rows.select("i", F.explode("xs")),
        [(1, 1), (1, 1), (1, 2), (1, 3), (1, None), (5, 1), (5, 1), (None, 5)],
    ),
    "explode_outer": (
        lambda rows: rows.select("i", F.explode_outer("xs")),
        [(1, 1), (1, 1), (1, 2), (1, 3), (1, None), (2, None), (3, None), (5, 1), (5, 1), (None, 5)],
    ),
    "posexplode": (
        lambda rows: rows.select("i", F.posexplode("xs")),
        [(1, 0, 3), (1, 1, 1), (1, 2, None), (1, 3, 2), (1, 4, 1), (5, 0, 1), (5, 1, 1), (None, 0, 5)],
    ),
    "inline": (
        lambda rows: rows.select(
            "i", F.inline(F.transform("xs", lambda x: F.struct(x.alias("p"), F.lit(1).alias("q"))))
        ),
        [(1, 1, 1), (1, 1, 1), (1, 2, 1), (1, 3, 1), (1, None, 1), (5, 1, 1), (5, 1, 1), (None, 5, 1)],
    ),
    "join_semi": (
        lambda rows: rows.join(F.broadcast(rows.where("i > 1").select("i")), on="i", how="left_semi").select("i"),
        [(2,), (3,), (5,)],
    ),
    "join_anti": (
        lambda rows: rows.join(rows.where("i > 1").select("i"), on="i", how="left_anti").select("i"),
        [(1,), (None,)],
    ),
    "join_null_safe": (
        lambda rows: (
            rows.alias("l").join(rows.alias("r"), on=c("l.i").eqNullSafe(c("r.i")), how="inner").select("l.i", "r.s")
        ),
        [(1, "00012-3456-78"), (2, None), (3, 'straße "É"|x'), (5, "5"), (None, "é")],
    ),
    "join_left": (
        lambda rows: rows.join(rows.where("i > 2").select("i", c("s").alias("s2")), on="i", how="left").select(
            "i", "s2"
        ),
        [(1, None), (2, None), (3, 'straße "É"|x'), (5, "5"), (None, None)],
    ),
    "join_range": (
        lambda rows: (
            rows.alias("l")
            .join(rows.alias("r"), on=(c("l.b") == c("r.b")) & (c("l.i") < c("r.i")), how="left")
            .select("l.i", "r.i")
        ),
        [(1, None), (2, None), (3, 5), (5, None), (None, None)],
    ),
    "union_of_typed_nulls": (
        lambda rows: (
            rows.select("i").withColumns(X.nulls({"s": "string"})).unionByName(rows.select("i", "s")).select("i", "s")
        ),
        [
            (1, "00012-3456-78"),
            (1, None),
            (2, None),
            (2, None),
            (3, 'straße "É"|x'),
            (3, None),
            (5, "5"),
            (5, None),
            (None, "é"),
            (None, None),
        ],
    ),
    "union_all": (
        lambda rows: X.union_all([rows.select("i"), rows.select("i"), rows.select("i")]).groupBy("i").count(),
        [(1, 3), (2, 3), (3, 3), (5, 3), (None, 3)],
    ),
    "struct_star": (
        lambda rows: rows.select(F.struct("i", "s").alias("st")).select("st.*"),
        [(1, "00012-3456-78"), (2, None), (3, 'straße "É"|x'), (5, "5"), (None, "é")],
    ),
    "distinct": (lambda rows: rows.select("b").distinct(), [(False,), (None,), (True,)]),
    "group_by_struct": (
        lambda rows: rows.groupBy(F.struct("b", "i").alias("k")).count(),
        [((False, 3), 1), ((False, 5), 1), ((None, 2), 1), ((True, 1), 1), ((True, None), 1)],
    ),
    "group_by_array": (
        lambda rows: rows.groupBy("xs").count(),
        [(None, 1), ([1, 1], 1), ([3, 1, None, 2, 1], 1), ([5], 1), ([], 1)],
    ),
    "where_text": (lambda rows: rows.where("not b").select("i"), [(3,), (5,)]),
}


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(ROWS, SCHEMA)


@pytest.mark.parametrize("name", [*PLAIN, *WRAPPED])
def test_expression(rows: DataFrame, name: str) -> None:
    case: Any = (PLAIN | WRAPPED)[name]
    expression, expected = case
    values = {row["i"]: plain(row["value"]) for row in rows.select("i", expression().alias("value")).collect()}
    assert [values[row[0]] for row in ROWS] == expected


@pytest.mark.parametrize("name", QUERIES)
def test_query(rows: DataFrame, name: str) -> None:
    case: Any = QUERIES[name]
    query, expected = case
    assert sorted((plain(tuple(row)) for row in query(rows).collect()), key=repr) == sorted(expected, key=repr)


def plain(value: Any) -> Any:
    """Rows as tuples, however deep."""
    if isinstance(value, tuple):
        return tuple(plain(one) for one in value)
    return [plain(one) for one in value] if isinstance(value, list) else value
