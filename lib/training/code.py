"""The code that a training runs."""

from lib.losses.specification import code_modules
from lib.provenance import code_version, in_project
from lib.training.settings import TrainingSettings


def training_code(settings: TrainingSettings) -> str:
    """Hash of all code of the project that a training with these settings runs."""
    modules = set(code_modules(settings.loss)).union(*(entry.modules for entry in settings.entries))
    return code_version("scripts.train", *filter(in_project, modules))
