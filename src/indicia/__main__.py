"""`python -m indicia` is the command `indicia`."""

import sys

from indicia.cli import main

sys.exit(main())
