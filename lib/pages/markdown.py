"""Parts of pages made from the code, which is read without importing it, and their places in the pages."""

import ast
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from lib import ROOT
from lib.errors import SeglossError
from lib.fields import Section


def filled(page: Path, parts: Mapping[str, str]) -> str:
    """The text of a page with new ``parts`` between `<!-- made: name -->` and `<!-- end -->`.

    Raises:
        SeglossError: the page has no place for one.
    """
    text = page.read_text(encoding="utf-8")
    for name, part in parts.items():
        head, found, rest = text.partition(f"<!-- made: {name} -->\n")
        _, ended, tail = rest.partition("<!-- end -->\n")
        if not (found and ended):
            raise SeglossError(f"{page}: no lines <!-- made: {name} --> and <!-- end -->; put them where it belongs")
        text = "".join([head, found, part.strip("\n"), "\n", ended, tail])
    return text


def described(implementation: str) -> str:
    """The docstring of a class or function of the project, named as ``module:name``; arguments become a list."""
    module, _, name = implementation.partition(":")
    tree = ast.parse(ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8"))
    kinds = ast.ClassDef | ast.FunctionDef
    (node,) = (node for node in tree.body if isinstance(node, kinds) and node.name == name)
    text = ast.get_docstring(node) or ""
    text = re.sub(r"Args:\n((?: {4}.*\n?)+)", _as_list, text).replace("``", "`")
    return re.sub(":[a-z]+:`", "`", text)


def _as_list(arguments: re.Match[str]) -> str:
    return re.sub(r"^(\w+): ", r"* `\1`: ", textwrap.dedent(arguments[1]), flags=re.MULTILINE)


def parameters(section: type[Section], *left_out: str) -> Iterator[str]:
    """The fields of a section with their defaults and choices."""
    for name, field in section.model_fields.items():
        if name not in left_out and not _is_fixed(field):
            default = "(to be given)" if field.is_required() else as_yaml(field.default)
            yield f"`{name}` {default}{_choices(field)}"


def _is_fixed(field: FieldInfo) -> bool:
    """Whether there is one value to choose from."""
    return get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1


def _choices(field: FieldInfo) -> str:
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    others = [str(value) for value in choices if value != field.default]
    return f" (or {', '.join(others)})" if others else ""


def as_yaml(value: Any) -> str:
    """A value as a study file has it."""
    value = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
