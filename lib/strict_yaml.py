"""YAML files without surprises: what would silently be something else is refused. Never imports torch."""

import re
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import yaml

from lib.errors import SeglossError
from lib.fields import underscored_number


class StrictLoader(yaml.SafeLoader):
    """YAML whose repeated keys and misread numbers are errors, and whose 1e-5 is a number as in YAML 1.2."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.MarkedYAMLError(problem=f"{key!r} is no key", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"key {key!r} stands twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        return _plain(node, super().construct_yaml_int(node))

    def construct_yaml_str(self, node: yaml.ScalarNode) -> str:
        if node.style is None and (number := underscored_number(node.value)) is not None:
            raise yaml.MarkedYAMLError(problem=misread(node.value, number), problem_mark=node.start_mark)
        return super().construct_yaml_str(node)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        return _plain(node, super().construct_yaml_float(node))


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
        SeglossError: it holds none, a key stands twice, or a number would be misread; ``where`` begins the message.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=StrictLoader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise SeglossError(f"{where}: {line}{error.problem}") from None
    except (
        yaml.YAMLError,
        ValueError,
        RecursionError,
    ) as error:  # no UTF-8, a day that no month has, deep nesting
        raise SeglossError(f"{where}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise SeglossError(
            f"{where}: a mapping of keys to values was expected, found {type(content).__name__}"
        )
    return content


def check_configuration(files: Iterable[Path | str], words: Iterable[str] | None) -> None:
    """Check the configuration files that Snakemake has read, more leniently than this, and the words of ``--config``.

    Raises:
        SeglossError: as of :func:`read_yaml`; or a value of ``--config`` is a number with an underscore.
    """
    for path in map(Path, files):
        if path.suffix != ".json":  # has no such numbers, and tabs that YAML forbids
            read_yaml(path, str(path))
    for word in words or ():
        _check_word(word)


def _check_word(word: str) -> None:
    key, _, value = word.partition("=")
    value = value.strip("'\"")  # as Snakemake does
    try:
        plain = [token for token in yaml.scan(value) if isinstance(token, yaml.ScalarToken) and token.plain]
    except yaml.YAMLError:
        return  # Snakemake takes it as text
    for token in plain:
        if (number := underscored_number(token.value)) is not None:
            quoted = f'{value[: token.start_mark.index]}"{token.value}"{value[token.end_mark.index :]}'
            remedy = f"--config '{key}={f'[{quoted}]' if token.value == value else quoted}'"
            raise SeglossError(f"--config {word}: {misread(token.value, number)}: {remedy}")
