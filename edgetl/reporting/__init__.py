"""Renderers: each turns the same artifacts into something a person looks at."""
