"""What a person looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgetl.api.given import Place, path, run_folder, watched

if TYPE_CHECKING:
    from edgetl.delivery import ReportResult
    from edgetl.progress import Progress


def report(
    *runs: Place, out: Place | None = None, markdown: Place | None = None, progress: Progress | None = None
) -> ReportResult:
    """Return where the report of ``runs`` (the last one for none) was written: one HTML file, several side by side.

    ``out`` is by default report.html in the first run's folder; ``markdown`` names a file for the same as Markdown.
    Raises RunError for a run without a result, UsageError where a file cannot be written.
    """
    from edgetl.gather import gather
    from edgetl.reporting import written

    folders = [run_folder(each) for each in runs or (None,)]
    files = written.Files(path(out) or folders[0] / written.NAME, path(markdown))
    written.require(files)
    with watched(progress) as watching:
        found = [gather(folder, watching) for folder in dict.fromkeys(folders)]
    return written.write(found, files)
