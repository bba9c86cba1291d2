"""What the values of a label mean: of two classes, several, or structures that overlap. Never imports torch."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from lib.errors import SeglossError

IGNORED = 255
"""Value of voxels that are not annotated."""
NOISE_KINDS = ("dilate", "erode", "affine")
"""What noise does to a mask."""
MASK_KINDS = ("clean", *NOISE_KINDS)
"""What may have been done to a training mask."""


@dataclass(frozen=True)
class Labels:
    """The classes of a data set.

    A label is an array (*spatial) of class numbers, from 0 in the order of ``names``; if the classes are not
    ``exclusive`` (multi-label), it is (classes, *spatial) of 0 and 1. ``IGNORED`` is at voxels that are not annotated.

    Attributes:
        names: of the classes.
        exclusive: every voxel has one class, so that a network has softmax channels; otherwise each class is a
            problem of its own, with a sigmoid channel.
        background: the first class is no structure; never so where classes are not exclusive.
        partly_annotated: some voxels are ``IGNORED``.
    """

    names: tuple[str, ...]
    exclusive: bool = True
    background: bool = True
    partly_annotated: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))  # as read from JSON
        if not self.exclusive:
            object.__setattr__(self, "background", False)

    @property
    def structures(self) -> tuple[str, ...]:
        """The classes that are measured: all but the background."""
        return self.names[1:] if self.background else self.names

    @property
    def has_outside(self) -> bool:
        """Whether 0 in a label stands for no structure."""
        return self.background or not self.exclusive

    @property
    def binary(self) -> bool:
        """Whether one channel decides between two classes."""
        return self.exclusive and len(self.names) == 2

    @property
    def one_structure(self) -> bool:
        """Whether there is one structure on a background."""
        return self.binary and self.background

    @property
    def separate(self) -> bool:
        """Whether each structure is decided by a value of its own."""
        return self.one_structure or not self.exclusive

    @property
    def problem(self) -> str:
        """``binary``, ``multi-class`` or ``multi-label``, as losses say which they are for."""
        if not self.exclusive:
            return "multi-label"
        return "binary" if self.binary else "multi-class"

    @property
    def loss_options(self) -> dict[str, Any]:
        """The options that a loss needs for these labels; all losses of the library take them."""
        return ({} if self.exclusive else {"sigmoid": True}) | (
            {"ignore_index": IGNORED} if self.partly_annotated else {}
        )

    def out_channels(self, background_channel: bool = False) -> int:
        """Channels of a network's output; a binary problem may have one for each class."""
        return 1 if self.binary and not background_channel else len(self.names)

    def number(self, name: str) -> int:
        """By which a case's description counts the voxels of a class; 0 stands for the background, or for none."""
        return self.names.index(name) + (not self.exclusive)

    def mask(self, label: Any, name: str) -> Any:
        """Where a class is: bool (*spatial)."""
        number = self.names.index(name)
        return label == number if self.exclusive else label[number] == 1

    def values_of(self, array: Any, name: str) -> Any:
        """Probability of a class, or logit if the labels are ``separate``: (*spatial).

        Args:
            array: (*spatial) of a binary problem, of its second class; otherwise (classes, *spatial).
        """
        number = self.names.index(name)
        if self.binary:
            return array if number else 1 - array
        return array[number]

    def masks(self, label: Any) -> Iterator[tuple[str, Any]]:
        """Each structure with its mask."""
        return ((name, self.mask(label, name)) for name in self.structures)

    def annotated(self, label: Any, name: str = "") -> Any:
        """Where the label says something, of a class or of all: bool (*spatial)."""
        if self.exclusive:
            return label != IGNORED
        return label[self.names.index(name)] != IGNORED if name else (label != IGNORED).all(0)

    def foreground(self, label: Any) -> Any:
        """Where any structure is: bool (*spatial)."""
        if not self.exclusive:
            return (label == 1).any(0)
        return (label != IGNORED) & (label > 0) if self.background else label != IGNORED

    def decide(self, logits: Any) -> Any:
        """The label that logits stand for, uint8.

        Args:
            logits: (*spatial) of a binary problem, of its second class; otherwise (classes, *spatial).

        Raises:
            SeglossError: another number of channels.
        """
        if self.binary:
            return (logits > 0).astype("uint8")
        if len(logits) != len(self.names):
            raise SeglossError(f"logits of shape {logits.shape}: expected ({len(self.names)} classes, *spatial)")
        return logits.argmax(0).astype("uint8") if self.exclusive else (logits > 0).astype("uint8")

    def as_json(self) -> dict[str, Any]:
        """What ``Labels(**values)`` is made of again."""
        return asdict(self)


BINARY = Labels(("background", "foreground"))
