"""Reading typed TOML: a misspelt key is reported with its file, the key and the nearest right name."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from edgetl.errors import ConfigError, nearest, nearest_path

M = TypeVar("M", bound=pydantic.BaseModel)


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file's tables; raises ConfigError with file and line when it is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"There is no file {path}.{nearest_path(path)}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}.") from error


def parse(model: type[M], data: dict[str, Any], path: Path) -> M:
    """Return ``data`` as ``model``; raises ConfigError naming the file, the key and what is wrong with it."""
    try:
        return model.model_validate(data)
    except pydantic.ValidationError as error:
        found = error.errors()
        # A misspelt key is also a missing one; the misspelling is what helps.
        first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            key = str(first["loc"][-1])
            hint = nearest(key, _known_keys(model, first["loc"][:-1]))
            raise ConfigError(f"{path}: unknown key '{where}'.{hint}") from error
        raise ConfigError(f"{path}: '{where}': {first['msg']}.") from error


def _known_keys(model: type[pydantic.BaseModel], location: tuple[int | str, ...]) -> list[str]:
    current: Any = model
    for part in location:
        if isinstance(part, int):
            continue
        annotation = current.model_fields[part].annotation
        current = next(
            (arg for arg in (annotation, *getattr(annotation, "__args__", ())) if hasattr(arg, "model_fields")), None
        )
        if current is None:
            return []
    return list(current.model_fields)
