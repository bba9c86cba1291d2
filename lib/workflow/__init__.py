"""What serves the graph of jobs, not the science."""
