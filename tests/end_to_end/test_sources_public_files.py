"""Public files through their adapters, against what plain pandas reads in them."""

from __future__ import annotations

import pandas as pd
import pytest
from pyspark.sql import functions as F

from engine.settings import load_settings
from engine.sources import OpenedTable, open_tables
from engine.storage import Storage

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def opened(spark, public_data) -> dict[str, OpenedTable]:
    settings = load_settings("conf/public-data.yaml", [f"input.root={public_data}"])
    return open_tables(spark, Storage(spark), settings)


def as_text(path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, sep="|" if ".psv" in path.name else ",", keep_default_na=False)


def pandas_of(table: OpenedTable) -> pd.DataFrame:
    return table.rows.select([F.col(name).cast("string") for name in table.rows.columns]).toPandas()


def test_every_configured_file_is_opened(opened):
    assert set(opened) >= {
        *("invoices", "market_prices", "products", "covered_entities", "contract_pharmacies", "pharmacy_claims")
    }
    assert not any(table.complete for table in opened.values())
    assert all(table.columns <= set(table.table.column_names) for table in opened.values())
    assert all(set(table.table.required_names) <= table.columns for table in opened.values())


def test_drug_utilization(opened, public_data):
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


def test_market_prices(opened, public_data):
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


def test_prices_of_an_ndc_follow_each_other_without_gap_or_overlap(opened):
    prices = opened["market_prices"].rows
    trulicity = prices.where("ndc = '00002143380'").orderBy("effective_date").collect()
    assert [(row.effective_date, row.end_date) for row in trulicity[:2]] == [
        ("2019-12-18", "2020-01-31"),
        ("2020-01-31", "2020-11-18"),
    ]
    assert trulicity[-1].end_date is None


def test_products(opened, public_data):
    theirs = as_text(public_data / "mdrp_terminated_products.csv.gz")
    ours = pandas_of(opened["products"]).fillna("")
    assert len(ours) == 22_940
    ours, theirs = ours.sort_values("ndc"), theirs.sort_values("ndc")
    for name in theirs.columns:
        assert (ours[name].to_numpy() == theirs[name].str.strip().to_numpy()).all(), name


def test_entities_and_contract_pharmacies(opened, public_data):
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


def test_prescription_drug_events(opened, public_data):
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
