"""`python -m exact` is `exact`, where no script of that name is installed."""

import sys

from exact.cli import main

sys.exit(main())
