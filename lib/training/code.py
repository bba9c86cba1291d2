"""The code that a training runs."""

from lib.losses.specification import code_modules
from lib.provenance import code_version, in_project
from lib.training.settings import TrainingSettings


def training_code(*settings: TrainingSettings, script: str = "scripts.train") -> str:
    """Hash of all code of the project that trainings with these settings run."""
    modules = {module for one in settings for module in code_modules(one.loss)}
    modules |= {module for one in settings for entry in one.entries for module in entry.modules}
    return code_version(script, *filter(in_project, modules))
