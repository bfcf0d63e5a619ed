"""Thiqa beside stock Rasa, measured the same way: docs/benchmarks.md."""
