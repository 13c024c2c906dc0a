"""Attention, alignment and filters: blocks without a task."""
