"""Classes and splits of the files of a folder, and layouts that are refused.

A folder whose layout is that of something else (splits inside classes, masks beside images, the
classes twice) is an error: it would be read as other classes than are meant.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from optuna_nas.training.data.images._pictures import require_image_file

__all__ = ["PARTS", "class_names", "labelled_files", "part_folders"]

PARTS = ("train", "val", "test")

_EXTENSIONS = frozenset(
    (".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm")
    + (".tif", ".tiff", ".webp")
)
_OTHER_IMAGES = frozenset(
    (".avif", ".cr2", ".dcm", ".dng", ".exr", ".hdr", ".heic", ".heif", ".jp2", ".jxl", ".nef")
    + (".psd", ".svg", ".tga")
)
_OF_SYSTEMS = frozenset(("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information"))
_ROLES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_IMAGE_FOLDERS = frozenset(("image", "images", "img", "imgs", "jpegimages"))
_LABEL_FOLDERS = frozenset(
    ("annotation", "annotations", "bboxes", "label", "labels", "mask", "masks")
    + ("segmentation", "segmentationclass", "segmentations")
)


def part_folders(path: Path) -> dict[str, Path] | None:
    """Return train/, val/ and test/ where the folder has them, None where it has classes.

    Raises:
        ValueError: If it has splits of other names, or other sub-folders beside them.
    """
    folders, _ = _entries(path)
    found = {folder.name: folder for folder in folders}
    if not _has_splits(tuple(found)):
        return None
    others = sorted(set(found) - set(PARTS))
    if others:
        raise ValueError(
            f"A folder with train/ must have no other sub-folders than val/ and test/, but "
            f"{str(path)!r} has {', '.join(map(repr, others))}: rename or move it."
        )
    if "train" not in found:
        raise ValueError(
            f"A folder of splits must have train/, but {str(path)!r} has only "
            f"{' and '.join(f'{name}/' for name in sorted(found))}."
        )
    return found


def class_names(path: Path) -> tuple[str, ...]:
    """Return the names of the classes of a folder, sorted.

    Raises:
        ValueError: If there are not two, or one has a name that is no text.
    """
    folders, _ = _entries(path)
    names = tuple(folder.name for folder in folders)
    _require_no_annotations(path, names)
    if len(names) < 2:
        inside = f" ({names[0]!r}; if that holds the classes, give its path)" if names else ""
        raise ValueError(
            f"A folder of images must have a sub-folder for each of at least 2 classes, but "
            f"{str(path)!r} has {len(names)}{inside}."
        )
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as e:
            raise ValueError(
                f"The name of a class must be UTF-8 text, but {str(path)!r} has {name!r}: rename "
                "the folder."
            ) from e
    return names


def labelled_files(path: Path, classes: tuple[str, ...]) -> tuple[list[Path], list[int]]:
    """Return the image files of a folder of classes, in order, and their labels.

    Raises:
        ValueError: If there is another class, none with images, or a class without.
    """
    folders, _ = _entries(path)
    present = {folder.name for folder in folders}
    if present - set(classes):
        raise ValueError(
            f"Every class must be in train/ too, but {str(path)!r} has the class "
            f"{min(present - set(classes))!r}: the classes are {', '.join(classes)}."
        )
    found: list[Path] = []
    labels: list[int] = []
    nested: Counter[str] = Counter()
    for label, name in enumerate(classes):
        if name not in present:
            continue  # only possible in val/ and test/
        files, inside = _image_files(path / name, classes)
        found += files
        labels += [label] * len(files)
        nested.update(inside)
    if not found:
        raise ValueError(
            f"The folder {str(path)!r} must have images, but has none in sub-folders of classes: "
            "sort them into such, or move the folder away."
        )
    _warn_of_inner_classes(path, classes, nested)
    return found, labels


def _has_splits(names: tuple[str, ...]) -> bool:
    """Say whether sub-folders are splits; one of such a name among others may be a class."""
    whole = {_ROLES[name.lower()] for name in names if name.lower() in _ROLES}
    if "train" in whole and len(whole) > 1:
        return True
    roles = [_role(name) for name in names]
    return None not in roles and len(set(roles)) > 1


def _role(name: str) -> str | None:
    """Return the split that a name such as "seg_train" or "Test-Images" speaks of."""
    words = name.lower().replace("-", "_").replace(" ", "_").split("_")
    found = {_ROLES[word] for word in words if word in _ROLES}
    return found.pop() if len(found) == 1 else None


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return sub-folders and files, sorted, but those that are hidden or an operating system's."""
    folders: list[Path] = []
    files: list[Path] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _OF_SYSTEMS:
                continue
            path = folder / entry.name
            if entry.is_symlink() and not path.exists():
                raise ValueError(
                    f"Every link in a folder of images must lead somewhere, but {str(path)!r} "
                    "does not: mend or remove it."
                )
            (folders if entry.is_dir() else files).append(path)
    return sorted(folders), sorted(files)


