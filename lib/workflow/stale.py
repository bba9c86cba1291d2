"""Snakemake plans a job whose outputs are not what it made, or whose inputs are not what it read.

By itself Snakemake runs a job because of its inputs' times, its params and its code. It does not ask whether a file
between two jobs is missing, as it is after a job has failed in a call that repeats it: what was made of it before then
counts as up to date. Nor does it ask what has become of an output since it was made.
"""

import sys
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

from lib.products import NEVER_MADE, checksums, fault

SHOWN = 20
"""Notes that one call prints at most."""


def verify_products(job_class: type, unrecorded: Collection[str]) -> None:
    """Have Snakemake verify, for each job that it would leave out of a plan, what the job made and read.

    Args:
        job_class: Snakemake's class of jobs. Its question for outputs that are older than their script is extended,
            as it is asked of every job that has no other reason to run.
        unrecorded: names of rules whose outputs may be deleted once they are used.
    """
    older = job_class.outputs_older_than_script_or_notebook
    noted: set[str] = set()

    async def outdated(job: Any) -> AsyncIterator[str]:
        async for output in older(job):
            yield output
        if job.output and job.rule.name not in unrecorded and (reason := _reason(job, unrecorded)):
            if reason not in noted | {NEVER_MADE}:
                noted.add(reason)
                _note(f"rule {job.rule.name} runs again: {reason}", len(noted))
            yield job.output[0]

    job_class.outputs_older_than_script_or_notebook = outdated


def _note(text: str, number: int) -> None:
    if number <= SHOWN:
        print(f"note: {text}", file=sys.stderr)
    elif number == SHOWN + 1:
        print("note: so do others, for reasons of the same kind", file=sys.stderr)


def _reason(job: Any, unrecorded: Collection[str]) -> str | None:
    return fault(Path(job.output[0])) or _changed_input(job, unrecorded)


def _changed_input(job: Any, unrecorded: Collection[str]) -> str | None:
    """An input that is not what the job read; the times of files do not say where they were copied or touched."""
    made: dict[Path, str] = {}
    for maker in job.dag.dependencies[job]:
        if maker.output and maker.rule.name not in unrecorded and not fault(Path(maker.output[0])):
            made |= checksums(Path(maker.output[0]))
    for file in job.input:
        if (present := made.get(Path(file))) and not file.is_ancient:
            read = job.dag.workflow.persistence.input_checksums(job, file)
            if read - {None, f"sha256:{present}"}:
                return f"{job.output[0]} was made of another {file}"
    return None
