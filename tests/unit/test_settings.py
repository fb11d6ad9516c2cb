"""Settings: where values come from, and that every mistake is told at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import ConfigurationError
from engine.rules import configuration_problems
from engine.settings import SHIPPED_DETECTORS, HbosSettings, load_settings


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str) -> Path:
        rules = tmp_path / "rules.yaml"
        rules.write_text("R035: {thresholds: {z: 4}}\n")
        path = tmp_path / "config.yaml"
        path.write_text(f"rules_file: {rules}\n{text}")
        return path

    return write


def test_set_beats_environment_beats_file_beats_default(config: Callable[..., Path]) -> None:
    path = config("link: {days_apart: 1}\npeers: {minimum: 30}\nreview: {rows_per_sheet: 500}\n")
    settings = load_settings(
        path, ["link.days_apart=5"], {"ENGINE__LINK__DAYS_APART": "4", "ENGINE__PEERS__MINIMUM": "25", "OTHER": "x"}
    )
    assert settings.link.days_apart == 5
    assert settings.peers.minimum == 25
    assert settings.review.rows_per_sheet == 500
    assert settings.deadlines.days_after_postmark == 37


def test_the_environment_sets_rules_too(config: Callable[..., Path]) -> None:
    """Audit, section E: names of the environment are in capitals, as rule ids are and no other setting is."""
    set_there = {"ENGINE__RULES__R035__THRESHOLDS__Z": "5", "ENGINE__RULES__R036__ENABLED": "false"}
    settings = load_settings(config(""), [], set_there)
    assert settings.rules["R035"].thresholds == {"z": 5}
    assert settings.rules["R036"].enabled is False


def test_every_mistake_is_told_at_once_with_place_found_and_expected(config: Callable[..., Path]) -> None:
    path = config(
        "outptu: {root: x}\n"
        "input: {tables: {rebate_claim: {path: a}}}\n"
        "link: {days_apart: lots}\n"
        "model: {claims: {features: [f99]}}\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, ["foo", "peers.minimum=-1"], {"ENGINE__MODEL__STRATUM_MINIMU": "3"})
    message = str(caught.value)
    assert "unknown setting outptu" in message
    assert "did you mean output?" in message
    assert "did you mean input.tables.rebate_claims?" in message
    assert "wrong value for link.days_apart" in message
    assert "'lots'" in message
    assert "wrong value for model.claims.features.0" in message
    assert "--set foo" in message
    assert "--set peers.minimum=-1" in message
    assert "environment variable ENGINE__MODEL__STRATUM_MINIMU" in message
    assert "did you mean model.stratum_minimum?" in message
    assert len(caught.value.problems) == 7


def test_mistakes_in_rules_are_told_together_with_the_others(config: Callable[..., Path]) -> None:
    path = config(
        "peers: {minimum: -1}\nrules:\n  R035: {thresholds: {zz: 3}}\n  R999: {}\n  R036: {enabled: perhaps}\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, rule_problems=configuration_problems)
    message = str(caught.value)
    assert "wrong value for peers.minimum" in message
    assert "wrong value for rules.R036.enabled" in message
    assert "unknown threshold zz" in message
    assert "unknown rule R999" in message
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize("text", ["a: [", "- a\n- b\n", "a: b: c"])
def test_a_file_that_is_no_mapping_is_one_clear_problem(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path)
    assert str(path) in str(caught.value)


def test_a_config_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        load_settings(tmp_path / "none.yaml")


def test_the_hash_changes_with_what_can_change_a_result_and_with_nothing_else(config: Callable[..., Path]) -> None:
    path = config("")
    same = load_settings(path, ["output.root=elsewhere", "mlflow.experiment=x", "as_of=2026-01-01"])
    assert same.config_hash == load_settings(path).config_hash
    assert load_settings(path, ["link.days_apart=4"]).config_hash != same.config_hash
    assert load_settings(path, ["rules.R035.thresholds.z=5"]).config_hash != same.config_hash


def test_databases_are_described_without_secrets(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(
        """
databases:
  good: {server: s, password: {environment: X}}
  plain: {server: s, password: hunter2}
  hidden: {server: s, options: {PWD: hunter2}}
  nowhere: {user: u}
  twice: {server: s, password: {environment: X, file: y}}
input:
  tables:
    prices: {connection: good, table: dbo.prices, format: csv}
    products: {connection: goood, table: dbo.products}
    pharmacies: {table: dbo.pharmacies}
    labelers: {path: x, query: SELECT 1}
    invoices: {path: x, partition_by: a}
