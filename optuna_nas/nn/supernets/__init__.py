"""Supernets: all the networks of a space on shared weights."""
