"""Whether results are right after a failure in a call that repeats a part of them; what is found is printed.

    envs/run python benchmarks/failures.py rules    # every rule's job fails once, and each of its products is spoilt
    envs/run python benchmarks/failures.py kills --number 200 --seed 0

A finished project (``tests/helpers/whole_workflow.py``) is copied, something that it was made of is changed, and a call
is made in which something fails. A plain second call must then leave what a clean run leaves, or end with status 1 and
a line.
"""

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/helpers")]

from whole_workflow import SPLITS, outputs_by_rule, recorded_output, save_case, write_project  # noqa: E402

SNAKEMAKE = [Path(sys.executable).parent / "snakemake", "--quiet", "all", "--cores", "1"]
FAULTS = ("kill at the start", "kill", "SIGTERM", "exception", "full disk", "kill at the end")
SPOILERS = ("deleted", "truncated", "replaced")
FAULTY_ROOT = """
import atexit, os, resource, signal, sys, threading
from pathlib import Path as _Path

def _die(number=signal.SIGKILL):
    os.kill(os.getpid(), number)

_fault, _once = os.environ.get("FAULT", ""), _Path(os.environ.get("FAULT_ONCE", ""))
if _fault and os.environ["FAULT_OUTPUT"] in sys.argv and not _once.exists():
    _once.touch()
    if _fault == "kill at the start":
        _die()
    elif _fault == "kill":
        threading.Timer(0.2, _die).start()
    elif _fault == "SIGTERM":
        threading.Timer(0.2, _die, [signal.SIGTERM]).start()
    elif _fault == "exception":
        raise RuntimeError("a fault that was put in")
    elif _fault == "full disk":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    elif _fault == "kill at the end":
        atexit.register(_die)
"""


def prepared_project(folder: Path, studies: tuple[str, ...]) -> Path:
    write_project(folder, studies)
    root = folder / "scripts/_root.py"
    root.write_text(root.read_text() + FAULTY_ROOT)
    return folder


def change_training_mask(folder: Path) -> None:
    save_case(folder / "my data", "a", seed=91)


def change_test_mask(folder: Path) -> None:
    save_case(folder / "my data", "d", seed=92)


def change_everything(folder: Path) -> None:
    """A case more in each part, and other masks: no job is left out."""
    parts = {part: [*cases, f"new {part}"] for part, cases in SPLITS.items()}
    for number, name in enumerate(chain.from_iterable(parts.values())):
        save_case(folder / "my data", name, seed=50 + number)
    (folder / "splits.json").write_text(json.dumps(parts))
    edit_studies(folder, lambda demo: demo["training"].update(epochs=3))


def change_learning_rate(folder: Path) -> None:
    edit_studies(folder, lambda demo: demo["training"]["optimizer"].update(learning_rate=0.03))


def edit_studies(folder: Path, edit: Callable[[dict], None]) -> None:
    for path in (folder / "studies").glob("*.yaml"):
        study = yaml.safe_load(path.read_text())
        edit(study["demo"])
        path.write_text(yaml.safe_dump(study, sort_keys=False))


CHANGES = (change_training_mask, change_test_mask, change_learning_rate)


def call(folder: Path, *targets: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*SNAKEMAKE, *targets],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | environment,
    )


def results(folder: Path) -> dict[str, str]:
    """Content of all that the workflow made, without times and what says when and where it was made."""
    found = {}
    for path in sorted(path for top in ("data", "results", "plots") for path in (folder / top).rglob("*")):
        if path.is_file() and not path.name.startswith(".") and path.name != "checkpoint.pt":
            found[str(path.relative_to(folder))] = content(path)
    return found


def content(path: Path) -> str:
    if path.name == "provenance.json":
        return json.dumps(json.loads(path.read_text())["settings"])
    if path.name == "crate.zip":
        with zipfile.ZipFile(path) as crate:
            names = sorted(name for name in crate.namelist() if name.endswith((".csv", ".pdf")))
            return hashlib.sha256(b"".join(map(crate.read, names))).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def copied(base: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder, copy_function=shutil.copy2, symlinks=True)
    return folder


