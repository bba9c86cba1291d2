"""YAML files without surprises: what would silently be something else is refused. Never imports torch."""

import re
from collections.abc import Hashable, Iterable
from contextlib import suppress
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import yaml

from lib.errors import SeglossError
from lib.fields import underscored_number
from lib.files import read_json, read_text

DEPTH, VALUES = 50, 100_000
"""Levels and values that a file may have at most, each alias counted as what it stands for."""
DIGITS = 70
"""More than any number of 64 bits is written with, binary ones included."""


class _TooLargeError(yaml.MarkedYAMLError):
    """The file would take much time and memory."""


class StrictLoader(yaml.SafeLoader):
    """YAML whose repeated keys and misread numbers are errors, and whose 1e-5 is a number as in YAML 1.2.

    As there, a date is text; other tags than those of text, numbers, truth values, lists and mappings are errors.
    """

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        _extent(node, {})
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.MarkedYAMLError(problem=f"{key!r} is not a key", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"duplicate key {key!r}", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > DIGITS:
            raise yaml.MarkedYAMLError(
                problem=f"{node.value[:20]}... is larger than whole numbers of 64 bits are",
                problem_mark=node.start_mark,
            )
        return _plain(node, super().construct_yaml_int(node))

    def construct_yaml_str(self, node: yaml.ScalarNode) -> str:
        if node.style is None and (number := underscored_number(node.value)) is not None:
            raise yaml.MarkedYAMLError(problem=misread(node.value, number), problem_mark=node.start_mark)
        return super().construct_yaml_str(node)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        return _plain(node, super().construct_yaml_float(node))


def _extent(node: yaml.Node | None, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """How many levels and values a node has; each node is looked at once, however many aliases lead to it."""
    if node is None or isinstance(node, yaml.ScalarNode):
        return 0, 1
    if id(node) not in known:
        known[id(node)] = DEPTH, VALUES  # of a node within itself
        inner = chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value
        levels, values = zip((0, 1), *(_extent(child, known) for child in inner), strict=True)
        known[id(node)] = 1 + max(levels), sum(values)
    levels, values = known[id(node)]
    if levels > DEPTH or values > VALUES:
        raise _TooLargeError(problem=_TOO_LARGE, problem_mark=node.start_mark)
    return levels, values


_TOO_LARGE = (
    f"more than {DEPTH} levels inside each other, or more than {VALUES} values (an alias counts as what it stands for);"
    " write it shorter"
)


def _plain(node: yaml.ScalarNode, number: float) -> float:
    """The number, if it is written in no form that YAML 1.1 reads in its own way: 1_000, octal 010, base-60 1:30."""
    if re.search("[_:]", node.value) or re.fullmatch(r"[-+]?0\d+", node.value):
        raise yaml.MarkedYAMLError(problem=misread(node.value, number), problem_mark=node.start_mark)
    return number


def misread(text: str, number: float) -> str:
    return (
        f"{text} would be read as the number {number}; write the number that you mean in plain digits, or, if it is"
        f' text, "{text}" in quotes'
    )


def _refuse(loader: StrictLoader, node: yaml.Node) -> None:
    raise yaml.MarkedYAMLError(
        problem=f"{node.tag.replace('tag:yaml.org,2002:', '!!')} is not supported; text, numbers, true, false, null,"
        " lists and mappings are",
        problem_mark=node.start_mark,
    )


for tag in (None, *(f"tag:yaml.org,2002:{kind}" for kind in ("timestamp", "binary", "set", "omap", "pairs"))):
    StrictLoader.add_constructor(tag, _refuse)
StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in StrictLoader.yaml_implicit_resolvers.items()
}
StrictLoader.add_constructor("tag:yaml.org,2002:str", StrictLoader.construct_yaml_str)
StrictLoader.add_constructor("tag:yaml.org,2002:int", StrictLoader.construct_yaml_int)
StrictLoader.add_constructor("tag:yaml.org,2002:float", StrictLoader.construct_yaml_float)
StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+(_\d+)*\.?\d*|\.\d+)[eE][-+]?\d+$|[-+]\.\d+$", re.ASCII),
    list("-+.0123456789"),
)


