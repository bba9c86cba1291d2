"""A finished workflow in one file: a Workflow Run RO-Crate of code, configuration, figures, tables and provenance.

The profile is Workflow Run Crate 0.5 (https://w3id.org/ro/wfrun/workflow/0.5), which builds on RO-Crate 1.1.
"""

import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml

from lib import ROOT
from lib.config.run import Configuration
from lib.config.schema import Folders
from lib.errors import SeglossError
from lib.files import atomic_path, read_json
from lib.losses.specification import code_modules, resolved
from lib.paths import Paths

if TYPE_CHECKING:
    from rocrate.model import Entity

RUN_FILES = ("provenance.json", "predictions.json")
"""What the crate holds of each run."""

WORKFLOW = "Snakefile"
CONFIGURATION = "workflow_config.yaml"
PARTS = {
    "rules": "The rules of the workflow",
    "lib": "Losses, networks, data sets, training, evaluation, figures",
    "scripts": "What the rules call",
    "profiles": "Options of Snakemake",
    "studies": "What is compared, at demo and at paper scale",
    "published": "Published numbers that outcomes are held against",
    "envs/requirements.txt": "The versions of all packages",
    "envs/run": "Makes the environment of these packages and runs a command in it",
    "README.md": "How the workflow is used",
    "LICENSE": "The license",
    "CITATION.cff": "How the workflow is cited",
}
"""The other files and folders of the workflow."""

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
ENCODINGS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".pdf": "application/pdf",
    ".yaml": "application/yaml",
}
TABLES = (
    "Tables of studies and data sets. Of each run: provenance.json has settings, versions, hash of the code, machine,"
    " time and memory, predictions.json the SHA-256 of every prediction."
)
LEFT_OUT = (
    "Weights, predictions and data are left out for their size; predictions.json of each run states the SHA-256 of its"
    " predictions, results/data/<name>/cases.csv that of every prepared image and mask. The code is that of the moment"
    " when this was put together; the provenance of a run states the hash of the code that trained it."
)
TIMES = (
    "All figures, tables and provenance that the configuration asks for. The times are those of the files: from the"
    " earliest start of a training (its end less the seconds in its provenance) to the last file. The workflow may"
    " have been called several times in between."
)


