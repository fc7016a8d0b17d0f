"""What is timed or scored; `python -m benchmarks` runs all of it."""
