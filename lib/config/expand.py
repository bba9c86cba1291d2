"""The runs that studies expand to: their variants, narrowed to what the configuration chooses."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import create_model

from lib.config.run import Run
from lib.config.schema import CONFIG_NAME, FACTORS, Factors, Noise, Settings, WorkflowConfig
from lib.config.search import SEARCHED, TRIAL_SEED, RunSearch, merged
from lib.config.study_schema import Scale, Study, StudySearch
from lib.datasets import Dataset
from lib.errors import SeglossError
from lib.fields import Section
from lib.labels import Labels
from lib.losses import specification as losses
from lib.losses.catalogue import LOSSES
from lib.measures.catalogue import MEASURES, PROBABILITY, TUNED, MeasureParameters, columns_of, monitored
from lib.networks.catalogue import NETWORKS
from lib.registry import chosen_from
from lib.suggest import suggestion
from lib.validation import validated


def expanded(
    studies: Mapping[str, Study],
    library: list[str],
    workflow: WorkflowConfig,
    datasets: Mapping[str, Dataset],
    known_losses: Iterable[str],
) -> tuple[list[Run], tuple[Run, ...]]:
    """All runs of the studies, with losses of the ``library`` where a file has none of the name, and those kept."""
    runs = []
    for name, study in studies.items():
        path = Path(f"studies/{name}.yaml")
        of_study = [*_expand(name, study, library, workflow, datasets, path)]
        of_study += _searched(study, of_study, workflow, path)
        runs += _with_others(of_study, path)
    return runs, tuple(_narrowed(runs, workflow, datasets, known_losses)) if runs else ()


def _with_first_stage(run: Run, runs: Iterable[Run], path: Path) -> Run:
    """The run with that of its first stage, if it is a cascade: of the same data, seed and, if there are several, loss.

    Raises:
        SeglossError: there is no such run, or it is not clear which one it is.
    """
    if not (cascade := run.settings.cascade):
        return run
    where = f"{path}: {run.scale} ({run.variant}): cascade.first"
    of_variant = [one for one in runs if cascade.first in one.variant_names]
    if not of_variant:
        raise SeglossError(f"{where}: unknown{suggestion(cascade.first, [one.variant for one in runs])}")
    if any(one.settings.cascade for one in of_variant):
        raise SeglossError(f"{where}: {cascade.first!r} is a cascade itself; name a variant that is none")
    same = (run.dataset, run.split, run.seed)
    found = [one for one in of_variant if (one.dataset, one.split, one.seed) == same and not one.noise.alpha]
    found = [one for one in found if one.loss == run.loss] or found
    if len(found) != 1:
        of_data = f"data set {run.dataset}, split {run.split}, seed {run.seed}"
        some = ", ".join(f"{one.folder}/{one.loss}" for one in found) or "none"
        raise SeglossError(
            f"{where}: one run of {cascade.first!r} with {of_data} was expected, of loss {run.loss} or of one loss"
            f" alone, found: {some}"
        )
    return replace(run, first=found[0])


def fits_none(name: str, dataset: Dataset) -> str:
    kind = f"{dataset.dimensions}D with {len(dataset.labels.names)} classes"
    return f"own_data.{name}: {kind} fits none of the studies chosen"


@dataclass(frozen=True)
class Variant:
    """A variant at one level of each factor that is crossed."""

    name: str
    levels: Mapping[str, str]
    settings: Settings
    where: str


def _variants(study: Study, workflow: WorkflowConfig, path: Path) -> Iterable[Variant]:
    """The variants at the scale that was chosen, each at every combination of levels; none if the study lacks it."""
    if not (section := study.scales.get(workflow.scale)):
        return
    scale = validated(Scale, section, f"{path}: {workflow.scale}")
    computing = workflow.computing.model_dump(exclude_unset=True)
    used = set(_used(scale, workflow))
    for name, changes in scale.variants.items():
        values = merged(merged(scale.settings, changes or {}), {"computing": computing} if computing else {})
        where = f"{path}: {workflow.scale} ({name})"
        if workflow.settings and name in used:
            values = merged(values, workflow.settings)
            where = f"{CONFIG_NAME}: settings, in {where}"
        crossed = values.pop("factors", None) or {}
        factors = validated(Factors, crossed, f"{where}: factors").given
        _check_not_crossed(workflow.settings, factors, where)
        noise = values.pop("noise", {"alpha": 0})
        whole = not (values.get("cascade") or values.get("resampling"))  # others are refused with noise
        noises = _noises(factors, noise, workflow.noise if whole else [], where)
        if noises.keys() != {"clean"}:
            factors = {"noise": noises, **{factor: levels for factor, levels in factors.items() if factor != "noise"}}
        for levels in itertools.product(*factors.values()):
            chosen = dict(zip(factors, levels, strict=True))
            of_level = values
            for factor, level in chosen.items():
                of_level = merged(of_level, _nested(FACTORS[factor], factors[factor][level]))
            yield Variant(name, chosen, validated(Settings, of_level, where), where)


def _used(scale: Scale, workflow: WorkflowConfig) -> Iterable[str]:
    """The variants that the configuration chooses, with all their levels or with some, and those they are made of."""

    def is_chosen(variant: str) -> bool:
        return workflow.variants == "all" or any(f"{name}_".startswith(f"{variant}_") for name in workflow.variants)

    for name, changes in scale.variants.items():
        if is_chosen(name):
            yield name
            yield from _made_of(changes or {})
    yield from (search.variant for name, search in scale.searches.items() if is_chosen(name))


def _made_of(changes: Mapping[str, Any]) -> Iterable[str]:
    """The variants whose networks one with these settings takes."""
    if isinstance(taken := changes.get("weights_of"), Mapping):
        yield str(taken.get("variant"))
    if isinstance(cascade := changes.get("cascade"), Mapping):
        yield str(cascade.get("first"))


def _check_not_crossed(settings: Any, factors: Iterable[str], where: str) -> None:
    """Check that no setting stands where levels of a factor are crossed, which would replace it."""
    for factor in factors:
        inner = settings
        for key in FACTORS[factor]:
            inner = inner.get(key) if isinstance(inner, Mapping) else None
        if inner is not None:
            raise SeglossError(f"{where}: {factor}: its levels are crossed here; give settings.factors.{factor}")


def _noises(factors: Mapping[str, Mapping[str, Any]], single: Any, more: Iterable[Noise], where: str) -> dict[str, Any]:
    """Levels of noise: those that the study crosses, or the single one of its settings; then ``more``."""
    own = validated(Noise, single, f"{where}: noise")
    crossed = factors.get("noise") or {own.name: own.model_dump()}
    return {**crossed, **{noise.name: noise.model_dump() for noise in more}, **crossed}


def _nested(place: Sequence[str], value: Any) -> dict[str, Any]:
    """``value`` as settings have it, a word as the entry of that name."""
    nested = {"name": value} if isinstance(value, str) else value
    for key in reversed(place):
        nested = {key: nested}
    return nested


def _expand(
    name: str,
    study: Study,
    library: list[str],
    workflow: WorkflowConfig,
    datasets: Mapping[str, Dataset],
    path: Path,
) -> Iterable[Run]:
    variants = [*_variants(study, workflow, path)]
    specifications = {**dict(zip(library, library, strict=True)), **study.losses}
    listed = set(chain.from_iterable(variant.settings.losses for variant in variants))
    named = [*([] if workflow.losses == "all" else workflow.losses), *workflow.own_losses]
    added = [loss for loss in dict.fromkeys(named) if loss in specifications and loss not in listed]
    own_runs: set[tuple[str, ...]] = set()
    for variant in variants:
        settings = variant.settings
        measures = _measures(settings, study, variant.where)
        _check_references(settings, study, measures, datasets, variant.where)
        chosen = {
            loss: _for_outputs(specifications[loss], settings, f"{variant.where}: losses.{loss}")
            for loss in [*settings.losses, *added]
        }
        own = [own for own in workflow.own_data if _unfit(datasets[own], settings, study) is None]
        alike = settings.model_dump_json(exclude={"datasets", "losses", "seeds"}), *variant.levels.values()
        for dataset, loss, seed in itertools.product(dict.fromkeys([*settings.datasets, *own]), chosen, settings.seeds):
            if dataset in own:  # variants may differ in data sets and losses alone
                if (key := (*alike, dataset, loss, str(seed))) in own_runs:
                    continue
                own_runs.add(key)
            yield Run(
                study=name,
                dataset=dataset,
                variant=variant.name,
                levels=variant.levels,
                loss=loss,
                seed=seed,
                scale=workflow.scale,
                title=datasets[dataset].title,
                split=_split(settings, datasets[dataset]),
                labels=datasets[dataset].labels,
                loss_specification=_for_labels(
                    chosen[loss],
                    settings.labels_of_network(datasets[dataset].labels),
                    f"{path}: losses.{loss} on data set {dataset!r}",
                ),
                settings=settings,
                measures=measures,
                file=study,
            )


def _searched(study: Study, runs: Sequence[Run], workflow: WorkflowConfig, path: Path) -> Iterable[Run]:
    """The runs with the settings of the best trial of each search, on each data set of the variant that it changes."""
    if not (section := study.scales.get(workflow.scale)):
        return
    scale = validated(Scale, section, f"{path}: {workflow.scale}")
    for name, search in scale.searches.items():
        where = f"{path}: {workflow.scale}: searches.{name}"
        of_variant = [run for run in runs if run.variant == search.variant]
        if crossed := next((run for run in of_variant if run.levels.keys() - {"noise"}), None):
            raise SeglossError(f"{where}: variant {crossed.variant!r} crosses {', '.join(crossed.levels)}; name one")
        loss = search.loss or of_variant[0].settings.losses[0]
        bases = {run.dataset: run for run in of_variant if run.loss == loss and not run.noise.alpha}
        if not bases:
            raise SeglossError(f"{where}: loss: unknown{suggestion(loss, of_variant[0].settings.losses)}")
        for run in bases.values():
            yield from _best_of(replace(run, seed=TRIAL_SEED + search.seed), name, search, where)


def _best_of(base: Run, name: str, search: StudySearch, where: str) -> Iterable[Run]:
    """The runs with the settings of the best of a search's trials, all of which are checked before."""

    def specified(specification: losses.Specification, settings: Settings) -> losses.Specification:
        return _for_labels(_for_outputs(specification, settings, "loss"), base.network_labels, "loss")

    of_search = RunSearch(name, search, base, specified)
    fits = _dimensions(base.settings)
    try:
        trials, _ = of_search.possible, of_search.rungs
        if unfit := next((trial for trial in trials if _dimensions(trial.settings) != fits), None):
            raise SeglossError(f"network {unfit.settings.network.name!r} is not for {fits}D images, as its base is")
    except SeglossError as error:
        raise SeglossError(f"{where}: {error}") from None
    return of_search.winners(base.settings.seeds)


