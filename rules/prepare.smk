"""Cases found among raw files, prepared in bundles (image, label, description), and shown in a report."""


def entries_of(wildcards):
    """The files and details of a bundle's cases."""
    index, bundles = cases_of(wildcards.dataset)
    if wildcards.bundle not in bundles:
        raise WorkflowError(f"data set {wildcards.dataset} has no bundle of cases {wildcards.bundle!r}")
    return {case: index.cases[case] for case in bundles[wildcards.bundle]}


def files_named(wildcards):
    """The files of a bundle's cases."""
    roles = chain.from_iterable(entry.files.values() for entry in entries_of(wildcards).values())
    return [*chain.from_iterable(roles)]


def state_of_cases(wildcards):
    """Params function: digest of the user's files, as one that replaces another may be older than what was made."""
    return digest_of_states(files_named(wildcards)) if CONFIG.users_folder(wildcards.dataset) else ""


def raw_places(dataset):
    """Where the raw files of a data set lie: a folder that the user names, or what was downloaded and unpacked.

    Of cases that are made of others it is the other data set, and what decides the spacing.
    """
    if origin := CONFIG.datasets[dataset].origin:
        return [PATHS.index(origin), *fingerprints(dataset)]
    if folder := CONFIG.users_folder(dataset):
        return [folder]
    return [
        (PATHS.extracted(source, stem(file.path)) if is_archive(file.path) else PATHS.raw(source, file.path))
        for source in CONFIG.datasets[dataset].sources
        for file in load_source(source).files
    ]


def files_of_cases(wildcards):
    """Input function: the cases' files in a folder that the user names, otherwise the unpacked archives they lie in.

    Archives can be had again, so prepared cases outlive them. Of cases made of others: those.
    """
    if origin := CONFIG.datasets[wildcards.dataset].origin:
        return [PATHS.bundle(origin, wildcards.bundle), *fingerprints(wildcards.dataset)]
    files = files_named(wildcards)
    if CONFIG.users_folder(wildcards.dataset):
        return files
    places = raw_places(wildcards.dataset)
    return sorted({next(place for place in places if f"{file}/".startswith(f"{place}/")) for file in files})


def fingerprints(dataset):
    """The fingerprint from which the spacing of resampled cases comes, if it does."""
    return sorted({path for run in RUNS.values() if run.trained_on == dataset for path in grid_of(run)})


def first_split(dataset):
    """The split of a data set that is used where none is named."""
    return CONFIG.datasets[dataset].splits[0]


def names_below(dataset):
    """Digest of what decides the cases in a folder that the user names: the files' names, and what describes them."""
    if own := CONFIG.workflow.own_data.get(dataset):
        return digest_of_names([own.folder]) + digest_of_description(own)
    folder = CONFIG.users_folder(dataset)
    return digest_of_names([folder]) + digest_of_tables(folder) if folder else ""


def digest_of_order(dataset, split, part):
    """Params function: digest of the order of a part's cases, in which trainings draw from them."""
    return hashlib.sha256(json.dumps(cases_of(dataset)[0].splits[split][part]).encode()).hexdigest()


