"""Prediction of images by trained networks, without the project's configuration and data."""
