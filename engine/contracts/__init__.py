"""Codes, columns and schemas that packages share: data only, nothing of an engine or a file."""
