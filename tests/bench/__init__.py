"""The benchmark: each work load against us and our peers in turn, in one run.

`tox -e bench` runs it, `tox -e bench-check` compares its ratios to `goals.toml`.
"""