def read_yaml(path: Path, where: str) -> dict[str, Any]:
    """The mapping of a YAML file.

    Raises:
        SeglossError: it holds none, a key is a duplicate, or a number would be misread; ``where`` begins the message.
    """
    try:
        content = yaml.load(read_text(path), Loader=StrictLoader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise SeglossError(f"{where}: {line}{error.problem}") from None
    except RecursionError:
        raise SeglossError(f"{where}: {_TOO_LARGE}") from None
    except (yaml.YAMLError, ValueError) as error:  # no UTF-8
        raise SeglossError(f"{where}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise SeglossError(f"{where}: a mapping of keys to values was expected, found {type(content).__name__}")
    return content


def check_configuration(files: Iterable[Path | str], words: Iterable[str] | None) -> None:
    """Check the configuration files that Snakemake reads, more leniently than this, and the words of ``--config``.

    Raises:
        SeglossError: as of :func:`read_yaml`; or a value of ``--config`` is a number with an underscore, or too large.
    """
    for path in map(Path, files):
        if path.suffix == ".json":  # which may have tabs, that YAML forbids
            read_json(path, remedy="correct it")
        else:
            read_yaml(path, str(path))
    for word in words or ():
        _check_word(word)


def typed(config: dict[str, Any], words: Iterable[str] | None) -> dict[str, Any]:
    """The configuration with lists and mappings of ``--config`` as files have them; Snakemake leaves text in them.

    Raises:
        SeglossError: a key within them is a duplicate, or a number would be misread.
    """
    for word in words or ():
        key, value = _key_and_value(word)
        with suppress(yaml.YAMLError):  # text
            if isinstance(plain := yaml.load(value, Loader=yaml.BaseLoader), dict | list):
                config = {**config, key: _replaced(config[key], plain, _strictly_read(key, value))}
    return config


def _strictly_read(key: str, value: str) -> Any:
    try:
        return yaml.load(value, Loader=StrictLoader)
    except yaml.MarkedYAMLError as error:
        raise SeglossError(f"--config {key}: {error.problem}") from None


def _replaced(present: Any, plain: Any, strict: Any) -> Any:
    """What is ``present``, with ``strict`` in the places where Snakemake has put ``plain``."""
    if isinstance(plain, dict) and isinstance(present, dict) and len(plain) == len(strict):
        inner = zip(plain.items(), strict.values(), strict=True)
        return present | {key: _replaced(present[key], value, other) for (key, value), other in inner}
    if isinstance(plain, list) and isinstance(present, list):
        return [*map(_replaced, present, plain, strict)] if len(present) == len(plain) else present
    return strict if present == plain else present


def _key_and_value(word: str) -> tuple[str, str]:
    key, _, value = word.partition("=")
    return key, value.strip("'\"")  # as Snakemake does


def _check_word(word: str) -> None:
    key, value = _key_and_value(word)
    if max(accumulate((mark in "[{") - (mark in "]}") for mark in value), default=0) > DEPTH:
        raise SeglossError(f"--config {key}: {_TOO_LARGE}")
    try:
        plain = [token for token in yaml.scan(value) if isinstance(token, yaml.ScalarToken) and token.plain]
        yaml.compose(value, Loader=StrictLoader)
    except (_TooLargeError, RecursionError):
        raise SeglossError(f"--config {key}: {_TOO_LARGE}") from None
    except yaml.YAMLError:
        return  # Snakemake takes it as text
    for token in plain:
        if (number := underscored_number(token.value)) is not None:
            quoted = f'{value[: token.start_mark.index]}"{token.value}"{value[token.end_mark.index :]}'
            remedy = f"--config '{key}={f'[{quoted}]' if token.value == value else quoted}'"
            raise SeglossError(f"--config {word}: {misread(token.value, number)}: {remedy}")
