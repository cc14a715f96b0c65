"""`python -m exact_model` is `exact`."""

import sys

from exact_model.cli import main

sys.exit(main())
