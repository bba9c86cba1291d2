"""Maps of prepared cases from the whole label volume, made for a bundle in one job."""


rule make_maps:
    input:
        PATHS.bundle("{dataset}", "{bundle}"),
    output:
        PATHS.bundle_maps("{dataset}", "{bundle}", "{map_name}"),
    log:
        PATHS.log("maps/{dataset}/{map_name}/{bundle}"),
    benchmark:
        PATHS.benchmark("maps/{dataset}/{map_name}/{bundle}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        prepared=lambda wildcards: PATHS.prepared(wildcards.dataset),
        labels=lambda wildcards: json.dumps(CONFIG.datasets[wildcards.dataset].labels.as_json()),
        code=lambda wildcards: data_code("scripts.make_maps"),
    message:
        "maps {wildcards.map_name} of {wildcards.dataset}, bundle {wildcards.bundle}"
    shell:
        f"python {SCRIPTS}/make_maps.py {PRODUCTS} --map-name {{wildcards.map_name:q}} --prepared {{params.prepared:q}}"
        " --bundle {input:q} --labels {params.labels:q} --output {output:q} &> {log:q}"


rule list_maps:
    input:
        index=ancient(PATHS.index("{dataset}")),  # its content counts by the bundles that it leads to
        bundles=lambda wildcards: [
            PATHS.bundle_maps(wildcards.dataset, name, wildcards.map_name)
            for name in bundles_of_part(wildcards.dataset, wildcards.split, "train")
        ],
    output:
        PATHS.maps("{dataset}", "{split}", "{map_name}"),
    log:
        PATHS.log("list_maps/{dataset}/{split}/{map_name}"),
    benchmark:
        PATHS.benchmark("list_maps/{dataset}/{split}/{map_name}")
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        bundles=lambda wildcards, input: bundles_option(input.bundles),
        code=lambda wildcards: data_code("scripts.list_cases"),
    message:
        "list the maps {wildcards.map_name} of {wildcards.dataset}, split {wildcards.split}"
    shell:
        f"python {SCRIPTS}/list_cases.py {PRODUCTS} {{params.bundles}} --index {{input.index:q}}"
        " --split {wildcards.split:q} --part train --output {output:q} &> {log:q}"
