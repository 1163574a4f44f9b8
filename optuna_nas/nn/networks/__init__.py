"""Whole networks and the cells and heads that they are assembled from."""
