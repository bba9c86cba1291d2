"""Shenzhen chest X-rays (Jaeger et al., Quant. Imaging Med. Surg. 2014) with lung masks (Stirenko et al., ELNANO 2018).

Layout: `CXR_png/CHNCXR_<nnnn>_<0 or 1>.png`, or .jpg in `images` or `img`; `mask/CHNCXR_<nnnn>_<0 or 1>_mask.png`, also
in `masks` or without `_mask`. The last digit is 1 for tuberculosis. 566 of the 662 images have a mask; the others are
excluded. Every image is of another patient.

Preparation is T-Loss's (Gonzalez-Jimenez et al., MICCAI 2023): image and mask resized to ``size`` whatever their
aspect, the mask (all above 0) with OpenCV's nearest neighbours unless ``centred_nearest``.

Split `published`: T-Loss's code, 30 % of the sorted masks drawn with seed 0 are `test` (170 of 566), which the code
also evaluates in every epoch; `validation` is empty. Split `holdout`: the same test part, and a tenth of the others,
drawn with seed 0, as `validation`. Split `stratified`: as its paper says, 30 % of those with and 30 % of those without
tuberculosis, seed 0.
"""

import random
from collections.abc import Sequence
from typing import Any

from lib.datasets.adapters import pictures, splits
from lib.datasets.adapters.pictures import preparation
from lib.datasets.index import Index, IndexedCase
from lib.datasets.raw import RawFiles
from lib.store import Case

_FILES = {
    "image": r"(?:CXR_png|images|img)/(?P<id>CHNCXR_\d{4}_[01])\.(?:png|jpg)",
    "mask": r"masks?/(?P<id>CHNCXR_\d{4}_[01])(?:_mask)?\.png",
}


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Pair images and masks by id; the draw is among all masks, so that it stays the published one."""
    complete, incomplete = raw.cases(_FILES)
    masks = sorted(raw.matching(_FILES["mask"]))
    of_flag = [[name for name in masks if name.endswith(flag)] for flag in ("_0", "_1")]
    stratified = [name for names in of_flag for name in _thirty_percent(names)]
    published = splits.held_out(masks, _thirty_percent(masks))
    validated = splits.in_proportion(1, 10, len(published["train"]))
    return Index(
        {case: IndexedCase(case, files) for case, files in complete.items()},
        {
            "published": published,
            "stratified": splits.held_out(masks, stratified),
            "holdout": splits.with_validation(published, validated),
        },
        incomplete,
    )


def _thirty_percent(names: Sequence[str]) -> list[str]:
    return random.Random(0).sample(names, round(0.3 * len(names)))


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Image (1, height, width) in [0, 1] and label of 1 on the lungs."""
    mask = pictures.check_shown(pictures.read_foreground(*entry.files["mask"]), "lung")
    image = pictures.read_grey(*entry.files["image"])
    return pictures.make_case(image, mask, entry.patient, preparation(parameters), parameters["centred_nearest"])
