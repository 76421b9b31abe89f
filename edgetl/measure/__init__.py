"""Measuring candidates: workers, interleaving, statistics and accuracy."""
