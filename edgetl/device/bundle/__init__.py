"""A bundle: one file with a model, all that is needed to run and to check it, and the program that does so."""
