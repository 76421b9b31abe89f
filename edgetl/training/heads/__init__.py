"""Fitting a head to cached features: the probe for a linear one, training by gradients for any other."""
