"""`python -m edgetl`."""

from edgetl.cli import main

main(prog_name="edgetl")
