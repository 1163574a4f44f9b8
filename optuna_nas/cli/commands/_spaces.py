"""``optuna-nas spaces``: what can be searched."""

from __future__ import annotations

import click

__all__ = ["spaces"]


@click.command()
def spaces() -> None:
    """List the spaces of this package."""
    from optuna_nas.spaces import SPACES

    click.echo(f"{'name':<14}{'architectures':>15}  space")
    for name, space in SPACES.items():
        size = space().num_architectures
        shown = f"{size:,}" if size < 10**9 else f"{size:.1e}"
        title = (space.__doc__ or "").strip().splitlines()[0]
        click.echo(f"{name:<14}{shown:>15}  {title}")
    click.echo(
        "\nYour own: --space module:object or --space file.py:object (see @function_space)."
    )
