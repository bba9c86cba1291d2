"""Made-up cases for the demo scale and for tests."""
