"""A place on a device where one version of a model is the current one, and how another takes its place."""
