"""A run and all that decides it; the configuration as a whole."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from lib.config.schema import FACTORS, Noise, Settings, WorkflowConfig
from lib.config.study_schema import Study
from lib.datasets import Dataset
from lib.labels import Labels
from lib.losses import specification as losses
from lib.measures.catalogue import CUTS, MEASURES, TRUE_REGION, MeasureParameters, monitored
from lib.measures.settings import EvaluationSettings
from lib.networks.catalogue import NETWORKS
from lib.plotting.catalogue import FIGURES
from lib.training.settings import InferenceSettings, Measured, NetworkSettings, TrainingSettings

SCALE_NOTES = {
    "demo": "Demo scale: a small network, trained for a minute at most.",
    "paper": "Paper scale: the publication's settings.",
}


@dataclass(frozen=True)
class Run:
    """One trained model: study x data set x variant x factors x loss x seed.

    ``levels``: the names of the levels of the factors that the study crosses. ``measures``: with their parameters.
    ``search``: the `lib.config.search.RunSearch` whose best trial decides the settings, which here are those of its
    base; None for all other runs. ``fold``: its split, where the data set has folds, which differ in nothing else.
    ``source``: the run whose weights it takes, None if it is trained; ``first``: the run of a cascade's first stage,
    None without a cascade.
    """

    study: str
    dataset: str
    variant: str
    levels: Mapping[str, str]
    loss: str
    seed: int
    scale: str
    title: str
    split: str
    labels: Labels
    loss_specification: Mapping[str, Any]
    settings: Settings
    measures: tuple[MeasureParameters, ...]
    file: Study
    search: Any = None
    fold: str = ""
    source: "Run | None" = None
    first: "Run | None" = None

    @property
    def noise(self) -> Noise:
        return self.settings.noise

    @property
    def network_labels(self) -> Labels:
        """What the network segments of the labels."""
        return self.settings.labels_of_network(self.labels)

    @property
    def measured_on(self) -> str:
        """The data set whose cases training measures: the run's, or its cases within the true region of a cascade."""
        cascade = self.settings.cascade
        return f"{self.dataset}.{cascade.name}" if cascade else self.dataset

    @property
    def trained_on(self) -> str:
        """The same, or its cases on the grid of the run; medians and plans are of the split's training cases."""
        grid = self.settings.resampling
        if grid.is_native:
            return self.measured_on
        of_split = f".{self.split}" if isinstance(grid.spacing, str) else ""
        by_slice = ".slices" if self.settings.slices else ""
        name = f"{self.settings.plan_name}-grid" if self.settings.plan else grid.name
        return f"{self.measured_on}.{name}{of_split}{by_slice}"

    @property
    def condition(self) -> str:
        """What the runs of all losses, seeds and folds have in common, as a folder."""
        return f"{self.study}/{self.dataset}/{replace(self, fold='').folder}"

    @property
    def factors(self) -> dict[str, str]:
        """The level of every factor, those included that the study does not cross."""
        training = self.settings.training
        chosen = {
            "noise": self.noise.name,
            "resampling": self.settings.resampling.name,
            "network": self.settings.network.name,
            "optimizer": training.optimizer.name,
            "scheduler": training.scheduler.name,
        }
        return {name: self.levels.get(name, chosen[name]) for name in FACTORS}

    @property
    def folder(self) -> str:
        """The variant, the levels of what is crossed and the fold; clean masks go without saying."""
        levels = [level for name, level in self.levels.items() if name != "noise" or self.noise.alpha]
        return "_".join(filter(None, [self.variant, *levels, self.fold]))

    @property
    def variant_names(self) -> tuple[str, str]:
        """What chooses the run: the variant with all its levels, or with its own alone."""
        return self.variant, "_".join([self.variant, *self.levels.values()])

    @property
    def id(self) -> str:
        return f"{self.study}/{self.dataset}/{self.folder}/{self.loss}/seed-{self.seed}"

    @property
    def keys(self) -> dict[str, Any]:
        """What distinguishes the run in tables, besides its fold."""
        of_data = {"scale": self.scale, "dataset": self.dataset, "variant": self.variant}
        return of_data | self.factors | {"loss": self.loss, "seed": self.seed}

    @property
    def network(self) -> NetworkSettings:
        network = self.settings.network
        return NetworkSettings(
            network=network,
            out_channels=self.network_labels.out_channels(network.background_channel),
            exclusive=self.network_labels.exclusive,
        )

    @property
    def cuts(self) -> tuple[str, ...]:
        """How masks come from predictions."""
        return tuple(cut for cut in self.file.cuts if cut != TRUE_REGION or self.settings.cascade)

    @cached_property
    def evaluated(self) -> dict[str, tuple[str, ...]]:
        """Kinds of predictions that measures and figures read, by part of the split."""
        of_part: dict[str, set[str]] = {"test": set()}
        for cut in self.cuts:
            for part, kinds in CUTS[cut].items():
                of_part.setdefault(part, set()).update(kinds)
        for measure in self.measures:
            of_part["test"].update(MEASURES.entry_of(measure).reads)
        if any(FIGURES.entry_of(figure).predictions for figure in self.file.figures):
            of_part["test"].add("labels")
        return {part: tuple(sorted(kinds)) for part, kinds in sorted(of_part.items())}

    @property
    def reads(self) -> dict[str, tuple[str, ...]]:
        """The same, and what post-processing is chosen on."""
        if not self.settings.postprocessing.steps:
            return self.evaluated
        of_validation = {*self.evaluated.get("validation", ()), "labels"}
        return self.evaluated | {"validation": tuple(sorted(of_validation))}

    @property
    def tables(self) -> tuple[str, ...]:
        """What the evaluation leaves, as `<table>.csv`."""
        return tuple(dict.fromkeys(MEASURES.entry_of(measure).table for measure in self.measures))

    @property
    def maps(self) -> tuple[str, ...]:
        """Maps that training reads: the loss's own, and the components that lesion-centred patches need."""
        if self.search:
            return self.search.maps
        needed = set(losses.required_maps(self.loss_specification))
        if self.settings.sampling.foreground_fraction > 0:
            needed.add("components")
        return tuple(sorted(needed))

    @cached_property
    def training_settings(self) -> TrainingSettings:
        """All that decides the trained weights but data and code."""
        settings = self.settings
        names = tuple(measure.name for measure in self.measures if monitored([measure]))
        measured = Measured(
            measures=names, labels=self.network_labels, inference=settings.inference, resampling=settings.resampling
        )
        return TrainingSettings(
            run=self.id,
            seed=self.seed,
            loss=losses.resolved(self.loss_specification),
            network=self.network,
            sampling=settings.sampling,
            resampling=settings.resampling,
            training=settings.training,
            computing=settings.computing,
            maps=self.maps,
            masks=self.noise,
            background=self.network_labels.has_outside,
            measured=measured if settings.training.measured else None,
        )

    @property
    def computation(self) -> str:
        """What decides the time and the memory of a step and of a case, but the optimizer, as text; folds do not."""
        settings = self.settings
        decisive = {
            "data": replace(self, split="").trained_on if self.fold else self.trained_on,
            "loss": losses.resolved(self.loss_specification),
            "sampling": settings.sampling.model_dump(mode="json"),
            "computing": settings.computing.model_dump(mode="json"),
            "steps_per_epoch": settings.training.steps_per_epoch,
            "inference": self.inference_settings.model_dump(mode="json"),
        }
        return json.dumps(decisive, sort_keys=True)

    @property
    def inference_settings(self) -> InferenceSettings:
        """All that decides the predictions of given weights."""
        return InferenceSettings(
            network=self.network,
            network_class=NETWORKS.entry_of(self.settings.network).implementation,
            inference=self.settings.inference,
            labels=self.labels,
            resampling=self.settings.resampling,
            postprocessing=self.settings.postprocessing,
            cascade=self.settings.cascade,
            reads=self.reads,
        )

    def evaluation_settings(self, table: str = "") -> EvaluationSettings:
        """All that decides a table of the evaluation, or all of them, but predictions and cases."""
        return EvaluationSettings(
            dataset=self.dataset,
            labels=self.labels,
            cuts=[*self.cuts],
            measures=[measure for measure in self.measures if table in ("", MEASURES.entry_of(measure).table)],
        )


