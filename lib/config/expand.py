"""The runs that studies expand to: their variants, narrowed to what the configuration chooses."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import create_model

from lib.config.dependencies import with_others
from lib.config.fit import dimensions_of, fits_none, split_of, unfit
from lib.config.planning import check_part_of_plan, decides_all, planned
from lib.config.run import Run
from lib.config.schema import CONFIG_NAME, FACTORS, Factors, Noise, Resampling, Settings, WorkflowConfig
from lib.config.search import SEARCHED, TRIAL_SEED, RunSearch, merged
from lib.config.study_schema import Scale, Study, StudySearch
from lib.datasets import Dataset
from lib.errors import SeglossError
from lib.fields import Section
from lib.labels import Labels
from lib.losses import specification as losses
from lib.losses.catalogue import LOSSES
from lib.measures.catalogue import MEASURES, MeasureParameters, columns_of, monitored
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
        if section := study.scales.get(workflow.scale):  # a study that lacks the scale has no run
            scale = validated(Scale, section, f"{path}: {workflow.scale}")
            of_study = [*_expand(name, study, scale, library, workflow, datasets, path)]
            runs += with_others(_with_searches(scale, of_study, f"{path}: {workflow.scale}"), path)
    return runs, tuple(_narrowed(runs, workflow, datasets, known_losses)) if runs else ()


@dataclass(frozen=True)
class Variant:
    """A variant at one level of each factor that is crossed."""

    name: str
    levels: Mapping[str, str]
    settings: Settings
    where: str

    def is_chosen(self, workflow: WorkflowConfig) -> bool:
        """Whether the configuration names it, alone or with its levels."""
        names = {self.name, "_".join([self.name, *self.levels.values()])}
        return workflow.variants == "all" or not names.isdisjoint(workflow.variants)


def _variants(scale: Scale, workflow: WorkflowConfig, path: Path) -> Iterable[Variant]:
    """The variants of a scale, each at every combination of levels."""
    computing = workflow.computing.model_dump(exclude_unset=True)
    used = set(_used(scale, workflow))
    for name, changes in scale.variants.items():
        values = merged(merged(scale.settings, changes or {}), {"computing": computing} if computing else {})
        where = f"{path}: {workflow.scale} ({name})"
        given = workflow.settings if name in used else {}
        if values.get("plan") is None:
            given = {key: value for key, value in given.items() if key != "plan"}
        elif decides_all(given):
            values["plan"] = None
        else:
            check_part_of_plan(given, f"{CONFIG_NAME}: settings, in {where}")
        if given:
            values = merged(values, given)
            where = f"{CONFIG_NAME}: settings, in {where}"
        crossed = values.pop("factors", None) or {}
        factors = validated(Factors, crossed, f"{where}: factors").given
        _check_not_crossed(workflow.settings, factors, where)
        noise = values.pop("noise", {"alpha": 0})
        noises = _noises(factors, noise, workflow.noise if _may_have_noise(values, factors, where) else [], where)
        if noises.keys() != {"clean"}:
            factors = {"noise": noises, **{factor: levels for factor, levels in factors.items() if factor != "noise"}}
        for levels in itertools.product(*factors.values()):
            chosen = dict(zip(factors, levels, strict=True))
            of_level = values
            for factor, level in chosen.items():
                of_level = merged(of_level, _nested(FACTORS[factor], factors[factor][level]))
            if values.get("plan") is not None:
                of_sections = {key: given[key] for key in ("sampling", "training") if key in given}
                of_level = merged(merged(of_level, planned(budgeted=workflow.minutes is not None)), of_sections)
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


def _may_have_noise(values: Mapping[str, Any], factors: Iterable[str], where: str) -> bool:
    """Whether it sees whole images on their own grid, in whose masks noise is made."""
    grid = validated(Resampling, values.get("resampling") or {}, f"{where}: resampling")
    is_changed = "resampling" in factors or values.get("cascade") or values.get("plan") is not None
    return grid.is_native and not is_changed


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
    scale: Scale,
    library: list[str],
    workflow: WorkflowConfig,
    datasets: Mapping[str, Dataset],
    path: Path,
) -> Iterable[Run]:
    variants = [*_variants(scale, workflow, path)]
    specifications = {**dict(zip(library, library, strict=True)), **study.losses}
    listed = set(chain.from_iterable(variant.settings.losses for variant in variants))
    named = [*([] if workflow.losses == "all" else workflow.losses), *workflow.own_losses]
    added = [loss for loss in dict.fromkeys(named) if loss in specifications and loss not in listed]
    chosen_variants = [variant for variant in variants if variant.is_chosen(workflow)] or variants
    of_own = {own: _for_own_data(datasets[own], chosen_variants, study) for own in workflow.own_data}
    own_runs: set[tuple[str, ...]] = set()
    for variant in variants:
        settings = variant.settings
        measures = _measures(settings, study, variant.where)
        _check_references(settings, study, measures, datasets, variant.where)
        chosen = {
            loss: _for_outputs(specifications[loss], settings, f"{variant.where}: losses.{loss}")
            for loss in [*settings.losses, *added]
        }
        own = [own for own in workflow.own_data if variant in of_own[own]]
        alike = settings.model_dump_json(exclude={"datasets", "losses", "seeds"}), *variant.levels.values()
        for dataset, loss, seed in itertools.product(dict.fromkeys([*settings.datasets, *own]), chosen, settings.seeds):
            if dataset in own:  # variants may differ in data sets and losses alone
                if (key := (*alike, dataset, loss, str(seed))) in own_runs:
                    continue
                own_runs.add(key)
            network_labels = settings.labels_of_network(datasets[dataset].labels)
            channels = network_labels.out_channels(settings.network.background_channel)
            if study.skip_unfit_losses and unfit_loss(chosen[loss], network_labels, channels):
                continue
            run = Run(
                study=name,
                dataset=dataset,
                variant=variant.name,
                levels=variant.levels,
                loss=loss,
                seed=seed,
                scale=workflow.scale,
                title=datasets[dataset].title,
                split=split_of(settings, datasets[dataset]),
                labels=datasets[dataset].labels,
                loss_specification=_for_labels(
                    chosen[loss],
                    network_labels,
                    channels,
                    f"{path}: losses.{loss} on data set {dataset!r}",
                ),
                settings=settings,
                measures=measures,
                file=study,
            )
            yield from [replace(run, split=fold, fold=fold) for fold in datasets[dataset].folds_of(seed)] or [run]


def _for_own_data(dataset: Dataset, variants: Sequence[Variant], study: Study) -> list[Variant]:
    """The variants that a user's data set takes part in: those it fits that are planned, or else all that it fits."""
    fitting = [variant for variant in variants if unfit(dataset, variant.settings, study) is None]
    return [variant for variant in fitting if variant.settings.plan] or fitting


