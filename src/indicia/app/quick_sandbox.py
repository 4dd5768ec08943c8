"""`python -m indicia.app.quick_sandbox FOLDER`: a sandbox for the test kit, on free ports, until a signal.

What `indicia sandbox --data-dir FOLDER` is, but nothing is kept for a next one, and no command line is read:
importing what reads one takes a tenth of the start, and a suite waits for that before its first test.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path


def main(folder: Path) -> int:
    """Run it; return the exit status. What keeps it from starting is one line on standard error."""
    gc.disable()  # `play` enables it when everything stands: until then there is no garbage to speak of
    from indicia import lean

    lean.import_libraries()
    from indicia.app import sandbox
    from indicia.installation import InstallationError
    from indicia.settings import load
    from indicia.settings.sandbox import DEFAULTS, FREE_PORTS
    from indicia.wire.server import CannotListenError

    defaults = {**DEFAULTS, **FREE_PORTS, "data_dir": str(folder)}
    settings = load(None, {}, {}, terminal=False, defaults=defaults)
    try:
        return sandbox.play(settings, sandbox.Wish())
    except (InstallationError, CannotListenError) as error:
        sys.stderr.write(f"indicia: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
