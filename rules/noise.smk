"""Noisy training masks: one set a split and noise, made from prepared cases before maps and training."""


wildcard_constraints:
    noise=one_of(NOISES),


rule make_noise:
    input:
        cases=split_parts("train"),
    output:
        masks=directory(PATHS.noisy("{dataset}", "{split}", "{noise}", "masks")),
        table=PATHS.noise_table("{dataset}", "{split}", "{noise}"),
        made=PATHS.noisy("{dataset}", "{split}", "{noise}", "made.json"),
    log:
        PATHS.log("noise/{dataset}/{split}/{noise}"),
    benchmark:
        PATHS.benchmark("noise/{dataset}/{split}/{noise}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        prepared=prepared_folder,
        noise=lambda wildcards: json.dumps(NOISES[wildcards.noise].model_dump(mode="json")),
        code=lambda wildcards: data_code("scripts.make_noise"),
    message:
        "noisy masks {wildcards.noise} of {wildcards.dataset}, split {wildcards.split}"
    shell:
        f"python {SCRIPTS}/make_noise.py {PRODUCTS} --prepared {{params.prepared:q}} --cases {{input.cases:q}} --noise {{params.noise:q}}"
        " --masks {output.masks:q} --table {output.table:q} --made {output.made:q} &> {log:q}"


rule plot_noise:
    input:
        table=PATHS.noise_table("{dataset}", "{split}", "{noise}"),
        masks=ancient(PATHS.noisy("{dataset}", "{split}", "{noise}", "masks")),
        cases=split_parts("train"),
    output:
        reported(PATHS.plot("noise/{dataset}/{split}/{noise}.pdf"), "noise", "Data", figure="{dataset}, {noise}"),
    log:
        PATHS.log("plots/noise/{dataset}/{split}/{noise}"),
    benchmark:
        PATHS.benchmark("plots/noise/{dataset}/{split}/{noise}")
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        prepared=prepared_folder,
        noisy=subpath(input.masks, parent=True),
        title=lambda wildcards: CONFIG.datasets[wildcards.dataset].title,
        code=lambda wildcards: code_version("scripts.plot_noise"),
    message:
        "contact sheet of noise {wildcards.noise} of {wildcards.dataset}"
    shell:
        f"python {SCRIPTS}/plot_noise.py {PRODUCTS} --prepared {{params.prepared:q}} --cases {{input.cases:q}} --noisy {{params.noisy:q}} --table {{input.table:q}}"
        " --title {params.title:q} --noise {wildcards.noise:q} --output {output:q} &> {log:q}"


rule make_noisy_maps:
    input:
        masks=ancient(PATHS.noisy("{dataset}", "{split}", "{noise}", "masks")),
        table=PATHS.noise_table("{dataset}", "{split}", "{noise}"),
    output:
        maps=directory(PATHS.noisy("{dataset}", "{split}", "{noise}", "maps/{map_name}")),
        checksums=PATHS.noisy("{dataset}", "{split}", "{noise}", "maps/{map_name}.json"),
    log:
        PATHS.log("maps/{dataset}/{split}/{noise}/{map_name}"),
    benchmark:
        PATHS.benchmark("maps/{dataset}/{split}/{noise}/{map_name}")
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        labels=lambda wildcards: json.dumps(CONFIG.datasets[wildcards.dataset].labels.as_json()),
        code=lambda wildcards: data_code("scripts.make_noisy_maps"),
    message:
        "maps {wildcards.map_name} of {wildcards.dataset}, split {wildcards.split}, with noise {wildcards.noise}"
    shell:
        f"python {SCRIPTS}/make_noisy_maps.py {PRODUCTS} --map-name {{wildcards.map_name:q}} --masks {{input.masks:q}}"
        " --labels {params.labels:q} --maps {output.maps:q} --checksums {output.checksums:q} &> {log:q}"
