"""What a plan costs: the graph grows with runs plus cases, not with runs times cases."""

import re
from pathlib import Path

import yaml
from projects import copy_with_one_study, copy_with_tiny_study, snakemake


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


def test_runs_that_begin_with_weights_of_imagenet_ask_for_their_file_and_no_other_download(tmp_path: Path) -> None:
    folder = copy_with_one_study(tmp_path, "label_marginal")
    path = folder / "studies/label_marginal.yaml"
    study = yaml.safe_load(path.read_text())
    study["demo"] |= {"losses": ["ce", "dice"], "seeds": [0]}
    networks = {
        "scratch": {"name": "resnet_unet_2d", "encoder": "resnet50"},
        "begun": {"name": "resnet_unet_2d", "encoder": "resnet50", "encoder_weights": "imagenet"},
        "deeper": {"name": "resnet_fpn_2d", "encoder": "resnet101", "encoder_weights": "imagenet"},
    }
    study["demo"]["variants"] = {name: {"network": network} for name, network in networks.items()}
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    graph = snakemake(folder, "--dag").stdout
    labels = dict(re.findall(r'(\d+)\[label = "([^"]+)', graph))
    edges = [(labels[needed], labels[job]) for needed, job in re.findall(r"(\d+) -> (\d+)", graph)]
    files = {"begun": "resnet50-19c8e357.pth", "deeper": "resnet101-5d3b4d8f.pth"}
    assert {(needed, job) for needed, job in edges if needed.startswith("download")} == {
        (
            f"download\\nfile: {file}\\nsource: imagenet_resnet",
            f"train\\nrun: label_marginal/phantom_scenes/{variant}/{loss}/seed-0",
        )
        for variant, file in files.items()
        for loss in ("ce", "dice")
    }


def test_the_second_stage_of_a_cascade_asks_for_what_the_first_one_predicts(tmp_path: Path) -> None:
    folder = copy_with_one_study(tmp_path, "liver_benchmark")
    graph = snakemake(folder, "--dag", "--config", "variants=cascade", "seeds=0").stdout
    rules = dict(re.findall(r'(\d+)\[label = "(\w+)', graph))
    edges = [(rules[needed], rules[job]) for needed, job in re.findall(r"(\d+) -> (\d+)", graph)]
    assert edges.count(("predict", "predict")) == 1 and ("prepare", "prepare") in edges
    # the first stage was left out, and nobody asks for its tables
    assert [[*rules.values()].count(rule) for rule in ("train", "predict", "evaluate")] == [2, 2, 1]
