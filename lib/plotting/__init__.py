"""Figures: one module per family, one style."""
