"""The options of a user's own data set."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from lib.fields import (
    ExistingFile,
    ExistingFolder,
    FilePattern,
    Int,
    Number,
    PositiveInt,
    RegularExpression,
    Section,
    Seed,
    Share,
    Size,
    Text,
    whole_number,
)
from lib.suggest import shortened


def _names_first(labels: Any) -> Any:
    if isinstance(labels, dict) and labels and all(str(key).strip().isdecimal() for key in labels):
        raise ValueError(f"{shortened(labels)}: write names first, as in {{background: 0, lesion: 1}}")
    return labels


class OwnData(Section):
    """A user's own data set; what is left out is read from its ``dataset.json``, or from the names of its files."""

    folder: ExistingFolder
    title: Text | None = None
    dimensions: Annotated[Literal[2, 3] | None, BeforeValidator(whole_number)] = None
    channels: Annotated[list[Text], Field(min_length=1)] | None = None
    labels: Annotated[dict[str, Int | list[Int]] | None, BeforeValidator(_names_first)] = None
    images: Annotated[list[FilePattern], Field(min_length=1)] | None = None
    label: FilePattern | None = None
    region: FilePattern | None = None
    patients: RegularExpression | None = None
    splits: ExistingFile | None = None
    folds: Annotated[Int, Field(ge=2)] | None = None
    repeats: PositiveInt = 1
    seed: Seed = 0
    validation_share: Share = 0.1
    test_share: Share = 0.2
    window: tuple[Number, Number] | None = None
    size: Size | None = None
    threshold: Number | None = None
    empty_masks: Literal["exclude", "keep"] = "exclude"

    @model_validator(mode="after")
    def _sensible(self) -> "OwnData":
        if self.window and self.window[0] >= self.window[1]:
            raise ValueError(f"window {self.window}: the lower end must come first")
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share leave nothing to train on")
        if self.folds and self.validation_share + 1 / self.folds >= 1:
            raise ValueError("validation_share and the test part of a fold leave nothing to train on")
        if self.repeats > 1 and (not self.folds or self.splits):
            raise ValueError("repeats: folds that are drawn are repeated: give folds, and no splits")
        return self
