"""Benchmarks: each module compares with a slow reference in one run, and `main()` returns the figures."""
