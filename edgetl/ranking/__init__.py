"""Choosing a backbone: accuracy of a probe on each, by cross-validation, against its latency on a target.

::

    lineup ──▶ contestants, cheapest first ──▶ stage ──▶ RankResult
                                                └ pareto: who is on the front, who is recommended
"""

from edgetl.ranking.stage import rank
from edgetl.ranking.values import RankResult, RankRow, RankSettings

__all__ = ["RankResult", "RankRow", "RankSettings", "rank"]
