"""Downloads, one file each, checked against the size and checksum that the project keeps of it."""


rule download:
    output:
        PATHS.raw("{source}", "{file}"),
    log:
        PATHS.log("download/{source}/{file}"),
    benchmark:
        PATHS.benchmark("download/{source}/{file}")
    wildcard_constraints:
        source="|".join(source_names()),
        file=".+",
    threads: 1
    resources:
        mem_mb=500,
        runtime=600,
    message:
        "download {wildcards.source}: {wildcards.file}"
    shell:
        f"python {SCRIPTS}/download.py --source {{wildcards.source}} --path {{wildcards.file:q}}"
        " --mirror {CONFIG.mirror:q} --output {output:q} &> {log:q}"