"""
    )
    with pytest.raises(ConfigurationError) as told:
        load_settings(config)
    text = str(told.value)
    assert "hunter2" not in text
    for expected in (
        "databases.plain.password",
        "PWD is a secret",
        "expected a server, a dsn or a connection_string",
        "expected environment: NAME, or file: PATH",
        "format has no meaning for a table",
        "expected the connection of the table",
        "found path and query",
        "partition_by has no meaning for a path",
    ):
        assert expected in text
    config.write_text("databases: {good: {server: s}}\ninput: {connection: goood}\n")
    with pytest.raises(ConfigurationError, match="did you mean good"):
        load_settings(config)


def test_a_detector_is_added_or_changed_beside_the_shipped_ones(config: Callable[..., Path]) -> None:
    path = config("model: {claims: {detector: wide}, detectors: {wide: {kind: loda, cuts: 50}, ecod: {rows: 900}}}")
    model = load_settings(path, ["model.detectors.isolation_forest.trees=7"]).model
    assert (model.claims.detector, model.invoices.detector) == ("wide", "power_sum")
    assert (model.detectors["wide"].cuts, model.detectors["wide"].bins) == (50, 10)
    assert (model.detectors["ecod"].inputs, model.detectors["ecod"].rows) == ("surprise", 900)
    assert (model.detectors["isolation_forest"].trees, model.detectors["isolation_forest"].rows_per_tree) == (7, 256)
    assert set(model.detectors) == {"wide", *SHIPPED_DETECTORS}


def test_a_shipped_name_can_be_given_another_kind(config: Callable[..., Path]) -> None:
    model = load_settings(config("model: {detectors: {ecod: {kind: hbos, bins: 30}}}")).model
    assert model.detectors["ecod"] == HbosSettings(bins=30)


def test_mistakes_in_detectors_are_told_where_they_stand(config: Callable[..., Path]) -> None:
    path = config("model: {detectors: {hbos: {bin: 3}, own: {kind: oracle}, ecod: {rows: 0}}}")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, ["model.detectors.loda.cut=3"])
    message = str(caught.value)
    assert "did you mean model.detectors.hbos.bins?" in message
    assert "wrong value for model.detectors.own" in message
    assert "wrong value for model.detectors.ecod.rows" in message
    assert "--set model.detectors.loda.cut=3" in message
    assert len(caught.value.problems) == 4


def test_detectors_that_are_not_there_are_told(config: Callable[..., Path]) -> None:
    path = config(
        "model:\n"
        "  claims: {detector: ecodd}\n"
        "  detectors:\n"
        "    both: {kind: rank_combination, members: [ecod, rank_combination, prophet]}\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path)
    message = str(caught.value)
    assert "did you mean ecod?" in message
    assert "unknown detector in model.detectors.both.members" in message
    assert [problem.found for problem in caught.value.problems] == ["ecodd", "rank_combination", "prophet"]


SECRET = "hush-Hush-9"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENGINE__LINK__DAYS_APART", "{" + SECRET),
        ("ENGINE__MLFLOW__TRACKING_URI", f"{{a: http://u:{SECRET}@h"),
        ("ENGINE__MLFLOW__TRACKING_URI", f"[http://u:{SECRET}@h]"),
        ("ENGINE__OUTPUT__CONNECTION", f"!!python/object/apply:os.system ['{SECRET}']"),
        ("ENGINE__LINK__DAYS_APART", SECRET),
        ("ENGINE__AS_OF", "2025-13-45"),
        ("ENGINE__OUTPUT__ROOT", f"a\x01{SECRET}"),
        ("ENGINE__DATABASES__X__PASSWORD", SECRET),
    ],
)
def test_an_environment_variable_that_is_wrong_is_named_and_its_value_not_shown(
    config: Callable[..., Path], name: str, value: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(config(""), environment={name: value})
    assert f"environment variable {name}" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "os.system" not in str(caught.value)
    assert "2025-13" not in str(caught.value)


@pytest.mark.parametrize(
    "word",
    [
        f"mlflow.tracking_uri=[http://u:{SECRET}@h]",
        f"mlflow.tracking_uri:http://u:{SECRET}@h",
        f"spark.conf.fs.azure.account.key.x=[{SECRET}]",
        f"databases.x.password={SECRET}",
        f"databases.x.options.KeyStoreSecret={SECRET}",
        f"mlflow.artifact_location=s3://k:{SECRET}@b",
        f"output.root=!!python/name:{SECRET}",
        f"output.root=[postgresql://u:{SECRET}@h]",
    ],
)
def test_a_wrong_value_of_set_shows_no_secret(config: Callable[..., Path], word: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(config(""), [word])
    assert SECRET not in str(caught.value).replace("!!python/name:" + SECRET, "")


def test_a_config_file_that_is_no_yaml_shows_the_place_and_none_of_its_text(config: Callable[..., Path]) -> None:
    with pytest.raises(ConfigurationError, match="line 3") as caught:
        load_settings(config(f"mlflow:\n  tracking_uri: *{SECRET}\n"))
    assert SECRET not in str(caught.value)


def test_keys_of_spark_have_dots(config: Callable[..., Path]) -> None:
    assert load_settings(config(""), ["spark.conf.spark.sql.shuffle.partitions=4"]).spark.conf == {
        "spark.sql.shuffle.partitions": 4
    }


def test_the_hash_covers_the_reference_files_and_no_secret(config: Callable[..., Path], tmp_path: Path) -> None:
    codes = tmp_path / "reference" / "dispute_codes.csv"
    codes.parent.mkdir()
    codes.write_text("code\nA\n")
    before = load_settings(config(""), [f"reference_folder={codes.parent}"])
    old = before.config_hash
    assert list(before.reference_digests) == ["dispute_codes.csv"]
    codes.write_text("code\nB\n")
    assert before.config_hash != old
    hashes = {
        load_settings(
            config(f"input: {{tables: {{prices: {{path: p, format: jdbc, options: {{password: {word}}}}}}}}}")
        ).config_hash
        for word in ("secret-one", "secret-two")
    }
    assert len(hashes) == 1


def test_formats_are_declared_for_a_table_or_by_column(config: Callable[..., Path]) -> None:
    path = config(
        "input:\n"
        "  tables:\n"
        "    rebate_claims:\n"
        "      path: a.csv\n"
        "      dates: {paid_date: dd.MM.yyyy, default: MM/dd/yyyy}\n"
        "      periods: q'Q'yy\n"
        "      decimal: ','\n"
        "      thousands: .\n"
        "      currency: {rebate_amount: EUR}\n"
        '      nulls: ["NULL", "\\\\N"]\n'
    )
    formats = load_settings(path).input.formats_of("rebate_claims")
    assert formats.dates("paid_date").text == "dd.MM.yyyy"
    assert formats.dates("date_of_service").text == "MM/dd/yyyy"
    assert formats.periods("period").text == "q'Q'yy"
    assert (formats.numbers("units").decimal, formats.numbers("units").thousands) == (",", ".")
    assert (formats.numbers("units").currency, formats.numbers("rebate_amount").currency) == (None, "EUR")
    assert formats.nulls == ("NULL", "\\N")
    assert load_settings(path).input.formats_of("invoices").numbers("units_reimbursed") is None


@pytest.mark.parametrize(
    ("declared", "key", "says"),
    [
        ("dates: mm/dd/yyyy", "dates", "did you mean MM/dd/yyyy?"),
        ("dates: {paid_date: DD.MM.YYYY}", "dates", "did you mean dd.MM.yyyy?"),
        ("dates: [MM/dd/yyyy, dd.MM.yyyy]", "dates", "expected text, or a mapping"),
        ("dates: {paid_dat: MM/dd/yyyy}", "dates", "did you mean paid_date?"),
        ("dates: {units: MM/dd/yyyy}", "dates", "one of date_of_service"),
        ("periods: yyyy", "periods", "no quarter"),
        ("decimal: 5", "decimal", "expected text"),
        ("decimal: ;", "", "a decimal sign is"),
        ("thousands: {units: .}", "", 'decimal and thousands are both "."'),
        ("currency: {paid_date: $}", "currency", "paid_date"),
        ("datess: MM/dd/yyyy", "datess", "did you mean input.tables.rebate_claims.dates?"),
    ],
)
def test_a_format_that_cannot_be_read_is_one_problem_that_names_it(
    config: Callable[..., Path], declared: str, key: str, says: str
) -> None:
    path = config(f"input: {{tables: {{rebate_claims: {{path: a.csv, {declared}}}}}}}\n")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path)
    (problem,) = caught.value.problems
    assert f"input.tables.rebate_claims{'.' if key else ''}{key}" in problem.what
    assert says in str(problem)


def test_a_kind_that_kept_training_rows_is_refused_with_what_to_use_instead(config: Callable[..., Path]) -> None:
    with pytest.raises(ConfigurationError, match=r"lof keeps training rows and is no longer offered; use power_sum"):
        load_settings(config("model: {detectors: {near: {kind: lof}}}"))
