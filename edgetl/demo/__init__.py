"""The embedded default: a procedural image set and a backbone that need no download."""
