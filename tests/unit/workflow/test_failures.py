"""What is reported at the end of a call of runs that failed."""

from pathlib import Path

from lib.config.load import load
from lib.config.schema import Folders
from lib.paths import Paths
from lib.workflow.failures import SHOWN, failure_report

RUNS = load({}).runs


def test_each_failed_run_has_a_line_with_its_log_and_what_it_says_last(tmp_path: Path) -> None:
    paths = Paths(Folders(results=str(tmp_path / "results"), logs=str(tmp_path / "logs")))

    def write(path: str, text: str = "") -> Path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
        return Path(path)

    assert not list(failure_report(RUNS, paths))
    trained, out_of_memory, unpredicted = (run.id for run in RUNS[:3])
    write(paths.log(f"train/{trained}"), "done in 3 s\n")
    for run in (trained, unpredicted):
        write(paths.run(run, "weights.pt"))
    write(paths.run(trained, "predictions.json"))
    assert not list(failure_report(RUNS, paths))
    log = write(paths.log(f"train/{out_of_memory}"), "step 3\nerror: out of memory\n\n")
    empty = write(paths.log(f"predict/{unpredicted}"))
    counted, *lines = failure_report(RUNS, paths)
    assert counted.startswith("2 of the runs")
    assert lines == [f"  {log}: error: out of memory", f"  {empty}: nothing"]
    for run in RUNS:
        write(paths.log(f"train/{run.id}"), "killed")
    counted, *lines = failure_report(RUNS, paths)
    assert counted.startswith(f"{len(RUNS) - 1} of the runs")
    assert len(lines) == SHOWN + 1 and lines[-1] == f"  ... and {len(RUNS) - 1 - SHOWN} more"
