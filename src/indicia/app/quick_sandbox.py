"""`python -m indicia.app.quick_sandbox FOLDER [DOMAIN]`: a sandbox for the test kit, until a signal.

What `indicia sandbox --data-dir FOLDER --service-domain DOMAIN` is on free ports, but nothing is kept for a
next one, and no command line is read: importing what reads one takes a tenth of the start, and a suite waits
for that before its first test.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path


def main(folder: Path, service_domain: str | None = None) -> int:
    """Run it; return the exit status. What keeps it from starting is one line on standard error."""
    gc.disable()  # `play` enables it when everything stands: until then there is no garbage to speak of
    from indicia.runtime import lazy_imports

    lazy_imports.import_libraries()
    from indicia.app import sandbox
    from indicia.installation import InstallationError
    from indicia.settings import SettingsError, load
    from indicia.settings.sandbox import DEFAULTS, FREE_PORTS
    from indicia.wire.http.server import CannotListenError

    defaults = {**DEFAULTS, **FREE_PORTS, "data_dir": str(folder)}
    named = {} if service_domain is None else {"service_domain": service_domain}
    try:
        settings = load(None, {}, named, terminal=False, defaults=defaults)
        return sandbox.play(settings, sandbox.Wish())
    except (SettingsError, InstallationError, CannotListenError) as error:
        sys.stderr.write(f"indicia: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
