"""What a report shows, as plain data: a pure function from what was gathered to a page of sections of blocks.

::

    Gathered ─ page ─▶ Page ─ html.page ─▶ one HTML file
                            └ page_markdown ─▶ Markdown

A section is a file with one function; it returns blocks, or which command would make what it lacks.
"""
