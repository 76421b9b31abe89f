"""The gate: a candidate against a baseline, both run here and now, and a verdict within a target's budgets.

::

    ground (two sides, a target) ─┐
    images (judged on) ───────────┴▶ evidence (launches, accuracy) ── limits ──▶ findings ── verdict ──▶ CheckResult

A file each. Nothing but `evidence` runs anything.
"""
