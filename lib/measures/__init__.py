"""What a prediction is worth: measures of cases and of runs, each an entry of `catalogue.py`."""
