"""What is measured rather than tested: run as `python -m benchmarks.NAME`."""
