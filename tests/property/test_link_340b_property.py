"""link_340b against a reference that tries every assignment, on many small random worlds per Spark job."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

import link_reference as reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from engine.contracts.prepared import PREPARED_ENTITY_CLAIMS, PREPARED_REBATE_CLAIMS
from engine.link import link_340b
from engine.settings import LinkSettings

WORLDS = 250
LINK = LinkSettings(fill_offsets=reference.OFFSETS)


def test_links_equal_those_of_the_reference(spark):
    @settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32))
    def check(seed):
        rebate, entity = worlds(seed)
        expected = reference.link(rebate, entity)
        shuffled = random.Random(seed + 1)
        for partitions in (1, 7):
            shuffled.shuffle(rebate)
            shuffled.shuffle(entity)
            found = links(spark, rebate, entity, partitions)
            assert found == expected
        tiers = {link["tier"] for link in expected.values()}
        assert tiers == {"T1", "T2", "T3", "T4"}, "the worlds have become too poor to test anything"
        assert any(link["ambiguous"] for link in expected.values())
        assert len(expected) < len(rebate)

    check()


def links(spark, rebate, entity, partitions):
    rebate_claims = frame(spark, rebate, PREPARED_REBATE_CLAIMS, partitions)
    entity_claims = frame(spark, entity, PREPARED_ENTITY_CLAIMS, partitions)
    rows = link_340b(rebate_claims, entity_claims, LINK).collect()
    found = {
        row.source_row_id: {
            "tier": row.link_tier,
            "score": row.link_score,
            "ambiguous": row.link_is_ambiguous,
            "ids": row.link_source_row_ids,
            "shown": (row.link_entity_id, row.link_date_of_service, row.link_ndc11),
            "differ": row.link_fields_differ,
            "candidates": row.link_candidates,
        }
        for row in rows
    }
    assert len(found) == len(rows), "a rebate claim has two links"
    return found


def frame(spark, rows, schema, partitions):
    columns = [name for name in schema.fieldNames() if name != "dispense_hash"]
    tuples = [tuple(row.get(name) for name in columns) for row in rows]
    types = type(schema)([field for field in schema.fields if field.name in columns])
    key_is_whole = F.col("pharmacy_key").isNotNull() & F.col("script_key").isNotNull()
    hashed = F.when(key_is_whole, F.xxhash64("pharmacy_key", "script_key")).otherwise(F.xxhash64("source_row_id"))
    return spark.createDataFrame(tuples, types).repartition(partitions).withColumn("dispense_hash", hashed)


def worlds(seed):
    """Claims of WORLDS pharmacies: up to two prescriptions each, within days, of near-equal products and quantities."""
    rng = random.Random(seed)
    rebate, entity = [], []
    for world in range(WORLDS):
        scripts = [f"{rng.randrange(10**6):06d}", "555555"]
        rebate += [rebate_row(rng, world, n, scripts) for n in range(rng.randint(0, 5))]
        entity += [entity_row(rng, world, n, scripts) for n in range(rng.randint(0, 4))]
    return rebate, entity


def common(rng, world, scripts):
    claim_type = rng.choice(["RX"] * 6 + ["MEDICAL"])
    package = rng.choice(["01", "01", "02"])
    ndc9 = rng.choice(["000020001"] * 5 + ["000020002"])
    script = rng.choice([scripts[0]] * 9 + [scripts[1]] * 2 + [None])
    return {
        "claim_type": claim_type,
        "pharmacy_key": rng.choice([f"NPI{world}"] * 20 + [None]),
        "script_key": script,
        "rx_key": script if claim_type == "RX" else None,
        "claim_id": script if claim_type == "MEDICAL" else None,
        "fill_number": rng.choice([None, 0, 0, 1, 1, 2]),
        "date_of_service": date(2025, 1, 28) + timedelta(days=rng.choice([0, 0, 0, 0, 1, 2, 3, 4, 7])),
        "hcpcs_code": rng.choice([None, "J1000", "J1000", "J2000"]),
        "ndc11": ndc9 + package,
        "ndc9": ndc9,
        "prescriber_npi": rng.choice([None, None, "1003000126", "1003000134"]),
    }


def rebate_row(rng, world, n, scripts):
    units = rng.choice(["30", "30", "30", "30.3", "31", "31.5", "60", "10", "20", None])
    return common(rng, world, scripts) | {
        "source_row_id": f"r{world}-{rng.randrange(100)}-{n}",
        "program": rng.choice(["MDRP_FFS"] * 5 + ["MDRP_MCO"]),
        "payer_id": rng.choice(["GA"] * 6 + ["NY"]),
        "rebate_type": rng.choice([None, None, None, "FEDERAL"]),
        "ndc_units": Decimal(units) if units else None,
        "dispensing_status": rng.choice([None] * 5 + ["P", "C"]),
    }


def entity_row(rng, world, n, scripts):
    entity_id = rng.choice(["CE-A", "CE-A", "CE-B", "CE-OFFSET"])
    return common(rng, world, scripts) | {
        "source_row_id": f"e{world}-{rng.randrange(100)}-{n}",
        "entity_id": entity_id,
        "parent_entity_id": entity_id,
        "quantity": Decimal(rng.choice(["30", "30", "30", "31.5", "60", "0"])),
        "is_340b_assumed": rng.random() < 0.5,
    }
