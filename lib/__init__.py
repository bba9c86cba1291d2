"""The package that all scripts share; usable without the workflow."""
