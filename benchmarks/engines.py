"""The engine on both of its engines next to a DuckDB and a pandas script that do equal work, on the same claims.

    .venv/bin/python -m pip install --require-hashes -r benchmarks/requirements.txt
    .venv/bin/python benchmarks/engines.py --dispenses 50000 1000000
    .venv/bin/python benchmarks/engines.py --redraw FOLDER/engines.json --chart docs/img/engines.svg

Generates claims, trains a model once (not measured), runs each contestant in a process of its own, one after the
other, checks that all came to the same links, rules, features and scored rows, and prints what differs and what each
took. Exit status: 0 all equal, 1 results differ or a contestant failed, 2 a package is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT / "benchmarks"), str(PROJECT)]

from measuring import Measured, measure  # noqa: E402

# The detector that the peers, which know no surprises, can fit too.
FOREST_OF_Z = "model.claims.detector=isolation_forest_z"
AS_OF = "2026-09-30"
STAGES = ("start", "read", "prepare", "link", "facts", "rules", "score", "write")
ENGINES, PEERS = ("embedded", "spark"), ("duckdb", "pandas")
NAMES = {
    "embedded": "this engine, embedded",
    "spark": "this engine, Spark local",
    "duckdb": "DuckDB + scikit-learn",
    "pandas": "pandas + scikit-learn",
}
# Stages of a peer, and the steps of a run that do its work.
_STEPS = {"rules": ("screen", "rules"), "write": ("findings", "exports")}
_MOST_ROWS_SHOWN = 20


@dataclass(frozen=True)
class Outcome:
    """What one contestant took at one size: the run with the fewest seconds of several."""

    contestant: str
    dispenses: int
    seconds: float
    cpu_seconds: float
    peak_mib: float
    load: float
    stages: dict[str, float]


def stage_seconds(inner: dict[str, float], whole: float) -> dict[str, float]:
    """Seconds by STAGES; `start` is what no stage accounts for: the interpreter, imports and the session.

    Args:
        inner: Seconds by step, as the contestant reports them.
        whole: Seconds of the whole command.
    """
    stages = {name: sum(inner.get(step, 0.0) for step in _STEPS.get(name, (name,))) for name in STAGES[1:]}
    if "write" in inner:
        stages |= {"rules": inner["rules"], "write": inner["write"]}
    return {"start": max(whole - sum(stages.values()), 0.0), **stages}


def table(outcomes: list[Outcome]) -> str:
    """A Markdown table: seconds per stage, whole command, processor time, memory, ratios to the DuckDB script."""
    head = ["dispenses", "contestant", *STAGES, "whole, s", "CPU, s", "peak MiB", "s / DuckDB", "CPU / DuckDB"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    yardstick = {one.dispenses: one for one in outcomes if one.contestant == "duckdb"}
    for one in outcomes:
        cells = [f"{one.dispenses:,}", NAMES[one.contestant], *(f"{one.stages[stage]:.1f}" for stage in STAGES)]
        cells += [f"{one.seconds:.1f}", f"{one.cpu_seconds:.1f}", f"{one.peak_mib:,.0f}"]
        peer = yardstick.get(one.dispenses)
        if peer is None:
            cells += ["", ""]
        else:
            cells += [f"{one.seconds / peer.seconds:.1f}", f"{one.cpu_seconds / peer.cpu_seconds:.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def busy_note(outcomes: list[Outcome], cores: int) -> str | None:
    """A warning if other programs took the cores: then seconds say little, processor time and equality do."""
    load = max(one.load for one in outcomes)
    return f"machine busy: load average up to {load:.0f} on {cores} cores" if load > cores + 1 else None


def draw(results: dict[str, Any], chart: Path) -> None:
    """One panel per size: a bar per contestant, in seconds per stage, with its memory and processor time."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "engines", "svg.fonttype": "none", "font.size": 9})
    from matplotlib.figure import Figure

    outcomes = [Outcome(**one) for one in results["outcomes"]]
    sizes = sorted({one.dispenses for one in outcomes})
    colors = ("#bbbbbb", "#88ccee", "#332288", "#117733", "#999933", "#cc6677", "#882255", "#ddcc77")
    figure = Figure(figsize=(9, 1.1 + 1.7 * len(sizes)), layout="constrained")
    panels = figure.subplots(len(sizes), 1, squeeze=False)[:, 0]
    for panel, size in zip(panels, sizes, strict=True):
        own = [one for one in outcomes if one.dispenses == size]
        longest = max(one.seconds for one in own)
        for place, one in enumerate(own):
            left = 0.0
            for stage, color in zip(STAGES, colors, strict=True):
                label = stage if place == 0 and panel is panels[0] else None
                panel.barh(place, one.stages[stage], left=left, color=color, label=label)
                left += one.stages[stage]
            text = f"{one.seconds:,.0f} s; {one.cpu_seconds:,.0f} CPU s; {one.peak_mib / 1024:.1f} GiB"
            panel.text(left + 0.01 * longest, place, text, va="center")
        panel.set_yticks(range(len(own)), [NAMES[one.contestant] for one in own])
        panel.invert_yaxis()
        panel.set_xlim(0, 1.35 * longest)
        panel.set_title(f"{size:,} dispenses", loc="left")
        panel.spines[["top", "right"]].set_visible(False)
    busy = busy_note(outcomes, results["cores"])
    panels[-1].set_xlabel("seconds of the whole command, by stage" + (f" ({busy})" if busy else ""))
    figure.legend(loc="outside lower center", ncols=len(STAGES), frameon=False)
    chart.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(chart, metadata={"Date": None} if chart.suffix == ".svg" else None)


