"""The parts of one life of a trial: limits, costs, reuse, failures, checkpoints, picture."""
