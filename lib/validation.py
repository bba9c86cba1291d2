"""Values of a configuration file held against its schema, and what is said about one that does not fit."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from lib.errors import SeglossError
from lib.suggest import shortened, suggestion


def validated(model: type[BaseModel], values: Any, where: str) -> Any:
    """Build ``model`` from the values of a file.

    Raises:
        SeglossError: they do not fit; ``where`` begins the message.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        expected: dict[str, list[str]] = {}
        for fault in _most_specific(error.errors()):
            message, _, reason = _message(fault, model, where).partition("; expected ")
            expected.setdefault(message, []).append(reason)
        faults = (f"{message}; expected {' or '.join(of)}" if any(of) else message for message, of in expected.items())
        raise SeglossError(f"{where}: {' | '.join(faults)}") from None


def _most_specific(faults: list[Any]) -> list[Any]:
    """Of an "all or a list" that is a faulty list, only what is wrong with the list."""
    listed = [fault for fault in faults if not any(str(part).startswith("literal[") for part in fault["loc"])]
    return listed or faults


def _message(fault: Mapping[str, Any], model: type[BaseModel], where: str) -> str:
    location = [part for part in fault["loc"] if not _is_union_member(part)]
    key = ".".join(map(str, location))
    if fault["type"] == "extra_forbidden":
        allowed = _fields(model, location[:-1])
        return f"{key}: unknown key{suggestion(location[-1], allowed)}"
    if fault["type"] == "missing":
        return f"{key}: is missing"
    if fault["type"] in ("string_type", "invalid_key") and _is_word(fault):
        return f"{key}: {_text_without_quotes(fault, where)}"
    reason = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    reason = reason.partition(", unable to parse")[0]
    if fault["type"] == "too_short":
        reason = f"at least {fault['ctx']['min_length']} of them"
    if fault["type"] == "too_long":
        reason = f"at most {fault['ctx']['max_length']} of them"
    if fault["type"] in ("model_type", "model_attributes_type", "dict_type"):
        reason = "a mapping of keys to values"
    if fault["type"] in ("list_type", "tuple_type"):
        is_word = isinstance(fault["input"], str)
        reason = f"a list in square brackets, such as [{shortened(fault['input'])[1:-1] if is_word else '..., ...'}]"
    if fault["type"] == "string_too_short":
        reason = "at least one character"
    if fault["type"] == "string_pattern_mismatch":
        reason = "letters, digits, '_', '.' and '-' only, as it becomes part of a path"
    if fault["type"] == "value_error":
        return f"{key}: {reason}" if key else reason
    place = f"{key}: " if key else ""
    return f"{place}{shortened(fault['input'])} is not allowed; expected {reason}"


_READ_AS = {bool: "a truth value", int: "a number", float: "a number", type(None): "nothing"}


def _text_without_quotes(fault: Mapping[str, Any], where: str) -> str:
    """What a word has become that YAML or Snakemake did not read as text, and how to write it so that it stays text."""
    value, place = fault["input"], fault["loc"]
    # true and null, as YAML has them
    word = shortened(value) if type(value) is int else json.dumps(value, default=str).strip('"')
    kind = _READ_AS.get(type(value), type(value).__name__)
    remedy = f'put the word in quotes, such as "{word}" in a file'
    if "--config" in where and len(place) == 3 and isinstance(place[-1], int):
        listed = f"'{place[0]}=[\"{word}\"]'"  # Snakemake takes the quotes off a single value
        remedy += f" or --config {listed} on the command line"
    return f"expected text, but it was read as {word} ({kind}); {remedy}"


def _is_word(fault: Mapping[str, Any]) -> bool:
    """Whether something was written there, in a list also `null`, that YAML did not read as text."""
    value = fault["input"]
    return not isinstance(value, Collection) and (value is not None or isinstance(fault["loc"][-1], int))


def _is_union_member(part: Any) -> bool:
    return isinstance(part, str) and part.startswith(("literal[", "list[", "function-", "[key]"))


def _fields(model: type[BaseModel], location: Iterable[Any]) -> list[str]:
    """The keys of the section at a place; those of lists and of what may be left out are looked for inside."""
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        if field is None:  # a name of the user's
            continue
        if (inner := section_in(field.annotation)) is None:
            return []
        model = inner
    return list(model.model_fields)


def section_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(section_in, get_args(annotation))), None)