def _with_others(runs: Sequence[Run], path: Path) -> Iterable[Run]:
    """The runs, each with that of the first stage of its cascade, and with the one whose weights it takes."""
    done: dict[str, Run] = {}
    for is_cascade in (False, True):  # a first stage is no cascade
        of_stage = [run for run in runs if bool(run.settings.cascade) == is_cascade]
        of_stage = [_with_first_stage(run, [*done.values(), *of_stage], path) for run in of_stage]
        done |= {run.id: _with_source(run, of_stage, path) for run in of_stage}
    return [done[run.id] for run in runs]


def _with_source(run: Run, runs: Iterable[Run], path: Path) -> Run:
    """The run with the one whose weights it takes, if it is not trained."""
    if not (chosen := run.settings.weights_of):
        return run
    like = replace(run, variant=chosen.variant, dataset=chosen.dataset or run.dataset).id
    source = next((one for one in runs if one.id == like and not one.settings.weights_of), None)
    if reason := _no_source(run, source):
        raise SeglossError(f"{path}: {run.scale} ({run.variant}): weights_of: {like} {reason}")
    return replace(run, source=source)


def _no_source(run: Run, source: Run | None) -> str | None:
    """Why a run cannot take the weights of another one of the same stage."""
    if not source:
        return "is no run that is trained; name a variant that has the same losses, seeds and levels"
    if source.search:
        return "has a network that a search decides; name a variant without"
    if source.network != run.network:
        return f"has another network or other labels than {run.id}"
    return None


