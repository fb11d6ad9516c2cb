"""`python -m tests.spec` writes the page of rules to standard output."""

from __future__ import annotations

import sys

from tests.spec.page import page

sys.stdout.write(page())
