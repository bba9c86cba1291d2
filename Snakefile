import atexit
import sys
from pathlib import Path

from snakemake.utils import min_version

from lib.config.checks import check
from lib.config.load import load
from lib.errors import faults_in_one_line
from lib.maps import MAPS
from lib.strict_yaml import check_configuration, typed
from lib.workflow.failures import failure_report
from lib.workflow.replaced import check_scale, replaced_trainings

min_version("9.20")


CONFIG_FILE = Path(workflow.basedir) / "workflow_config.yaml"

with faults_in_one_line():  # before Snakemake reads it, which may end in a traceback or not at all
    files = [*filter(Path.exists, [CONFIG_FILE]), *workflow.configfiles]
    check_configuration(files, workflow.config_settings.config_args)


configfile: CONFIG_FILE


with faults_in_one_line():
    CONFIG = load(typed(config, workflow.config_settings.config_args))
    check(CONFIG, MAPS, Path.cwd())


include: "rules/common.smk"


if workflow.is_main_process:
    with faults_in_one_line():
        check_scale(CONFIG.runs, PATHS)
        for note in [*CONFIG.notes, *notes_on_code(), *replaced_trainings(CONFIG, PATHS)]:
            print(f"note: {note}", file=sys.stderr)
    # at the exit, as Snakemake calls no onsuccess where nothing is to be done
    atexit.register(print_lines_on_data, Path.cwd())


include: "rules/download.smk"
include: "rules/prepare.smk"
include: "rules/maps.smk"
include: "rules/plan.smk"
include: "rules/noise.smk"
include: "rules/search.smk"
include: "rules/train.smk"
include: "rules/predict.smk"
include: "rules/evaluate.smk"
include: "rules/reanalyze.smk"
include: "rules/cost.smk"
include: "rules/plot.smk"
include: "rules/report.smk"
include: "rules/export.smk"
include: "rules/crate.smk"


onerror:
    if workflow.is_main_process:
        print(*failure_report(CONFIG.runs, PATHS), sep="\n", file=sys.stderr)


container: "envs/segloss.sif"  # where --sdm apptainer asks for it; docs/environments.md


rule all:
    default_target: True
    input:
        study_targets(),
        published_targets() if takes_published_records() else [],
        rules.report.output,
        exported_targets(),
        rules.crate.output,
    localrule: True
