"""Draw how the weights of a study's composed losses change over its epochs."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(losses: dict, epochs: list, note: str, output: Path) -> None:
    from lib.plotting.loss_weights import draw_loss_weights

    draw_loss_weights(output, losses, epochs, note)


if __name__ == "__main__":
    run(main)
