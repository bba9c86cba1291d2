"""Evaluation: tables of each run, a baseline without learning, and a study's tables."""


def in_this_project(modules):
    return sorted(set(filter(in_project, modules)))


def files_of(runs, *names):
    return [PATHS.run(run.id, name) for run in runs for name in names]


def tables_of(study):
    """What the summary of a study reads of its runs."""
    return [
        path for run in runs_of(study) for path in files_of([run], "history.csv", *map("{}.csv".format, run.tables))
    ]


def test_parts(runs):
    """Files that list the test cases of some runs."""
    return sorted({PATHS.tested(run) for run in runs})


@cache
def study_settings(study):
    """Digest of what decides the tables and figures of a study besides the files of its runs."""
    runs = runs_of(study)
    of_runs = [
        (run.id, run.title, run.evaluation_settings().model_dump(mode="json"), noise_table_of(run)) for run in runs
    ]
    epochs = sorted({run.settings.training.epochs for run in runs})
    file = CONFIG.studies[study].model_dump(mode="json", exclude=CONFIG.studies[study].scales.keys())
    file["measures"] = [repr(MEASURES[name]) for name in file["measures"]]  # what their columns are called, and mean
    # of losses what figures draw: other options or defaults change results, if any, by another training
    losses = {
        loss: [(term["loss"].get("name"), term["weight"]) for term in chosen.get("sum", ())]
        for loss, chosen in CONFIG.resolved_losses(study).items()
    }
    settings = [PATHS.result(study), of_runs, epochs, file, losses, CONFIG.note(study)]
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()


def study_baselines(study):
    """What a threshold without learning reaches, where the study asks for it."""
    runs = CONFIG.runs_of(study) if CONFIG.studies[study].baseline else []
    return sorted({PATHS.baseline(run.dataset, run.split) for run in runs})


def studies_measuring(measure):
    return [name for name, study in CONFIG.studies.items() if measure in study.measures]


def published_content(study):
    """Digest of what the study is held against: its path differs between checkouts and counts for nothing."""
    published = CONFIG.studies[study].published
    names = ["claims.yaml", *([f"{published.table}.csv"] if published else [])]
    return [sha256(Path(workflow.basedir) / "published" / name) for name in names]


def evaluation_settings(wildcards):
    """Params function: what decides a table of a run's evaluation."""
    return run_of(wildcards).evaluation_settings(wildcards.table).model_dump_json()


def evaluation_code(wildcards):
    """Params function: hash of the code of a table of a run's evaluation, and which of it measures."""
    entries = [*map(MEASURES.entry_of, run_of(wildcards).evaluation_settings(wildcards.table).measures)]
    code = code_version("scripts.evaluate", *in_this_project(entry.module for entry in entries))
    return repr([code, *((entry.implementation, entry.reads, entry.by_cut) for entry in entries)])


def measure_modules(study):
    return in_this_project(chain.from_iterable(MEASURES[name].modules for name in CONFIG.studies[study].measures))


def study_artifacts(study):
    """The trainings of a study, and the data made for them, with the code that would make them now."""
    runs = runs_of(study)
    return [*artifacts(runs, CONFIG, {run.dataset: cases_of(run.dataset)[0] for run in runs})]


rule evaluate:
    input:
        checksums=PATHS.run("{run}", "predictions.json"),  # content by checksum, as case.json does
        predictions=ancient(PATHS.run("{run}", "predictions")),
        cases=predicted_parts,
    output:
        PATHS.run("{run}", "{table}.csv"),
    log:
        PATHS.log("evaluate/{run}/{table}"),
    benchmark:
        PATHS.benchmark("evaluate/{run}/{table}")
    wildcard_constraints:
        table=one_of(sorted({entry.table for entry in MEASURES.values()})),
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        prepared=prepared_folder,
        settings=evaluation_settings,
        code=evaluation_code,
    message:
        "{wildcards.table} of {wildcards.run}"
    shell:
        f"python {SCRIPTS}/evaluate.py {PRODUCTS} {PLUGINS} --settings {{params.settings:q}} --predictions {{input.predictions:q}}"
        " --prepared {params.prepared:q} --cases {input.cases:q} --table {output:q} &> {log:q}"


rule crosscheck:
    input:
        lambda wildcards: ancient(files_of(CONFIG.first_seed_of(wildcards.study), "predictions")),
        checksums=lambda wildcards: files_of(CONFIG.first_seed_of(wildcards.study), "predictions.json"),
        measured=lambda wildcards: files_of(CONFIG.first_seed_of(wildcards.study), "cases.csv"),
        cases=lambda wildcards: test_parts(CONFIG.first_seed_of(wildcards.study)),
    output:
        PATHS.result("{study}/agreement.csv"),
    log:
        PATHS.log("crosscheck/{study}"),
    benchmark:
        PATHS.benchmark("crosscheck/{study}")
    wildcard_constraints:
        study=one_of(studies_measuring("surface")),
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        settings=lambda wildcards: study_settings(wildcards.study),
        code=lambda wildcards: code_version("scripts.crosscheck"),
    message:
        "hold the measures of {wildcards.study} against MONAI's"
    shell:
        f"python {SCRIPTS}/crosscheck.py {PRODUCTS} {STUDY} --table {{output:q}} &> {{log:q}}"


