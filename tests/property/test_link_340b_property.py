"""link_340b against a reference that tries every assignment, on many small random worlds per Spark job."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from engine.contracts.prepared import PREPARED_ENTITY_CLAIMS, PREPARED_REBATE_CLAIMS
from engine.link import link_340b
from engine.link.weights import configured_weights
from engine.settings import LinkSettings
from tests.property import link_reference as reference

WORLDS = 400
PACKAGES = {"00002000101": Decimal(30), "00002000102": Decimal(1), "00002000201": Decimal("2.5")}
LINK = LinkSettings(
    fill_offsets={"CE-OFFSET": 1, "NY": 1},
    learn_weights=False,
    mail_pharmacies=tuple(f"NPI{world}" for world in range(0, WORLDS, 4)),
)


def test_links_equal_those_of_the_reference(spark: SparkSession) -> None:
    # a world in which something differs is small already, and each try costs a Spark job
    @settings(
        max_examples=1,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @example(881)  # two rows of one 340B claim, under two numbers of the pharmacy, each met by another rebate claim
    @given(st.integers(0, 2**32))
    def check(seed: int) -> None:
        rebate, entity = worlds(seed)
        heirs = {f"NPI{world}-old": f"NPI{world}" for world in range(WORLDS)}
        expected = reference.Reference(LINK, configured_weights(LINK), heirs, PACKAGES).link(rebate, entity)
        assert links(spark, rebate, entity, LINK, partitions=3) == expected
        tiers = {link["tier"] for link in expected.values()}
        assert tiers == {"T1", "T2", "T3", "T4", "T5", "T6"}, "generated examples no longer cover every case"
        assert any(link["ambiguous"] for link in expected.values())
        assert len(expected) < len(rebate)

    check()


LEARNING = LINK.model_copy(update={"learn_weights": True, "fill_offsets": {}, "offset_share": 0.55})


@contextmanager
def planned(spark: SparkSession, partitions: int, adaptive: str) -> Iterator[None]:
    spark.conf.set("spark.sql.shuffle.partitions", str(partitions))
    spark.conf.set("spark.sql.adaptive.enabled", adaptive)
    try:
        yield
    finally:
        spark.conf.unset("spark.sql.shuffle.partitions")
        spark.conf.unset("spark.sql.adaptive.enabled")


@pytest.fixture(scope="module")
def of_one_partition(
    spark: SparkSession,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, dict[str, Any]]]:
    rebate, entity = worlds(seed=20_260_101)
    with planned(spark, 1, "true"):
        return rebate, entity, links(spark, rebate, entity, LEARNING, partitions=1)


@pytest.mark.parametrize(("partitions", "adaptive"), [(7, "false"), (200, "true")])
def test_neither_order_nor_partitions_change_a_link_or_a_weight(
    spark: SparkSession,
    of_one_partition: tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, dict[str, Any]]],
    partitions: int,
    adaptive: str,
) -> None:
    rebate, entity, expected = of_one_partition
    rng = random.Random(partitions)
    shuffled = rng.sample(rebate, len(rebate)), rng.sample(entity, len(entity))
    with planned(spark, partitions, adaptive):
        assert links(spark, *shuffled, LEARNING, partitions) == expected


def links(
    spark: SparkSession,
    rebate: list[dict[str, Any]],
    entity: list[dict[str, Any]],
    settings: LinkSettings,
    partitions: int,
) -> dict[str, dict[str, Any]]:
    world = range(WORLDS)
    found = link_340b(
        frame(spark, rebate, PREPARED_REBATE_CLAIMS, partitions),
        frame(spark, entity, PREPARED_ENTITY_CLAIMS, partitions),
        settings,
        keep,
        pharmacies=spark.createDataFrame(
            [(f"NPI{n}-old", f"NPI{n}") for n in world], "npi string, successor_npi string"
        ),
        products=spark.createDataFrame(
            [(ndc, units, None, None, None) for ndc, units in PACKAGES.items()],
            "ndc11 string, units_per_package decimal(15,3), valid_from date, valid_to date, snapshot_date date",
        ),
    )
    rows = found.links.collect()
    by_row = {
        row.source_row_id: {
            "tier": row.link_tier,
            "score": row.link_score,
            "ambiguous": row.link_is_ambiguous,
            "ids": row.link_source_row_ids,
            "shown": (row.link_entity_id, row.link_date_of_service, row.link_ndc11),
            "units": row.link_ndc_units,
            "differ": row.link_fields_differ,
            "candidates": row.link_candidates,
        }
        for row in rows
    }
    assert len(by_row) == len(rows), "a rebate claim has two links"
    return by_row


def keep(_: str, rows: DataFrame) -> DataFrame:
    return rows.localCheckpoint()


def frame(spark: SparkSession, rows: list[dict[str, Any]], schema: StructType, partitions: int) -> DataFrame:
    columns = [name for name in schema.fieldNames() if name != "dispense_hash"]
    tuples = [tuple(row.get(name) for name in columns) for row in rows]
    types = type(schema)([field for field in schema.fields if field.name in columns])
    key_is_whole = F.col("pharmacy_key").isNotNull() & F.col("script_key").isNotNull()
    hashed = F.when(key_is_whole, F.xxhash64("pharmacy_key", "script_key")).otherwise(F.xxhash64("source_row_id"))
    return spark.createDataFrame(tuples, types).repartition(partitions).withColumn("dispense_hash", hashed)


def worlds(seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Claims of WORLDS pharmacies: up to two prescriptions each, within days, of near-equal products and quantities."""
    rng = random.Random(seed)
    rebate, entity = [], []
    for world in range(WORLDS):
        scripts = [f"{rng.randrange(10**6):06d}", "555555"]
        rebate += [rebate_row(rng, world, n, scripts) for n in range(rng.randint(1, 5))]
        entity += [entity_row(rng, world, n, scripts) for n in range(rng.randint(1, 4))]
    return rebate, entity


