"""Every rule against a slow reading of the contract, on random worlds in which several rules hit one claim."""

from __future__ import annotations

import pytest

from engine import pipeline
from engine.pipeline import main_job as steps
from engine.run import RunOptions
from engine.settings import Settings
from tests.property import rules_worlds

WORLDS = 200


def found_by_the_engine(spark, folder, worlds):
    (folder / "in").mkdir()
    rules_worlds.write(folder / "in", worlds)
    settings = Settings.model_validate(
        {
            "input": {
                "root": str(folder / "in"),
                "tables": {"products": {"path": "products.csv", "complete": True}},
            },
            "output": {"root": str(folder / "out")},
            "as_of": rules_worlds.AS_OF,
            "link": {"learn_weights": False, "offset_pairs": 1_000_000},
        }
    )
    with steps.way(spark, settings, RunOptions(run_id="r"), print) as (run, work):
        prepared = steps.prepare_tables(run, work, steps.read_tables(run))
        judged = steps.describe(run, work, prepared, steps.link_claims(run, work, prepared))
        screened = steps.screen(run, work, prepared, judged)
        flagged, off = steps.apply_rules(run, work, prepared, judged, screened)
        rows = [row.asDict(recursive=True) for row in steps.assemble_findings(run, flagged, prepared, judged, None).collect()]
        run.abandon()
    return rows, off


def test_dump(spark, seed, tmp_path):
    import pickle, time
    worlds = [rules_worlds.World(number, seed) for number in range(WORLDS)]
    t = time.time()
    rows, off = found_by_the_engine(spark, tmp_path, worlds)
    print(time.time() - t, len(rows))
    pickle.dump((rows, off), open("/tmp/d18.pickle", "wb"))