def _dimensions(settings: Settings) -> int:
    """Of the images that a network is for, which may see them by slices."""
    return NETWORKS.entry_of(settings.network).dimensions + settings.slices


def _for_outputs(specification: losses.Specification, settings: Settings, where: str) -> losses.Specification:
    """The loss for the outputs of the network: of several it is weighed as it says, or as the network does."""
    supervised = "deep_supervision" in losses.resolved(specification)
    network = settings.network
    if supervised and not network.several_outputs:
        raise SeglossError(
            f"{where}: deep_supervision needs several outputs, network {network.name!r} has one as it is set; choose"
            " one with deep_supervision: true, such as plain_unet_2d"
        )
    if supervised or not network.several_outputs:
        return specification
    named = {"name": specification} if isinstance(specification, str) else specification
    return {**named, "deep_supervision": {"weights": network.output_weights}}


def _measures(settings: Settings, study: Study, where: str) -> tuple[MeasureParameters, ...]:
    """The study's measures with the parameters that the settings give them."""
    section = create_model(
        "Evaluation", __base__=Section, **{name: (chosen_from(MEASURES), ...) for name in study.measures}
    )
    if renamed := next((name for name, parameters in settings.evaluation.items() if "name" in parameters), None):
        raise SeglossError(f"{where}: evaluation.{renamed}: unknown key 'name'; its parameters were expected")
    names = dict.fromkeys([*study.measures, *settings.evaluation])
    named = {name: {**settings.evaluation.get(name, {}), "name": name} for name in names}
    chosen = validated(section, named, f"{where}: evaluation")
    return tuple(getattr(chosen, name) for name in study.measures)


