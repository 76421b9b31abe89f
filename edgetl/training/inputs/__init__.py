"""What a thawed network is fed with: where the backbone is cut, and augmented pictures or kept activations."""