checkpoint index:
    input:
        lambda wildcards: raw_places(wildcards.dataset),
    output:
        PATHS.index("{dataset}"),
    log:
        PATHS.log("index/{dataset}"),
    benchmark:
        PATHS.benchmark("index/{dataset}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        adapter=lambda wildcards: CONFIG.datasets[wildcards.dataset].adapter,
        parameters=lambda wildcards: json.dumps(
            CONFIG.datasets[wildcards.dataset].parameters | CONFIG.datasets[wildcards.dataset].indexing
        ),
        places=lambda wildcards: json.dumps(raw_places(wildcards.dataset)),
        names=lambda wildcards: names_below(wildcards.dataset),
        code=lambda wildcards: data_code("scripts.index", CONFIG.datasets[wildcards.dataset].adapter),
    message:
        "find the cases of {wildcards.dataset}"
    shell:
        f"python {SCRIPTS}/index.py {PRODUCTS} --dataset {{wildcards.dataset:q}} --adapter {{params.adapter:q}}"
        " --parameters {params.parameters:q} --places {params.places:q} --output {output:q} &> {log:q}"


rule prepare:
    input:
        files_of_cases,
        index=ancient(PATHS.index("{dataset}")),  # its content counts by the entries of these cases
    output:
        PATHS.bundle("{dataset}", "{bundle}"),
    log:
        PATHS.log("prepare/{dataset}/{bundle}"),
    benchmark:
        PATHS.benchmark("prepare/{dataset}/{bundle}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        adapter=lambda wildcards: CONFIG.datasets[wildcards.dataset].adapter,
        parameters=lambda wildcards: json.dumps(CONFIG.datasets[wildcards.dataset].parameters),
        labels=lambda wildcards: json.dumps(CONFIG.datasets[wildcards.dataset].labels.as_json()),
        cases=lambda wildcards: json.dumps(list(entries_of(wildcards))),
        entries=lambda wildcards: repr(entries_of(wildcards)),
        files=state_of_cases,
        prepared=lambda wildcards: PATHS.prepared(wildcards.dataset),
        code=lambda wildcards: data_code("scripts.prepare", CONFIG.datasets[wildcards.dataset].adapter),
    message:
        "prepare {wildcards.dataset}, bundle {wildcards.bundle}"
    shell:
        f"python {SCRIPTS}/prepare.py {PRODUCTS} --adapter {{params.adapter:q}} --parameters {{params.parameters:q}}"
        " --labels {params.labels:q} --cases {params.cases:q} --prepared {params.prepared:q} --output {output:q} &> {log:q}"


rule list_part:
    input:
        index=ancient(PATHS.index("{dataset}")),  # its content counts by the order of the cases and their bundles
        bundles=lambda wildcards: [
            PATHS.bundle(wildcards.dataset, name)
            for name in bundles_of_part(wildcards.dataset, wildcards.split, wildcards.part)
        ],
    output:
        PATHS.part("{dataset}", "{split}", "{part}"),
    log:
        PATHS.log("list_part/{dataset}/{split}/{part}"),
    benchmark:
        PATHS.benchmark("list_part/{dataset}/{split}/{part}")
    wildcard_constraints:
        part=one_of(SPLITS),
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        bundles=lambda wildcards, input: bundles_option(input.bundles),
        order=lambda wildcards: digest_of_order(wildcards.dataset, wildcards.split, wildcards.part),
        code=lambda wildcards: data_code("scripts.list_cases"),
    message:
        "list the {wildcards.part} cases of {wildcards.dataset}, split {wildcards.split}"
    shell:
        f"python {SCRIPTS}/list_cases.py {PRODUCTS} {{params.bundles}} --index {{input.index:q}}"
        " --split {wildcards.split:q} --part {wildcards.part:q} --output {output:q} &> {log:q}"


rule check_part:
    input:
        PATHS.part("{dataset}", "{split}", "{part}"),
    output:
        PATHS.checked_part("{dataset}", "{split}", "{part}"),
    log:
        PATHS.log("check_part/{dataset}/{split}/{part}"),
    benchmark:
        PATHS.benchmark("check_part/{dataset}/{split}/{part}")
    wildcard_constraints:
        part=one_of(SPLITS),
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        name="data set {dataset}, split {split}, {part}",
        code=lambda wildcards: data_code("scripts.check_part"),
    message:
        "check the {wildcards.part} cases of {wildcards.dataset}, split {wildcards.split}"
    shell:
        f"python {SCRIPTS}/check_part.py {PRODUCTS} --cases {{input:q}} --name {{params.name:q}} --output {{output:q}} &> {{log:q}}"


rule data_report:
    input:
        index=PATHS.index("{dataset}"),
        fingerprint=lambda wildcards: PATHS.fingerprint(wildcards.dataset, first_split(wildcards.dataset)),
        bundles=lambda wildcards: [PATHS.bundle(wildcards.dataset, name) for name in cases_of(wildcards.dataset)[1]],
    output:
        cases=reported(PATHS.result("data/{dataset}/cases.csv"), "data", "Data", table="{dataset}"),
        excluded=PATHS.result("data/{dataset}/excluded.csv"),
        figure=reported(PATHS.plot("data/{dataset}.pdf"), "data", "Data", figure="{dataset}"),
    log:
        PATHS.log("data_report/{dataset}"),
    benchmark:
        PATHS.benchmark("data_report/{dataset}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        prepared=lambda wildcards: PATHS.prepared(wildcards.dataset),
        split=lambda wildcards: first_split(wildcards.dataset),
        title=lambda wildcards: CONFIG.datasets[wildcards.dataset].title,
        labels=lambda wildcards: json.dumps(CONFIG.datasets[wildcards.dataset].labels.as_json()),
        code=lambda wildcards: code_version("scripts.data_report"),
    message:
        "report of {wildcards.dataset}"
    shell:
        f"python {SCRIPTS}/data_report.py {PRODUCTS} --prepared {{params.prepared:q}} --title {{params.title:q}}"
        " --fingerprint {input.fingerprint:q} --split {params.split:q} --labels {params.labels:q}"
        " --table {output.cases:q} --excluded {output.excluded:q} --figure {output.figure:q} &> {log:q}"


rule duplicates:
    input:
        tested=PATHS.part("{dataset}", "{split}", "test"),
        trained=[PATHS.part("{trained}", "{trained_split}", part) for part in ("train", "validation")],
    output:
        table=PATHS.duplicates("{dataset}", "{split}", "{trained}", "{trained_split}"),
        remaining=PATHS.test_without("{dataset}", "{split}", "{trained}", "{trained_split}"),
    log:
        PATHS.log("duplicates/{dataset}/{split}/{trained}.{trained_split}"),
    benchmark:
        PATHS.benchmark("duplicates/{dataset}/{split}/{trained}.{trained_split}")
    wildcard_constraints:
        trained=one_of(CONFIG.datasets),
        trained_split="[^/]+",
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        prepared=lambda wildcards: PATHS.prepared(wildcards.dataset),
        trained_prepared=lambda wildcards: PATHS.prepared(wildcards.trained),
        name="data set {dataset}, split {split}, without those of {trained}, split {trained_split}",
        code=lambda wildcards: data_code("scripts.duplicates"),
    message:
        "find the test cases of {wildcards.dataset} that are training cases of {wildcards.trained}"
    shell:
        f"python {SCRIPTS}/duplicates.py {PRODUCTS} --prepared {{params.prepared:q}} --tested {{input.tested:q}}"
        " --trained-prepared {params.trained_prepared:q} --trained {input.trained:q} --name {params.name:q}"
        " --table {output.table:q} --remaining {output.remaining:q} &> {log:q}"
