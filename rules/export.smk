"""Runs for other programs to read, where the configuration asks for them; nothing depends on them."""


def exported_targets():
    """The sessions of all runs, by tracker."""
    return [PATHS.run(run.id, f"{tracker}.zip") for tracker in CONFIG.workflow.trackers for run in CONFIG.runs]


rule export_clearml:
    input:
        history=PATHS.run("{run}", "history.csv"),
        provenance=PATHS.run("{run}", "provenance.json"),
    output:
        PATHS.run("{run}", "clearml.zip"),
    log:
        PATHS.log("export_clearml/{run}"),
    benchmark:
        PATHS.benchmark("export_clearml/{run}")
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        project=CONFIG.workflow.name,
        code=lambda wildcards: code_version("scripts.export_clearml"),
    message:
        "export {wildcards.run} for ClearML"
    shell:
        f"python {SCRIPTS}/export_clearml.py {PRODUCTS} --run {{wildcards.run:q}} --history {{input.history:q}}"
        " --provenance {input.provenance:q} --project {params.project:q} --output {output:q} &> {log:q}"
