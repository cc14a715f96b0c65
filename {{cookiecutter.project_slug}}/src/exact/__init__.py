"""What decides the bytes of this project's files: how its commands are run and how they write."""
