"""The command line as ``python -m optuna_nas``, where its script is not on the path."""

from optuna_nas.cli import main

if __name__ == "__main__":
    main(prog_name="python -m optuna_nas")
