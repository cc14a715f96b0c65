"""The machinery that keeps a commit's model exact; the project's code is the other package."""
