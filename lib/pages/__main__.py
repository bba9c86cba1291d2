"""Bring the pages of `docs/` up to date."""

from lib.files import write_text
from lib.pages import datasets, losses, measures, training
from lib.pages.markdown import filled

PAGES = (datasets, losses, measures, training)

if __name__ == "__main__":
    for made in PAGES:
        write_text(made.PAGE, filled(made.PAGE, made.parts()))
