"""What `docs/data_sets.md` has from the registry.

How a data set is prepared is read from the text of its adapter's module, without importing it.
"""

import ast
from collections.abc import Iterable, Iterator
from itertools import groupby

from lib import ROOT
from lib.config.schema import Folders
from lib.datasets import DATASETS, Dataset
from lib.datasets.sources import Source, load_source, source_names
from lib.paths import Paths

PAGE = ROOT / "docs" / "data_sets.md"


def parts() -> dict[str, str]:
    """What is made of the page."""
    datasets = [dataset for dataset in DATASETS.values() if dataset.sources]
    by_adapter = groupby(sorted(datasets, key=_order), key=lambda dataset: dataset.adapter)
    others = [name for name in source_names() if not any(name in dataset.sources for dataset in datasets)]
    return {
        "overview": _overview(datasets),
        "data sets": "\n".join(_section(adapter, list(members)) for adapter, members in by_adapter),
        "others": "\n".join(_source(load_source(name)) for name in others),
    }


def _order(dataset: Dataset) -> tuple[int, ...]:
    """Data sets of one adapter together, in the registry's order of the first of them."""
    names = [*DATASETS]
    first = next(name for name, other in DATASETS.items() if other.adapter == dataset.adapter)
    return names.index(first), names.index(dataset.name)


def _overview(datasets: Iterable[Dataset]) -> str:
    rows = [
        "| name | | axes | channels | classes | splits | access |",
        "|---|---|--:|---|---|---|---|",
    ]
    for dataset in datasets:
        classes = (
            ", ".join(dataset.labels.names) if len(dataset.labels.names) < 6 else f"{len(dataset.labels.names)} classes"
        )
        access = ", ".join(dict.fromkeys(load_source(name).access for name in dataset.sources))
        rows.append(
            f"| `{dataset.name}` | {dataset.title} | {dataset.dimensions} | {', '.join(dataset.channels)} | {classes}"
            f" | {', '.join(dataset.splits)} | {access} |"
        )
    return "\n".join(rows) + "\n"


def _section(adapter: str, datasets: list[Dataset]) -> str:
    names = ", ".join(f"`{dataset.name}`" for dataset in datasets)
    path = ROOT.joinpath(*adapter.split(".")).with_suffix(".py")
    description = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    sources = dict.fromkeys(source for dataset in datasets for source in dataset.sources)
    return "\n".join([f"## {names}\n", description, "", *(_source(load_source(source)) for source in sources)])


def _source(source: Source) -> str:
    return "\n".join(_lines(source)) + "\n"


def _lines(source: Source) -> Iterator[str]:
    yield f"**Source `{source.name}`**: {source.title}. {source.citation}. Licence: {source.licence}."
    yield ""
    yield "Unpacked: " + source.layout.replace("<", r"\<") + "."
    if not source.is_public:
        yield ""
        for number, step in enumerate(source.steps, 1):
            yield f"{number}. {step}"
        files = ", ".join(f"`{file.path}`" for file in source.files)
        yield f"{len(source.steps) + 1}. Put {files} into `{Paths(Folders()).manual(source.name)}/`."
    elif len(source.files) <= 12:
        yield ""
        for file in source.files:
            size = f", {file.size:,} bytes" if file.size else ""
            digests = [f"{kind} `{digest}`" for kind in ("sha256", "md5") if (digest := getattr(file, kind))]
            yield f"* <{source.address(file)}>{size}{''.join(f', {digest}' for digest in digests)}"
    else:
        yield f"{len(source.files)} files below <{source.url}>, each with size and sha256 in the registry."
