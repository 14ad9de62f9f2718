"""Measures SFTP servers against each other; `tests/bench/run` is the way in."""
