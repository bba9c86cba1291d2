"""Figures: those of a study's own runs, and numbers and figures recomputed from published records."""


def study_of(place, figure):
    """The study whose figure lies at a place below the plots; those in `plots/` itself say so in their study."""
    if place:
        return place.removesuffix("/")
    found = [name for name, study in CONFIG.studies.items() if figure in study.top_figures]
    if not found:
        raise WorkflowError(f"no study has {figure} among its top_figures; plots/<study>/{figure}.pdf")
    return found[0]


def figure_settings(place, figure):
    """A figure with the parameters that its study gives it."""
    chosen = (chosen for chosen in CONFIG.studies[study_of(place, figure)].figures if chosen.name == figure)
    return next(chosen, None) or FIGURES.parse(figure)


def figure_inputs(place, figure):
    """What a figure of a study reads."""
    entry, study = FIGURES[figure], study_of(place, figure)
    runs = runs_of(study)
    of_runs = (*entry.of_runs, *figure_settings(place, figure).of_runs)
    examples = CONFIG.examples_of(study) if entry.predictions else []
    return [
        *files_of(runs, *(name for name in of_runs if name != "noise")),
        *(study_noise(study) if "noise" in of_runs else []),
        *(PATHS.found(search.id, file) for search in CONFIG.searches_of(study) for file in entry.of_searches),
        *(PATHS.result(f"{study}/{table}.csv") for table in entry.tables),
        *map(ancient, files_of(examples, "predictions")),
        *files_of(examples, "predictions.json"),
        *test_parts(examples),
    ]


def figure_code(figure):
    """Hash of the code of a figure, and which of it draws."""
    entry = FIGURES[figure]
    return f"{code_version('scripts.plot', *filter(in_project, [entry.module]))} {entry.implementation}"


def figures_of(study):
    """The figures that the study names, and the dose-response curve of whatever saw noise."""
    names = [figure.name for figure in CONFIG.studies[study].figures]
    names += ["dice_by_noise"] if study_noise(study) and "dice_by_noise" not in names else []
    top = [name for name in CONFIG.studies[study].top_figures if study_of("", name) == study]
    return [PATHS.plot(f"{'' if name in top else f'{study}/'}{name}.pdf") for name in names]


PUBLISHED_FIGURES = {
    "froc": PATHS.plot("published/froc.pdf"),
    "camera_ready": PATHS.plot("published/froc_camera_ready.pdf"),
    "focal_alpha": PATHS.plot("published/focal_alpha.pdf"),
}


def published_targets():
    return [PATHS.result("published/inverse_weighting.csv"), *PUBLISHED_FIGURES.values()]


def takes_published_records():
    """At demo scale the default targets need no network, unless a mirror is named."""
    return "inverse_weighting" in CONFIG.studies and (CONFIG.workflow.mirror or CONFIG.workflow.scale == "paper")


rule plot:
    input:
        lambda wildcards: figure_inputs(wildcards.place, wildcards.figure),
    output:
        reported(
            PATHS.plot("{place}{figure}.pdf"),
            "figure",
            lambda wildcards: study_of(wildcards.place, wildcards.figure),
            figure="{figure}",
        ),
    log:
        PATHS.log("plots/{place}{figure}"),
    benchmark:
        PATHS.benchmark("plots/{place}{figure}")
    wildcard_constraints:
        place=f"|{one_of(f'{study}/' for study in CONFIG.studies)}",
        figure=one_of(FIGURES),
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        study=lambda wildcards: study_of(wildcards.place, wildcards.figure),
        figure=lambda wildcards: figure_settings(wildcards.place, wildcards.figure).model_dump_json(),
        settings=lambda wildcards: study_settings(study_of(wildcards.place, wildcards.figure)),
        code=lambda wildcards: figure_code(wildcards.figure),
    message:
        "draw {output}"
    shell:
        f"python {SCRIPTS}/plot.py {PRODUCTS} {PLUGINS} --configuration {{CONFIG.as_json:q}} --study {{params.study:q}}"
        " --figure {params.figure:q} --output {output:q} &> {log:q}"


rule recompute:
    input:
        records=raw_files("inverse_weighting_records"),
        printed=f"{workflow.basedir}/published/inverse_weighting.csv",
    output:
        **{name: reported(path, "published", "Published", figure=name) for name, path in PUBLISHED_FIGURES.items()},
        table=reported(PATHS.result("published/inverse_weighting.csv"), "published", "Published", table="recomputed"),
    log:
        PATHS.log("recompute"),
    benchmark:
        PATHS.benchmark("recompute")
    localrule: True
    conda:
        "../envs/segloss.yaml"
    threads: 1
    params:
        code=lambda wildcards: code_version("scripts.recompute"),
    message:
        "recompute the published numbers and figures of inverse weighting"
    shell:
        f"python {SCRIPTS}/recompute.py {PRODUCTS} --records {{input.records:q}} --printed {{input.printed:q}}"
        " --table {output.table:q} --froc {output.froc:q} --camera-ready {output.camera_ready:q}"
        " --focal-alpha {output.focal_alpha:q} &> {log:q}"


rule published:
    input:
        published_targets(),
    localrule: True
