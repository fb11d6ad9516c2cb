"""Whether both engines give the same: every output table of the main job, compared in every column.

    .venv/bin/python benchmarks/engine_equality.py 10000 1 2 3              # dispenses, and seeds
    .venv/bin/python benchmarks/engine_equality.py 10000 1 --mess medium    # conf/mess/medium.yaml
    .venv/bin/python benchmarks/engine_equality.py --public DATA            # the folder of the public files
    .venv/bin/python benchmarks/engine_equality.py --claims DIR             # claims that were generated before

Each input is generated once, models are trained on it once, by the embedded engine, and the main job then runs on each
engine with the same registered models. `--generate` generates the claims on Spark too and compares them. With `--train`
each engine trains models of its own, which are to be the same. Prints a table in Markdown, and after it whatever
differs; ends with 1 if anything does. Runs are kept in output/engine-equality.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jobs.demo import COMPLETE

PROJECT = Path(__file__).resolve().parent.parent
FOLDER = PROJECT / "output" / "engine-equality"
ENGINES = ("embedded", "spark")
AS_OF, RUN_ID = "2026-09-30", "run"
HEADER = ("input", "findings", "dispute lines", "embedded, s", "spark, s", "different tables or columns")


@dataclass(frozen=True)
class Case:
    """One input, and the options of every job on it."""

    name: str
    options: tuple[str, ...]
    each_trains: bool
    made_before: Path | None = None

    @property
    def claims(self) -> Path:
        return self.made_before or self.folder / "claims"

    @property
    def folder(self) -> Path:
        return FOLDER / re.sub(r"\W+", "-", self.name)

    def job(self, name: str, engine: str, *words: object) -> float:
        """Run a job on the case's claims; returns the seconds it took."""
        output = self.folder / engine
        output.mkdir(exist_ok=True)
        store = (output if self.each_trains else self.folder) / "mlflow.db"
        words = (*self.options, "--set", f"mlflow.tracking_uri=sqlite:///{store}", *words)
        return run(name, "--engine", engine, "--input", self.claims, "--output", output, "--as-of", AS_OF, *words)


def main() -> None:
    options = parsed()
    print("| " + " | ".join(HEADER) + " |\n" + "|---" * len(HEADER) + "|", flush=True)
    found: list[str] = []
    for case in cases(options):
        found += compared(case)
    if found:
        sys.exit("\n" + "\n\n".join(found))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dispenses", type=int, nargs="?", default=0)
    parser.add_argument("seeds", type=int, nargs="*", default=[])
    parser.add_argument("--mess", choices=("low", "medium", "high"))
    parser.add_argument("--public", type=Path, metavar="DATA")
    parser.add_argument("--claims", type=Path, metavar="DIR")
    parser.add_argument("--generate", action="store_true")
    parser.add_argument("--train", action="store_true")
    return parser.parse_args()


def cases(options: argparse.Namespace) -> Iterable[Case]:
    """Every input, generated or published when its turn comes."""
    complete = tuple(word for setting in COMPLETE for word in ("--set", setting))
    config = ("--config", f"conf/mess/{options.mess}.yaml") if options.mess else ()
    for seed in options.seeds:
        kind = f", {options.mess} mess" if options.mess else ""
        name = f"{options.dispenses:,} dispenses, seed {seed}{kind}"
        case = Case(name, (*config, *complete), options.train)
        emptied(case.folder)
        generated(case, options.dispenses, seed, config, ENGINES if options.generate else ENGINES[:1])
        yield case
    if options.claims:
        case = Case(options.claims.name, (*config, *complete), options.train, options.claims.resolve())
        emptied(case.folder)
        yield case
    if options.public:
        # as the tests publish them: imported late, since it needs the packages of the tests
        sys.path.insert(0, str(PROJECT))
        from tests.end_to_end.published_files import publish

        case = Case("public data", ("--config", "conf/public-data.yaml"), options.train)
        emptied(case.folder)
        case.claims.mkdir()
        publish(options.public, case.claims)
        yield case


def emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def generated(case: Case, dispenses: int, seed: int, config: tuple[str, ...], engines: Iterable[str]) -> None:
    """Generate the claims on the first engine; on the second too, if there is one, and compare."""
    folders = []
    for engine in engines:
        folders.append(case.claims if engine == ENGINES[0] else case.folder / f"claims-{engine}")
        words = ("--output", folders[-1], "--claims", dispenses, "--seed", seed, "--engine", engine, *config)
        run("synthesize", *words)
    if len(folders) > 1 and (differences := of_comparison("--tables", *folders)):
        sys.exit(f"the generated tables differ\n{differences}")


def compared(case: Case) -> list[str]:
    """Train, run on both engines and compare; prints the case's row and returns what differs."""
    for engine in ENGINES if case.each_trains else ENGINES[:1]:
        case.job("train", engine)
    seconds = [case.job("detect", engine, "--run-id", RUN_ID) for engine in ENGINES]
    runs = [case.folder / engine / RUN_ID for engine in ENGINES]
    found = of_comparison(*runs)
    counts = json.loads((runs[0] / "summary.json").read_text())["counts"]
    different = sum(not line.startswith("  ") for line in found.splitlines() if line)
    cells = [case.name, f"{counts['findings']:,}", f"{counts['dispute_lines']:,}"]
    cells += [*(f"{one:.0f}" for one in seconds), str(different or "none")]
    print("| " + " | ".join(cells) + " |", flush=True)
    return [f"{case.name}\n{found}"] if found else []


def of_comparison(*words: object) -> str:
    """What the comparison of two folders prints; empty if they are equal."""
    command = [sys.executable, "-m", "tests.end_to_end.run_comparison", *map(str, words)]
    ended = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode not in (0, 1):
        sys.exit(f"the comparison ended with {ended.returncode}")
    return ended.stdout if ended.returncode else ""


def run(job: str, *words: object) -> float:
    """Run a job in a process of its own; returns the seconds it took."""
    started = time.perf_counter()
    command = [sys.executable, "-m", f"jobs.{job}", *map(str, words)]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(command)} ended with {ended.returncode}\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}")
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
