"""How well contract pharmacies without NPI are found again: real OPAIS rows, a pharmacy table that is made of them.

    .venv/bin/python benchmarks/pharmacy_identity.py FOLDER [--seeds 21 22 23]

FOLDER holds opais_contract_pharmacies_5_states.csv.gz. Of each OPAIS pharmacy a row of `pharmacies` is made with a
made-up NPI, damaged at random the way registers differ; one in five is left out, so that nothing right can be found.
Twice: with the extract as it is (address line 1 alone, which is mostly a trade name, and no phone), and with what the
daily export has besides (a street and a phone for all, made up here). Prints tables in Markdown and writes nothing.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from engine.contracts.tables import TABLES
from engine.link import resolve_pharmacies
from engine.runtime.session import build_session
from engine.settings import PharmacyIdentitySettings, SparkSettings
from engine.sources.adapters.opais import opais_contract_pharmacies
from synthetic.identifiers import npis

FILE = "opais_contract_pharmacies_5_states.csv.gz"
LEFT_OUT = 0.2
CHANGE_OF_NPI = date(2010, 1, 1)
# How often each damage happens to a row of the pharmacy table, where it can.
DAMAGE = {
    "abbreviated or spelled out": 0.30,
    "typing error in name": 0.08,
    "typing error in street": 0.05,
    "legal name alone": 0.05,
    "legal and trade name": 0.10,
    "store number dropped": 0.05,
    "store number added": 0.03,
    "store number written otherwise": 0.30,
    "suite dropped": 0.50,
    "ZIP+4": 0.30,
    "other ZIP": 0.02,
    "moved": 0.04,
    "phone missing": 0.10,
    "phone changed": 0.10,
    "phone of zeros": 0.02,
    "former NPI": 0.03,
}
SHORT_FORMS = {
    "PHARMACY": "PHCY",
    "STREET": "ST",
    "AVENUE": "AVE",
    "ROAD": "RD",
    "DRIVE": "DR",
    "BOULEVARD": "BLVD",
    "HIGHWAY": "HWY",
    "NORTH": "N",
    "SOUTH": "S",
    "EAST": "E",
    "WEST": "W",
    "SUITE": "STE",
    "AND": "&",
    "CENTER": "CTR",
}
LONG_FORMS = {short: long for long, short in SHORT_FORMS.items()}
BANDS = ((0.95, 0.99), (0.99, 0.999), (0.999, 1.01))
HOUSE = r"^\d+(-\d+)?(-?[A-Za-z])?\s"
STORE_NUMBER = re.compile(r"#\s*0*(\d+)|(?:10-|N-)(\d+)|\b(\d+)$")


def contracts(spark: SparkSession, folder: Path) -> DataFrame:
    """The extract as conformed contract_pharmacies; contract_id holds the OPAIS pharmacy id, the truth."""
    extract = spark.read.csv(str(folder / FILE), header=True).withColumnRenamed("opais_pharmacy_id", "contract_id")
    rows = opais_contract_pharmacies(extract, "contract_pharmacies", {})
    given = set(rows.columns)
    return rows.select(
        *(
            (F.col(field.name) if field.name in given else F.lit(None)).cast(field.dataType).alias(field.name)
            for field in TABLES["contract_pharmacies"].schema.fields
        )
    )


def starts_with_house(address: str) -> bool:
    return bool(re.match(HOUSE, address))


def whole_places(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One row per OPAIS pharmacy: legal and trade name, and a street and phone that are made up where not given."""
    places = rows.sort_values(["contract_id", "pharmacy_name", "address"]).drop_duplicates("contract_id")
    streets = [re.sub(r"^\S+\s+", "", address) for address in places.address if starts_with_house(address)]
    described = []
    place: Any
    for place in places.itertuples():
        rng = random.Random(f"{seed} whole {place.contract_id}")
        has_street = starts_with_house(place.address)
        trade = re.sub(r"^(D[./ ]?B[./ ]?A[.:]?|ATTN:|C/O)\s*-?\s*", "", place.address.upper())
        described.append(
            {
                "contract_id": place.contract_id,
                "legal": place.pharmacy_name.upper(),
                "trade": "" if has_street else trade,
                "street": place.address.upper()
                if has_street
                else f"{rng.randint(1, 9999)} {rng.choice(streets)}".upper(),
                "city": place.city.upper(),
                "state": place.state,
                "zip": place.zip,
                "phone": f"{200 + sum(map(ord, place.state)) % 700}-{rng.randint(200, 999)}-{rng.randint(0, 9999):04d}",
            }
        )
    return pd.DataFrame(described)


