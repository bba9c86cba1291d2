"""A training as an offline session of ClearML, made from what the run has recorded.

Nothing here talks to a server: whoever wants the run on one uploads the session, with their own credentials.
"""

import csv
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from lib.files import atomic_path, read_json
from lib.training.tags import tag_of

log = logging.getLogger(__name__)
HYPER_PARAMETERS = ("seed", "loss", "network", "sampling", "resampling", "training", "computing", "masks")
NO_SESSION = "not_exported.txt"
"""In place of a session, where none could be made: why."""
_IN_THIS_PROCESS = "sdk.development.report_use_subprocess: false\n"  # for another one it waits 7 s at the end
_ALONE = {
    "auto_connect_frameworks": {"detect_repository": False},
    "auto_connect_arg_parser": False,
    "auto_connect_streams": False,
    "auto_resource_monitoring": False,
    "reuse_last_task_id": False,
}
"""Nothing of the machine, its packages or its repositories is recorded."""


def export_session(run: str, history: Path, provenance: Path, project: str, output: Path) -> None:
    """Write the session of a run as a zip archive; where that fails, one that says why, with a line in the log.

    The tracker of a run never fails it. Once in a process, as ClearML keeps what it was told when it was imported.

    Args:
        run: what the task is called.
        history: per epoch, whose numbers become curves over the steps.
        provenance: of the run, with its settings.
        project: of ClearML, in which the task will be.
    """
    with TemporaryDirectory() as folder, atomic_path(output) as temporary:
        try:
            shutil.copyfile(_session(Path(folder), run, history, provenance, project), temporary)
        except Exception as error:  # whatever ClearML or the disk may raise
            why = f"ClearML: {run}: {type(error).__name__}: {error}"
            log.warning("%s; %s holds no session, the run is complete without it", why, output)
            with ZipFile(temporary, "w") as archive:
                archive.writestr(NO_SESSION, f"{why}\n")


def _session(folder: Path, run: str, history: Path, provenance: Path, project: str) -> Path:
    """The archive that ClearML makes, below a folder."""
    _leave_nothing_but(folder)
    from clearml import Task
    from clearml.utilities.check_updates import CheckPackageUpdates

    CheckPackageUpdates.check_new_package_available = lambda *_, **__: None  # would ask a server, offline too
    Task.set_offline(True)
    task = Task.init(project_name=project, task_name=run, **_ALONE)
    record = read_json(provenance)
    task.set_parameters_as_dict({key: value for key, value in record["settings"].items() if key in HYPER_PARAMETERS})
    logger = task.get_logger()
    for title, series, step, value in _curves(history):
        logger.report_scalar(title, series, value, step)
    for name in ("seconds", "peak_memory_mb"):
        if record.get(name) is not None:
            logger.report_single_value(name, record[name])
    session = task.get_offline_mode_folder()
    task.close()
    return session.with_suffix(".zip")


def _leave_nothing_but(folder: Path) -> None:
    """ClearML reads and writes in a folder alone: no settings or credentials of the user's, nothing in their home."""
    for name in [name for name in os.environ if name.startswith(("CLEARML_", "TRAINS_"))]:
        del os.environ[name]
    configuration = folder / "clearml.conf"
    configuration.write_text(_IN_THIS_PROCESS)
    places = {"HOME": folder, "CLEARML_CACHE_DIR": folder, "CLEARML_CONFIG_FILE": configuration}
    os.environ.update({name: str(path) for name, path in places.items()} | {"CLEARML_OFFLINE_MODE": "1"})


def _curves(history: Path) -> Iterator[tuple[str, str, int, float]]:
    """Title, series, step and value of every number of the history; cells may be empty."""
    with history.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for column, text in row.items():
                if text and column not in ("epoch", "step", "selected"):
                    title, _, series = tag_of(column).partition("/")
                    yield title, series or title, int(row["step"]), float(text)