class Benchmark:
    """Claims, models and runs below one folder."""

    def __init__(self, folder: Path, seed: int, model_store: str | None):
        self._folder = folder
        self._seed = seed
        self._store = model_store or f"sqlite:///{folder}/mlflow.db"
        self._is_trained = model_store is not None
        self._environment = {**os.environ, "ENGINE_LOGS": str(folder / "logs")}

    def claims(self, dispenses: int) -> Path:
        """The folder of so many generated dispenses."""
        claims = self._folder / f"claims-{dispenses}-{self._seed}"
        if not claims.exists():
            partial = claims.with_name(f"{claims.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            words = ["--claims", str(dispenses), "--seed", str(self._seed), "--output", str(partial)]
            self._job("synthesize", *words, "--engine", "embedded")
            partial.rename(claims)
        return claims

    def train(self, claims: Path) -> None:
        """Register a model, unless the store is one that the caller named or an earlier call trained one."""
        if not self._is_trained and not (self._folder / "mlflow.db").exists():
            self._job("train", *self._words(claims, self._folder / "training"), "--engine", "embedded")
        self._is_trained = True

    def run(self, contestant: str, claims: Path, dispenses: int) -> tuple[Measured, dict[str, float]]:
        """Run a contestant; returns what it took and its own seconds per step. Results stay in `target`."""
        target = self.target(contestant, dispenses)
        shutil.rmtree(target, ignore_errors=True)
        if contestant in PEERS:
            script = PROJECT / "benchmarks" / "peers" / f"{contestant}_claims.py"
            measured = self._measure([sys.executable, str(script), str(claims), str(target), "--as-of", AS_OF])
            return measured, json.loads((target / "seconds.json").read_text())
        from engine_results import keep_results

        words = [*self._words(claims, target), "--run-id", "run", "--engine", contestant]
        kept, work = target / "kept", target / ".run.work"
        measured = self._measure(["./spark-submit.sh", "detect", *words], lambda: keep_results(work, kept))
        return measured, json.loads((target / "run" / "summary.json").read_text())["seconds"]

    def target(self, contestant: str, dispenses: int) -> Path:
        """The folder of a contestant's results."""
        return self._folder / "results" / f"{contestant}-{dispenses}"

    def differences(self, contestants: list[str], claims: Path, dispenses: int) -> int:
        """Compare all contestants with the first of the engine's runs, or with the first peer; print what differs.

        Returns how many rows differ.
        """
        from agreement import Results, compare, counts
        from engine_results import results_of, scores_by_registered_model

        from jobs.common import settings_of

        results: dict[str, Results] = {}
        settings = model = None
        for contestant in contestants:
            target = self.target(contestant, dispenses)
            if contestant in PEERS:
                results[contestant] = Results.read(target)
                continue
            overrides = [f"mlflow.tracking_uri={self._store}"]
            settings = settings_of("conf/local.yaml", str(claims), str(target), None, overrides, contestant)
            results[contestant] = results_of(target / "run", target / "kept", settings)
            summary = json.loads((target / "run" / "summary.json").read_text())
            model = summary["models"].get("rebate_claims", {}).get("version")
        first, *others = sorted(contestants, key=(*ENGINES, *PEERS).index)
        print(f"\n{dispenses:,} dispenses, results of {NAMES[first]}: {counts(results[first])}")
        pairs = [(first, other) for other in others]
        if set(PEERS) <= set(contestants) and first in ENGINES:
            pairs.append(PEERS)
        different = 0
        for one, other in pairs:
            same_forest = (one in ENGINES) == (other in ENGINES)
            found: Literal["values", "none"]
            if same_forest:
                what, mine, found = "scores", results[other], "values"
            elif model is None:
                what, mine, found = "no scores: too few rows for a model", results[other], "none"
            else:
                # each fitted a forest of its own: the engine's, applied to the peer's features, gives equal scores
                assert settings is not None
                scores = scores_by_registered_model(results[other].features, settings, model)
                what, mine, found = "scores of the registered model", replace(results[other], scores=scores), "values"
            differences = compare(results[one], mine, (one, other), found)
            is_equal = "DIFFERENT" if differences else "equal"
            print(f"{one} and {other}: {is_equal} (links, rules, features, {what})")
            for difference in differences:
                print(f"  {difference.what}: {difference.count:,} rows differ")
                print("    " + difference.rows.head(_MOST_ROWS_SHOWN).to_string().replace("\n", "\n    "))
                different += difference.count
        return different

    def _words(self, claims: Path, output: Path) -> list[str]:
        store = f"mlflow.tracking_uri={self._store}"
        return ["--input", str(claims), "--output", str(output), "--as-of", AS_OF, "--set", store, "--set", FOREST_OF_Z]

    def _job(self, *words: str) -> None:
        print(f"{words[0]} ...", flush=True)
        self._measure(["./spark-submit.sh", *words])

    def _measure(self, command: list[str], meanwhile: Any = lambda: None) -> Measured:
        measured = measure(command, PROJECT, self._environment, meanwhile)
        if measured.status:
            sys.exit(f"{' '.join(command)} ended with {measured.status}\n{measured.output}")
        return measured


def fewest_seconds(runs: list[Outcome]) -> Outcome:
    """The run to report of several of one contestant and size."""
    return min(runs, key=lambda one: one.seconds)


def missing_packages(contestants: list[str]) -> list[str]:
    """Packages that the contestants need and the environment of the tests does not have."""
    needed = {"duckdb": ["duckdb", "xxhash"], "pandas": ["xxhash"]}
    wanted = dict.fromkeys(name for one in contestants for name in needed.get(one, []))
    return [name for name in wanted if find_spec(name) is None]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dispenses", type=int, nargs="+", default=[50_000])
    parser.add_argument("--contestants", nargs="+", choices=(*ENGINES, *PEERS), default=[*ENGINES, *PEERS])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1, help="runs of each contestant, taking turns; the best counts")
    parser.add_argument("--folder", type=Path, default=PROJECT / "output" / "engines", help="claims, models, results")
    parser.add_argument("--model-store", help="an MLflow tracking URI with registered models; default: train one")
    parser.add_argument("--chart", type=Path, help="draw the results there (.svg or .png)")
    parser.add_argument("--redraw", type=Path, metavar="JSON", help="run nothing: table and chart of earlier results")
    options = parser.parse_args(arguments)
    if options.redraw is not None:
        results = json.loads(options.redraw.read_text())
        outcomes = [Outcome(**one) for one in results["outcomes"]]
        print(table(outcomes))
        print(busy_note(outcomes, results["cores"]) or "")
        if options.chart is not None:
            draw(results, options.chart)
        return 0
    if missing := missing_packages(options.contestants):
        print(
            f"Packages of the benchmarks are missing: {', '.join(missing)}\n"
            "  do: .venv/bin/python -m pip install --require-hashes -r benchmarks/requirements.txt",
            file=sys.stderr,
        )
        return 2
    return compete(options)


