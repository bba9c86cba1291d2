"""Imported first by every script, so that `lib` is found from whatever working directory it is started in."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
