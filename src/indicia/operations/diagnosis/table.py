"""The operations of diagnosis: what is wrong, and what is to be improved."""

from __future__ import annotations

from typing import Final

from indicia.operations.diagnosis import diagnosing, recommendations
from indicia.operations.entry import Handling, Rate, v2
from indicia.operations.own.declaration import IDENTITY, own
from indicia.operations.own.route import OwnRoute
from indicia.verifier.diagnosis.diagnosis import Diagnosis
from indicia.wire.shapes import sesv2

ENTRIES: Final = (
    v2(
        "ListRecommendations",
        sesv2.ListRecommendationsRequest,
        sesv2.ListRecommendationsResponse,
        recommendations.list_recommendations,
        writes=False,
        subject="",
    ),
    own(
        OwnRoute(
            "GET",
            f"{IDENTITY}/diagnosis",
            "DiagnoseIdentity",
            diagnosing.DiagnosisRequest,
            Diagnosis,
            "Looks at the DNS now and explains, record by record. Moves no state.",
        ),
        Handling(None),
        writes=False,
        rate=Rate.CHECK,
    ),
)
