"""The conda environment `envs/segloss.yaml`, made from `requirements.txt`: ``python -m envs.pins`` writes it."""

from pathlib import Path

from lib.files import write_text

ENVS = Path(__file__).resolve().parent
CONDA = ENVS / "segloss.yaml"
PYTHON = "3.11"  # also named by Dockerfile and segloss.def

HEAD = """\
# Made from requirements.txt by `envs/run python -m envs.pins`; do not edit. From the project's folder:
#
#     conda env create --name segloss --file envs/segloss.yaml
#     conda activate segloss
#     snakemake --cores all
#
# The pins stand here once more because `--sdm conda` copies this file alone. More: docs/environments.md.

"""


def pins(requirements: str) -> list[str]:
    """The lines of a requirements file that name a package."""
    return [line for line in requirements.splitlines() if line and not line.startswith("#")]


def conda_environment(requirements: str) -> str:
    """The text of `segloss.yaml`."""
    packages = "".join(f"      - {pin}\n" for pin in pins(requirements))
    return (
        f"{HEAD}channels:\n  - conda-forge\n  - nodefaults\n"
        f"dependencies:\n  - python={PYTHON}\n  - pip\n  - pip:\n{packages}"
        'variables:\n  PYTHONNOUSERSITE: "1"\n'
    )


if __name__ == "__main__":
    write_text(CONDA, conda_environment((ENVS / "requirements.txt").read_text(encoding="utf-8")))
