"""What trackers call the numbers of a training. Never imports torch."""

_TAGS = {"loss": "loss/train", "patch_dice": "dice/train", "learning_rate": "learning_rate"}
_PARTS = ("validation", "test")


def tag_of(column: str) -> str:
    """The name of a column of the history: ``<measure>/<part>``."""
    part = next((part for part in _PARTS if column.startswith(f"{part}_")), None)
    return f"{column.removeprefix(f'{part}_')}/{part}" if part else _TAGS.get(column, f"train/{column}")