def _for_labels(specification: losses.Specification, labels: Labels, where: str) -> losses.Specification:
    """The loss with the options that the labels ask for; a user's own class has to see to that itself.

    Raises:
        SeglossError: the loss is not for such labels; ``where`` begins the message.
    """
    complete = _with_options(specification, labels.loss_options)
    for part in losses.parts(losses.resolved(complete)):
        entry = LOSSES.get(part.get("name"))
        if entry and labels.problem not in entry.problems:
            kinds = " and ".join(entry.problems)
            raise SeglossError(f"{where}: {part['name']} is for {kinds} labels, these are {labels.problem}")
    return complete


def _with_options(specification: losses.Specification, options: Mapping[str, Any]) -> losses.Specification:
    """The options given to every loss of the library in a specification that has not its own."""
    own = {"name": specification} if isinstance(specification, str) else dict(specification)
    missing = {key: value for key, value in options.items() if key not in own}
    if not missing or "." in str(own.get("name", "")):
        return specification
    if "sum" in own:
        return own | {"sum": [_with_options(term, missing) for term in own["sum"]]}
    return missing | own


def _check_references(
    settings: Settings,
    study: Study,
    measures: Iterable[MeasureParameters],
    datasets: Mapping[str, Dataset],
    where: str,
) -> None:
    for loss in settings.losses:
        if loss not in study.losses:
            raise SeglossError(f"{where}: losses: unknown loss {loss!r}{suggestion(loss, study.losses)}")
    for name in settings.datasets:
        if name not in datasets:
            raise SeglossError(f"{where}: datasets: unknown data set {name!r}{suggestion(name, datasets)}")
        if reason := _unfit(datasets[name], settings, study):
            raise SeglossError(f"{where}: datasets: {name!r} {reason}")
    for measure in measures:
        for name in measure.datasets:
            if name not in datasets:
                unknown = f"unknown data set {name!r}{suggestion(name, datasets)}"
                raise SeglossError(f"{where}: evaluation.{measure.name}: {unknown}")
    known = [name for name in monitored(measures) if columns_of(measures)[name].better == "higher"]
    monitor = settings.training.monitor
    if monitor and monitor.measure not in known:
        unknown = f"unknown measure {monitor.measure!r}{suggestion(monitor.measure, known)}"
        raise SeglossError(f"{where}: training.monitor.measure: {unknown}")


def _separate(study: Study) -> str | None:
    """What of the study needs a value of its own for each structure."""
    of_values = (f"measure {name}" for name in study.measures if MEASURES[name].separate)
    return next(chain(_cuts_of_values(study), of_values), None)


def _of_values(study: Study) -> str | None:
    """What of the study reads probabilities or logits."""
    measures = (f"measure {name}" for name in study.measures if MEASURES[name].reads)
    return next(chain(_cuts_of_values(study), measures), None)