@dataclass(frozen=True)
class Configuration:
    """The validated configuration, the runs that it expands to, and notes on it for the user.

    ``values`` are what it was loaded from: a script that needs the runs of a study loads them again.
    """

    values: Mapping[str, Any]
    workflow: WorkflowConfig
    datasets: Mapping[str, Dataset]
    studies: Mapping[str, Study]
    runs: tuple[Run, ...]
    notes: tuple[str, ...] = ()

    @property
    def as_json(self) -> str:
        """What a script loads the configuration from: a command line, which must not show the mirror's password."""
        return json.dumps({key: value for key, value in self.values.items() if key != "mirror"})

    def model_settings(self, run: Run) -> dict[str, Any]:
        """All of a run, as JSON values, that decides the prediction of an image besides its weights."""
        dataset = self.datasets[run.dataset]
        regions = dataset.indexing.get("region") or "regions" in dataset.indexing.get("layout", {})
        return {
            "run": run.id,
            "dataset": dataset.title,
            "dimensions": dataset.dimensions,
            "channels": list(dataset.channels),
            "adapter": dataset.adapter,
            "parameters": dataset.parameters,
            "regions": bool(regions),
            **({"first": run.first.id} if run.first else {}),
        }

    @property
    def needed_runs(self) -> tuple[Run, ...]:
        """The runs, and those whose weights or predictions they take."""
        found = {run.id: run for run in self.runs}
        waiting = [*self.runs]
        while waiting:
            others = filter(None, (waiting[0].source, waiting.pop(0).first))
            new = {run.id: run for run in others if run.id not in found}
            found |= new
            waiting += new.values()
        return tuple(found.values())

    @property
    def searches(self) -> dict[str, Any]:
        """The searches whose best trials decide the settings of runs, by id."""
        return {run.search.id: run.search for run in self.needed_runs if run.search}

    def runs_of(self, study: str) -> list[Run]:
        return [run for run in self.runs if run.study == study]

    def searches_of(self, study: str) -> list[Any]:
        return [search for search in self.searches.values() if search.base.study == study]

    def examples_of(self, study: str) -> list[Run]:
        """Runs whose predictions are worth a look: the first seed, on clean masks and on the noisiest."""
        runs = self.first_seed_of(study)
        noisiest: dict[tuple[str, str], float] = {}
        for run in runs:
            part = (run.dataset, run.variant)
            noisiest[part] = max(noisiest.get(part, 0), run.noise.extent)
        return [run for run in runs if run.noise.extent in (0, noisiest[run.dataset, run.variant])]

    def first_seed_of(self, study: str) -> list[Run]:
        """The runs of the first seed: their measures are held against another implementation."""
        runs = self.runs_of(study)
        return [run for run in runs if run.seed == runs[0].seed]

    def costed_of(self, study: str) -> list[Run]:
        """The runs whose costs are measured: the first of those that train and infer in the same way.

        Seeds, masks, optimizers, schedulers and numbers of epochs do not count. Runs with given weights, or with those
        of another run, train nothing. A search is measured where one of its trials differs from what is measured.
        """
        chosen, measured = [], set[str]()
        for run in self.runs_of(study):
            if run.id not in self.workflow.weights and not run.source:
                costs = {one.computation for one in (run.search.possible if run.search else [run])}
                if not costs <= measured:
                    chosen.append(run)
                measured |= costs
        return chosen

    def resolved_losses(self, study: str) -> dict[str, Any]:
        """Every loss of the study's runs, completed."""
        return {run.loss: losses.resolved(run.loss_specification) for run in self.runs_of(study)}

    def note(self, study: str) -> str:
        """What figures say about the scale of a study and about the kinds of its data."""
        scale = self.workflow.scale
        own = self.studies[study].scales[scale].get("note")
        note = own or SCALE_NOTES.get(scale, f"{scale.capitalize()} scale.")
        runs = self.runs_of(study)
        of_networks = dict.fromkeys(filter(None, (run.settings.network.note for run in runs)))
        kinds = dict.fromkeys(self.datasets[run.dataset].kind for run in runs)
        if given := dict.fromkeys(run.loss for run in runs if run.id in self.workflow.weights):
            note = f"{note} Not trained here, of given weights: {', '.join(given)}."
        if self.workflow.settings:
            note = f"{note} Other settings than the study's: {json.dumps(self.workflow.settings)}."
        return " ".join([note, *of_networks, f"Data: {'; '.join(kinds)}."])

    def users_folder(self, dataset: str) -> str | None:
        """The folder that the user names for the data set, or for another form of the same official files."""
        if dataset in self.workflow.own_data:
            return self.workflow.own_data[dataset].folder
        of_sources = {self.datasets[name].sources: folder for name, folder in self.workflow.raw.items()}
        return self.workflow.raw.get(dataset) or of_sources.get(self.datasets[dataset].sources)

    @property
    def device(self) -> str:
        """``cpu``, ``cuda``, or ``allocated``: the GPU that a cluster gives the job, on one machine the CPU."""
        default = "cuda" if self.workflow.scale == "paper" else "allocated"
        return default if self.workflow.device == "auto" else self.workflow.device
