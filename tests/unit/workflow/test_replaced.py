"""Finished runs that a call would replace."""

import json
from pathlib import Path
from typing import Any

import pytest

from lib.config.load import load
from lib.config.run import Configuration
from lib.errors import SeglossError
from lib.paths import Paths
from lib.workflow.replaced import check_scale, replaced_trainings

CHOSEN = {"studies": ["boundary"], "variants": "volumes", "losses": ["gdl"], "seeds": [0]}
RUN = "boundary/phantom_slabs/volumes/gdl/seed-0"


def configured(folder: Path, **values: Any) -> Configuration:
    return load({**CHOSEN, "folders": {"results": str(folder)}, **values})


def finish(folder: Path, **provenance: Any) -> None:
    (folder / RUN).mkdir(parents=True)
    (folder / RUN / "provenance.json").write_text(json.dumps(provenance))


def notes(configuration: Configuration) -> list[str]:
    return [*replaced_trainings(configuration, Paths(configuration.workflow.folders))]


def test_runs_of_another_scale_are_not_replaced(tmp_path: Path) -> None:
    finish(tmp_path, scale="paper")
    configuration = configured(tmp_path)
    with pytest.raises(SeglossError, match="trained at paper scale, and would be replaced by demo scale"):
        check_scale(configuration.runs, Paths(configuration.workflow.folders))


def test_a_note_says_that_settings_or_weights_replace_trainings(tmp_path: Path) -> None:
    finish(tmp_path, settings=configured(tmp_path).runs[0].training_settings.as_json())
    assert notes(configured(tmp_path)) == []
    assert notes(configured(tmp_path, settings={"training": {"gradient_clipping": None}})) == []
    (note,) = notes(configured(tmp_path, settings={"training": {"epochs": 3}}))
    assert note.startswith(
        f"settings or weights of the configuration replace 1 finished trainings, such as {RUN}; to keep"
    )
    (tmp_path / "w.pt").touch()
    assert len(notes(configured(tmp_path, weights={RUN: str(tmp_path / "w.pt")}))) == 1


@pytest.mark.parametrize("provenance", [{"settings": {}}, {}, {"weights": {"file": "w.pt"}}])
def test_what_was_not_trained_is_replaced_without_a_note(tmp_path: Path, provenance: dict) -> None:
    finish(tmp_path, **provenance)
    assert notes(configured(tmp_path, settings={"training": {"epochs": 3}})) == []
    (tmp_path / RUN / "provenance.json").write_text("{")
    assert notes(configured(tmp_path, settings={"training": {"epochs": 3}})) == []
