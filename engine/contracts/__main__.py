"""`python -m engine.contracts` writes the page of input tables to standard output."""

from __future__ import annotations

import sys

from engine.contracts.page import input_page

sys.stdout.write(input_page())