def _cuts_of_values(study: Study) -> list[str]:
    return [f"cuts: {cut}" for cut in study.cuts if cut in (PROBABILITY, TUNED)]


def _split(settings: Settings, dataset: Dataset) -> str:
    return settings.split or dataset.splits[0]


def _unfit(dataset: Dataset, settings: Settings, study: Study) -> str | None:
    """Why the data set cannot be used with these settings."""
    if settings.network.pretrained and (len(dataset.channels) != 3 or dataset.parameters.get("standardised")):
        return "has not three channels of 0 to 1, which encoder_weights: imagenet is for; set it to null"
    if dataset.dimensions != (dimensions := _dimensions(settings)):
        sees = f"sees slices of {dimensions}D volumes" if settings.slices else f"is {dimensions}D"
        return f"is {dataset.dimensions}D, network {settings.network.name!r} {sees}"
    if not dataset.labels.separate and (needs := _separate(study)):
        return f"has {len(dataset.labels.names)} classes; {needs} is of one structure, or of such as overlap"
    spacing = settings.resampling.spacing
    if isinstance(spacing, tuple) and len(spacing) != dataset.dimensions:
        return f"is {dataset.dimensions}D, resampling.spacing has {len(spacing)} lengths"
    if settings.noise.alpha and not dataset.labels.has_outside:
        return "has no background, which noise in masks needs"
    by_lesions = settings.sampling.cases == "by_lesions" or settings.sampling.foreground_fraction
    if by_lesions and not dataset.labels.has_outside:
        return "has no background: sampling: {cases: passes, foreground_fraction: 0} is needed"
    if settings.cascade and (reason := settings.cascade.unfit(dataset.labels)):
        return reason
    if settings.cascade and (needs := _of_values(study)):
        return f"is predicted by a cascade, which has labels alone; {needs} reads more"
    if settings.postprocessing.steps and not dataset.labels.has_outside:
        return "has no background, which post-processing needs"
    return _missing_part(dataset, settings)


def _missing_part(dataset: Dataset, settings: Settings) -> str | None:
    """The split that is missing, or what needs cases of a part of it that has none, where the cases are known."""
    if settings.split and settings.split not in dataset.splits:
        return f"has no split {settings.split!r}{suggestion(settings.split, dataset.splits)}"
    monitor = None if settings.weights_of else settings.training.monitor
    needed = {monitor.part: "training.monitor measures"} if monitor else {}
    needed |= {"validation": "postprocessing is chosen on"} if settings.postprocessing.steps else {}
    parts = dataset.known_index.splits[_split(settings, dataset)] if dataset.known_index else needed
    return next((f"has no {part} cases, which {what}" for part, what in needed.items() if not parts[part]), None)


def _narrowed(
    runs: list[Run], workflow: WorkflowConfig, known: Mapping[str, Dataset], known_losses: Iterable[str]
) -> Iterable[Run]:
    def kept(key: str, values: Iterable[Any]) -> list[Any]:
        return selected(key, getattr(workflow, key), dict.fromkeys(values))

    used = {run.dataset for run in runs}
    for name in workflow.own_data if workflow.datasets != "all" else ():
        if name in workflow.datasets and name not in used:
            raise SeglossError(f"{CONFIG_NAME}: datasets: {fits_none(name, known[name])}")
    datasets = kept("datasets", (run.dataset for run in runs))
    variants = set(kept("variants", (name for run in runs for name in run.variant_names)))
    names = [*kept("losses", known_losses), *([SEARCHED] if workflow.losses == "all" else [])]
    seeds = kept("seeds", (run.seed for run in runs))
    for run in runs:
        chosen = run.dataset in datasets and not variants.isdisjoint(run.variant_names)
        if chosen and run.loss in names and run.seed in seeds:
            yield run


def selected(key: str, selection: Any, allowed: Mapping[Any, Any]) -> list[Any]:
    if selection == "all":
        return list(allowed)
    for name in selection:
        if name not in allowed:
            raise SeglossError(f"{CONFIG_NAME}: {key}: unknown value {name!r}{suggestion(name, map(str, allowed))}")
    return list(selection)
