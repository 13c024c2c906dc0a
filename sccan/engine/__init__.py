"""Runs, training and evaluation of any task: processes, optimisers, checkpoints, feature caches."""
