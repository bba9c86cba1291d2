"""The command line of every script: one ``main`` function whose parameters are the arguments."""

import argparse
import inspect
import json
import logging
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import NoneType, UnionType
from typing import get_args

from lib.errors import faults_in_one_line
from lib.workflow.products import making

log = logging.getLogger(__name__)


def run(main: Callable[..., list[Path] | None]) -> None:
    """Call ``main`` with the command line's values; end a :class:`SeglossError` in one line and status 1.

    Each parameter becomes a required option of the same name (``list[Path]`` takes several values, ``dict``
    and ``list`` take JSON); a parameter with a default becomes optional. Where ``--products`` names the outputs of a
    job of the workflow, they are recorded (``lib/workflow/products.py``), with further files that ``main`` may return.
    ``--plugins`` are imported first.
    """
    parser = argparse.ArgumentParser(
        description=sys.modules[main.__module__].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for parameter in inspect.signature(main).parameters.values():
        _add_option(parser, parameter)
    parser.add_argument("--products", type=Path, nargs="+", metavar="PATH", help="outputs of the job, to record")
    parser.add_argument(
        "--plugins",
        nargs="*",
        default=[],
        metavar="MODULE",
        help="modules that add choices (lib/registry.py)",
    )
    arguments = vars(parser.parse_args())
    products, plugins = arguments.pop("products"), arguments.pop("plugins")
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("lib").setLevel(logging.INFO)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that half-written files are removed
    start = time.monotonic()
    with faults_in_one_line():
        if plugins:
            from lib.registry import load_plugins  # slow to import

            load_plugins(plugins)
        if products:
            with making(products) as further:
                further += main(**arguments) or ()
        else:
            main(**arguments)
        log.info("done in %.1f s", time.monotonic() - start)


def _add_option(parser: argparse.ArgumentParser, parameter: inspect.Parameter) -> None:
    required = parameter.default is inspect.Parameter.empty
    options = {"required": required, "default": None if required else parameter.default}
    kind = parameter.annotation
    if isinstance(kind, UnionType):  # Path | None
        (kind,) = set(get_args(kind)) - {NoneType}
    if kind == list[Path]:
        options |= {"type": Path, "nargs": "+", "metavar": "PATH"}
    elif kind in (dict, list):
        options |= {"type": _json, "metavar": "JSON"}
    else:
        options |= {"type": kind, "metavar": kind.__name__.upper()}
    parser.add_argument(f"--{parameter.name.replace('_', '-')}", dest=parameter.name, **options)


def _json(text: str) -> dict | list:
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not valid JSON: {error}") from None
