"""The operations of DKIM: who signs with which key."""

from __future__ import annotations

from typing import Final

from indicia.operations.dkim import dkim_settings, replication_offer, rotating
from indicia.operations.entry import prepared, v1, v2
from indicia.operations.own.declaration import IDENTITY, own
from indicia.operations.own.route import OwnRoute
from indicia.wire.shapes import ses, sesv2

ENTRIES: Final = (
    v2(
        "PutEmailIdentityDkimAttributes",
        sesv2.PutEmailIdentityDkimAttributesRequest,
        sesv2.PutEmailIdentityDkimAttributesResponse,
        dkim_settings.put_dkim_attributes,
        writes=True,
    ),
    v2(
        "PutEmailIdentityDkimSigningAttributes",
        sesv2.PutEmailIdentityDkimSigningAttributesRequest,
        sesv2.PutEmailIdentityDkimSigningAttributesResponse,
        prepared(
            dkim_settings.put_dkim_signing_attributes,
            dkim_settings.prepare_signing,
            slow=dkim_settings.is_slow,
        ),
        writes=True,
    ),
    v1(
        "SetIdentityDkimEnabled",
        ses.SetIdentityDkimEnabledRequest,
        ses.SetIdentityDkimEnabledResponse,
        dkim_settings.set_dkim_enabled,
        writes=True,
        subject="Identity",
    ),
    own(
        OwnRoute(
            "POST",
            f"{IDENTITY}/rotate",
            "RotateIdentityKey",
            rotating.RotateRequest,
            rotating.RotateResponse,
            "Publishes the next key of Easy DKIM, which signs once it was seen.",
            status=202,
        ),
        rotating.rotate_identity,
        writes=True,
    ),
    own(
        OwnRoute(
            "GET",
            "/indicia/v1/replication/{name}",
            "ReplicateIdentity",
            replication_offer.ReplicationRequest,
            replication_offer.ReplicationResponse,
            "The tokens and keys of a parent, for a replica in another installation.",
            query={"replica-region": "the region of the replica"},
        ),
        replication_offer.offer_keys,
        writes=True,
    ),
)
