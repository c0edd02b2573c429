"""Pipelines that EvoSelect drops into: one module each, which alone imports the package it is for."""
