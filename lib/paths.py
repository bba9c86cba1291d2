"""Every path of the workflow, below the configured folders; wildcards in braces are Snakemake's."""

from dataclasses import dataclass

from lib.config.run import Run
from lib.config.schema import Folders


@dataclass(frozen=True)
class Paths:
    """Paths relative to the working directory."""

    folders: Folders

    def raw(self, source: str, file: str) -> str:
        """An official file as it was downloaded."""
        return f"{self.folders.data}/raw/{source}/{file}"

    def manual(self, source: str) -> str:
        """Folder in which a person puts official files that cannot be downloaded."""
        return f"{self.folders.data}/manual/{source}"

    def recorded_checksum(self, source: str, file: str) -> str:
        return f"{self.folders.data}/checksums/{source}/{file}.json"

    def extracted(self, source: str, archive: str) -> str:
        """Folder of what an archive holds."""
        return f"{self.folders.data}/extracted/{source}/{archive}"

    def prepared(self, dataset: str) -> str:
        """Folder of the prepared cases and their maps, a folder each."""
        return f"{self.folders.data}/prepared/{dataset}"

    def index(self, dataset: str) -> str:
        return f"{self.prepared(dataset)}/index.json"

    def bundle(self, dataset: str, bundle: str) -> str:
        """The descriptions of the cases that one job prepares."""
        return f"{self.folders.data}/bundles/{dataset}/{bundle}.json"

    def bundle_maps(self, dataset: str, bundle: str, map_name: str) -> str:
        """The checksums of one map of these cases."""
        return f"{self.folders.data}/bundles/{dataset}/{map_name}/{bundle}.json"

    def part(self, dataset: str, split: str, part: str) -> str:
        """The descriptions of the cases of one part of a split."""
        return f"{self.folders.data}/splits/{dataset}/{split}/{part}.json"

    def checked_part(self, dataset: str, split: str, part: str) -> str:
        """An empty file: the part has cases to train or to measure on."""
        return f"{self.folders.data}/splits/{dataset}/{split}/{part}.checked"

    def maps(self, dataset: str, split: str, map_name: str) -> str:
        """The checksums of one map of the training cases of a split."""
        return f"{self.folders.data}/splits/{dataset}/{split}/maps/{map_name}.json"

    def noisy(self, dataset: str, split: str, noise: str, file: str = "") -> str:
        """Folder of the noisy masks of a split's training cases and of their maps, or a file in it."""
        return _joined(f"{self.folders.data}/noisy/{dataset}/{split}/{noise}", file)

    def fingerprint(self, dataset: str, split: str) -> str:
        """What the training cases of a split have in common."""
        return self.result(f"data/{dataset}/{split}/fingerprint.json")

    def plan(self, dataset: str, split: str, name: str) -> str:
        """Settings planned from the fingerprint; ``name``: ``plan``, or ``plan_slices`` for a 2D network on volumes,
        with the options of a study's variant behind it."""
        return self.result(f"data/{dataset}/{split}/{name}.yaml")

    def budget(self, condition: str) -> str:
        """The steps and the time of the trainings of a planned variant, with one network on one data set."""
        return self.result(f"{condition}/budget.json")

    def duplicates(self, tested: str, split: str, trained: str, trained_split: str) -> str:
        """The test cases of a split with the training and validation cases of another that are most like them."""
        return self.result(f"data/{tested}/{split}/duplicates_of_{trained}.{trained_split}.csv")

    def test_without(self, tested: str, split: str, trained: str, trained_split: str) -> str:
        """The descriptions of the test cases of a split that no training or validation case of another one is."""
        return f"{self.folders.data}/splits/{tested}/{split}/without_{trained}.{trained_split}/test.json"

    def tested(self, run: Run) -> str:
        """The descriptions of the test cases of a run; where its weights come from another data set, without those."""
        if run.source and run.source.dataset != run.dataset:
            return self.test_without(run.dataset, run.split, run.source.dataset, run.source.split)
        return self.part(run.dataset, run.split, "test")

    def noise_table(self, dataset: str, split: str, noise: str) -> str:
        return self.result(f"noise/{dataset}/{split}/{noise}.csv")

    def baseline(self, dataset: str, split: str) -> str:
        """What a threshold without learning reaches."""
        return self.result(f"baseline/{dataset}/{split}.json")

    def run(self, run: str, file: str = "") -> str:
        """Folder of a run's results, or a file in it."""
        return _joined(self.folders.results, run, file)

    def trial(self, search: str, trial: str) -> str:
        """What the trial of a search is trained with; ``trial`` is its number."""
        return f"{self.folders.results}/{search}/trials/{trial}/settings.json"

    def rung(self, search: str, rung: str, file: str) -> str:
        """The result of a trial at a rung of a search, by its place there, or the trials that reach it."""
        return f"{self.folders.results}/{search}/rungs/{rung}/{file}.json"

    def found(self, search: str, file: str) -> str:
        """What a search has found."""
        return f"{self.folders.results}/{search}/{file}"

    def result(self, file: str) -> str:
        return f"{self.folders.results}/{file}"

    def plot(self, file: str) -> str:
        return f"{self.folders.plots}/{file}"

    def log(self, name: str) -> str:
        return f"{self.folders.logs}/{name}.log"

    def benchmark(self, name: str) -> str:
        return f"{self.folders.logs}/benchmarks/{name}.tsv"


def _joined(*parts: str) -> str:
    return "/".join(filter(None, parts))
