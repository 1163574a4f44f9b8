"""Pictures and notes of scaled networks."""

from __future__ import annotations

import re
from pathlib import Path

from known_networks import BASE, KNOWN, TINY, one_size, run
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from plain_network import PlainNetwork
from torch import nn

from optuna_nas.objectives.scaling._picture import picture_of


def test_a_trial_has_a_picture_and_a_note_of_its_network(tmp_path: Path) -> None:
    study = run(one_size(artifact_store=FileSystemArtifactStore(tmp_path)))
    (artifact,) = get_all_artifact_meta(study.trials[0], storage=study._storage)
    assert "stage 1: " in (tmp_path / artifact.artifact_id).read_text()
    attributes = study._storage.get_study_system_attrs(study._study_id)
    (note,) = [value for key, value in attributes.items() if "note" in key and "ver" not in key]
    assert "ResNet (width 0.125, depth 1, 12 px)" in note
    assert re.search(r"validation accuracy \*\*\d+\.\d\d%\*\*; [\d,]+ parameters", note)


def test_a_picture_shows_the_stages_of_any_network() -> None:
    graph = picture_of(TINY, KNOWN)
    labels = [node.label for node in graph.nodes]
    assert labels[0] == "1 x 8 x 8"
    assert labels[2].startswith("stage 1: ")
    assert labels[-1] == "10 classes"
    total = TINY.profile(**KNOWN).params
    drawn = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) parameters", " ".join(labels))]
    assert sum(drawn) == total
    assert picture_of(BASE.at(depth=30), KNOWN).title.startswith("PlainNetwork")


class Many(PlainNetwork):
    def _build(self, num_classes: int, in_channels: int) -> nn.Module:
        return nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(30)))


def test_a_picture_of_many_parts_stays_small() -> None:
    labels = [node.label for node in picture_of(Many(), KNOWN).nodes]
    assert len(labels) == 14
    assert labels[-2] == "19 more parts\n76 parameters"
