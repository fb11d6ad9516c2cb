"""Public files through their adapters, against what plain pandas reads in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from engine.runtime.storage import storage_of
from engine.settings import Settings, load_settings
from engine.sources import OpenedTable, open_tables
from tests.end_to_end.published_files import DERIVED, publish

pytestmark = [pytest.mark.slow, pytest.mark.both_engines]


@pytest.fixture(scope="module")
def opened(spark: SparkSession, public_data: Path) -> dict[str, OpenedTable]:
    settings = Settings.model_validate({"input": {"root": str(public_data), "tables": DERIVED}})
    return open_tables(spark, storage_of(spark), settings)


@pytest.fixture(scope="module")
def published(
    spark: SparkSession, public_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, OpenedTable]:
    folder = publish(public_data, tmp_path_factory.mktemp("published"))
    settings = load_settings("conf/public-data.yaml", [f"input.root={folder}"])
    return open_tables(spark, storage_of(spark), settings)


def as_text(path: Any) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, sep="|" if ".psv" in path.name else ",", keep_default_na=False)


def pandas_of(table: OpenedTable) -> pd.DataFrame:
    return table.rows.select([F.col(name).cast("string") for name in table.rows.columns]).toPandas()


def test_every_configured_file_is_opened(opened: dict[str, OpenedTable]) -> None:
    assert set(opened) >= {
        *("invoices", "market_prices", "products", "covered_entities", "contract_pharmacies", "pharmacy_claims")
    }
    assert not any(table.complete for table in opened.values())
    assert all(table.columns <= set(table.table.column_names) for table in opened.values())
    assert all(set(table.table.required_names) <= table.columns for table in opened.values())


def test_drug_utilization(opened: dict[str, OpenedTable], public_data: Any) -> None:
    theirs = as_text(public_data / "sdud_ak_2022.csv.gz")
    ours = pandas_of(opened["invoices"]).fillna("")
    assert len(ours) == len(theirs) == 44_376
    assert set(ours.program) == {"MDRP_FFS"}
    assert set(ours.source_kind) == {"SDUD"}
    assert (ours.suppressed == "true").sum() == 25_868
    theirs["period"] = theirs.year + "Q" + theirs.quarter
    key = ["state", "ndc", "period"]
    same = {
        "units_reimbursed": "units_reimbursed",
        "prescriptions": "number_of_prescriptions",
        "total_amount": "total_amount_reimbursed",
        "medicaid_amount": "medicaid_amount_reimbursed",
        "non_medicaid_amount": "non_medicaid_amount_reimbursed",
    }
    ours, theirs = ours.sort_values(key), theirs.sort_values(key)
    for name, source in {**{name: name for name in key}, **same}.items():
        assert (ours[name].to_numpy() == theirs[source].to_numpy()).all(), name


def test_market_prices(opened: dict[str, OpenedTable], public_data: Any) -> None:
    theirs = pd.read_parquet(public_data / "nadac_2013_2022.parquet")
    ours = opened["market_prices"].rows
    assert ours.count() == len(theirs) == 760_110
    told = ours.agg(
        F.count_if(F.isnull("end_date")),
        F.sum(F.datediff("end_date", "effective_date")),
        F.sum(F.col("price_per_unit").cast("decimal(20,6)")),
        F.min("effective_date"),
        F.max("effective_date"),
    ).first()
    is_open = theirs.end_date.astype(str) == "2099-12-31"
    closed = theirs[~is_open]
    days = (pd.to_datetime(closed.end_date) - pd.to_datetime(closed.effective_date)).dt.days + 1
    assert told[0] == is_open.sum() == 48_576
    assert told[1] == days.sum()
    assert float(told[2]) == pytest.approx(theirs.nadac_per_unit.sum(), rel=1e-9)
    assert (told[3], told[4]) == (str(theirs.effective_date.min()), str(theirs.effective_date.max()))


def test_prices_of_an_ndc_follow_each_other_without_gap_or_overlap(opened: dict[str, OpenedTable]) -> None:
    prices = opened["market_prices"].rows
    trulicity = prices.where("ndc = '00002143380'").orderBy("effective_date").collect()
    assert [(row.effective_date, row.end_date) for row in trulicity[:2]] == [
        ("2019-12-18", "2020-01-31"),
        ("2020-01-31", "2020-11-18"),
    ]
    assert trulicity[-1].end_date is None


def test_products(opened: dict[str, OpenedTable], public_data: Any) -> None:
    theirs = as_text(public_data / "mdrp_terminated_products.csv.gz")
    ours = pandas_of(opened["products"]).fillna("")
    assert len(ours) == 22_940
    ours, theirs = ours.sort_values("ndc"), theirs.sort_values("ndc")
    for name in theirs.columns:
        assert (ours[name].to_numpy() == theirs[name].str.strip().to_numpy()).all(), name


def test_entities_and_contract_pharmacies(opened: dict[str, OpenedTable], public_data: Any) -> None:
    for name, file, renamed in (
        ("covered_entities", "opais_covered_entities_5_states.csv.gz", {"address": "street"}),
        ("contract_pharmacies", "opais_contract_pharmacies_5_states.csv.gz", {}),
    ):
        theirs = as_text(public_data / file).rename(columns=renamed)
        ours = pandas_of(opened[name]).fillna("")
        columns = [column for column in theirs.columns if column in ours.columns]
        assert set(columns) == opened[name].columns
        stripped = theirs[columns].apply(lambda values: values.str.strip())
        assert sorted(ours[columns].itertuples(index=False, name=None)) == sorted(
            stripped.itertuples(index=False, name=None)
        )


def test_prescription_drug_events(opened: dict[str, OpenedTable], public_data: Any) -> None:
    theirs = as_text(public_data / "cms_synthetic_pde.psv.gz").set_index("PDE_ID").sort_index()
    ours = pandas_of(opened["pharmacy_claims"]).fillna("").set_index("source_row_id").sort_index()
    assert len(ours) == 984
    assert list(ours.index) == list(theirs.index)
    assert set(ours.transaction_code) == {"B1"}
    served = pd.to_datetime(theirs.SRVC_DT, format="%d-%b-%Y").dt.strftime("%Y-%m-%d")
    assert (ours.date_of_service == served).all()
    for name, source in (("ndc", "PROD_SRVC_ID"), ("quantity", "QTY_DSPNSD_NUM"), ("rx_number", "RX_SRVC_RFRNC_NUM")):
        assert (ours[name] == theirs[source]).all()
    assert (ours.dispensing_status == "").all()


def test_the_crosswalk_of_hcpcs_codes(opened: dict[str, OpenedTable], public_data: Any) -> None:
    theirs = as_text(public_data / "cms_asp_ndc_hcpcs_2025q4.csv.gz")
    is_ndc = theirs.ndc2.str.fullmatch(r"\d{5}-\d{4}-\d{2}")
    crosswalk = opened["hcpcs_crosswalk"]
    assert crosswalk.left_out == {"NOT_AN_NDC": (~is_ndc).sum()}
    ours = pandas_of(crosswalk)
    assert len(ours) == is_ndc.sum() == 6_934
    theirs = theirs[is_ndc]
    size, quantity, units, of_package = (
        pd.to_numeric(theirs[name]) for name in ("pkg_size", "pkg_qty", "bill_units", "bill_units_pkg")
    )
    agrees = (units * quantity - of_package).abs() < 1
    assert (~agrees).sum() == 48
    factors = pd.to_numeric(ours.ndc_units_per_hcpcs_unit, errors="coerce").to_numpy()
    assert (pd.isna(factors) == ~agrees.to_numpy()).all()
    assert factors[agrees.to_numpy()] == pytest.approx((size / units)[agrees].to_numpy(), abs=5e-7)


def test_files_as_they_are_published_say_what_the_derived_copies_say(
    published: dict[str, OpenedTable], opened: Any
) -> None:
    for name in ("invoices", "products", "covered_entities", "contract_pharmacies", "pharmacy_claims"):
        columns = sorted(opened[name].columns & published[name].columns - {"participating_start", "source_row_id"})
        ours, theirs = (
            pandas_of(one[name])[columns].fillna("").apply(lambda values: values.str.strip())
            for one in (published, opened)
        )
        if name == "products":
            for one in (ours, theirs):
                one["ndc"] = one.ndc.str.replace("-", "")
        assert sorted(ours.itertuples(index=False, name=None)) == sorted(theirs.itertuples(index=False, name=None)), (
            name
        )
    assert published["invoices"].left_out == {"NATIONAL_TOTAL": 1000}


def test_weekly_lists_of_two_years_give_the_prices_of_2022(published: dict[str, OpenedTable], public_data: Any) -> None:
    theirs = pd.read_parquet(public_data / "nadac_2013_2022.parquet")
    ends = pd.to_datetime(theirs.end_date.astype(str), errors="coerce")
    theirs = theirs[ends.isna() | (ends >= "2022-01-01")].sort_values(["ndc", "effective_date"])
    ours = pandas_of(published["market_prices"]).sort_values(["ndc", "effective_date"])
    assert list(ours.ndc + ours.effective_date) == list(theirs.ndc + theirs.effective_date.astype(str))
    assert pd.to_numeric(ours.price_per_unit).to_numpy() == pytest.approx(theirs.nadac_per_unit.to_numpy(), abs=1e-5)
    next_start = theirs.groupby("ndc").effective_date.shift(-1).astype(str).replace({"NaT": None, "nan": None})
    assert list(ours.end_date.fillna("")) == list(next_start.fillna("").replace("None", ""))
