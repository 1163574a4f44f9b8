"""Ground of all packages: values, argument checks, keyed random numbers, Optuna's private API."""
