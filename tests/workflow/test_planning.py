"""What a plan costs: the graph grows with runs plus cases, not with runs times cases."""

import re
from pathlib import Path

from projects import copy_with_tiny_study, snakemake


def test_jobs_of_a_run_ask_for_lists_of_cases_and_maps(tmp_path: Path) -> None:
    folder = copy_with_tiny_study(tmp_path)
    graph = snakemake(folder, "--dag", "--config", "noise=[{alpha: 1, beta: 0.6}]").stdout
    rules = dict(re.findall(r'(\d+)\[label = "(\w+)', graph))
    edges = [(rules[needed], rules[job]) for needed, job in re.findall(r"(\d+) -> (\d+)", graph)]
    of_runs = {"train", "predict", "evaluate"}
    # not index, a checkpoint, either: when it is done Snakemake makes every job anew that asks for it
    lists = {"list_part", "check_part", "list_maps", "make_noise", "make_noisy_maps"}
    assert {needed for needed, job in edges if job in of_runs} == lists | {"train", "predict"}
    # what may be made anew by other code, without another training
    data = {"prepare", "make_maps", "make_noise", "make_noisy_maps"}
    assert {needed for needed, job in edges if job == "list_code_changes"} == data | {"train"}
