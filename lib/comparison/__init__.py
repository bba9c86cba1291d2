"""Results side by side: losses with each other, recomputed numbers with published ones."""
