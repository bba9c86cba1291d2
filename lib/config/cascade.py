"""The settings of a cascade: which region its second stage looks at, and what it segments inside."""

import hashlib
from dataclasses import replace

from pydantic import model_validator

from lib.fields import Name, NameList, NonNegative, Section
from lib.labels import Labels
from lib.suggest import suggestion


class SecondStage(Section):
    """A network that looks at a region and segments structures inside it.

    The region is the union of the structures ``region``, dilated by ``dilate_mm``, then filled to its convex hull. The
    image is seen in its box (``crop``), blanked outside of it (``mask``). The structures ``inside`` are segmented; of
    exclusive classes all that the region is made of but one, which is the rest of it.
    """

    region: NameList
    inside: NameList
    crop: bool = True
    mask: bool = True
    dilate_mm: NonNegative = 0.0
    convex_hull: bool = False

    @model_validator(mode="after")
    def _shows_the_region(self) -> "SecondStage":
        if not (self.crop or self.mask):
            raise ValueError("crop or mask must be true: otherwise the second stage does not see the region")
        return self

    @property
    def name(self) -> str:
        """What distinguishes what it is trained on from that of every other one, fit for a path."""
        return f"cascade-{hashlib.sha256(self.model_dump_json(exclude={'first'}).encode()).hexdigest()[:12]}"

    def unfit(self, labels: Labels) -> str | None:
        """Why it cannot be used with the labels of a data set."""
        if not labels.has_outside:
            return "has no background, which a cascade needs"
        for key, names in (("region", self.region), ("inside", self.inside)):
            if unknown := next((name for name in names if name not in labels.structures), None):
                return f"has no structure {unknown!r}{suggestion(unknown, labels.structures)} (cascade.{key})"
        if not labels.exclusive:
            return None
        if beyond := next((name for name in self.inside if name not in self.region), None):
            return f"has no voxel of {beyond!r} in the region (cascade): name it there too"
        rest = [name for name in self.region if name not in self.inside]
        return f"has {' and '.join(rest)} in the region but not inside (cascade): one at most" if rest[1:] else None

    def labels_inside(self, labels: Labels) -> Labels:
        """The labels of the second stage; of exclusive classes the first is the rest of the region."""
        inside = tuple(name for name in labels.names if name in self.inside)
        if not labels.exclusive:
            return replace(labels, names=inside)
        rest = next((name for name in self.region if name not in self.inside), labels.names[0])
        return replace(labels, names=(rest, *inside))


class Cascade(SecondStage):
    """A second stage that looks where the variant ``first`` of the same study finds the region."""

    first: Name
