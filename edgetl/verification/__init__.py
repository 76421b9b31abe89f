"""The `verify` stage: a bundle is what it says it is, and its model does here, elsewhere or emulated what it should."""
