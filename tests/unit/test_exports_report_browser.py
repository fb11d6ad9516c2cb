"""The report in a real browser without a network: its own policy lets its script run, tables sort and filter.

Skipped where no Chromium is installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.contracts.codes import Subject
from engine.exports.report import report_page
from engine.exports.totals import Group, SubjectTotals, Sum, Totals
from tests.unit.exports_rows import FACTS, finding

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

FINDINGS = [
    {"finding_id": "a", "amount_at_issue": Decimal("900.00"), "evidence": "STRONG", "payer_id": "KY"},
    {"finding_id": "b", "amount_at_issue": Decimal("1000.00"), "evidence": "MEDIUM", "payer_id": "AK"},
    {"finding_id": "c", "amount_at_issue": None, "evidence": "STRONG", "payer_id": "AK"},
]
# What a person would do; it leaves what they would see in the page.
HARNESS = """
const table = document.getElementById("first"), form = document.querySelector("form.filters");
const shown = () => [...table.tBodies[0].rows].filter((row) => !row.hidden);
const ids = () => shown().map((row) => row.querySelector(".id").textContent);
const seen = {start: ids()};
const amount = table.querySelectorAll("thead th button")[1];
amount.click(); seen.descending = ids(); seen.sorted = amount.parentElement.getAttribute("aria-sort");
amount.click(); seen.ascending = ids();
const choose = (name, value) => {
  form.elements[name].value = value;
  form.dispatchEvent(new Event("input", {bubbles: true}));
};
choose("evidence", "STRONG"); seen.strong = ids(); seen.words = form.querySelector("output").textContent;
choose("payer", "AK"); seen.both = ids();
choose("evidence", ""); choose("payer", ""); choose("text", "row NUMBER-b"); seen.text = ids();
seen.payers = [...form.elements.payer.options].map((option) => option.value);
seen.overflow = document.documentElement.scrollWidth > document.documentElement.clientWidth;
const result = document.createElement("pre"); result.id = "seen"; result.textContent = JSON.stringify(seen);
document.body.append(result);
"""


def page() -> str:
    rows = [{**finding(1), **one, "narrative": f"A line, row number-{one['finding_id']}."} for one in FINDINGS]
    part = Sum(3, 2, Decimal(90), Decimal("1900.00"))
    long = Group("KY", "KY " + "x" * 200, part, {"STRONG": part})
    claims = SubjectTotals(Subject.REBATE_CLAIM, part, {"evidence": [long], "payer": [long], "entity": [long]})
    return report_page(Totals((claims,), rows), 2, FACTS)


def opened(path: Path, *options: str) -> str:
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server"]
    blocked = "--host-resolver-rules=MAP * ~NOTFOUND"
    profile = f"--user-data-dir={path.parent / 'profile'}"
    ran = subprocess.run(
        [*command, blocked, profile, *options, path.as_uri()], capture_output=True, timeout=120, check=True
    )
    return ran.stdout.decode()


def seen(folder: Path, width: int) -> dict[str, Any]:
    # the page's policy allows no script but its own, so the harness comes with a page without one
    free, count = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page())
    assert count == 1
    path = folder / "harness.html"
    path.write_text(free.replace("</body>", f"<script>{HARNESS}</script></body>"))
    dom = opened(path, "--dump-dom", f"--window-size={width},900")
    (result,) = re.findall(r'<pre id="seen">(.*?)</pre>', dom)
    return json.loads(result)


def test_the_pages_own_script_runs_under_its_policy(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page())
    dom = opened(path, "--dump-dom")
    assert "3 of 3 shown" in dom
    assert '<button type="button" title="Sort by this column">At issue</button>' in dom


def test_no_other_script_runs_under_it(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page().replace("</body>", "<script>document.title = 'changed'</script></body>"))
    assert "<title>changed</title>" not in opened(path, "--dump-dom")


def test_findings_sort_and_filter(tmp_path: Path) -> None:
    found = seen(tmp_path, 1300)
    assert found["start"] == ["a", "b", "c"]
    # $900 and $1,000 as numbers, not as text; without a price last
    assert (found["descending"], found["ascending"], found["sorted"]) == (
        ["b", "a", "c"],
        ["c", "a", "b"],
        "descending",
    )
    assert (found["strong"], found["words"]) == (["c", "a"], "2 of 3 shown")
    assert (found["both"], found["text"]) == (["c"], ["b"])
    assert found["payers"] == ["", "AK", "KY"]


@pytest.mark.parametrize("width", [1300, 760])
def test_the_page_never_scrolls_sideways(tmp_path: Path, width: int) -> None:
    assert seen(tmp_path, width)["overflow"] is False


def test_it_prints(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page())
    opened(path, f"--print-to-pdf={tmp_path / 'report.pdf'}")
    pages = (tmp_path / "report.pdf").read_bytes().count(b"/Type /Page\n")
    assert 1 <= pages <= 6
