"""Damaged files for every reader of the package: an error of ours or a sound result, at no great cost."""
