"""Credentials in addresses, connection strings and settings are masked in whatever is shown."""

from __future__ import annotations

import pytest

from engine import redaction
from engine.errors import ConfigurationError, Problem
from engine.redaction import is_secret_name, masked, remember_environment, without_secrets
from jobs.common import error_report

SECRET = "hunter2-Xyz"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://u:{SECRET}@h/db",
        f"mssql+pyodbc://u:a@b/{SECRET}@h/db?driver=x",
        f"http://u:{SECRET}/x@h:5000/path",
        f"http:/u:{SECRET}@h",
        f"https://{SECRET}@h/x",
        f"http://h/x?user=u&password={SECRET}",
        f"https://a.blob.core.windows.net/x?sv=1&sig={SECRET}&se=2",
        f"Driver={{ODBC Driver 18}};UID=u;PWD={{{SECRET};}}}}x}};Server=s",
        f"mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3D{SECRET}",
        f"fs.azure.account.key.acct.dfs.core.windows.net={SECRET}",
        f"spark.hadoop.fs.s3a.secret.key: {SECRET}",
        f"{{'access_token': '{SECRET}'}}",
        f"Authorization: Bearer {SECRET}",
        f"s3a://KEY:{SECRET}@bucket/x",
    ],
)
def test_credentials_are_masked_in_text_and_in_errors(text: str) -> None:
    shown = masked(f"cannot open {text} now")
    assert SECRET not in shown
    assert "***" in shown
    assert shown.startswith("cannot open ")
    assert SECRET not in str(ConfigurationError(Problem("what", text, text, text, text)))


@pytest.mark.parametrize(
    "text",
    [
        "abfss://container@account.dfs.core.windows.net/in/claims.parquet",
        "hdfs://namenode:8020/data/a@b/x.csv",
        "sqlite:////data/my out/mlflow.db",
        "http://mlflow.example.org:5000/x",
        "password authentication failed for user u",
        "table rebate_claims has no column rx_number",
    ],
)
def test_text_without_credentials_stays(text: str) -> None:
    assert masked(text) == text


def test_secrets_of_the_environment_are_masked_and_its_folders_and_numbers_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redaction, "_remembered", set())
    remember_environment(
        {
            "PWD": "/home/ann/engine",
            "OLDPWD": "/srv",
            "TOKEN_SECONDS": "3600",
            "KEY_PASSWORD": "/run/key",
            "DB_PWD": "s3cr3t-x",
        }
    )
    assert masked("3600 rows in /home/ann/engine/logs, /srv and /run/key") == (
        "3600 rows in /home/ann/engine/logs, /srv and /run/key"
    )
    assert masked("refused: s3cr3t-x") == "refused: ***"


@pytest.mark.parametrize("name", ["fs.azure.account.key.x", "PWD", "KeyStoreSecret", "mlflow.tracking_uri", "sas"])
def test_secret_names(name: str) -> None:
    assert is_secret_name(name)
    assert not is_secret_name("link.days_apart")


def test_records_of_settings_hold_no_secret() -> None:
    settings = {"path": "s3a://KEY:tulips9@bucket/p", "options": {"user": "u", "password": "tulips8"}}
    assert without_secrets(settings) == {"path": "s3a://KEY:***@bucket/p", "options": {"user": "u"}}


def test_an_error_report_names_code_and_classes_and_no_value() -> None:
    def fails() -> None:
        try:
            int("x7033146")
        except ValueError as error:
            raise KeyError("patient-99") from error

    try:
        fails()
    except KeyError as error:
        report = error_report(error)
    assert "fails" in report
    assert "builtins.KeyError" in report
    assert "builtins.ValueError" in report
    assert "7033146" not in report.replace('int("x7033146")', "")
    assert "patient-99" not in report.replace('KeyError("patient-99")', "")
