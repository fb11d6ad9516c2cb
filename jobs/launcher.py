"""Starts a job for `spark-submit.sh`: with spark-submit, or directly if Spark does not run it."""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path

from engine.errors import UserError
from engine.runtime.java import use_java
from engine.runtime.selection import CHOICE_VARIABLE, Choice, Engine, as_variable, choose
from jobs.common import DEFAULT_CONFIG, file_formats, settings_of

PROJECT = Path(__file__).resolve().parent.parent
# Helpers of jobs, not jobs.
_NO_JOBS = {"__init__", "common", "launcher"}
_WITHOUT_SPARK = {"check_connections", "create_tables", "promote", "tables"}
# Spark compiles a chain of joins into one method; without this the JVM interprets the long ones
# (engine/runtime/session.py).
_JVM_OPTIONS = ("-XX:-DontCompileHugeMethods", "-XX:ReservedCodeCacheSize=512m")
_DRIVER_MEMORY = "4g"
# Jobs that look at few rows: optimizing their machine code takes longer than they would run.
_BRIEF = {"check"}
_BRIEF_OPTION = "-XX:TieredStopAtLevel=1"
# Packages that a cluster's driver and executors import.
_SHIPPED = ("engine", "synthetic", "jobs")
# Set by spark-submit.sh, or by the caller for a cluster; a command of --dry-run needs them wherever it is run.
_NEEDED = {"ENGINE_LOGS", "PYTHONPATH", "PYSPARK_PYTHON", "JAVA_HOME", "HADOOP_CONF_DIR", "YARN_CONF_DIR"}
# The JVM announces this module at every start, and no option silences it.
_ANNOUNCEMENT = b"jdk.incubator.vector"


def launch(arguments: Sequence[str]) -> int:
    """Run the job that the first argument names; return its exit status."""
    name, *words = arguments or [""]
    is_dry_run = name == "--dry-run"
    if is_dry_run:
        name, *words = words or [""]
    if name in ("", "-h", "--help"):
        print(usage())
        return 0 if name else 2
    if name == "--version":
        print(_version())
        return 0
    if name not in jobs():
        print(f"{usage()}\n\nThere is no job named {name}.", file=sys.stderr)
        return 2
    job = PROJECT / "jobs" / f"{name}.py"
    environment = dict(os.environ)
    environment["ENGINE_HOME"] = str(PROJECT)
    without_spark, act = [sys.executable, str(job), *words], _show if is_dry_run else _run
    if name in _WITHOUT_SPARK:
        return act(without_spark, environment)
    choice = choice_of(words, environment)
    if choice is not None:
        environment[CHOICE_VARIABLE] = as_variable(choice)
        if choice.engine is Engine.EMBEDDED:
            return act(without_spark, environment)
    try:
        use_java(environment)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    options = shlex.split(environment.get("SPARK_SUBMIT_OPTIONS", ""))
    command = spark_submit(options, environment, name in _BRIEF)
    if is_dry_run:
        shipped = [] if is_local(options) else ["--py-files", str(_kept_archive(environment))]
        return _show([*command, *shipped, str(job), *words], environment)
    with _code_for_executors(options) as shipped:
        return _run([*command, *shipped, str(job), *words], environment)


def choice_of(words: Sequence[str], environment: Mapping[str, str]) -> Choice | None:
    """The engine for a job's command line; None if its settings cannot be read, which the job itself reports."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in ("--config", "--input", "--output", "--engine", "--run-id"):
        parser.add_argument(name)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--set", action="append", default=[])
    try:
        known, _ = parser.parse_known_args(words)
        settings = settings_of(known.config or DEFAULT_CONFIG, known.input, known.output, None, known.set, known.engine)
        interrupted = None
        if known.resume and known.run_id and settings.runtime.engine == "auto":
            from engine.runs import interrupted_engine

            interrupted = interrupted_engine(settings, known.run_id)
        return choose(settings, file_formats, environment, interrupted)
    except (UserError, argparse.ArgumentError):
        return None


def usage() -> str:
    """One line per job, from its module's docstring."""
    lines = ["usage: ./spark-submit.sh <job> [options]      ./spark-submit.sh <job> --help"]
    lines += ["       ./spark-submit.sh --dry-run <job> [options]    prints the command and runs nothing", "", "jobs:"]
    described = {name: (ast.get_docstring(ast.parse(path.read_text())) or "") for name, path in jobs().items()}
    described["setup"] = (
        "Installs the packages into .venv and stops; `setup dev` adds those of the tests (docs/installing.md)."
    )
    lines += [f"  {name:<19}{text.partition(chr(10))[0]}" for name, text in described.items()]
    return "\n".join(lines)


