"""Private keys opened and loaded once, for whoever signs with them again and again.

Opening and loading take some 20 µs, a signature 570: what is saved is little, but it is saved on every mail.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from indicia.vault.keyring import Keyring
from indicia.vault.purposes import PRIVATE_KEY
from indicia.vault.rsa import load_trusted

MOST: Final = 4096  # some 4 KB each


class LoadedKeys:
    """The keys used last, by the id under which they are stored. Safe to use from several threads."""

    def __init__(self, keyring: Keyring, most: int = MOST) -> None:
        self._keyring = keyring
        self._most = most
        self._keys: OrderedDict[int, RSAPrivateKey] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._keys)

    def load(self, key_id: int, sealed: bytes) -> RSAPrivateKey:
        """Return the key that is stored under the id, sealed so.

        Loaded without the library's checks: it was made here, or checked in full when it was uploaded.

        Raises: `KeyringError` when the keyring does not open it.
        """
        with self._lock:
            key = self._keys.get(key_id)
            if key is not None:
                self._keys.move_to_end(key_id)
                return key
        key = load_trusted(self._keyring.open(sealed, PRIVATE_KEY))
        with self._lock:
            self._keys[key_id] = key
            while len(self._keys) > self._most:
                self._keys.popitem(last=False)
        return key
