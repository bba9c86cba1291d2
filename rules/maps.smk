"""Maps of prepared cases, one job each, from the whole label volume."""


rule make_map:
    input:
        label=ancient(PATHS.case("{dataset}", "{case}", "label.b2nd")),
        description=PATHS.case("{dataset}", "{case}", "case.json"),
    output:
        PATHS.case("{dataset}", "{case}", "{map_name}.b2nd"),
    log:
        PATHS.log("maps/{dataset}/{case}.{map_name}"),
    benchmark:
        PATHS.benchmark("maps/{dataset}/{case}.{map_name}")
    wildcard_constraints:
        map_name="|".join(MAPS),
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        case=subpath(input.description, parent=True),
        classes=lambda wildcards: len(CONFIG.datasets[wildcards.dataset].classes),
        code=code_version("scripts.make_map"),
    message:
        "map {wildcards.map_name} of {wildcards.dataset} {wildcards.case}"
    shell:
        f"python {SCRIPTS}/make_map.py --map-name {{wildcards.map_name}} --case {{params.case:q}}"
        " --classes {params.classes}"
        " --output {output:q} &> {log:q}"
