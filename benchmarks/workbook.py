"""Seconds, processor time and memory of writing the analysts' workbook of many findings.

    .venv/bin/python benchmarks/workbook.py RUN 200000 [--folder DIR] [--profile FILE]

RUN is the folder of a finished run. Its findings, with their claims, names and standing, are repeated under ids of
their own until there are enough, and written as Parquet. A process of its own then starts the embedded engine, reads
them once, and writes review/ as `detect` does: workbook and CSV. Memory is what that process grows by meanwhile, the
engine included: the peak of its resident size less the size before. Prints a table in Markdown, and a hash of every
sheet to compare two versions by.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))


def repeat(run: Path, wanted: int, folder: Path) -> None:
    """Write findings, details and queue of a run into `folder`, repeated until there are `wanted` findings."""
    from pyspark.sql import functions as F

    from engine.runtime.embedded import embedded_session
    from engine.runtime.parquet import write_parquet
    from engine.runtime.storage import storage_of

    spark = embedded_session()
    ids = sorted(row["finding_id"] for row in spark.read.parquet(str(run / "findings")).select("finding_id").collect())
    # whole copies, and of the last one as many findings as are missing
    whole, rest = divmod(wanted, len(ids))
    copies = [(one, copy) for copy in range(whole) for one in ids] + [(one, whole) for one in ids[:rest]]
    copied = spark.createDataFrame(copies, "finding_id string, copy int")
    for name in ("findings", "details", "queue"):
        rows = spark.read.parquet(str(run / name)).join(copied, on="finding_id", how="inner")
        own = F.md5(F.concat_ws("/", "finding_id", F.col("copy").cast("string")).cast("binary"))
        write_parquet(rows.withColumn("finding_id", own).drop("copy"), storage_of(spark), str(folder / name))


def write(run: Path, repeated: Path, target: Path, profile: str | None) -> None:
    """Write the review files of the repeated findings and print what that took."""
    from engine import exports
    from engine.contracts.cases import QUEUE
    from engine.contracts.findings import DISPUTE_LINES, FINDINGS
    from engine.pipeline.drafting import tie_out_of
    from engine.runtime.embedded import embedded_session
    from engine.runtime.parquet import read_parquet
    from engine.runtime.storage import storage_of
    from engine.settings import ReviewSettings

    spark = embedded_session()
    storage = storage_of(spark)
    found = read_parquet(spark, str(repeated / "findings"), FINDINGS)
    details = read_parquet(spark, str(repeated / "details"), exports.DETAILS)
    queue = read_parquet(spark, str(repeated / "queue"), QUEUE)
    lines = read_parquet(spark, str(run / "dispute_lines"), DISPUTE_LINES)
    facts = exports.read_facts(storage, str(run)).run
    totals = exports.add_up(found, facts.as_of)
    tables = exports.ReviewTables(tie_out=tie_out_of(spark, storage, str(run)), queue=queue)
    for frame in (details, queue):
        frame.count()
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    used, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    recorder = cProfile.Profile() if profile else None
    if recorder:
        recorder.enable()
    exports.write_workbooks(
        found, lines, totals, facts, storage, str(target), ReviewSettings(), tables, details=details
    )
    if recorder:
        recorder.disable()
        recorder.dump_stats(str(profile))
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    size = sum(path.stat().st_size for path in target.iterdir()) / 2**20
    print("| findings | seconds | CPU seconds | memory added, MiB | memory before, MiB | files, MiB |")
    print("|---" * 6 + "|")
    peak = _resident("VmHWM")
    print(
        f"| {totals.findings:,} | {seconds:.1f} | {cpu:.1f} | {peak - before:,.0f} | {before:,.0f} | {size:,.0f} |",
        flush=True,
    )
    # the engine's threads are not waited for
    os._exit(0)


def _resident(name: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def cells(target: Path) -> None:
    """Print a hash of each file: of a CSV file its bytes, of a workbook what each sheet holds."""
    for path in sorted(target.iterdir()):
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as book:
                for name in sorted(name for name in book.namelist() if "/sheet" in name and name.endswith(".xml")):
                    print(f"{path.name} {name} {_hash(book.open(name))}")
        else:
            with path.open("rb") as file:
                print(f"{path.name} {_hash(file)}")


def _hash(file) -> str:  # type: ignore[no-untyped-def]
    digest = hashlib.sha256()
    while part := file.read(1 << 20):
        digest.update(part)
    return digest.hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("findings", type=int)
    parser.add_argument("--folder", type=Path, default=Path("output/benchmark/workbook"))
    parser.add_argument("--profile", help="write cProfile's figures of the writing to this file")
    parser.add_argument("--part", choices=("repeat", "write"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    repeated, target = options.folder / f"findings-{options.findings}", options.folder / "review"
    if options.part == "repeat":
        return repeat(options.run, options.findings, repeated)
    if options.part == "write":
        return write(options.run, repeated, target, options.profile)
    if not repeated.exists():
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--part", "repeat"], check=True)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    subprocess.run([sys.executable, __file__, *sys.argv[1:], "--part", "write"], check=True)
    cells(target)
    return None


if __name__ == "__main__":
    main()
