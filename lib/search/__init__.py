"""Search for hyper-parameters: trials are ordinary trainings of the DAG, proposed by replay of a sampler."""
