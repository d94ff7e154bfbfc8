"""Hostile input: every kind of file that the studio reads, each through the command that reads it.

A kind is a module here with `cases(folder, seed)`; it writes its files into `folder`, which is its own.
Beside `folder` lies `outside/canary.txt`, which no command may open by a name that isn't in `folder`, and
whose words nothing may say. `python -m tests.hostile` runs them all (`run`: what is asked of each).
"""