def compete(options: argparse.Namespace) -> int:
    """Run all contestants at all sizes; print, write `engines.json` and draw what came of it."""
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    benchmark = Benchmark(folder, options.seed, options.model_store)
    outcomes: list[Outcome] = []
    different = 0
    for dispenses in options.dispenses:
        claims = benchmark.claims(dispenses)
        if set(ENGINES) & set(options.contestants):
            benchmark.train(claims)
        runs: dict[str, list[Outcome]] = {contestant: [] for contestant in options.contestants}
        for _ in range(options.repeats):
            for contestant in options.contestants:
                measured, inner = benchmark.run(contestant, claims, dispenses)
                stages = stage_seconds(inner, measured.seconds)
                took = (measured.seconds, measured.cpu_seconds, measured.peak_mib, measured.load)
                runs[contestant].append(Outcome(contestant, dispenses, *took, stages))
                print(f"{NAMES[contestant]}, {dispenses:,}: {took[0]:.1f} s, {took[1]:.1f} CPU s", flush=True)
        outcomes += [fewest_seconds(of_contestant) for of_contestant in runs.values()]
        if len(options.contestants) > 1:
            different += benchmark.differences(options.contestants, claims, dispenses)
        results = {**_circumstances(), "seed": options.seed, "outcomes": [asdict(one) for one in outcomes]}
        (folder / "engines.json").write_text(json.dumps(results, indent=1))
    print(f"\n{table(outcomes)}\n\nresults: {folder / 'engines.json'}")
    if note := busy_note(outcomes, results["cores"]):
        print(f"{note}: read processor time, not seconds")
    if options.chart is not None:
        draw(results, options.chart)
    return 1 if different else 0


def _circumstances() -> dict[str, Any]:
    """Code, machine and versions that the figures hold for."""
    from importlib.metadata import version

    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=PROJECT, capture_output=True, text=True)
    packages = [
        name for name in ("pysail", "pyspark", "duckdb", "pandas", "scikit-learn", "numpy") if find_spec_of(name)
    ]
    return {
        "commit": head.stdout.strip(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "versions": {name: version(name) for name in packages},
    }


def find_spec_of(package: str) -> bool:
    """Whether a distribution's module can be imported."""
    return find_spec({"scikit-learn": "sklearn"}.get(package, package)) is not None


if __name__ == "__main__":
    sys.exit(main())
