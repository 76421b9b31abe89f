"""Every number that edgetl claims, as scripts that anyone can run: ``make bench``, or one with ``python -m``."""
