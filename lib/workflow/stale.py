"""Snakemake plans a job whose outputs are not what it made, or whose inputs are not what it read.

By itself Snakemake runs a job because of its inputs' times, its params and its code. It does not ask whether a file
between two jobs is missing, as it is after a job has failed in a call that repeats it: what was made of it before then
counts as up to date. Nor does it ask what has become of an output since it was made. And it asks nothing of jobs behind
one that runs, as these run too; but it does not run them where an ``ancient`` input joins them (Snakemake 9.27).
"""

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lib.products import NEVER_MADE, checksums, fault

SHOWN = 20
"""Notes that one call prints at most."""


def verify_plans(dag_class: type, unrecorded: Collection[str]) -> None:
    """Have Snakemake verify what each job that it leaves out of a plan has made and read.

    Args:
        dag_class: Snakemake's class of plans.
        unrecorded: names of rules whose outputs may be deleted once they are used.
    """
    plan = dag_class.update_needrun
    noted: set[str] = set()

    async def update_needrun(dag: Any, *arguments: Any, **options: Any) -> None:
        dag.bfs = _behind
        try:
            await plan(dag, *arguments, **options)
            while files := set(_overlooked(dag, unrecorded, noted)) - dag.forcefiles:
                dag.forcefiles |= files
                await plan(dag)
        finally:
            del dag.bfs

    dag_class.update_needrun = update_needrun


def _behind(direction: Mapping[Any, Mapping[Any, Iterable[Any]]], job: Any) -> Iterator[Any]:
    """The job and all that are joined to it by other than ``ancient`` inputs."""
    queue, seen = [job], {job}
    for reached in queue:
        yield reached
        for other, files in direction[reached].items():
            if other not in seen and not all(file.is_ancient for file in files):
                seen.add(other)
                queue.append(other)


def _overlooked(dag: Any, unrecorded: Collection[str], noted: set[str]) -> Iterator[str]:
    """An output of each job that has to run though it is left out of the plan."""
    for job in dag.jobs:
        waits = any(file.flags.get("checkpoint_target") for file in job.input)  # its inputs are not known yet
        if dag.needrun(job) or dag.finished(job) or waits or not job.output or job.rule.name in unrecorded:
            continue
        if reason := fault(Path(job.output[0])) or _changed_input(job, unrecorded):
            if reason not in noted | {NEVER_MADE}:
                noted.add(reason)
                _note(f"rule {job.rule.name} runs again: {reason}", len(noted))
            yield job.output[0]


def _note(text: str, number: int) -> None:
    if number <= SHOWN:
        print(f"note: {text}", file=sys.stderr)
    elif number == SHOWN + 1:
        print("note: so do others, for reasons of the same kind", file=sys.stderr)


def _changed_input(job: Any, unrecorded: Collection[str]) -> str | None:
    """An input that is not what the job read; the times of files do not say where they were copied or touched."""
    made: dict[str, str] = {}
    for maker in job.dag.dependencies[job]:
        if maker.output and maker.rule.name not in unrecorded and not fault(Path(maker.output[0])):
            made |= checksums(Path(maker.output[0]))
    for file in job.input:
        if (present := made.get(os.path.normpath(file))) and not file.is_ancient:
            read = job.dag.workflow.persistence.input_checksums(job, file)
            if read - {None, f"sha256:{present}"}:
                return f"{job.output[0]} was made of another {file}"
    return None
