"""Load test of a running server: `python -m benchmarks.load`."""
