"""Official files, one job each: fetched, held against their size and checksum, and unpacked."""

hand_over_mirror(CONFIG.workflow.mirror)


def archive_names():
    """Every folder that some source's archive unpacks to."""
    files = chain.from_iterable(load_source(source).files for source in source_names())
    return sorted({stem(file.path) for file in files if is_archive(file.path)})


def archive_path(source, archive):
    """Path of the source's file that unpacks to ``archive``."""
    return next(file.path for file in load_source(source).files if is_archive(file.path) and stem(file.path) == archive)


def raw_files(source):
    return [PATHS.raw(source, file.path) for file in load_source(source).files]


rule download:
    output:
        PATHS.raw("{source}", "{file}"),
    log:
        PATHS.log("download/{source}/{file}"),
    benchmark:
        PATHS.benchmark("download/{source}/{file}")
    wildcard_constraints:
        source=one_of(source_names()),
        file=".+",
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    resources:
        downloads=1,
    params:
        manual=lambda wildcards: PATHS.manual(wildcards.source),
        record=lambda wildcards: PATHS.recorded_checksum(wildcards.source, wildcards.file),
    message:
        "download {wildcards.source}: {wildcards.file}"
    shell:
        f"python {SCRIPTS}/download.py --source {{wildcards.source:q}} --path {{wildcards.file:q}}"
        " --manual {params.manual:q} --record {params.record:q}"
        " --output {output:q} 2>&1 | tee {log:q}"


rule extract:
    input:
        lambda wildcards: PATHS.raw(wildcards.source, archive_path(wildcards.source, wildcards.archive)),
    output:
        directory(PATHS.extracted("{source}", "{archive}")),
    log:
        PATHS.log("extract/{source}/{archive}"),
    benchmark:
        PATHS.benchmark("extract/{source}/{archive}")
    wildcard_constraints:
        source=one_of(source_names()),
        archive=one_of(archive_names()),
    conda:
        "../envs/segloss.yaml"
    threads: 1
    message:
        "unpack {wildcards.source}: {wildcards.archive}"
    shell:
        f"python {SCRIPTS}/extract.py --archive {{input:q}} --output {{output:q}} &> {{log:q}}"
