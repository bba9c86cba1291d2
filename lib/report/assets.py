"""What the page is made of besides code; the Snakefile reads it too, so that a change makes the page anew."""

from pathlib import Path

FOLDER = Path(__file__).parent
TEMPLATE, STYLE, SCRIPT = "page.html.jinja", "page.css", "page.js"
ASSETS = tuple(FOLDER / name for name in (TEMPLATE, STYLE, SCRIPT))
