"""Snakemake plans a job whose outputs are not what it made, or that was made of something else than it would be now.

By itself Snakemake runs a job because of its inputs' times, its params and its code, which it keeps in ``.snakemake``.
It does not ask whether a file between two jobs is missing, as it is after a job has failed in a call that repeats it:
what was made of it before then counts as up to date. Nor does it ask what has become of an output since it was made, or
who made it. It asks nothing of jobs behind one that runs, as these run too; but it does not run them where an
``ancient`` input joins them. And it starts jobs behind a checkpoint that has yet to run, where they have a reason of
their own, with the inputs that they had before (all in Snakemake 9.27).
"""

import asyncio
import hashlib
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import RerunTrigger

from lib.errors import SeglossError
from lib.workflow.products import NEVER_MADE, absolute, checksums, complete, fault, made_of, record_of

SHOWN = 20
"""Notes that one call prints at most."""


def verify_plans(dag_class: type, unrecorded: Collection[str]) -> None:
    """Have Snakemake verify what each job that it leaves out of a plan has made, and of what, and record the latter.

    Args:
        dag_class: Snakemake's class of plans.
        unrecorded: names of rules whose outputs may be deleted once they are used.
    """
    plan, start, finish = dag_class.update_needrun, dag_class.register_running, dag_class.finish
    noted: set[str] = set()
    begun: dict[Any, tuple[str, dict[str, str]]] = {}

    def is_recorded(job: Any) -> bool:
        return bool(job.output) and job.rule.name not in unrecorded

    async def update_needrun(dag: Any, *arguments: Any, **options: Any) -> None:
        dag.bfs = _behind
        try:
            await plan(dag, *arguments, **options)
            while files := set(_overlooked(dag, is_recorded, noted)) - dag.forcefiles:
                dag.forcefiles |= files
                await plan(dag)
        except SeglossError as error:
            raise WorkflowError(str(error)) from error
        finally:
            del dag.bfs
        if not dag.workflow.dryrun:  # in which no checkpoint runs
            _hold_back(dag)

    def register_running(dag: Any, jobs: Iterable[Any]) -> None:
        if not dag.workflow.dryrun:
            for job in filter(is_recorded, _single(jobs)):
                begun[job] = _settings(job), _inputs(job)
        start(dag, jobs)

    async def finish_and_record(dag: Any, job: Any, *arguments: Any, **options: Any) -> None:
        for part in _single([job]):
            if part in begun:
                await _complete_record(part, *begun.pop(part))
        await finish(dag, job, *arguments, **options)

    dag_class.update_needrun, dag_class.register_running = update_needrun, register_running
    dag_class.finish = finish_and_record


def _single(jobs: Iterable[Any]) -> Iterator[Any]:
    """Jobs, and those of groups."""
    for job in jobs:
        yield from job if job.is_group() else [job]


async def _complete_record(job: Any, settings: str, inputs: Mapping[str, str]) -> None:
    output = Path(job.output[0])
    for _ in range(job.dag.workflow.execution_settings.latency_wait):
        if record_of(output).is_file():  # a file system of a cluster shows it with a delay
            break
        await asyncio.sleep(1)
    try:
        complete(output, settings, inputs)
    except SeglossError as error:
        raise WorkflowError(str(error)) from error


def _settings(job: Any) -> str:
    """Digest of the job's params, but those that its inputs and outputs decide."""
    return hashlib.sha256(repr(sorted(map(repr, job.non_derived_params))).encode()).hexdigest()


def _inputs(job: Any) -> dict[str, str]:
    """SHA-256 of the job's inputs that were recorded when they were made, by path from its first output."""
    folder, inputs = Path(job.output[0]).parent, {}
    for first, files in _makers(job):
        made = checksums(first)
        read = [path for file in files if not file.is_ancient and (path := absolute(file)) in made]
        inputs |= {os.path.relpath(path, folder): made[path] for path in read}
    return inputs


def _makers(job: Any) -> Iterator[tuple[Path, Iterable[Any]]]:
    """First output of each job whose products the job reads, if they are recorded, and those."""
    for maker, files in job.dag.dependencies[job].items():
        first = Path(maker.output[0])
        if not _are_ancient(files) and record_of(first).is_file():
            yield first, files


def _hold_back(dag: Any) -> None:
    """Let no job begin whose inputs may be others when a checkpoint has run; the plan that is made then lets it."""
    waiting = [job for job in dag.jobs if _waits(job)]
    for job in dag.bfs(dag.depending, *waiting):
        if dag.needrun(job):
            dag._n_until_ready[job] += 1


def _waits(job: Any) -> bool:
    """Whether the job's inputs are not known until a checkpoint has run."""
    return any(file.flags.get("checkpoint_target") for file in job.input)


def _behind(direction: Mapping[Any, Mapping[Any, Iterable[Any]]], job: Any) -> Iterator[Any]:
    """The job and all that are joined to it by other than ``ancient`` inputs."""
    queue, seen = [job], {job}
    for reached in queue:
        yield reached
        for other, files in direction[reached].items():
            if other not in seen and not _are_ancient(files):
                seen.add(other)
                queue.append(other)


def _are_ancient(files: Iterable[Any]) -> bool:
    return all(file.is_ancient for file in files)


def _overlooked(dag: Any, is_recorded: Callable[[Any], bool], noted: set[str]) -> Iterator[str]:
    """An output of each job that has to run though it is left out of the plan."""
    for job in dag.jobs:
        if dag.needrun(job) or dag.finished(job) or _waits(job) or not is_recorded(job):
            continue
        if reason := fault(Path(job.output[0])) or _made_otherwise(job):
            if reason not in noted | {NEVER_MADE}:
                noted.add(reason)
                _note(f"rule {job.rule.name} runs again: {reason}", len(noted))
            yield job.output[0]


def _note(text: str, number: int) -> None:
    if number <= SHOWN:
        print(f"note: {text}", file=sys.stderr)
    elif number == SHOWN + 1:
        print("note: so do others, for reasons of the same kind", file=sys.stderr)


def _made_otherwise(job: Any) -> str | None:
    """Why what a job made is not what it would make now; None where it is, or where an input is to be made first."""
    output, triggers = job.output[0], job.dag.workflow.rerun_triggers
    settings, inputs = made_of(Path(output))
    if settings is None:
        return f"{output}: no call has seen the end of the job that made it"
    if RerunTrigger.PARAMS in triggers and settings != _settings(job):
        return f"{output} was made with other settings"
    if RerunTrigger.INPUT not in triggers or any(fault(first) for first, _ in _makers(job)):
        return None
    present = _inputs(job)
    changed = sorted(name for name in present.keys() | inputs.keys() if present.get(name) != inputs.get(name))
    if not changed:
        return None
    return f"{output} was made of another {os.path.relpath(Path(output).parent / changed[0])}"
