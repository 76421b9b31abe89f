"""Writes what is generated in the docs: the command reference and the JSON schemas (`python -m docs.tools`)."""

from __future__ import annotations

from pathlib import Path

from docs.tools import reference, schemas

DOCS = Path(__file__).resolve().parent.parent


def generated() -> dict[Path, str]:
    """Return the text of every generated file by its path."""
    pages = {DOCS / "commands.md": reference.page()}
    return pages | {DOCS / "schemas" / f"{name}.json": text for name, text in schemas.texts().items()}


def stale() -> list[Path]:
    """Return the generated files that are not as they would be written now, and schemas of nothing any more."""
    wanted = generated()
    there = {path: path.read_text(encoding="utf-8") for path in wanted if path.is_file()}
    surplus = set((DOCS / "schemas").glob("*.json")) - set(wanted)
    return sorted({path for path, text in wanted.items() if there.get(path) != text} | surplus)


def main() -> None:
    """Write all of them, and remove schemas of what is no more."""
    wanted = generated()
    for path in stale():
        if path in wanted:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
        print(path.relative_to(DOCS.parent))


if __name__ == "__main__":
    main()
