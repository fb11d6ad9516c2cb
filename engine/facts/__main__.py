"""`python -m engine.facts` writes the page of features to standard output."""

from __future__ import annotations

import sys

from engine.facts.page import features_page

sys.stdout.write(features_page())
