"""Clocks, workloads, and the plain published arithmetic to compare with."""
