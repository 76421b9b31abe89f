"""The options of a search for the fastest candidate, which `edgetl quantize` and `edgetl run` share."""

from __future__ import annotations

from edgetl.cli.sections import option, options

SEARCH = "Search"

search_options = options(
    (
        option(SEARCH, "--max-drop", help="Largest allowed loss of top-1, as 0.5%. [default: the target's budget]"),
        option(
            SEARCH,
            "--accept-unproven",
            is_flag=True,
            help="Also choose what too few images neither prove nor refute.",
        ),
    )
)
