"""The words of the `exact` command: each is a module that takes its arguments and prints.

Each has `add_arguments(parser)` and `main(arguments)`, whose value is the exit status. They are
imported when their word is called. How a command ends otherwise is said in exact_model.cli.
"""
