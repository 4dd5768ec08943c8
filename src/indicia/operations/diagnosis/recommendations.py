"""ListRecommendations, v2: what is to be improved about the domains of the account.

The verifier looks, now and then; this reads what it noted. Only DKIM, DMARC, SPF and BIMI are looked into:
the other types exist as filters, and nothing is ever listed under them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from indicia.domain.arns import identity_arn
from indicia.domain.diagnosis.recommendations import Code, Impact, Progress
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.resources import ResourceKind, parse_resource
from indicia.domain.names import shown
from indicia.operations import paging
from indicia.store.diagnosis import recommendations
from indicia.store.diagnosis.recommendations import Listed, RecommendationSelection
from indicia.store.identities import identities
from indicia.wire.shapes import sesv2
from indicia.wire.shapes.rules import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session

LARGEST_PAGE: Final = 100
# SES v2 ListRecommendationsRequest: one filter alone, or one of these pairs.
_TOGETHER: Final = (frozenset({"STATUS", "IMPACT"}), frozenset({"STATUS", "TYPE"}))
_VALUES: Final[dict[str, frozenset[str]]] = {
    "STATUS": frozenset(each.value for each in Progress),
    "IMPACT": frozenset(each.value for each in Impact),
    # RecommendationType of the model; those that no code is about are listed as empty.
    "TYPE": frozenset({"BIMI", "BOUNCE", "COMPLAINT", "DKIM", "DMARC", "FEEDBACK_3P", "IP_LISTING", "SPF"}),
}


def list_recommendations(
    context: OperationContext, call: Call, request: sesv2.ListRecommendationsRequest, s: Session
) -> sesv2.ListRecommendationsResponse:
    """SES v2 ListRecommendations, in the order of names and codes.

    Raises: `Fault` INVALID_PARAMETER for a filter that there is not, a bad page size or token; NOT_FOUND for
    an ARN of an identity that is not there.
    """
    size = LARGEST_PAGE if request.PageSize is None else request.PageSize
    if not 1 <= size <= LARGEST_PAGE:
        refuse(FaultKind.INVALID_PARAMETER, f"The page size must be between 1 and {LARGEST_PAGE}")
    wanted = _wanted(call, request.Filter or {}, s)
    place = paging.place_of(request.NextToken, paging.RECOMMENDATIONS, call, context.ports.keyring)
    code, _, name = place.partition(" ")
    page = recommendations.page(s, call.account, call.region, wanted, after=(name, code), limit=size + 1)
    return sesv2.ListRecommendationsResponse(
        Recommendations=[_shown(call, each) for each in page[:size]],
        NextToken=_token(context, call, page[size - 1]) if len(page) > size else None,
    )


def _wanted(call: Call, filters: Mapping[str, str], s: Session) -> RecommendationSelection:
    if len(filters) > 1 and frozenset(filters) not in _TOGETHER:
        refuse(
            FaultKind.INVALID_PARAMETER,
            "Filter must be a single filter, or a combination of STATUS and IMPACT or of STATUS and TYPE.",
        )
    for key, value in filters.items():
        if key in _VALUES and value not in _VALUES[key]:
            refuse(FaultKind.INVALID_PARAMETER, f"Invalid value <{shown(value)}> for filter <{key}>.")
    kind, impact, status = filters.get("TYPE"), filters.get("IMPACT"), filters.get("STATUS")
    codes = [
        code for code in Code if kind in (None, code.topic.value) and impact in (None, code.impact.value)
    ]
    arn = filters.get("RESOURCE_ARN")
    return RecommendationSelection(
        codes, None if status is None else Progress(status), None if arn is None else _named(call, arn, s)
    )


def _named(call: Call, arn: str, s: Session) -> str:
    """Return the name of the identity that the ARN is of; the region is that of the call, as for tags."""
    resource = parse_resource(arn, call.account)
    if resource.kind is not ResourceKind.IDENTITY:
        refuse(FaultKind.INVALID_PARAMETER, "RESOURCE_ARN must be the ARN of an email identity.")
    if identities.get(s, call.account, call.region, resource.name) is None:
        refuse(FaultKind.NOT_FOUND, resource.missing)
    return resource.name


def _token(context: OperationContext, call: Call, last: Listed) -> str:
    place = f"{last.recommendation.code.value} {last.name}"
    return paging.token_after(place, paging.RECOMMENDATIONS, call, context.ports.keyring)


def _shown(call: Call, listed: Listed) -> sesv2.Recommendation:
    recommendation = listed.recommendation
    return sesv2.Recommendation(
        ResourceArn=identity_arn(call.region, call.account, listed.name),
        Type=recommendation.code.topic.value,
        Description=recommendation.code.value,
        Status=recommendation.progress.value,
        CreatedTimestamp=timestamp(recommendation.created_at),
        LastUpdatedTimestamp=timestamp(recommendation.updated_at),
        Impact=recommendation.code.impact.value,
    )
