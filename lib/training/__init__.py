"""Training: patch sampling, the loop, its checkpoints."""
