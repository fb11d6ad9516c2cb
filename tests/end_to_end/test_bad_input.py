"""What a user did wrong ends with status 2 and one message; bad rows end in quarantine; never a traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jobs.detect import detect
from tests.end_to_end.runs import INVOICE

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def detect_on(run_job: Any, tmp_path: Path) -> Any:
    def run(folder: Any, *words: Any) -> Any:
        return run_job(
            detect, "--input", folder, "--output", tmp_path / "out", "--run-id", "r", "--as-of", "2026-09-30", *words
        )

    return run


def says_one_message(ended: Any, *parts: Any) -> None:
    assert ended.status == 2, ended
    assert "Traceback" not in ended.err + ended.out
    for part in parts:
        assert part in ended.err


def leaves_nothing(tmp_path: Path) -> None:
    assert not (tmp_path / "out" / "r").exists()


def invoices(folder: Any, *rows: Any, **columns: Any) -> None:
    pd.DataFrame(rows or [INVOICE]).assign(**columns).to_csv(folder / "invoices.csv", index=False)


def test_no_feed_at_all(detect_on: Any, folder: Any, tmp_path: Path) -> None:
    says_one_message(detect_on(folder), "rebate_claims", "entity_claims", "invoices", str(folder))
    leaves_nothing(tmp_path)


def test_a_configured_table_that_is_not_there(detect_on: Any, folder: Any, tmp_path: Path) -> None:
    invoices(folder)
    ended = detect_on(folder, "--set", "input.tables.prices.path=nowhere.csv")
    says_one_message(ended, "prices", "nowhere.csv")
    leaves_nothing(tmp_path)


def test_missing_columns_of_all_tables_in_one_message(detect_on: Any, folder: Any, tmp_path: Path) -> None:
    pd.DataFrame([INVOICE]).drop(columns=["state", "period"]).to_csv(folder / "invoices.csv", index=False)
    pd.DataFrame([{"ndc": "00002143380"}]).to_csv(folder / "prices.csv", index=False)
    says_one_message(detect_on(folder), "invoices", "state", "period", "prices")
    leaves_nothing(tmp_path)


def test_an_identifier_column_of_numbers(detect_on: Any, folder: Any, tmp_path: Path) -> None:
    pd.DataFrame([INVOICE]).assign(ndc=2143380).to_parquet(folder / "invoices.parquet")
    says_one_message(detect_on(folder), "invoices", "ndc", "leading zeros")
    leaves_nothing(tmp_path)


@pytest.mark.both_engines
def test_a_corrupt_parquet_file(detect_on: Any, folder: Any, tmp_path: Path) -> None:
    pd.DataFrame([INVOICE]).to_parquet(folder / "invoices.parquet")
    content = (folder / "invoices.parquet").read_bytes()
    (folder / "invoices.parquet").write_bytes(content[: len(content) // 2])
    says_one_message(detect_on(folder), "invoices.parquet")
    leaves_nothing(tmp_path)


@pytest.mark.both_engines
def test_parquet_whose_pages_are_damaged_but_whose_footer_is_whole(detect_on: Any, folder: Any, tmp_path: Path) -> None:
    rows = pd.DataFrame([INVOICE] * 5000).assign(invoice_number=[f"I{n:06d}" for n in range(5000)])
    rows.to_parquet(folder / "invoices.parquet")
    content = bytearray((folder / "invoices.parquet").read_bytes())
    content[4:4000] = b"\xff" * 3996
    (folder / "invoices.parquet").write_bytes(bytes(content))
    says_one_message(detect_on(folder), "invoices")
    leaves_nothing(tmp_path)


@pytest.mark.both_engines
def test_a_csv_in_the_wrong_encoding(detect_on: Any, folder: Any, tmp_path: Path) -> None:
    pd.DataFrame([INVOICE]).assign(product_name="Ünïcode").to_csv(
        folder / "invoices.csv", index=False, encoding="cp1252"
    )
    says_one_message(detect_on(folder), "invoices.csv", "UTF-8", "line 2", "options.encoding: windows-1252")
    leaves_nothing(tmp_path)


@pytest.mark.both_engines
def test_an_output_that_cannot_be_written(run_job: Any, folder: Any, tmp_path: Path) -> None:
    invoices(folder)
    (tmp_path / "out").write_text("a file, not a folder")
    ended = run_job(detect, "--input", folder, "--output", tmp_path / "out", "--run-id", "r")
    says_one_message(ended, str(tmp_path / "out"))


def test_every_configuration_mistake_at_once(detect_on: Any, folder: Any, tmp_path: Path) -> None:
    invoices(folder)
    ended = detect_on(folder, "--set", "link.dys_apart=1", "--set", "peers.minimum=none")
    says_one_message(ended, "did you mean link.days_apart?", "peers.minimum")
    leaves_nothing(tmp_path)


def test_a_rule_that_does_not_exist_and_a_threshold_of_a_wrong_type(
    detect_on: Any, folder: Any, tmp_path: Path
) -> None:
    invoices(folder)
    ended = detect_on(folder, "--set", "rules.R999.enabled=true", "--set", "rules.R052.thresholds.p_value=small")
    says_one_message(ended, "R999", "R052")
    leaves_nothing(tmp_path)


def test_an_empty_feed_ends_well_with_a_warning_and_a_file_that_is_not_read_is_named(
    detect_on: Any, folder: Any, tmp_path: Path
) -> None:
    pd.DataFrame(columns=list(INVOICE)).to_csv(folder / "invoices.csv", index=False)
    (folder / "pharmacy_claim.csv").write_text("x")
    ended = detect_on(folder)
    assert ended.status == 0, ended
    assert "invoices: no rows received" in ended.out
    assert "not read: pharmacy_claim.csv. Did you mean table pharmacy_claims?" in ended.out
    assert "tables: invoices" in ended.out
    unread = json.loads((tmp_path / "out" / "r" / "summary.json").read_text())["input_not_read"]
    assert unread == [{"name": "pharmacy_claim.csv", "likely_table": "pharmacy_claims"}]
    assert pd.read_parquet(tmp_path / "out" / "r" / "findings").empty


def test_a_feed_whose_rows_are_all_bad_stops_the_run_unless_the_settings_allow_it(
    detect_on: Any, folder: Any, tmp_path: Path
) -> None:
    invoices(folder, INVOICE, {**INVOICE, "period": "3Q25"}, ndc="not an NDC")
    ended = detect_on(folder)
    says_one_message(
        ended,
        "invoices: 2 of 2 rows are quarantined (100%), more than input.most_quarantined allows (67%)",
        "NDC_INVALID in 2 rows, column ndc, such as AAA AA AAA",
        "PERIOD_INVALID in 1 row, column period, such as 9A99",
        "input.tables.invoices.periods: q'Q'yy",
    )
    assert "not an NDC" not in ended.err + ended.out
    assert list((tmp_path / "out").glob("*r*")) == []
    ended = detect_on(folder, "--set", "input.most_quarantined=1")
    assert ended.status == 0, ended
    quarantine = pd.read_parquet(tmp_path / "out" / "r" / "quarantine" / "invoices")
    assert sorted(map(list, quarantine.reasons)) == [["NDC_INVALID"], ["NDC_INVALID", "PERIOD_INVALID"]]
    assert json.loads(quarantine.raw.iloc[0])["ndc"] == "not an NDC"


CLAIM = {
    "program": "MDRP_FFS",
    "payer_id": "AK",
    "transaction": "ORIGINAL",
    "claim_type": "RX",
    "pharmacy_npi": "1234567893",
    "ndc": "00002143380",
    "units": "10",
    "period": "2025Q3",
}


def test_dates_of_another_format_and_an_unreadable_product_accuse_nobody(
    detect_on: Any, folder: Any, tmp_path: Path
) -> None:
    """The fourth of five claims has a bad day: in US dates all are bad until the format is declared. Their product is
    in the product file, with the letter O for a zero.
    """
    days = ["07/13/2025", "07/14/2025", "07/15/2025", "07/32/2025", "07/16/2025"]
    claims = [
        {**CLAIM, "source_row_id": f"R{n}", "claim_id": f"C{n}", "rx_number": f"100000{n}", "date_of_service": day}
        for n, day in enumerate(days)
    ]
    pd.DataFrame(claims).assign(amount_paid="$1,007.59").to_csv(folder / "rebate_claims.csv", index=False)
    invoices(folder)
    ndcs = [f"{INVOICE['ndc'][:-1]}O", *(f"0000299{number:04}" for number in range(40))]
    pd.DataFrame({"ndc": ndcs, "unit_type": "TAB"}).to_csv(folder / "products.csv", index=False)
    ended = detect_on(folder)
    says_one_message(
        ended,
        "rebate_claims: 5 of 5 rows are quarantined",
        "DATE_OF_SERVICE_INVALID in 5 rows, column date_of_service, such as 99/99/9999",
        "a date such as 2025-02-01",
    )
    table = "input.tables.rebate_claims"
    declared = ("--set", f"{table}.path=rebate_claims.csv", "--set", f"{table}.dates=MM/dd/yyyy")
    ended = detect_on(folder, *declared, "--set", "input.tables.products.complete=true")
    assert ended.status == 0, ended
    assert "products: declared complete, but with quarantined rows" in ended.out
    run = tmp_path / "out" / "r"
    notes = " ".join(json.loads((run / "summary.json").read_text())["notes"])
    assert "rebate_claims: 1 of 5 rows is quarantined (20%): DATE_OF_SERVICE_INVALID in 1 row" in notes
    assert "rebate_claims.amount_paid: 5 values could not be read and count as unknown, such as $9,999.99" in notes
    assert "1,007.59" not in notes + ended.out
    prepared = next(
        step for step in json.loads((run / "ledger.json").read_text())["rebate_claims"] if step["step"] == "prepare"
    )
    assert prepared["dropped"] == {"DATE_OF_SERVICE_INVALID": 1}
    assert (prepared["counted"]["COERCED_NULL"], prepared["counted"]["AMOUNT_PAID_INVALID"]) == (5, 5)
    (finding,) = pd.read_parquet(run / "findings", filters=[("subject", "==", "INVOICE")]).to_dict("records")
    (rule,) = [rule for rule in finding["rules"] if rule["rule_id"] == "R038"]
    # four claims of ten units stand behind the line's hundred, and a fifth may
    assert (rule["evidence"], finding["units_at_issue"]) == ("MEDIUM", 50)
    assert {guard["name"]: guard["state"] for guard in rule["guards"]}["QUARANTINED_CLAIMS"] == "UNCHECKED"
    assert "may belong to this line: 1, with 10 units" in rule["message"]
    assert "R025" not in str(pd.read_parquet(run / "findings").rules.tolist())


def test_a_failure_half_way_leaves_no_half_output_can_be_resumed_and_is_then_kept(
    detect_on: Any, folder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine import exports

    invoices(folder)
    with monkeypatch.context() as broken:
        broken.setattr(exports, "write_report", _out_of_disk)
        ended = detect_on(folder)
    says_one_message(ended, "No space left on device", "--resume --run-id r", str(tmp_path / "out" / ".r.work"))
    leaves_nothing(tmp_path)
    assert detect_on(folder, "--resume").status == 0
    assert sorted(
        path.name for path in (tmp_path / "out").iterdir() if path.is_dir() and path.name != "mlartifacts"
    ) == ["r"]

    # a run id that exists is refused
    before = (tmp_path / "out" / "r" / "summary.json").read_bytes()
    says_one_message(detect_on(folder), "--overwrite")
    assert (tmp_path / "out" / "r" / "summary.json").read_bytes() == before
    assert detect_on(folder, "--overwrite").status == 0
    shutil.rmtree(tmp_path / "out")


def _out_of_disk(*_: Any, **__: Any) -> None:
    raise OSError("No space left on device")
