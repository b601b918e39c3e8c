"""Lets the tests of this folder import `till`, and rating's `market`: what is cleared was rated."""

import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "rating")]
