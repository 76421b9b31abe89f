"""The command line: it parses, calls one stage and renders. One small file a command.

Nothing but click is imported here: `edgetl --help` loads neither numpy nor torch nor an engine.
"""

from __future__ import annotations

import click

from edgetl.cli import version
from edgetl.cli.bench import bench
from edgetl.cli.bundle import bundle
from edgetl.cli.check import check
from edgetl.cli.completion import completion
from edgetl.cli.docs import docs
from edgetl.cli.doctor import doctor
from edgetl.cli.env import env
from edgetl.cli.export import export
from edgetl.cli.finetune import finetune
from edgetl.cli.group import Edgetl
from edgetl.cli.history import history
from edgetl.cli.init import init
from edgetl.cli.models import models
from edgetl.cli.quantize import quantize
from edgetl.cli.rank import rank
from edgetl.cli.report import report
from edgetl.cli.run import run
from edgetl.cli.ship import ship
from edgetl.cli.targets import targets
from edgetl.cli.verify import verify


@click.group(
    cls=Edgetl,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  edgetl run                            the whole job on the embedded demo images
  edgetl run --data photos/             the same on your own images
  edgetl finetune && edgetl export      stage by stage; each takes the last run
""",
)
@version.option
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def main(debug: bool) -> None:
    """Transfer learning for the edge: from a folder of photos to a verified model on the device."""
    del debug  # read by the group, which turns errors into sentences


_COMMANDS = (
    *(run, finetune, export, quantize, bench, check, report, bundle, verify, ship),
    *(history, rank, targets, models, doctor, env, init, docs, completion),
)
for _command in _COMMANDS:
    main.add_command(_command)
