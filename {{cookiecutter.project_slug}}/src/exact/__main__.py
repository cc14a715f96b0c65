"""`python -m exact run CMD...` is `exact run CMD...`, where the tool is not installed."""

import sys

from exact.run import main

if sys.argv[1:2] != ["run"]:
    sys.exit("usage: python -m exact run CMD...")
sys.exit(main(sys.argv[2:]))
