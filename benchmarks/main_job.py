"""Seconds per step and peak memory of the main job on generated claims, beside the plain PySpark yardstick.

    .venv/bin/python benchmarks/main_job.py 100000 2000000 5000000 [--folder DIR] [--no-yardstick]

Models are trained once, on the first size: training is no part of the figures. Peak memory is the largest sum of
resident sizes of the job's processes (JVM, Python workers, driver), read from /proc twice a second. Prints a table in
Markdown.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

from engine.contracts.codes import Step

PROJECT = Path(__file__).resolve().parent.parent
STEPS = tuple(Step)


def resident_mib(root: int) -> float:
    """Resident size of a process and all its descendants."""
    parents, sizes = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
                sizes[int(entry.name)] = int(fields[21]) * 4096
            except (OSError, IndexError):
                continue
    total = 0
    for pid in sizes:
        ancestor = pid
        while ancestor not in (0, 1, root):
            ancestor = parents.get(ancestor, 0)
        total += sizes[pid] if ancestor == root else 0
    return total / 2**20


def run(command: list[str]) -> tuple[float, float, str]:
    """Seconds, peak MiB and standard output of a command."""
    started, peak, done = time.perf_counter(), 0.0, threading.Event()
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.5):
            peak = max(peak, resident_mib(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    done.set()
    watcher.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}\n{output}")
    return time.perf_counter() - started, peak, output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("claims", type=int, nargs="+")
    parser.add_argument("--folder", default="output/benchmark")
    parser.add_argument("--no-yardstick", action="store_true")
    options = parser.parse_args()
    print("| dispenses | " + " | ".join(STEPS) + " | read to findings | whole command | peak MiB | plain PySpark |")
    print("|---" * (len(STEPS) + 5) + "|")
    for claims in options.claims:
        source = f"{options.folder}/claims-{claims}"
        if not (PROJECT / source).exists():
            run(["./spark-submit.sh", "synthesize", "--claims", str(claims), "--seed", "1", "--output", source])
        output = f"{options.folder}/runs"
        common = ["--input", source, "--output", output, "--as-of", "2026-09-30"]
        if claims == options.claims[0]:
            run(["./spark-submit.sh", "train", *common])
        seconds, peak, _ = run(["./spark-submit.sh", "detect", *common, "--run-id", f"run-{claims}", "--overwrite"])
        steps = json.loads((PROJECT / output / f"run-{claims}" / "summary.json").read_text())["seconds"]
        inner = sum(steps[step] for step in STEPS[:-1])
        yardstick = "not run"
        if not options.no_yardstick:
            plain, plain_peak, _ = run([sys.executable, "benchmarks/plain_pyspark.py", source])
            yardstick = f"{plain:.0f} s, {plain_peak:,.0f} MiB"
        cells = [f"{claims:,}", *(f"{steps[step]:.1f}" for step in STEPS)]
        print(
            "| " + " | ".join([*cells, f"{inner:.0f}", f"{seconds:.0f}", f"{peak:,.0f}", yardstick]) + " |", flush=True
        )


if __name__ == "__main__":
    main()
