"""What label values mean: binary, multi-class, multi-label, with and without a background, annotated in part."""

import json
import subprocess
import sys

import numpy as np
import pytest

from lib.errors import SeglossError
from lib.labels import BINARY, IGNORED, Labels

HEART = Labels(("background", "ventricle", "myocardium"), partly_annotated=True)
STREET = Labels(("road", "sky"), background=False)
ORGANS = Labels(("liver", "tumour"), exclusive=False, partly_annotated=True)
LABEL = np.array([[0, 1, 2], [2, IGNORED, 0]], np.uint8)
CHANNELS = np.array([[[1, 1, 0], [0, IGNORED, 0]], [[0, 1, 0], [IGNORED, 1, 0]]], np.uint8)


def test_structures_are_what_is_measured() -> None:
    assert HEART.structures == ("ventricle", "myocardium")
    assert STREET.structures == ("road", "sky")
    assert ORGANS.structures == ("liver", "tumour") and not ORGANS.background
    assert [labels.binary for labels in (BINARY, HEART, STREET, ORGANS)] == [True, False, True, False]
    assert [labels.one_structure for labels in (BINARY, HEART, STREET, ORGANS)] == [True, False, False, False]


@pytest.mark.parametrize(
    ("labels", "channels", "with_background"),
    [(BINARY, 1, 2), (HEART, 3, 3), (STREET, 1, 2), (ORGANS, 2, 2), (Labels(("a",), exclusive=False), 1, 1)],
)
def test_output_channels(labels: Labels, channels: int, with_background: int) -> None:
    assert labels.out_channels() == channels
    assert labels.out_channels(background_channel=True) == with_background


def test_masks_of_classes() -> None:
    masks = dict(HEART.masks(LABEL))
    assert list(masks) == ["ventricle", "myocardium"]
    np.testing.assert_array_equal(masks["myocardium"], [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(HEART.mask(LABEL, "background"), [[1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(HEART.annotated(LABEL), [[1, 1, 1], [1, 0, 1]])
    np.testing.assert_array_equal(HEART.foreground(LABEL), [[0, 1, 1], [1, 0, 0]])
    np.testing.assert_array_equal(STREET.foreground(LABEL), HEART.annotated(LABEL))
    assert all(mask.dtype == bool for mask in masks.values())


def test_masks_of_structures_that_overlap() -> None:
    masks = dict(ORGANS.masks(CHANNELS))
    np.testing.assert_array_equal(masks["liver"], [[1, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(masks["tumour"], [[0, 1, 0], [0, 1, 0]])
    np.testing.assert_array_equal(ORGANS.foreground(CHANNELS), [[1, 1, 0], [0, 1, 0]])
    np.testing.assert_array_equal(ORGANS.annotated(CHANNELS, "tumour"), [[1, 1, 1], [0, 1, 1]])
    np.testing.assert_array_equal(ORGANS.annotated(CHANNELS), [[1, 1, 1], [0, 0, 1]])


def test_decisions() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float16)
    np.testing.assert_array_equal(BINARY.decide(logits[0]), logits[0] > 0)
    np.testing.assert_array_equal(HEART.decide(logits), logits.argmax(0))
    np.testing.assert_array_equal(ORGANS.decide(logits[:2]), logits[:2] > 0)
    for labels, values in ((BINARY, logits[0]), (HEART, logits), (ORGANS, logits[:2])):
        assert labels.decide(values).dtype == np.uint8
    for labels in (HEART, ORGANS):
        with pytest.raises(SeglossError, match=r"logits of shape \(4, 5\): expected \(\d classes, \*spatial\)"):
            labels.decide(logits[0])


def test_problems() -> None:
    problems = [labels.problem for labels in (BINARY, HEART, STREET, ORGANS)]
    assert problems == ["binary", "multi-class", "binary", "multi-label"]


def test_losses_are_given_what_the_labels_ask_for() -> None:
    assert BINARY.loss_options == {}
    assert HEART.loss_options == {"ignore_index": IGNORED}
    assert ORGANS.loss_options == {"sigmoid": True, "ignore_index": IGNORED}


@pytest.mark.parametrize("labels", [BINARY, HEART, STREET, ORGANS])
def test_labels_go_through_json(labels: Labels) -> None:
    assert Labels(**json.loads(json.dumps(labels.as_json()))) == labels
    hash(labels)


def test_labels_need_neither_torch_nor_numpy() -> None:
    code = "import sys, lib.labels; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
