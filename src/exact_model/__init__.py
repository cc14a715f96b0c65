"""Which model is this, and does its commit reproduce it? The `exact` command, as a package.

It knows git, DVC and files. Of a project's code it imports nothing: only `exact run` and the stages
of a rebuild run that, in processes of their own.
"""

__version__ = "0.1.0"
