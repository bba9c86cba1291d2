"""What the page is made of: tables of studies, and files besides code. Read by the Snakefile, so without pandas."""

from pathlib import Path

NEEDED = ("runs", "summary", "comparisons", "ranks", "ledger", "claims")
OPTIONAL = ("cost", "rank_agreement")
"""Tables of a study that the page reads, `<table>.csv`."""

FOLDER = Path(__file__).parent
TEMPLATE, STYLE, SCRIPT = "page.html.jinja", "page.css", "page.js"
ASSETS = tuple(FOLDER / name for name in (TEMPLATE, STYLE, SCRIPT))
