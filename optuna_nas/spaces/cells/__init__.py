"""Spaces of cells: a normal and a reduction cell, stacked."""
