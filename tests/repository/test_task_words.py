"""The package speaks of examples and metrics: images and accuracy have their places."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "optuna_nas"
WORDS = re.compile(r"(?<!-)\b(accurac(y|ies)|images?|class labels?)\b(?!-)", re.IGNORECASE)

OF_IMAGES = {
    "nn",  # networks of images, as published
    "spaces/cells",
    "spaces/layers",
    "spaces/published",
    "scaling",  # networks that grow with the resolution
    "objectives/scaling",
    "visualization/_scaling.py",
    "export/_code.py",  # the function that prepares images
    "final/_resnet.py",
    "final/_transfer.py",  # cells, in larger networks
    "training/data",
    "training/task",
    "training/_recipe.py",  # augmentation
    "training/recipes.py",
    "training/loop/_progressive.py",
    "objectives/proxies/__init__.py",  # figures of NAS-Bench-201
}
"""Files and folders that are about images, or about tasks by their names."""

EXAMPLES = (
    r"Scalable Image|Image (Recognition|Classifier)",  # titles of papers
    r"image=1x64x48|image 1 x 64|'image'|\"image\": \{",  # inputs that have names
    r"--data must name images|command that is for images|on images\.|of images in|resize images",
    r"augmented training images|sees the images as they are",  # arguments for images alone
    r"images, for networks whose resolution|If they are no images|for images with one row",
    r"older cards say by image",  # a format
    r"ACCURACY_KEY =|METRICS``, such as",  # names
    r"By default images|images vary over space|than images|such as images|such as an image",
    r"such as .images.|# the accuracy|supernet\(images|``\(B, I, H, W\)``",  # examples
)
"""Lines in which such a word is an example, a name, or of what is for images alone."""


def test_words_of_a_task_stand_in_tasks_alone() -> None:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if any(name == place or name.startswith(f"{place}/") for place in OF_IMAGES):
            continue
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            said = [m for m in WORDS.finditer(line) if not re.search("|".join(EXAMPLES), line)]
            if said:
                found.append(f"{name}:{number}: {line.strip()}")
    assert not found, "\n".join(found)
