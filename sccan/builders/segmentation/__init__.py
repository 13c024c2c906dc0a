"""Segmentation from settings."""