def _with_searches(scale: Scale, runs: list[Run], place: str) -> list[Run]:
    """The runs, those of a variant whose losses are searched with the settings of the best trials, and more of them."""
    for name, search in scale.searches.items():
        where = f"{place}: searches.{name}"
        of_variant = [run for run in runs if run.variant == search.variant]
        if search.each_loss:
            tuned = {run.id: run for run in _tuned(of_variant, name, search, where)}
            runs = [tuned.get(run.id, run) for run in runs]
        else:
            runs = [*runs, *_searched(of_variant, name, search, where)]
    return runs


def _tuned(runs: Sequence[Run], name: str, search: StudySearch, where: str) -> Iterable[Run]:
    """The runs of a variant, each with the settings of the best trial for its loss; trials see clean masks."""
    found: dict[tuple[str, ...], RunSearch] = {}
    for run in runs:
        others = [level for factor, level in run.levels.items() if factor != "noise"]
        key = run.dataset, run.fold, *others, run.loss
        if key not in found:
            clean = run.settings.model_copy(update={"noise": Noise(alpha=0)})
            found[key] = _checked_search(replace(run, settings=clean), name, search, where)
        yield found[key].tuned(run)


def _searched(of_variant: Sequence[Run], name: str, search: StudySearch, where: str) -> Iterable[Run]:
    """The runs with the settings of the best trial of a search, on each data set of the variant that it changes."""
    if crossed := next((run for run in of_variant if run.levels.keys() - {"noise"}), None):
        raise SeglossError(f"{where}: variant {crossed.variant!r} crosses {', '.join(crossed.levels)}; name one")
    loss = search.loss or of_variant[0].settings.losses[0]
    bases: dict[tuple[str, str], list[Run]] = {}
    for run in of_variant:
        if run.loss == loss and not run.noise.alpha:
            bases.setdefault((run.dataset, run.fold), []).append(run)
    if not bases:
        raise SeglossError(f"{where}: loss: unknown{suggestion(loss, of_variant[0].settings.losses)}")
    for of_seeds in bases.values():
        yield from _checked_search(of_seeds[0], name, search, where).winners([run.seed for run in of_seeds])


def _checked_search(run: Run, name: str, search: StudySearch, where: str) -> RunSearch:
    """The search whose trials change a run, all of which are checked."""
    base = replace(run, seed=TRIAL_SEED + search.seed)

    def specified(specification: losses.Specification, settings: Settings) -> losses.Specification:
        channels = base.network_labels.out_channels(settings.network.background_channel)
        return _for_labels(_for_outputs(specification, settings, "loss"), base.network_labels, channels, "loss")

    of_search = RunSearch(name, search, base, specified)
    fits = dimensions_of(base.settings)
    try:
        trials, _ = of_search.possible, of_search.rungs
        if other := next((trial for trial in trials if dimensions_of(trial.settings) != fits), None):
            raise SeglossError(f"network {other.settings.network.name!r} is not for {fits}D images, as its base is")
    except SeglossError as error:
        raise SeglossError(f"{where}: {error}") from None
    return of_search


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


def _for_labels(specification: losses.Specification, labels: Labels, channels: int, where: str) -> losses.Specification:
    """The loss with the options that the labels ask for.

    Raises:
        SeglossError: the loss is not for such labels; ``where`` begins the message.
    """
    if reason := unfit_loss(specification, labels, channels):
        raise SeglossError(f"{where}: {reason}")
    return with_options(specification, labels.loss_options)


def unfit_loss(specification: losses.Specification, labels: Labels, channels: int) -> str | None:
    """Why the loss is not for such labels, or outputs; a user's own class has to see to that itself."""
    for part in losses.parts(losses.resolved(specification)):
        entry = LOSSES.get(part.get("name"))
        if entry and labels.problem not in entry.problems:
            kinds = " and ".join(entry.problems)
            return f"{part['name']} is for {kinds} labels, these are {labels.problem}"
        if entry and channels == 1 and not entry.one_channel:
            return f"{part['name']} needs a channel for each of two classes: network: {{background_channel: true}}"
    return None


def with_options(specification: losses.Specification, options: Mapping[str, Any]) -> losses.Specification:
    """The options given to every loss of the library in a specification that has not its own."""
    own = {"name": specification} if isinstance(specification, str) else dict(specification)
    missing = {key: value for key, value in options.items() if key not in own}
    if not missing or "." in str(own.get("name", "")):
        return specification
    if "sum" in own:
        return own | {"sum": [with_options(term, missing) for term in own["sum"]]}
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
        if reason := unfit(datasets[name], settings, study):
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
