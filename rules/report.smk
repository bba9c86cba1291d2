"""The page of the whole comparison, made from the tables of the studies alone."""

from lib.report.losses import maps_of
from lib.report.sources import NEEDED, OPTIONAL


def reported_tables():
    made = expand(rules.summarize.output, study=studies_run())
    return [
        *(path for path in made if Path(path).stem in (*NEEDED, *OPTIONAL)),
        *(PATHS.result(f"{study}/cost.csv") for study in studies_run() if shows_costs(study)),
    ]


def report_settings():
    """What decides the page besides the tables: what the studies say of themselves and of their losses."""
    losses = {study: CONFIG.resolved_losses(study) for study in studies_run()}
    maps = [maps_of(loss) for of_study in losses.values() for loss in of_study.values()]
    of_studies = [[study, study_settings(study), losses[study]] for study in losses]
    kinds = [
        (name, dataset.title, dataset.kind) for name, dataset in CONFIG.datasets.items() if name in datasets_used()
    ]
    return hashlib.sha256(json.dumps([of_studies, maps, kinds]).encode()).hexdigest()


def report_code():
    """Hash of the code of the page, its template, style and script included."""
    return repr([code_version("scripts.report"), *map(sha256, ASSETS)])


rule report:
    input:
        tables=reported_tables(),
        joined=rules.ledger.output,
    output:
        reported(PATHS.result("report.html"), "page", "Answer"),
    log:
        PATHS.log("report"),
    benchmark:
        PATHS.benchmark("report")
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        settings=lambda wildcards: report_settings(),
        code=lambda wildcards: report_code(),
    message:
        "{output}: which loss to use"
    shell:
        f"python {SCRIPTS}/report.py {PRODUCTS} {PLUGINS} --configuration {{CONFIG.as_json:q}}"
        " --tables {input.tables:q} --joined {input.joined:q} --page {output:q} &> {log:q}"
