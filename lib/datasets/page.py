"""The page `docs/data_sets.md`, made from the registry: ``python -m lib.datasets.page`` writes it.

How a data set is prepared is read from the text of its adapter's module, without importing it.
"""

import ast
from collections.abc import Iterable, Iterator
from itertools import groupby

from lib import ROOT
from lib.config.schema import Folders
from lib.datasets import DATASETS, Dataset
from lib.datasets.sources import Source, load_source, source_names
from lib.files import write_text
from lib.paths import Paths

PAGE = ROOT / "docs" / "data_sets.md"

INTRODUCTION = """\
# Data sets

Made from `lib/datasets/` by `envs/run python -m lib.datasets.page`; do not edit. How to use data of your own:
[own_data.md](own_data.md).

A data set is asked for by its report, which brings everything before it with it:

```
envs/run snakemake --cores all plots/data/kvasir_seg.pdf
```

fetches the official files, holds them against their size and checksum, unpacks them, finds the cases, prepares each
in a job of its own, and ends in `plots/data/<name>.pdf` (histograms of lesion sizes and spacings, overlays),
`results/data/<name>/cases.csv` (patient, part in each split, shape, spacing, voxels of each class, checksums) and
`results/data/<name>/excluded.csv` (what was left out, and why). Studies that name a data set do the same.

* **Files that a person has to fetch** (access by registration or on request) go unchanged into the folder named below;
  any other file put there is taken from there too, and nothing is downloaded twice.
* **Already unpacked somewhere:** name the folder in `workflow_config.yaml`, `raw: {lits: /path/to/LiTS}`. Files are
  found by the publisher's names, whatever folder below it they lie in, and serve every form of the data set.
* **A mirror:** `mirror:` in the same file is a folder or an http(s) address with `<source>/<file>`.
* **Checksums:** where the publisher states none, that of the first download is kept in `data/checksums/` and held to
  afterwards. An interrupted download continues where it stopped, also after a killed job.
* **Dry runs:** most sets show their cases only once they are unpacked; until then `-n` shows the jobs up to the index
  and those of the studies, but not one job a case.
* Files once prepared may be deleted from `data/raw/` and `data/extracted/`; they come again only when they are needed.
"""

OTHERS = """\
## Other files

Each is a target of its own: `data/raw/<source>/<file>`.
"""


def page() -> str:
    """The page's text."""
    datasets = [dataset for dataset in DATASETS.values() if dataset.sources]
    by_adapter = groupby(sorted(datasets, key=_order), key=lambda dataset: dataset.adapter)
    sections = [_section(adapter, list(members)) for adapter, members in by_adapter]
    others = [
        _source(load_source(name)) for name in source_names() if not any(name in d.sources for d in datasets)
    ]
    return "\n".join(
        [
            INTRODUCTION,
            _overview(datasets),
            *sections,
            OTHERS,
            *others,
        ]
    )


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
            ", ".join(dataset.labels.names)
            if len(dataset.labels.names) < 6
            else f"{len(dataset.labels.names)} classes"
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
    return "\n".join(
        [f"## {names}\n", description, "", *(_source(load_source(source)) for source in sources)]
    )


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


if __name__ == "__main__":
    write_text(PAGE, page())