rule baseline:
    input:
        cases=split_parts("validation", "test"),
    output:
        PATHS.baseline("{dataset}", "{split}"),
    log:
        PATHS.log("baseline/{dataset}/{split}"),
    benchmark:
        PATHS.benchmark("baseline/{dataset}/{split}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        prepared=prepared_folder,
        code=lambda wildcards: code_version("scripts.baseline"),
    message:
        "baseline without learning for {wildcards.dataset}, split {wildcards.split}"
    shell:
        f"python {SCRIPTS}/baseline.py {PRODUCTS} --prepared {{params.prepared:q}}"
        " --cases {input.cases:q} --output {output:q} &> {log:q}"


SHOWN_TABLES = ("summary", "comparisons", "ranks")


rule summarize:
    input:
        runs=lambda wildcards: tables_of(wildcards.study),
        baselines=lambda wildcards: study_baselines(wildcards.study),
        noise=lambda wildcards: study_noise(wildcards.study),
    output:
        [path for path in tables_in("{study}") if Path(path).stem not in SHOWN_TABLES],
        [reported(PATHS.result(f"{{study}}/{table}.csv"), "tables", "{study}", table=table) for table in SHOWN_TABLES],
        directory(PATHS.result(f"{{study}}/{EXPORTS}")),
    log:
        PATHS.log("summarize/{study}"),
    benchmark:
        PATHS.benchmark("summarize/{study}")
    wildcard_constraints:
        study=one_of(CONFIG.studies),
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        settings=lambda wildcards: study_settings(wildcards.study),
        published=lambda wildcards: published_content(wildcards.study),
        code=lambda wildcards: code_version("scripts.summarize", *measure_modules(wildcards.study)),
    message:
        "tables of {wildcards.study}"
    shell:
        f"python {SCRIPTS}/summarize.py {PRODUCTS} {STUDY} --published {{workflow.basedir:q}}/published"
        " --tables {output:q} &> {log:q}"


def studies_run():
    return [study for study in CONFIG.studies if CONFIG.runs_of(study)]


def recomputed_records():
    return [PATHS.result("published/inverse_weighting.csv")] if takes_published_records() else []


def stated_numbers():
    """Digest of what is published, and of the files of studies that are not run, which say by what data it would be."""
    folder = Path(workflow.basedir)
    others = [path for name, path in study_files(folder).items() if name not in studies_run()]
    stated = [*sorted((folder / "published").glob("[!.]*")), *others]
    return hashlib.sha256("".join(map(sha256, stated)).encode()).hexdigest()


rule ledger:
    input:
        ledgers=lambda wildcards: [PATHS.result(f"{study}/ledger.csv") for study in studies_run()],
        claims=lambda wildcards: [PATHS.result(f"{study}/claims.csv") for study in studies_run()],
        recomputed=lambda wildcards: recomputed_records(),
    output:
        ledger=reported(PATHS.result("ledger.csv"), "ledger", "Published", table="numbers"),
        claims=reported(PATHS.result("claims.csv"), "ledger", "Published", table="claims"),
    log:
        PATHS.log("ledger"),
    benchmark:
        PATHS.benchmark("ledger")
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        studies=lambda wildcards, input: [str(Path(path).parent) for path in input.ledgers],
        data=lambda wildcards: option("recomputed", *recomputed_records()),
        published=lambda wildcards: stated_numbers(),
        code=lambda wildcards: code_version("scripts.ledger"),
    message:
        "published numbers and claims of all studies"
    shell:
        f"python {SCRIPTS}/ledger.py {PRODUCTS} {PLUGINS} --published {{workflow.basedir:q}}/published"
        " --studies {params.studies:q} --ledger {output.ledger:q} --claims {output.claims:q}{params.data} &> {log:q}"


rule list_code_changes:
    input:
        lambda wildcards: sorted(set(chain.from_iterable(made.files for made in study_artifacts(wildcards.study)))),
    output:
        PATHS.result("{study}/code_changes.csv"),
    log:
        PATHS.log("list_code_changes/{study}"),
    benchmark:
        PATHS.benchmark("list_code_changes/{study}")
    wildcard_constraints:
        study=one_of(CONFIG.studies),
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        present=lambda wildcards: sorted({made.code for made in study_artifacts(wildcards.study)}),
        code=lambda wildcards: code_version("scripts.list_code_changes"),
    message:
        "list what other code has made for {wildcards.study}"
    shell:
        f"python {SCRIPTS}/list_code_changes.py {PRODUCTS} {STUDY} --table {{output:q}} &> {{log:q}}"
