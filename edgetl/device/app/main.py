"""The command line of a bundle. Exit codes: 0 done, 1 not as it should be, 2 bad input, 3 cannot run here."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgetl.device.bundle.opened import Bundle

DONE, WRONG, USAGE, UNMEASURED = 0, 1, 2, 3
SECONDS = 3.0


def main(bundle: Path, arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say with ``bundle`` and return the exit code."""
    asked = _parser(bundle.name).parse_args(arguments)
    try:
        # Everything else needs numpy and Pillow, whose absence is to be a sentence.
        from edgetl.device.bundle.archive import BundleError
        from edgetl.device.bundle.opened import Bundle
        from edgetl.device.preprocess import ImageError
        from edgetl.device.providers import ModelError, ProviderUnavailable
    except ImportError as error:
        return _failed(f"{error.name} is not installed here. Run: python3 -m pip install numpy pillow", UNMEASURED)
    try:
        with Bundle(bundle) as opened:
            code: int = asked.run(opened, asked)
            return code
    except BundleError as error:
        return _failed(f"{bundle.name} {error}.", USAGE)
    except ImageError as error:
        return _failed(f"A golden image cannot be read here: {error}.", UNMEASURED)
    except (ProviderUnavailable, ModelError) as error:
        return _failed(str(error), UNMEASURED)
    except BrokenPipeError:
        # Whoever read the lines has seen enough; the interpreter's own flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        return _failed("Interrupted.", 130)


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python {name}", description="An image classifier, ready to run.")
    commands = parser.add_subparsers(required=True, metavar="verify | predict | bench")
    verify = commands.add_parser("verify", help="check that the model does here what it did where it was made")
    verify.set_defaults(run=_verify)
    verify.add_argument("--no-timing", action="store_true", help="check answers only")
    bench = commands.add_parser("bench", help="time the model on this machine")
    bench.set_defaults(run=_bench)
    for each in (verify, bench):
        each.add_argument("--json", action="store_true", help="print one JSON object")
        each.add_argument(
            "--seconds", type=float, default=SECONDS, metavar="S", help="time for about so long [%(default)s]"
        )
    predict = commands.add_parser("predict", help="classify images, a line of JSON each")
    predict.set_defaults(run=_predict)
    predict.add_argument("--top", type=int, default=1, metavar="K", help="tell the K best classes [%(default)s]")
    predict.add_argument("images", nargs="+", metavar="IMAGE", help="a file, a folder, or - for standard input")
    return parser


def _verify(bundle: Bundle, asked: argparse.Namespace) -> int:
    from edgetl.device.app.local import Local
    from edgetl.device.app.show import verified
    from edgetl.device.bundle.verification import verify

    found = verify(bundle, Local(), seconds=None if asked.no_timing else asked.seconds)
    print(json.dumps(dataclasses.asdict(found)) if asked.json else verified(found))  # noqa: T201 - the program's output
    return DONE if found.ok else WRONG


def _bench(bundle: Bundle, asked: argparse.Namespace) -> int:
    from edgetl.device.app.bench import bench
    from edgetl.device.app.show import benched

    found = bench(bundle, asked.seconds)
    print(json.dumps(dataclasses.asdict(found)) if asked.json else benched(found))  # noqa: T201 - the program's output
    return DONE


def _predict(bundle: Bundle, asked: argparse.Namespace) -> int:
    from edgetl.device.app.inputs import images
    from edgetl.device.app.predict import line, predict

    unread = 0
    for prediction in predict(bundle, images(asked.images), max(1, asked.top)):
        unread += "error" in prediction
        print(line(prediction), flush=True)  # noqa: T201 - the program's output
    return WRONG if unread else DONE


def _failed(sentence: str, code: int) -> int:
    print(f"Error: {sentence}", file=sys.stderr)  # noqa: T201 - the program's output
    return code
