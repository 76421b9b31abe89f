"""Images worth a look: those whose answer changed, and the most confident mistakes."""

from __future__ import annotations

from collections.abc import Mapping

from edgetl.gather.photos import FLIPS, MISTAKES
from edgetl.gather.values import Gathered, Photo
from edgetl.reporting.view.blocks import Absent, Block, Gallery, Notes, Picture, Section
from edgetl.reporting.view.figures import several

TITLE = "Images worth a look"
READING = (
    "Where baseline and candidate disagree, an image is usually a borderline case; a surprising one is worth a look. A "
    "confident mistake is often a wrong label."
)
UNKNOWN = Photo(None, "It was not looked for.")


def section(run: Gathered) -> Section | Absent:
    """Return the galleries of flips and of mistakes."""
    blocks = [*_flips(run), *_mistakes(run)]
    if not blocks:
        return Absent(TITLE, "Run `edgetl check`: it names the images whose answer changes.")
    return Section("images", TITLE, READING, tuple(blocks))


def _flips(run: Gathered) -> tuple[Block, ...]:
    if run.check is None:
        return ()
    flips = run.check.accuracy.flips
    if not flips:
        return (Notes((f"The candidate answers as the baseline on all {run.check.accuracy.images} images.",)),)
    pictures = tuple(
        _picture(
            run.photos, each.path, ("shows", each.label), ("baseline", each.baseline), ("candidate", each.candidate)
        )
        for each in flips[:FLIPS]
    )
    caption = f"{several(len(flips), 'image')} of {run.check.accuracy.images} whose answer the candidate changed"
    return (Gallery(caption, pictures, len(flips) - len(pictures)),)


def _mistakes(run: Gathered) -> tuple[Block, ...]:
    if run.evaluation is None or not run.evaluation.mistakes:
        return ()
    mistakes = run.evaluation.mistakes
    pictures = tuple(
        _picture(
            run.photos, each.path, ("shows", each.label), ("said", f"{each.predicted}, {100 * each.probability:.1f} %")
        )
        for each in mistakes[:MISTAKES]
    )
    caption = f"The most confident mistakes of the trained network ({run.evaluation.split} images)"
    return (Gallery(caption, pictures, len(mistakes) - len(pictures)),)


def _picture(photos: Mapping[str, Photo], path: str, *said: tuple[str, str]) -> Picture:
    photo = photos.get(path, UNKNOWN)
    return Picture(path, said, photo.jpeg, photo.missing)
