"""Objectives that scale a network up."""
