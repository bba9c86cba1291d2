"""Pages of `docs/` that are made from the code in part: ``python -m lib.pages`` brings them up to date."""
