"""The settings of an evaluation. Never imports NumPy."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lib.fields import Section, Text, unique
from lib.labels import Labels
from lib.measures.catalogue import CUTS, MEASURES
from lib.registry import chosen_from

Cuts = Annotated[list[Literal[tuple(CUTS)]], Field(min_length=1), AfterValidator(unique)]


class EvaluationSettings(Section):
    """All that decides a table of an evaluation but predictions and cases."""

    dataset: Text
    labels: Labels
    cuts: Cuts
    measures: list[chosen_from(MEASURES)]
