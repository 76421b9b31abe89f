"""Calibration: which images ranges come from, and what is kept of millions of values to find them."""