def mistyped(text: str, rng: random.Random) -> str:
    """One letter dropped, doubled, replaced or swapped with the next, not the first."""
    places = [n for n in range(1, len(text) - 1) if text[n].isalpha()]
    if not places:
        return text
    at = rng.choice(places)
    return rng.choice(
        [
            text[:at] + text[at + 1 :],
            text[:at] + text[at] + text[at:],
            text[:at] + rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") + text[at + 1 :],
            text[:at] + text[at + 1] + text[at] + text[at + 2 :],
        ]
    )


def respelled(text: str, forms: dict[str, str]) -> str:
    return " ".join(forms.get(word, word) for word in text.split())


def damaged(place: Any, others: list[Any], rng: random.Random) -> tuple[dict[str, Any], list[str]]:
    """A row of the pharmacy table for a place, and what happened to it."""
    happened = []

    def happens(damage: str, can: bool = True) -> bool:
        does = rng.random() < DAMAGE[damage] and can
        happened.extend([damage] if does else [])
        return does

    name, street, zip_code, phone = place.trade or place.legal, place.street, place.zip, place.phone
    if happens("legal name alone", bool(place.trade)):
        name = place.legal
    elif happens("legal and trade name", bool(place.trade)):
        name = f"{place.legal} DBA {place.trade}"
    numbered = STORE_NUMBER.search(name)
    number = next((group for group in numbered.groups() if group), None) if numbered else None
    if happens("store number dropped", number is not None):
        name = STORE_NUMBER.sub("", name).strip()
    elif happens("store number written otherwise", number is not None):
        padded = f"# {int(number or 0):05d}"
        name = STORE_NUMBER.sub(rng.choice([f"#{number}", padded, f"STORE {number}"]), name)
    elif happens("store number added", number is None):
        name = f"{name} #{rng.randint(1, 9999)}"
    if happens("moved"):
        street = rng.choice(others).street
        nearby = [other.zip for other in others if other.city == place.city and other.state == place.state]
        zip_code = rng.choice([zip_code, *nearby])
    if happens("suite dropped", bool(re.search(r"\b(STE|SUITE|RM|UNIT)\b|#", street))):
        street = re.sub(r",?\s*(\b(STE|SUITE|RM|UNIT)\b|#).*", "", street)
    if happens("abbreviated or spelled out"):
        forms = rng.choice([SHORT_FORMS, LONG_FORMS])
        name, street = respelled(name, forms), respelled(street, forms)
    if happens("typing error in name"):
        name = mistyped(name, rng)
    if happens("typing error in street"):
        street = mistyped(street, rng)
    if happens("other ZIP"):
        zip_code = f"{zip_code[:3]}{rng.randint(0, 99):02d}"
    if happens("ZIP+4"):
        zip_code = f"{zip_code}-{rng.randint(1, 9999):04d}"
    if happens("phone missing"):
        phone = None
    elif happens("phone of zeros"):
        phone = "000-000-0000"
    elif happens("phone changed"):
        phone = f"{phone[:3]}-{rng.randint(200, 999)}-{rng.randint(0, 9999):04d}"
    row = {"name": name, "address": street, "city": place.city, "state": place.state, "zip": zip_code, "phone": phone}
    happens("former NPI")
    return row, happened or ["none"]


