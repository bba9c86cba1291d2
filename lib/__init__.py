"""The package that rules and scripts share; usable without the workflow."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The folder of the workflow."""