def common(rng: random.Random, world: int, scripts: list[str]) -> dict[str, Any]:
    claim_type = rng.choice(["RX"] * 7 + ["MEDICAL"])
    package = rng.choice(["01"] * 4 + ["02"])
    ndc9 = rng.choice(["000020001"] * 8 + ["000020002"])
    script = rng.choice([scripts[0]] * 12 + [scripts[1], None, None])
    scheme = rng.choice([None] * 10 + ["s1", "s2"]) if claim_type == "RX" and script else None
    key = f"{scheme}:{script}" if scheme else script
    return {
        "claim_type": claim_type,
        "pharmacy_key": rng.choice([f"NPI{world}"] * 18 + [f"NPI{world}-old"] * 4 + [f"NPI{world}-hub", None]),
        "script_key": key,
        "rx_key": key if claim_type == "RX" else None,
        "rx_number": script if claim_type == "RX" and not scheme else None,
        "hash_scheme": scheme,
        "claim_id": script if claim_type == "MEDICAL" else None,
        "fill_number": rng.choice([None, 0, 0, 0, 0, 1, 2]),
        "date_of_service": date(2025, 1, 28) + timedelta(days=rng.choice([0] * 8 + [1, 2, 3, 4, 7])),
        "hcpcs_code": rng.choice([None, "J1000", "J1000", "J2000"]),
        "ndc11": ndc9 + package,
        "ndc9": ndc9,
        "prescriber_npi": rng.choice([None, "1003000126", "1003000126", "1003000134"]),
        "bin": rng.choice([None, "610014", "610014", "004336"]),
    }


def rebate_row(rng: random.Random, world: int, n: int, scripts: list[str]) -> dict[str, Any]:
    units = rng.choice(["30"] * 8 + ["30.3", "31", "31.5", "60", "10", "20", "75", "1", None])
    return common(rng, world, scripts) | {
        "source_row_id": f"r{world}-{rng.randrange(100)}-{n}",
        "service_npi": rng.choice([None] * 5 + [f"NPI{world}-hub", f"NPI{world}"]),
        "program": rng.choice(["MDRP_FFS"] * 5 + ["MDRP_MCO"]),
        "payer_id": rng.choice(["GA"] * 6 + ["NY"]),
        "rebate_type": rng.choice([None, None, None, "FEDERAL"]),
        "ndc_units": Decimal(units) if units else None,
        "dispensing_status": rng.choice([None] * 5 + ["P", "C"]),
    }


def entity_row(rng: random.Random, world: int, n: int, scripts: list[str]) -> dict[str, Any]:
    entity_id = rng.choice(["CE-A", "CE-A", "CE-B", "CE-OFFSET"])
    return common(rng, world, scripts) | {
        "source_row_id": f"e{world}-{rng.randrange(100)}-{n}",
        "entity_id": entity_id,
        "parent_entity_id": entity_id,
        "quantity": Decimal(rng.choice(["30"] * 8 + ["31.5", "60", "1", "0"])),
        "is_340b_assumed": rng.random() < 0.5,
    }