def without_places(values: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without what changes no result: where files lie, where jobs compute, how often they save."""
    left_out = ("folders", "device", "mirror", "cases_per_job", "checkpoint_every", "cases")
    return _named({key: value for key, value in values.items() if key not in left_out})


def _named(value: Any) -> Any:
    """``value`` with the name of each absolute path in place of the path."""
    if isinstance(value, Mapping):
        return {key: _named(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_named(part) for part in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def write_crate(path: Path, configuration: Configuration, outcome: Sequence[Path], root: Path = ROOT) -> None:
    """Write the zip file of the workflow in ``root`` and of what its runs have left.

    Equal code, configuration and results, their times included, give equal bytes wherever they lie.

    Args:
        outcome: figures and tables, below the configured folders.

    Raises:
        SeglossError: a part of the workflow or a result is missing, or a provenance is damaged.
    """
    paths = Paths(configuration.workflow.folders)
    of_runs = [Path(paths.run(run.id, name)) for run in configuration.runs for name in RUN_FILES]
    results = {_place(file, configuration.workflow.folders): file for file in sorted({*outcome, *of_runs})}
    for file in results.values():
        if not file.is_file():
            raise SeglossError(f"{file}: missing, and a crate holds every result; run the workflow to its end")
    parts = PARTS | _own_modules(configuration, root)
    code = {file.relative_to(root).as_posix(): file for file in _files_of([WORKFLOW, *parts], root)}
    settings = yaml.safe_dump(without_places(configuration.values), allow_unicode=True)
    entries = {name: file.read_bytes() for name, file in (code | results).items()}
    entries[CONFIGURATION] = settings.encode()
    metadata = _metadata(configuration, entries, parts, list(results), _period(results.values()))
    entries["ro-crate-metadata.json"] = json.dumps(metadata, indent=1, ensure_ascii=False).encode()
    _write_zip(path, entries)


def _place(file: Path, folders: Folders) -> str:
    """Where a result stands in the crate, whatever its folder is called here."""
    here = {key: Path(getattr(folders, key)) for key in ("results", "plots")}
    around = [key for key, folder in here.items() if file.is_relative_to(folder)]
    if not around:
        raise SeglossError(f"{file}: lies neither in {here['results']} nor in {here['plots']}")
    inner = max(around, key=lambda key: len(here[key].parts))
    return f"{inner}/{file.relative_to(here[inner]).as_posix()}"


def _own_modules(configuration: Configuration, root: Path) -> dict[str, str]:
    """The files and folders next to `lib` that hold losses and plugins of the user's own."""
    losses = [resolved(loss) for study in configuration.studies.values() for loss in study.losses.values()]
    named = [*configuration.workflow.plugins, *(module for loss in losses for module in code_modules(loss))]
    modules = {module.partition(".")[0] for module in named} - {"lib"}
    places = [place for module in sorted(modules) for place in (module, f"{module}.py")]
    return {place: "Code of the user's own" for place in places if (root / place).exists()}


def _files_of(parts: Iterable[str], root: Path) -> Iterator[Path]:
    for place in (root / part for part in parts):
        if not place.exists():
            raise SeglossError(f"{place}: missing, and a crate holds the whole workflow; restore it")
        for file in (place, *place.rglob("*")):
            names = file.relative_to(root).parts
            if file.is_file() and not any(name.startswith((".", "__pycache__")) for name in names):
                yield file


def _period(results: Iterable[Path]) -> tuple[str, str]:
    """When the earliest training began and when the last file was written."""
    written = {file: file.stat().st_mtime for file in results}
    begun = [end - _seconds(file) for file, end in written.items() if file.name == "provenance.json"]
    first, last = (datetime.fromtimestamp(time, UTC) for time in (min(begun), max(written.values())))
    return first.isoformat(timespec="seconds"), last.isoformat(timespec="seconds")


def _seconds(provenance: Path) -> float:
    """How long a training took."""
    content = read_json(provenance, "delete it and run again")
    seconds = content.get("seconds") if isinstance(content, dict) else None
    if not isinstance(seconds, int | float) or not 0 <= seconds < 1e10:
        raise SeglossError(f"{provenance}: does not state the seconds of the training; delete it and run again")
    return seconds


def _write_zip(path: Path, entries: Mapping[str, bytes]) -> None:
    """Write the entries without the times, owners and modes that files have on this machine."""
    folders = {f"{folder}/" for name in entries for folder in PurePosixPath(name).parents[:-1]}
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted({*entries, *folders}):
            content = entries.get(name, b"")
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o755 if name in folders or content.startswith(b"#!") else 0o644) << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)


def _metadata(
    configuration: Configuration,
    entries: Mapping[str, bytes],
    parts: Mapping[str, str],
    results: Sequence[str],
    period: tuple[str, str],
) -> dict[str, Any]:
    """The JSON-LD that says what the ``entries`` are and how they came about."""
    graph = _Graph(entries)
    scale = configuration.workflow.scale
    citation = yaml.safe_load(entries["CITATION.cff"])
    rights = {
        "author": [graph.author(author) for author in citation["authors"]],
        "license": graph.license(citation["license"]),
    }
    studies = [study for name, study in configuration.studies.items() if configuration.runs_of(name)]
    code = [graph.part(name, description=text) for name, text in parts.items()]
    asked = graph.part(CONFIGURATION, description="What this run was asked for")
    figures = graph.folder("plots", results, description="Figures of studies and data sets.")
    tables = graph.folder("results", results, description=TABLES)
    workflow = graph.workflow(
        name=citation["title"],
        version=citation["version"],
        input=graph.parameter("configuration", "File", asked),
        output=[graph.parameter("figures", "Dataset", figures), graph.parameter("results", "Dataset", tables)],
        **rights,
    )
    run = graph.run(
        workflow,
        asked,
        [figures, tables],
        name=f"Run at {scale} scale",
        description=TIMES,
        startTime=period[0],
        endTime=period[1],
    )
    root = {
        "name": f"{citation['title']} ({scale} scale)",
        "description": _description(configuration),
        "datePublished": period[1],
        "conformsTo": [graph.profile(*profile) for profile in PROFILES.items()],
        "citation": graph.publications(study.publication for study in studies),
        "mentions": run,
        "hasPart": [workflow, asked, *code, figures, tables],
        **rights,
    }
    for key, value in root.items():
        graph.crate.root_dataset[key] = value
    graph.crate.get("README.md")["about"] = graph.crate.root_dataset
    return _compact(graph.crate.metadata.generate())


