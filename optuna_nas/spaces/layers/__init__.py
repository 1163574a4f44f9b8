"""Spaces of layers and blocks, written down from the image to the classes."""
