"""The one sanitizer of a test process: its children are started once, and end with it."""

from __future__ import annotations

import atexit
from typing import Final

from indicia.mail.html.sanitizer import Sanitizer

# However busy the machine is: what a document may take is counted in processor time.
PATIENT: Final = 600.0  # seconds
SANITIZER: Final = Sanitizer(within=PATIENT)
atexit.register(SANITIZER.close)
