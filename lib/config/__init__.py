"""`workflow_config.yaml` and `studies/*.yaml`: their schema, and the runs they expand to. Never imports torch."""
