"""What a session is made of where no spark-submit came before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_python_of_its_own_gets_the_memory_that_the_settings_say(tmp_path: Path) -> None:
    script = (
        "from engine.runtime.session import build_session; from engine.settings import SparkSettings\n"
        "conf = {'spark.driver.memory': '700m', 'spark.ui.enabled': False}\n"
        "spark = build_session('memory', SparkSettings(master='local[1]', conf=conf))\n"
        "print(spark.sparkContext._jvm.Runtime.getRuntime().maxMemory() >> 20)\n"
    )
    # what a session of either engine leaves in the environment of the process that made it
    left = ("PYSPARK_SUBMIT_ARGS", "SPARK_CONNECT_MODE_ENABLED", "SPARK_REMOTE", "SPARK_LOCAL_REMOTE")
    unsaid = {name: value for name, value in os.environ.items() if name not in left}
    said = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=unsaid,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert 600 < int(said.stdout) <= 700
