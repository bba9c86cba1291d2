"""What a prediction is worth: lesion by lesion, and as recall against false positives."""