def _compact(metadata: dict[str, Any]) -> dict[str, Any]:
    """The metadata with the one value in place of each list of one, as RO-Crate 1.1 recommends."""
    entities = [
        {key: value[0] if isinstance(value, list) and len(value) == 1 else value for key, value in entity.items()}
        for entity in metadata["@graph"]
    ]
    return metadata | {"@graph": entities}


def _description(configuration: Configuration) -> str:
    studies = [name for name in configuration.studies if configuration.runs_of(name)]
    titles = "; ".join(configuration.studies[name].title for name in studies)
    notes = dict.fromkeys(map(configuration.note, studies))
    networks = "one network" if len(configuration.runs) == 1 else f"{len(configuration.runs)} networks"
    return " ".join([f"{titles}: {networks}.", *notes, LEFT_OUT])


class _Graph:
    """The entities of a crate whose files are the ``entries``."""

    def __init__(self, entries: Mapping[str, bytes]) -> None:
        from rocrate.rocrate import ROCrate  # too slow for the Snakefile, which imports this module

        self.entries = entries
        self.crate = ROCrate(version="1.1")

    def thing(self, identifier: str, kind: str, **properties: Any) -> "Entity":
        return self.crate.add_jsonld({"@id": identifier, "@type": kind, **properties})

    def author(self, entry: Mapping[str, str]) -> "Entity":
        """An author of CITATION.cff, which names persons by given and family names."""
        name = entry.get("name") or f"{entry['given-names']} {entry['family-names']}"
        return self.thing(f"#{quote(name)}", "Organization" if "name" in entry else "Person", name=name)

    def license(self, name: str) -> "Entity":
        address = f"https://spdx.org/licenses/{name}"
        return self.thing(address, "CreativeWork", name=name, url=address)

    def profile(self, address: str, name: str) -> "Entity":
        return self.thing(address, "CreativeWork", name=name, version=address.rpartition("/")[2])

    def publications(self, texts: Iterable[str]) -> list["Entity"]:
        """The publications of some studies, of which several may name the same one."""
        named = {}
        for text in texts:
            arxiv = re.search(r"arXiv[: ]([0-9]+\.[0-9]+)", text)
            named[f"https://arxiv.org/abs/{arxiv[1]}" if arxiv else f"#{quote(text)}"] = text
        return [self.thing(address, "ScholarlyArticle", name=text) for address, text in named.items()]

    def part(self, name: str, **properties: Any) -> "Entity":
        """A file or a folder."""
        if name in self.entries:
            return self.crate.add_file(dest_path=name, properties=self.content(name) | properties)
        return self.crate.add_dataset(dest_path=name, properties={"name": name, **properties})

    def content(self, name: str) -> dict[str, str]:
        encoding = ENCODINGS.get(Path(name).suffix, "text/plain")
        return {"name": name, "encodingFormat": encoding, "contentSize": str(len(self.entries[name]))}

    def folder(self, name: str, files: Iterable[str], **properties: Any) -> "Entity":
        """A folder with those of the files that lie in it."""
        inside = [self.part(file) for file in files if file.startswith(f"{name}/")]
        return self.part(name, hasPart=inside, **properties)

    def parameter(self, name: str, kind: str, example: "Entity") -> "Entity":
        """A parameter of the workflow, and in ``example`` what it was in this run."""
        properties = {"workExample": example}
        example["exampleOfWork"] = self.crate.add_formal_parameter(name, kind, f"#{name}", properties=properties)
        return example["exampleOfWork"]

    def workflow(self, **properties: Any) -> "Entity":
        profile = {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"}
        return self.crate.add_workflow(
            dest_path=WORKFLOW,
            properties={**self.content(WORKFLOW), "conformsTo": profile, **properties},
            main=True,
            lang="snakemake",
            lang_version=version("snakemake"),
        )

    def run(self, workflow: "Entity", asked: "Entity", results: list["Entity"], **properties: Any) -> "Entity":
        """What the workflow did; who asked for it is not known."""
        address = "https://snakemake.github.io"
        snakemake = {"name": "Snakemake", "url": address, "softwareVersion": version("snakemake")}
        standard = {
            "actionStatus": "http://schema.org/CompletedActionStatus",
            "agent": self.thing(address, "SoftwareApplication", **snakemake),
        }
        return self.crate.add_action(workflow, "#run", asked, results, standard | properties)