def jobs() -> dict[str, Path]:
    """The program of each job, by name."""
    paths = sorted((PROJECT / "jobs").glob("*.py"))
    return {path.stem: path for path in paths if path.stem not in _NO_JOBS and not path.stem.startswith("_")}


def spark_submit(options: Sequence[str], environment: MutableMapping[str, str], is_brief: bool = False) -> list[str]:
    """The command up to the job's program; `options` are the user's own. Sets what Spark reads from `environment`."""
    logs = _logs(environment)
    driver_options = [*_JVM_OPTIONS, f"-Dlog4j2.configurationFile=file:{PROJECT}/conf/log4j2.properties"]
    command = [str(Path(sys.prefix) / "bin" / "spark-submit"), *options]
    if is_brief:
        driver_options.append(_BRIEF_OPTION)
    if master(options) is None:
        command += ["--master", "local[*]", "--driver-memory", environment.get("SPARK_DRIVER_MEMORY", _DRIVER_MEMORY)]
        driver_options.append("-XX:+UseParallelGC")
    if is_local(options):
        environment.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    if not any("spark.executor.extraJavaOptions" in option for option in options):
        command += ["--conf", f"spark.executor.extraJavaOptions={' '.join(_JVM_OPTIONS)}"]
    environment.setdefault("PYSPARK_PYTHON", sys.executable)
    environment["PYSPARK_DRIVER_PYTHON"] = sys.executable
    environment.pop("SPARK_HOME", None)
    return [*command, "--driver-java-options", " ".join([*driver_options, f"-Dengine.logs={logs}"])]


def master(options: Sequence[str]) -> str | None:
    """The master that the user's options name."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--master")
    return parser.parse_known_args(options)[0].master


def is_local(options: Sequence[str]) -> bool:
    """True if the driver does all the work itself."""
    return (master(options) or "local").startswith("local")


@contextlib.contextmanager
def _code_for_executors(options: Sequence[str]) -> Iterator[list[str]]:
    """Options that send the project's code to a cluster; each start has a zip of its own."""
    if is_local(options):
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="engine-code-") as folder:
        archive = Path(folder, "engine.zip")
        write_archive(archive)
        yield ["--py-files", str(archive)]


def write_archive(archive: Path) -> None:
    """The project's code as executors import it."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as content:
        for path in _shipped_files():
            content.write(path, path.relative_to(PROJECT))


def _shipped_files() -> list[Path]:
    paths = sorted(path for package in _SHIPPED for path in (PROJECT / package).rglob("*"))
    return [path for path in paths if path.is_file() and "__pycache__" not in path.parts]


def _kept_archive(environment: MutableMapping[str, str]) -> Path:
    """The code in a file that stays, named after its content, for a command that is run later."""
    content = hashlib.sha256()
    for path in _shipped_files():
        content.update(str(path.relative_to(PROJECT)).encode())
        content.update(path.read_bytes())
    archive = Path(_logs(environment), f"engine-{content.hexdigest()[:12]}.zip")
    archive.parent.mkdir(parents=True, exist_ok=True)
    if not archive.exists():
        with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
            written = Path(folder, "engine.zip")
            write_archive(written)
            written.replace(archive)
    return archive


def _logs(environment: MutableMapping[str, str]) -> str:
    return environment.get("ENGINE_LOGS") or str(PROJECT / "logs")


def _show(command: Sequence[str], environment: MutableMapping[str, str]) -> int:
    """Print the command as a shell takes it, with the variables that it needs; programs read no others of this start.

    A password in the options of a job is printed as it was typed.
    """
    needed = [name for name in sorted(environment) if name in _NEEDED or environment[name] != os.environ.get(name)]
    removed = [word for name in sorted(os.environ.keys() - environment.keys()) for word in ("-u", name)]
    print(shlex.join(["env", *removed, *(f"{name}={environment[name]}" for name in needed), *command]))
    return 0


def _run(command: Sequence[str], environment: MutableMapping[str, str]) -> int:
    """The exit status of a program that gets this program's signals and shares its terminal.

    A session of its own lets a signal reach the JVM and the Python process below it alike.
    """
    program = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: os.killpg(program.pid, received))
    assert program.stderr is not None
    for line in program.stderr:
        if _ANNOUNCEMENT not in line:
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
    status = program.wait()
    return status if status >= 0 else 128 - status


def _version() -> str:
    from engine.runs import code_version

    return code_version()


if __name__ == "__main__":
    sys.exit(launch(sys.argv[1:]))
