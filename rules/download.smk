"""Official files, one job each: fetched, held against their size and checksum, and unpacked."""

hand_over_mirror(CONFIG.workflow.mirror)


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
