"""Whatever a study chooses by name, such as a network or an optimizer: one entry each. Never imports torch."""

import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, SerializeAsAny

from lib.errors import SeglossError
from lib.fields import Section, Text
from lib.names import NAME
from lib.suggest import shortened, suggestion


class Parameters(Section):
    """What a study may give to an entry; each entry has a subclass with its own parameters, defaults and ranges."""

    name: Text

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the entry's class or function."""
        return self.model_dump(exclude={"name"})


@dataclass(frozen=True)
class Entry:
    """One choice.

    Attributes:
        implementation: module and class or function, as ``module:name``.
        parameters: what a study may give.
        source: publication, or whose it is.
    """

    implementation: str
    parameters: type[Section]
    source: str = ""

    @property
    def module(self) -> str:
        return self.implementation.partition(":")[0]

    @property
    def modules(self) -> set[str]:
        """Those of all functions that the entry names."""
        return {self.module}

    @cached_property
    def loaded(self) -> Any:
        """The class or function itself.

        Raises:
            SeglossError: there is none.
        """
        try:
            return getattr(importlib.import_module(self.module), self.implementation.partition(":")[2])
        except Exception as error:  # whatever a user's module may raise
            raise SeglossError(f"{self.implementation}: {type(error).__name__}: {error}") from error

    def build(self, *arguments: Any, **options: Any) -> Any:
        """Call it.

        Raises:
            SeglossError: it fails.
        """
        try:
            return self.loaded(*arguments, **options)
        except SeglossError:
            raise
        except Exception as error:
            raise SeglossError(f"{self.implementation} cannot be built: {type(error).__name__}: {error}") from error


E = TypeVar("E", bound=Entry)


class Registry(dict[str, E]):
    """The entries of one ``kind`` by name.

    Args:
        entry: type of the entries.
        parameters: what the parameters of each are derived from.
    """

    def __init__(
        self,
        kind: str,
        entries: dict[str, E],
        entry: type[Entry] = Entry,
        parameters: type[Parameters] = Parameters,
    ) -> None:
        super().__init__(entries)
        self.kind, self.entry, self.parameters = kind, entry, parameters

    def parse(self, chosen: Any) -> Parameters:
        """The parameters, completed by their defaults, of ``name`` or ``{"name": ..., **parameters}``.

        Raises:
            ValueError: an unknown name or parameter, with what is allowed, or a value that is not.
        """
        if isinstance(chosen, Parameters):
            return chosen
        values = chosen if isinstance(chosen, dict) else {"name": chosen}
        values = {key: value for key, value in values.items() if value is not None}  # an empty key of a YAML file
        if "name" not in values:
            raise ValueError(f"name: is missing; allowed: {', '.join(self)}")
        name = values["name"]
        if not isinstance(name, str) or name not in self:
            raise ValueError(f"unknown {self.kind} {shortened(name)}{suggestion(name, self)}")
        known = [key for key in self[name].parameters.model_fields if key != "name"]
        for key in values:
            if key not in ("name", *known):
                raise ValueError(f"{name} has no {shortened(key)}{suggestion(key, known)}")
        return self[name].parameters.model_validate(values)

    def add(self, name: str, entry: E) -> None:
        """Add an entry, as a plugin does.

        Raises:
            SeglossError: it is no such entry, the name is taken, or does not fit into paths and commands.
        """
        if not re.fullmatch(NAME, name):
            raise SeglossError(f"{self.kind} {shortened(name)}: letters, digits, '_', '.' and '-' only were expected")
        if not isinstance(entry, self.entry) or ":" not in entry.implementation:
            raise SeglossError(f"{self.kind} {name!r}: {self.entry.__name__}('module:name', ...) was expected")
        if not issubclass(entry.parameters, self.parameters):
            raise SeglossError(f"{self.kind} {name!r}: its parameters must be a {self.parameters.__name__}")
        if name in self:
            raise SeglossError(f"{self.kind} {name!r} is there already; choose another name")
        self[name] = entry

    def entry_of(self, parameters: Parameters) -> E:
        return self[parameters.name]


def load_plugins(modules: Iterable[str]) -> None:
    """Import the modules that a user names in `workflow_config.yaml`, which add entries to registries.

    Raises:
        SeglossError: one cannot be imported.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:  # whatever a user's module may raise
            if isinstance(error, SeglossError):
                raise SeglossError(f"plugins: {module}: {error}") from error
            reason = f"{type(error).__name__}: {error}"
            raise SeglossError(
                f"plugins: {module} cannot be imported ({reason}); put it beside the Snakefile or install it"
            ) from error


def chosen_from(registry: Registry) -> Any:
    """The type of a field of a section that chooses an entry."""
    return Annotated[SerializeAsAny[Parameters], BeforeValidator(registry.parse)]
