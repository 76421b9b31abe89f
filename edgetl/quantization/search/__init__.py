"""Trying candidates against fp32 and choosing the fastest that keeps its accuracy."""
