"""The steps of post-processing by name. Never imports NumPy."""

from lib.fields import Positive
from lib.registry import Entry, Parameters, Registry


class RemoveSmall(Parameters):
    """``mm3``: the volume that a component must have, in 2D its area in mm²."""

    mm3: Positive


POSTPROCESSING = Registry(
    "post-processing",
    {
        "largest_component": Entry("lib.prediction.postprocessing:largest_component", Parameters),
        "fill_holes": Entry("lib.prediction.postprocessing:fill_holes", Parameters),
        "remove_small": Entry("lib.prediction.postprocessing:remove_small", RemoveSmall),
    },
)
"""Each a function of a mask, bool (*spatial), its spacing in mm and the parameters, which returns another mask."""
