"""`python -m engine.exports FOLDER` writes the SQL for the tables that a run fills, such as conf/sqlserver."""

from __future__ import annotations

import sys
from pathlib import Path

from engine.exports.output_tables import KEYS, RUNS, ddl

for table in (*KEYS, RUNS):
    Path(sys.argv[1], f"{table}.sql").write_text(ddl(table), encoding="utf-8")
