import sys
from pathlib import Path

from snakemake.utils import min_version

from lib import config as configuration
from lib.errors import SeglossError
from lib.maps import MAPS

min_version("9.20")


configfile: Path(workflow.basedir) / "workflow_config.yaml"


try:
    CONFIG = configuration.load(config)
    configuration.check_maps(CONFIG.runs, MAPS)
    configuration.check_writable(CONFIG.workflow.folders, Path.cwd())
except SeglossError as error:
    sys.exit(f"error: {error}")

if workflow.is_main_process:
    for note in CONFIG.notes:
        print(f"note: {note}", file=sys.stderr)


include: "rules/common.smk"
include: "rules/download.smk"
include: "rules/prepare.smk"
include: "rules/maps.smk"
include: "rules/noise.smk"
include: "rules/train.smk"
include: "rules/predict.smk"
include: "rules/evaluate.smk"
include: "rules/plot.smk"


localrules:
    all,
    published,


rule all:
    default_target: True
    input:
        study_targets(),
        published_targets() if takes_published_records() else [],


rule published:
    input:
        published_targets(),
