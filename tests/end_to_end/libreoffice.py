"""Files opened and saved by LibreOffice without a window, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_PROGRAM = shutil.which("soffice") or shutil.which("libreoffice")
NEEDED = pytest.mark.skipif(_PROGRAM is None, reason="LibreOffice (soffice) is not installed")
# Formulas are calculated again when a file is opened: their stored results prove nothing.
_ALWAYS_CALCULATE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load">
<prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop>
<prop oor:name="ODFRecalcMode" oor:op="fuse"><value>0</value></prop>
</item>
</oor:items>
"""


def saved_by_libreoffice(path: Path, kind: str, folder: Path) -> Path:
    """The file as LibreOffice opens, calculates and saves it, as `kind` (xlsx, ods, csv, pdf) in `folder`."""
    profile = folder / "profile"
    if not profile.exists():
        (profile / "user").mkdir(parents=True)
        (profile / "user" / "registrymodifications.xcu").write_text(_ALWAYS_CALCULATE, encoding="utf-8")
    target = folder / kind
    command = [str(_PROGRAM), f"-env:UserInstallation={profile.as_uri()}", "--headless", "--norestore"]
    # CSV: comma, double quotes, UTF-8, cells as they are shown
    wanted = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true" if kind == "csv" else kind
    command += ["--convert-to", wanted, "--outdir", str(target), str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    made = target / f"{path.stem}.{kind}"
    assert made.exists(), f"LibreOffice could not open {path.name}: {ended.stdout} {ended.stderr}"
    return made
