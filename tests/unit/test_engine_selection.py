"""Which engine runs a job: what the user names, else what needs Spark, and what a session says of itself."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from engine.errors import ConfigurationError, OutputError
from engine.runs import RunOptions, check_resumable, interrupted_engine, open_run
from engine.runtime import selection
from engine.runtime.selection import CHOICE_VARIABLE, Choice, Engine, as_variable, gives_master
from engine.runtime.session import engine_facts
from engine.runtime.storage import storage_of
from engine.settings import Settings, load_settings
from jobs import launcher
from jobs.common import file_formats

_INVOICES = "input.tables.invoices"


def choose(settings: Settings, environment: dict[str, str] | None = None, interrupted: str | None = None) -> Choice:
    return selection.choose(settings, file_formats, environment, interrupted)


def settings_of(*words: str) -> Settings:
    return load_settings(None, ["runtime.engine=auto", *words])


def test_the_default_is_the_embedded_engine_for_what_does_not_need_spark() -> None:
    assert choose(Settings(), {}) == Choice(Engine.EMBEDDED, "nothing needs Spark")
    given = choose(Settings(), {"SPARK_SUBMIT_OPTIONS": "--master yarn"})
    assert given == Choice(Engine.SPARK, "SPARK_SUBMIT_OPTIONS gives a master")


@pytest.mark.parametrize("engine", ["embedded", "spark"])
def test_an_engine_that_is_named_is_taken(engine: str) -> None:
    chosen = choose(
        settings_of(f"runtime.engine={engine}", "spark.master=yarn"), {"SPARK_SUBMIT_OPTIONS": "--master x"}
    )
    assert chosen == Choice(Engine(engine), "as chosen")


@pytest.mark.parametrize(
    ("words", "environment", "reason"),
    [
        ((), {"SPARK_SUBMIT_OPTIONS": "--num-executors 8 --master yarn"}, "SPARK_SUBMIT_OPTIONS gives a master"),
        ((), {"SPARK_SUBMIT_OPTIONS": "--conf spark.master=local[4]"}, "SPARK_SUBMIT_OPTIONS gives a master"),
        ((), {"PYSPARK_GATEWAY_PORT": "4711"}, "started by spark-submit"),
        (("spark.master=spark://host:7077",), {}, "the settings give a master"),
        (("input.root=hdfs:///claims",), {}, "a location begins with hdfs://"),
        (("output.root=hdfs:///runs",), {}, "a location begins with hdfs://"),
        ((f"{_INVOICES}.path=hdfs://n/x.csv",), {}, "a location begins with hdfs://"),
        (
            ("input.tables.invoices.path=x", "input.tables.invoices.format=delta"),
            {},
            "table invoices has the format delta",
        ),
    ],
)
def test_auto_selects_spark_for_what_needs_it(words: tuple[str, ...], environment: dict[str, str], reason: str) -> None:
    assert choose(settings_of(*words), environment) == Choice(Engine.SPARK, reason)


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        ((), {}),
        ((), {"SPARK_SUBMIT_OPTIONS": "--driver-memory 8g"}),
        (("input.root=s3://bucket/claims", f"{_INVOICES}.path=x", f"{_INVOICES}.format=csv"), {}),
        (("input.root=/no/such/folder", "output.root=file:///tmp/x"), {}),
    ],
)
def test_auto_selects_the_embedded_engine_for_all_else(words: tuple[str, ...], environment: dict[str, str]) -> None:
    assert choose(settings_of(*words), environment).engine is Engine.EMBEDDED


def test_auto_selects_spark_for_more_bytes_than_the_settings_allow(tmp_path: Path) -> None:
    (tmp_path / "in" / "rebate_claims").mkdir(parents=True)
    (tmp_path / "in" / "rebate_claims" / "a.csv").write_bytes(b"x" * 60)
    (tmp_path / "in" / "notes.csv").write_bytes(b"x" * 500)
    (tmp_path / "b.csv").write_bytes(b"x" * 41)
    words = (f"input.root={tmp_path}/in", f"input.tables.invoices.path={tmp_path}/b.csv")
    assert choose(settings_of(*words, "runtime.largest_embedded_input=101"), {}).engine is Engine.EMBEDDED
    chosen = choose(settings_of(*words, "runtime.largest_embedded_input=100"), {})
    assert chosen == Choice(Engine.SPARK, "the input has 101 bytes, more than 100")


@pytest.fixture
def twelve_million_bytes(tmp_path: Path) -> str:
    (tmp_path / "invoices.csv").write_bytes(b"0123456789\n" * 1_100_000)
    return f"input.root={tmp_path}"


@pytest.mark.parametrize(
    ("words", "gib", "engine"),
    [
        # 1.1 million rows of 2,000 bytes each, and one thousand million: 2.98 GiB
        (("embedded_memory_share=0.5",), 5.9, Engine.SPARK),
        (("embedded_memory_share=0.5",), 6.1, Engine.EMBEDDED),
        (("embedded_memory_share=1",), 2.9, Engine.SPARK),
        (("embedded_memory_share=1",), 3.1, Engine.EMBEDDED),
        # 12.1 million bytes that need 400 each are more than the rows
        (("embedded_memory_share=1", "embedded_memory_per_byte=400"), 5.4, Engine.SPARK),
        (("embedded_memory_share=1", "embedded_memory_per_byte=400"), 5.5, Engine.EMBEDDED),
    ],
)
def test_auto_selects_spark_for_rows_or_bytes_that_need_more_memory(
    twelve_million_bytes: str, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], gib: float, engine: Engine
) -> None:
    monkeypatch.setattr(selection, "available_memory", lambda: int(gib * 2**30))
    words = ("embedded_base_memory=1000000000", "embedded_memory_per_row=2000", *words)
    chosen = choose(settings_of(twelve_million_bytes, *(f"runtime.{word}" for word in words)), {})
    assert chosen.engine is engine
    if engine is Engine.SPARK:
        assert re.match(
            r"about 1,\d{3},\d{3} rows of input need about \d\.\d GiB on the embedded engine", chosen.reason
        )


def test_input_is_not_measured_where_it_is_small_or_the_memory_is_not_known(
    twelve_million_bytes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "available_memory", lambda: None)
    assert choose(settings_of(twelve_million_bytes), {}).engine is Engine.EMBEDDED
    monkeypatch.setattr(selection, "available_memory", lambda: 1)
    assert choose(settings_of(twelve_million_bytes), {}).engine is Engine.SPARK
    (tmp_path / "invoices.csv").write_bytes(b"0123456789\n" * 900_000)
    assert choose(settings_of(twelve_million_bytes), {}).engine is Engine.EMBEDDED


def test_a_resumed_run_keeps_its_engine_unless_another_is_named() -> None:
    assert choose(settings_of(), {}, interrupted="spark") == Choice(Engine.SPARK, "the engine of the interrupted run")
    assert choose(settings_of("runtime.engine=embedded"), {}, interrupted="spark").engine is Engine.EMBEDDED


def test_the_launchers_choice_reaches_the_job() -> None:
    chosen = Choice(Engine.EMBEDDED, "nothing needs Spark")
    assert choose(Settings(), {CHOICE_VARIABLE: as_variable(chosen)}) == chosen
    with pytest.raises(ConfigurationError, match=CHOICE_VARIABLE):
        choose(Settings(), {CHOICE_VARIABLE: "embedded"})


def test_masters_are_recognized_however_they_are_written() -> None:
    for options in (["--master", "yarn"], ["--master=yarn"], ["--conf", "spark.master=x"], ["--conf=spark.master=x"]):
        assert gives_master(options)
    assert not gives_master(["--conf", "spark.master.rest.enabled=false", "--name", "master"])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--engine", "embedded", "--input", "x"], Engine.EMBEDDED),
        (["--engine=embedded"], Engine.EMBEDDED),
        (["--set", "runtime.engine=embedded", "--set", "as_of=2026-09-30"], Engine.EMBEDDED),
        (["--engine", "spark"], Engine.SPARK),
        ([], Engine.EMBEDDED),
    ],
)
def test_the_launcher_reads_the_jobs_options(words: list[str], expected: Engine) -> None:
    chosen = launcher.choice_of(words, {})
    assert chosen is not None
    assert chosen.engine is expected


@pytest.mark.parametrize("words", [["--engine", "flink"], ["--config", "nowhere.yaml"], ["--set", "nonsense"]])
def test_the_launcher_leaves_wrong_settings_to_the_job(words: list[str]) -> None:
    assert launcher.choice_of(words, {}) is None


def test_the_embedded_engine_is_started_without_spark_submit(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.setattr(launcher, "_run", lambda command, environment: started.append((command, environment)) or 0)
    monkeypatch.setattr(launcher, "use_java", lambda _: pytest.fail("looked for Java"))
    assert launcher.launch(["detect", "--engine", "embedded"]) == 0
    ((command, environment),) = started
    assert command[0] == sys.executable
    assert command[1].endswith("jobs/detect.py")
    assert choose(Settings(), environment).engine is Engine.EMBEDDED


def test_a_session_of_the_embedded_engine_says_so_and_ignores_spark_settings_with_one_note() -> None:
    """In a process of its own: one that has a JVM opens no session of another engine."""
    script = (
        "from engine.runtime.selection import Choice, Engine; from engine.runtime.session import open_session\n"
        "from engine.settings import load_settings\n"
        "settings = load_settings(None, ['spark.master=yarn', 'spark.conf={spark.sql.shuffle.partitions: 8}'])\n"
        "spark = open_session('test', settings, Choice(Engine.EMBEDDED, 'as chosen'), print)\n"
        "print(spark.range(3).count())\n"
    )
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=120)
    assert said.stdout.splitlines() == [
        f"engine     embedded (Sail {version('pysail')}): as chosen",
        "note: the embedded engine ignores spark.master, spark.sql.shuffle.partitions",
        "3",
    ]


def test_a_process_ends_without_a_last_question_to_the_embedded_engine() -> None:
    """Of a hundred runs ended by SIGTERM, six waited for ever for the answer."""
    script = (
        "from engine.runtime.embedded import embedded_session\n"
        "spark = embedded_session()\n"
        "embedded_session().range(3).count()\n"
        "type(spark.client).execute_command = lambda *words: print('asked the engine')\n"
    )
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=120)
    assert said.stdout == ""


def test_an_interrupted_run_of_another_engine_is_refused_by_name(spark: SparkSession, tmp_path: Path) -> None:
    settings = load_settings(None, [f"output.root={tmp_path}"])
    storage = storage_of(spark)
    assert interrupted_engine(settings, "r1") is None
    run = open_run(spark, storage, settings, RunOptions("r1"), print)
    check_resumable(run, {}, {})
    run.lease.release()
    began = tmp_path / ".r1.work" / "began-with.json"
    engine = engine_facts(spark).name
    assert interrupted_engine(settings, "r1") == engine
    other = "embedded" if engine == "spark" else "spark"
    began.write_text(began.read_text().replace(f'"engine": "{engine}"', f'"engine": "{other}"'))
    resumed = open_run(spark, storage, settings, RunOptions("r1", resume=True), print)
    with pytest.raises(OutputError, match=rf"started with another engine(.|\n)*--engine {other} resumes"):
        check_resumable(resumed, {}, {})
    resumed.lease.release()
