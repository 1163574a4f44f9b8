"""What holds for every supernet: one path is the mixture whose weights are one and zero."""

import torch


def one_hot(supernet, architecture):
    """Mixing weights that leave one choice of each alpha; an edge that is not used has none."""
    space = architecture.space
    path = {space.prefix + name: value for name, value in space.path(architecture).items()}
    return {
        name: torch.eye(len(choices), dtype=torch.float64)[choices.index(path.get(name, "none"))]
        for name, choices in supernet.choices.items()
    }


def assert_paths_are_one_hot_mixtures(supernet, x, architectures):
    """In double precision, both ways of reading an architecture give the same."""
    supernet, x = supernet.double(), x.double()
    for architecture in architectures:
        torch.testing.assert_close(
            supernet(x, architecture),
            supernet(x, mixture=one_hot(supernet, architecture)),
            rtol=0,
            atol=1e-12,
        )
