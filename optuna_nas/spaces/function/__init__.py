"""Spaces that are functions of a trial."""
