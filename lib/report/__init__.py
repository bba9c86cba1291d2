"""The page of the whole comparison, `results/report.html`."""