def _walk(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[tuple[Path, list[Path]]]:
    """Yield the folder and all folders in it, links followed, each with its files."""
    real = folder.resolve()
    if real in above:
        raise ValueError(
            f"A folder of images must not hold itself, but the link {str(folder)!r} leads to "
            f"{str(real)!r}, in which it lies: remove it."
        )
    folders, files = _entries(folder)
    yield folder, files
    for inner in folders:
        yield from _walk(inner, (*above, real))


def _image_files(folder: Path, classes: tuple[str, ...]) -> tuple[list[Path], set[str]]:
    """Return the images of a class, and the names of the sub-folders directly in it."""
    found: list[Path] = []
    inner_names: dict[Path, list[str]] = {}
    for inner, files in _walk(folder):
        inner_names[inner] = []
        if inner != folder:
            inner_names[inner.parent].append(inner.name)
        for file in files:
            suffix = file.suffix.lower()
            if suffix in _EXTENSIONS:
                require_image_file(file)
                found.append(file)
            elif suffix in _OTHER_IMAGES:
                raise ValueError(
                    f"Every image must be of a format that is read, but {str(file)!r} is not: "
                    "convert it to PNG or remove it."
                )
    for inner, names in inner_names.items():
        _require_inside_a_class(inner, tuple(names), classes)
    if not found:
        raise ValueError(
            f"Every class must have images, but {str(folder)!r} has none ending in "
            f"{', '.join(sorted(_EXTENSIONS))}: add some or remove the folder."
        )
    return sorted(found), set(inner_names[folder])


def _require_inside_a_class(
    folder: Path, names: tuple[str, ...], classes: tuple[str, ...]
) -> None:
    _require_no_annotations(folder, names)
    if _has_splits(names):
        raise ValueError(
            f"Splits must be the outermost sub-folders, train/CLASS/, but {str(folder)!r} has "
            f"{', '.join(map(repr, names))} inside a class: move them out."
        )
    again = sorted(set(names) & set(classes))
    if len(again) > 1:
        raise ValueError(
            f"A class must not hold other classes, but {str(folder)!r} has sub-folders of the "
            f"names {again[0]!r} and {again[1]!r}: move or remove it."
        )


def _require_no_annotations(folder: Path, names: tuple[str, ...]) -> None:
    """Raise at images/ beside labels/ or masks/, which would be read as two classes."""
    lowered = {name.lower() for name in names}
    if (
        lowered & _IMAGE_FOLDERS
        and lowered & _LABEL_FOLDERS
        and (lowered <= _IMAGE_FOLDERS | _LABEL_FOLDERS)
    ):
        raise ValueError(
            f"A folder of images must have a sub-folder for each class, but {str(folder)!r} has "
            f"{' and '.join(map(repr, sorted(names)))}, a layout for detection or segmentation: "
            "sort the images by class, and move labels and masks away."
        )


def _warn_of_inner_classes(path: Path, classes: tuple[str, ...], nested: Counter[str]) -> None:
    """Warn where every class has the same sub-folders, which may be the classes that are meant."""
    common = sorted(name for name, count in nested.items() if count == len(classes))
    if len(common) > 1:
        warnings.warn(
            f"The classes of {str(path)!r} are {', '.join(classes)}, and each has the sub-folders "
            f"{', '.join(common[:3])}{', ...' if len(common) > 3 else ''}, whose images are read "
            "as its own: if those are the classes, give the path of the folder around them.",
            stacklevel=2,
        )