def pharmacy_table(places: pd.DataFrame, seed: int) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Rows of `pharmacies`, and the held-out answer: contract_id, npi, is_left_out, damage."""
    made_up = npis(np.arange(2 * len(places)) * 7919 % 100_000_000)
    others: list[Any] = list(places.itertuples())
    rows, answers = [], []
    for place, npi, former in zip(others, made_up[::2], made_up[1::2], strict=True):
        rng = random.Random(f"{seed} damage {place.contract_id}")
        is_left_out = rng.random() < LEFT_OUT
        row, happened = damaged(place, others, rng)
        answers.append({"contract_id": place.contract_id, "npi": npi, "is_left_out": is_left_out, "damage": happened})
        if is_left_out:
            continue
        has_former = "former NPI" in happened
        rows.append({"npi": npi, "valid_from": CHANGE_OF_NPI if has_former else None, **row})
        if has_former:
            rows.append({"npi": former, "valid_to": CHANGE_OF_NPI, **row})
    return rows, pd.DataFrame(answers)


def resolved(spark: SparkSession, contract_rows: DataFrame, pharmacies: list[dict[str, Any]]) -> pd.DataFrame:
    schema = TABLES["pharmacies"].schema
    table = spark.createDataFrame([tuple(row.get(name) for name in schema.names) for row in pharmacies], schema)
    found = resolve_pharmacies(contract_rows, table, PharmacyIdentitySettings())
    return found.select("contract_id", "pharmacy_npi", "pharmacy_match_confidence", "pharmacy_match_fields").toPandas()


def as_in_daily_export(contract_rows: DataFrame, places: pd.DataFrame, spark: SparkSession) -> DataFrame:
    """The same contracts with a street after the trade name and with a phone."""
    made_up = spark.createDataFrame(places[["contract_id", "street", "phone"]].rename(columns={"phone": "made_up"}))
    line = F.when(F.col("address").rlike(HOUSE), F.col("address"))
    both = F.concat_ws(", ", "address", "street")
    return contract_rows.join(F.broadcast(made_up), on="contract_id", how="left").select(
        *(
            F.coalesce(line, both).alias(name)
            if name == "address"
            else F.col("made_up" if name == "phone" else name).alias(name)
            for name in contract_rows.columns
        )
    )


def shares(rows: pd.DataFrame) -> str:
    """Rows | asserted | precision | recall; recall of the rows whose pharmacy is in the table."""
    asserted, right = rows.pharmacy_npi.notna(), rows.pharmacy_npi == rows.npi
    can = ~rows.is_left_out

    def part(of: float, all_of: float) -> str:
        return f"{of / all_of:.4f}" if all_of else "-"

    return (
        f"{len(rows):,} | {part(asserted.sum(), len(rows))} | {part((asserted & right).sum(), asserted.sum())} "
        f"| {part((asserted & right).sum(), can.sum())}"
    )


def report(title: str, found: pd.DataFrame) -> None:
    head = "| rows | asserted | precision | recall |\n|---|---|---|---|---|"
    print(f"\n### {title}\n\n| | {head[2:]}")
    print(f"| all contract rows | {shares(found)} |")
    print(f"| each pharmacy once | {shares(found.drop_duplicates(['seed', 'contract_id']))} |")
    print(f"| pharmacy removed | {shares(found[found.is_left_out])} |")
    each = found[~found.is_left_out].explode("damage")
    for damage in ("none", *DAMAGE):
        print(f"| {damage} | {shares(each[each.damage == damage])} |")
    print("\n| confidence | rows | precision |\n|---|---|---|")
    for low, high in BANDS:
        band = found[found.pharmacy_match_confidence.between(low, high, inclusive="left")]
        precision = f"{(band.pharmacy_npi == band.npi).mean():.4f}" if len(band) else "-"
        print(f"| {low} to {min(high, 1)} | {len(band):,} | {precision} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[21, 22, 23])
    options = parser.parse_args()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = {"spark.ui.enabled": False, "spark.sql.shuffle.partitions": 4}
    spark = build_session("pharmacy identity", SparkSettings(conf=conf))
    spark.sparkContext.setLogLevel("ERROR")
    as_extract = contracts(spark, options.folder).cache()
    rows = as_extract.select("contract_id", "pharmacy_name", "address", "city", "state", "zip").toPandas().fillna("")
    results: dict[str, list[pd.DataFrame]] = {"The extract as it is": [], "With street and phone for all": []}
    for seed in options.seeds:
        places = whole_places(rows, seed)
        pharmacies, answers = pharmacy_table(places, seed)
        inputs = (as_extract, as_in_daily_export(as_extract, places, spark))
        for (title, so_far), contract_rows in zip(results.items(), inputs, strict=True):
            found = resolved(spark, contract_rows, pharmacies).merge(answers, on="contract_id", validate="m:1")
            assert len(found) == len(rows), title
            so_far.append(found.assign(seed=seed))
    for title, by_seed in results.items():
        report(title, pd.concat(by_seed, ignore_index=True))
    spark.stop()


if __name__ == "__main__":
    main()
