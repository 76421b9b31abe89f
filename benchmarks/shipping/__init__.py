"""Bundles on a device: what the runner takes, what it costs above the engine, and what other processors compute."""
