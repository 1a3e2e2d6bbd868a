"""The work loads, one module for each family."""
