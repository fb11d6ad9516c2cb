"""What Spark logs to spark.log: where something failed, never a record of the data and no credential."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
LOGS = """
from pyspark.java_gateway import launch_gateway
gateway = launch_gateway()
java = gateway.jvm
log = java.org.apache.logging.log4j.LogManager.getLogger("org.apache.spark.executor.Executor")
inner = java.java.lang.RuntimeException("Malformed CSV record: R1,7033146\\nnext 7033146\\n\\tat odd 7033146 line")
outer = java.org.apache.spark.SparkException("[MALFORMED] record: R1,7033146\\nmore 7033146", inner)
log.error("Exception in task 0.0", outer)
log.warn("Lost task 0.0 (h executor driver): org.apache.spark.SparkException: 7033146\\n\\tat a.B(C.java)\\n7033146")
log.warn("words stay; http://u:p/w7033146@h and fs.azure.account.key.x=7033146 end")
header = java.org.apache.logging.log4j.LogManager.getLogger("org.apache.spark.sql.catalyst.csv.CSVHeaderChecker")
header.warn("CSV header does not conform to the schema. Header: 7033146")
gateway.shutdown()
"""


def test_messages_of_exceptions_and_credentials_are_not_logged(tmp_path: Path) -> None:
    config = PROJECT / "conf" / "log4j2.properties"
    options = f"-Dlog4j2.configurationFile=file:{config} -Dengine.logs={tmp_path}"
    subprocess.run(
        [sys.executable, "-c", LOGS],
        env={
            **os.environ,
            "PYSPARK_SUBMIT_ARGS": f"--driver-memory 512m --driver-java-options '{options}' pyspark-shell",
        },
        check=True,
        timeout=120,
        capture_output=True,
    )
    log = tmp_path / "spark.log"
    text = log.read_text()
    assert "7033146" not in text
    for expected in (
        "Exception in task 0.0\norg.apache.spark.SparkException\n\tat ",
        "Caused by: java.lang.RuntimeException\n",
        "Lost task 0.0 (h executor driver): org.apache.spark.SparkException (message not logged)",
        "words stay; http://***@h",
    ):
        assert expected in text
    assert log.stat().st_mode & 0o007 == 0