def clean_run(base: Path, folder: Path, change: Callable[[Path], None] | None, *targets: str) -> dict[str, str]:
    """Results of a run from nothing."""
    shutil.copytree(base, folder, ignore=shutil.ignore_patterns("data", "results", "plots", "logs", ".snakemake"))
    if change:
        change(folder)
    done = call(folder, *targets)
    assert done.returncode == 0, done.stdout
    return results(folder)


def difference(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    """What differs; data of a case or bundle that no longer exists may lie about."""
    names = expected.keys() | {name for name in found if not name.startswith("data/")}
    return sorted(name for name in names if found.get(name) != expected.get(name))


def verdict(folder: Path, expected: dict[str, str], *targets: str) -> str:
    """What a plain call leaves; one that ends with an error and says so is repeated."""
    for number in range(4):
        done = call(folder, *targets)
        if "Traceback" in done.stdout:
            return f"traceback: {done.stdout[-1500:]}"
        if done.returncode == 0:
            differ = difference(results(folder), expected)
            if differ:
                return f"status 0 after {number + 1} calls, but these differ: {', '.join(differ[:6])} ({len(differ)})"
            return "right" if not number else f"right after {number + 1} calls"
        if not re.search(r"(?i)error", done.stdout):
            return f"status {done.returncode} without a line: {done.stdout[-500:]}"
    return f"four calls failed: {done.stdout[-1500:]}"


def spoil(path: Path, how: str, another: Path) -> None:
    if how == "deleted":
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return
    if path.is_dir():
        path, another = (sorted(file for file in folder.rglob("*") if file.is_file())[-1] for folder in (path, another))
    if how == "truncated":
        os.truncate(path, path.stat().st_size // 2)
    else:
        shutil.copyfile(another, path)


def of_rules(work: Path, at_once: int, only: list[str] | None, each_fault: bool) -> Iterator[tuple[str, str]]:
    base = prepared_project(work / "base", ("inverse_weighting", "t_loss", "boundary"))
    done = call(base)
    assert done.returncode == 0, done.stdout
    unchanged = results(base)
    changed = clean_run(base, work / "clean", change_everything)
    rules, others = outputs_by_rule(base), outputs_by_rule(work / "clean")
    print(f"{len(rules)} rules: {', '.join(sorted(rules))}", flush=True)

    def failing(rule: str, fault: str) -> tuple[str, str]:
        outputs = others[rule][-1]
        folder = copied(base, work / f"{rule} {fault}".replace(" ", "_"))
        change_everything(folder)
        once = folder / "fault.once"
        call(folder, FAULT=fault, FAULT_ONCE=str(once), FAULT_OUTPUT=recorded_output(work / "clean", outputs))
        outcome = "the fault was not reached" if not once.exists() else verdict(folder, changed)
        shutil.rmtree(folder)
        return f"{rule}, {fault}", outcome

    def spoilt(rule: str, outputs: list[str], how: str) -> tuple[str, str]:
        folder = copied(base, work / f"{rule} {how}".replace(" ", "_"))
        for name, other in zip(outputs, others[rule][-1], strict=True):
            spoil(folder / name, how, work / "clean" / other)
        outcome = verdict(folder, unchanged)
        shutil.rmtree(folder)
        return f"{rule}, product {how}", outcome

    with ThreadPoolExecutor(at_once) as pool:
        tasks = []
        for number, (rule, jobs) in enumerate(sorted(rules.items())):
            if only and rule not in only:
                continue
            for place, fault in enumerate(FAULTS):
                if each_fault or number % len(FAULTS) == place:
                    tasks.append(pool.submit(failing, rule, fault))
            for place, how in enumerate(SPOILERS):
                if each_fault or number % len(SPOILERS) == place:
                    tasks.append(pool.submit(spoilt, rule, jobs[-1], how))
        for task in tasks:
            yield task.result()


TARGET = "results/inverse_weighting/summary.csv"


def of_kills(work: Path, at_once: int, number: int, seed: int) -> Iterator[tuple[str, str]]:
    base = prepared_project(work / "base", ("inverse_weighting",))
    done = call(base, TARGET)
    assert done.returncode == 0, done.stdout
    expected = {change: clean_run(base, work / change.__name__, change, TARGET) for change in CHANGES}
    seconds = {change: undisturbed(base, work / "undisturbed", change, expected[change]) for change in CHANGES}

    def killed(turn: int) -> tuple[str, str]:
        draw = random.Random(f"{seed} {turn}")
        change = CHANGES[turn % len(CHANGES)]
        act = list(ACTS)[turn // len(CHANGES) % len(ACTS)]
        folder = copied(base, work / f"kill{turn}")
        change(folder)
        job = subprocess.Popen(
            [*SNAKEMAKE, TARGET],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        after = draw.uniform(1, seconds[change])
        try:
            job.wait(after)
        except subprocess.TimeoutExpired:
            ACTS[act](job, folder, draw)
        job.wait()
        end_orphans(folder, draw)
        if (folder / ".snakemake/locks").exists():
            subprocess.run([*SNAKEMAKE, "--unlock"], cwd=folder, capture_output=True, check=False)
        outcome = verdict(folder, expected[change], TARGET)
        shutil.rmtree(folder)
        return f"{turn}: {change.__name__}, {act} after {after:.1f} s", outcome

    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(killed, range(number))


def undisturbed(base: Path, folder: Path, change: Callable[[Path], None], expected: dict[str, str]) -> float:
    """Seconds of a call that repeats what the change asks for."""
    copied(base, folder)
    change(folder)
    start = time.monotonic()
    outcome = verdict(folder, expected, TARGET)
    assert outcome == "right", outcome
    return time.monotonic() - start


def end_orphans(folder: Path, draw: random.Random) -> None:
    """Jobs go on when their Snakemake is killed: half of the time they are awaited, otherwise killed."""
    for process in children(folder):
        if draw.random() < 0.5:
            kill(process)
    while children(folder):
        time.sleep(0.1)


def children(folder: Path) -> list[int]:
    """Scripts of the project that are running."""
    found = subprocess.run(["pgrep", "-f", f"python {folder}/scripts/"], capture_output=True, text=True).stdout
    return [int(number) for number in found.split()]


def kill(process: int, number: int = signal.SIGKILL) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def kill_child(job: subprocess.Popen, folder: Path, draw: random.Random) -> None:
    for process in children(folder):
        kill(process)


def interrupt_twice(job: subprocess.Popen, folder: Path, draw: random.Random) -> None:
    os.killpg(job.pid, signal.SIGINT)
    time.sleep(draw.uniform(0, 0.5))
    if job.poll() is None:
        os.killpg(job.pid, signal.SIGINT)


ACTS: dict[str, Callable[[subprocess.Popen, Path, random.Random], None]] = {
    "child killed": kill_child,
    "Snakemake killed": lambda job, *_: kill(job.pid),
    "group killed": lambda job, *_: os.killpg(job.pid, signal.SIGKILL),
    "SIGTERM to the group": lambda job, *_: os.killpg(job.pid, signal.SIGTERM),
    "SIGINT": lambda job, *_: os.killpg(job.pid, signal.SIGINT),
    "SIGINT twice": interrupt_twice,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("rules", "kills"))
    parser.add_argument("--number", type=int, default=200, help="of kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rules", nargs="+", help="some of the rules")
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--each-fault", action="store_true", help="every fault at every rule, not one in turn")
    arguments = parser.parse_args()
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        if arguments.what == "rules":
            outcomes = of_rules(Path(name), arguments.at_once, arguments.rules, arguments.each_fault)
        else:
            outcomes = of_kills(Path(name), arguments.at_once, arguments.number, arguments.seed)
        number = 0
        for what, outcome in outcomes:
            number += 1
            print(f"{what}: {outcome}", flush=True)
            if not outcome.startswith("right"):
                wrong.append(what)
    print(f"{number} failures, {len(wrong)} with wrong or silent results", *wrong, sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
